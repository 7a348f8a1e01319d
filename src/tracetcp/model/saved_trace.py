"""A trace as its JSON object keeps it (docs/json.md): what two runs can be compared by. Frozen values.

Fewer fields than a trace has: no names, no instants of probes, no RTTs, because none of these makes a
difference.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

REACHED = ("open", "closed")
ANSWERS = ("syn-ack", "rst")
NOT_TRACED = "not-traced"
"""The outcome of a target that could not be traced: it has no probes, and an error that says why."""


class SavedProbe(NamedTuple):
    """A probe and its main reply: the fields of docs/json.md.

    ``source_port`` is None where the file does not tell it. ``kind`` is None for a lost probe. ``more_kinds``
    are those of its further replies.
    """

    ttl: int
    source_port: int | None = None
    kind: str | None = None
    sender: str | None = None
    origin: str | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None
    changed: frozenset[str] = frozenset()
    flow: int = 0
    more_kinds: frozenset[str] = frozenset()


class SavedVerdict(NamedTuple):
    """A verdict: the fields of docs/json.md."""

    kind: str
    sentence: str
    hop: int | None = None
    address: str | None = None


@dataclass(frozen=True, kw_only=True)
class SavedTrace:
    """A trace of ``port`` to ``address``, from ``start_hop`` to at most ``last_ttl``.

    ``probes`` are those of this port, controls left out. ``end_ttl`` is the TTL of the row that ended the
    trace, None where it ran out of hops. ``source`` is the address it was sent from, None where the file does
    not tell. ``has_fixed_flows`` says that source ports were asked for, so that another run can have the same
    ones. Where it could not be traced ``error`` says why, and ``address`` is empty if there was none.
    """

    host: str
    address: str
    port: int
    started_at: str
    outcome: str
    end_ttl: int | None
    start_hop: int
    last_ttl: int
    probes: tuple[SavedProbe, ...]
    verdicts: tuple[SavedVerdict, ...] = ()
    source: str | None = None
    has_fixed_flows: bool = False
    error: str = ""

    @property
    def is_traced(self) -> bool:
        """Whether it could be traced."""
        return self.outcome != NOT_TRACED

    @property
    def is_reached(self) -> bool:
        """Whether the destination, or who speaks in its name, answered."""
        return self.outcome in REACHED

    @cached_property
    def expired(self) -> tuple[SavedProbe, ...]:
        """The probes whose TTL ran out at a router."""
        return tuple(probe for probe in self.probes if probe.kind == "time-exceeded")

    @cached_property
    def routers(self) -> Mapping[int, frozenset[str]]:
        """By TTL: the addresses that said that a probe's TTL ran out there."""
        found: dict[int, set[str]] = {}
        for probe in self.expired:
            found.setdefault(probe.ttl, set()).add(probe.sender or "")
        return {ttl: frozenset(senders) for ttl, senders in sorted(found.items())}

    @cached_property
    def lost(self) -> Counter[int]:
        """By TTL: how many probes got no answer."""
        return Counter(probe.ttl for probe in self.probes if probe.kind is None)

    @property
    def last_router(self) -> int | None:
        """The highest TTL at which a router answered."""
        return max(self.routers, default=None)

    @property
    def end(self) -> SavedProbe | None:
        """The probe whose answer ended the trace."""
        wanted = ANSWERS if self.is_reached else ("unreachable",)
        return next((p for p in self.probes if p.ttl == self.end_ttl and p.kind in wanted), None)

    @cached_property
    def source_ports(self) -> frozenset[int]:
        """The source ports of its probes, as far as the file tells them."""
        return frozenset(probe.source_port for probe in self.probes if probe.source_port is not None)

    @cached_property
    def contradictions(self) -> tuple[SavedProbe, ...]:
        """The probes that expired at a router where they, or nearer ones of their flow, had been answered.

        Answered as by the destination, that is: somebody nearer answers in its name, and lets probes pass.
        """
        answered: dict[int, int] = {}
        for probe in self.probes:
            if probe.kind in ANSWERS or not probe.more_kinds.isdisjoint(ANSWERS):
                answered[probe.flow] = min(probe.ttl, answered.get(probe.flow, probe.ttl))
        return tuple(
            probe
            for probe in self.expired
            if probe.sender != self.address and probe.ttl >= answered.get(probe.flow, probe.ttl + 1)
        )

    def verdict(self, *kinds: str) -> SavedVerdict | None:
        """The first verdict of ``kinds``."""
        return next((verdict for verdict in self.verdicts if verdict.kind in kinds), None)
