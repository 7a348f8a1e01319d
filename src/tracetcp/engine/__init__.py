"""Decides what to send next, how long to wait and when to stop. No I/O, no clock.

An engine is told the time, the replies and the send failures, and answers what to send, when to wake and what
was decided. ``open_engine`` picks one: ``trace`` for path traces (a window of TTLs for each port), ``scan``
for port scans (one TTL beyond any path, a congestion window over ports). All engines of a run share a
``RunState``.

Reading order: ``trace.path`` (the rules of one trace) with its parts ``trace.window``, ``trace.ending`` and
``trace.losses``; ``trace.scheduler`` (many paths); ``scan.port_scan``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracetcp.config import TraceConfig
    from tracetcp.engine.run_state import RunState
    from tracetcp.model import Event, Probe, Reply
UNBOUNDED = 1 << 20
"""A capacity that no run reaches."""


class Engine(Protocol):
    """What the runner may call. Instants are seconds on the prober's clock."""

    @property
    def ports_done(self) -> int:
        """Ports that are traced and whose events were taken."""

    @property
    def is_done(self) -> bool:
        """Whether everything is decided and every event was taken."""

    def next_probes(self, now: float, most: int) -> Sequence[Probe]:
        """Up to ``most`` probes to send now; then tell ``sent()`` or ``failed()`` of each.

        Of a single one that comes before the next call; of several it may come later, but ahead of any
        reply to them.
        """

    def sent(self, probe: Probe, at: float) -> None:
        """Tell that ``probe`` left at ``at``."""

    def failed(self, probe: Probe, at: float) -> None:
        """Tell that ``probe`` could not be sent."""

    def receive(self, reply: Reply) -> None:
        """Take a reply into account; one to an unknown token is ignored."""

    def advance(self, now: float) -> None:
        """Let time pass. Every reply received before ``now`` must have been told already."""

    def wake_at(self) -> float:
        """When to call ``advance()`` and ``next_probes()`` again if no reply comes before."""

    def events(self) -> list[Event]:
        """What was decided since the last call, in display order."""


def open_engine(
    config: TraceConfig, state: RunState, capacity: int = UNBOUNDED, *, shares_flows: bool = True
) -> Engine:
    """The engine for ``config``, which shares what it learns by ``state`` with the others of its run.

    ``capacity`` is the number of probes that the prober can have in flight; ``shares_flows`` says whether
    those of one flow may be in flight together.
    """
    if config.is_scan:
        from tracetcp.engine.scan.port_scan import ScanEngine

        return ScanEngine(config, state, capacity)
    from tracetcp.engine.trace.scheduler import TraceEngine

    return TraceEngine(config, state, capacity, shares_flows=shares_flows)
