"""Two traces of one target, and what of them may be held against each other. Pure.

Routers that share load choose the way by addresses, ports and, over IPv6, the flow label. So only probes of
the same flow are bound to go the same way in both runs:

R1. A flow is shared if probes of both traces left from the same source port.
R2. None is where the traces were sent from different addresses.
R3. None is over IPv6 unless both runs asked for their source ports: the flow labels are drawn by chance else.
R4. Where one trace met two routers on one flow at one TTL, load is shared packet by packet: nothing is known
    of that place.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tracetcp.model.saved_trace import SavedProbe, SavedTrace


class Pair:
    """An ``old`` and a ``new`` trace of one address."""

    def __init__(self, old: SavedTrace, new: SavedTrace) -> None:
        self.old = old
        self.new = new

    @cached_property
    def flows(self) -> frozenset[int]:
        """The source ports of the flows that both traces share."""
        old, new = self.old, self.new
        if old.source and new.source and old.source != new.source:  # R2
            return frozenset()
        if ":" in new.address and not (old.has_fixed_flows and new.has_fixed_flows):  # R3
            return frozenset()
        return old.source_ports & new.source_ports  # R1

    def shared(self, trace: SavedTrace) -> tuple[SavedProbe, ...]:
        """The probes of ``trace`` on shared flows."""
        return tuple(probe for probe in trace.probes if probe.source_port in self.flows)

    def met(self, trace: SavedTrace) -> Mapping[tuple[int, int], str]:
        """By TTL and shared flow: the one router whose Time Exceeded came back."""
        found: dict[tuple[int, int], set[str]] = {}
        for probe in trace.expired:
            if probe.source_port in self.flows and probe.source_port is not None:
                found.setdefault((probe.ttl, probe.source_port), set()).add(probe.sender or "")
        return {place: senders.pop() for place, senders in found.items() if len(senders) == 1}  # R4
