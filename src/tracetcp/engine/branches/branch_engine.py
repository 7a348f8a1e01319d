"""The search for branches after the trace of a port: an engine round the engine of the trace.

The trace is made as ever, and its rows are shown as they are decided; its probes count for the search. The
verdict on the trace is held back, so that one event tells all of the port.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from tracetcp.engine.branches.graph import branches_of
from tracetcp.engine.branches.search import BranchSearch
from tracetcp.model import VerdictReached

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracetcp.config import TraceConfig
    from tracetcp.engine import Engine
    from tracetcp.engine.run_state import RunState
    from tracetcp.model import Event, Probe, Reply


class BranchEngine:
    """An engine whose ``VerdictReached`` has the branches of the port; ``inner`` traces and judges it."""

    def __init__(
        self,
        inner: Engine,
        config: TraceConfig,
        state: RunState,
        capacity: int,
        *,
        shares_flows: bool = True,
        percent: int = 95,
    ) -> None:
        self._inner = inner
        self._port = config.ports[0]
        self._percent = percent
        self._state = state
        self._search = BranchSearch(
            self._port, config, state, capacity, shares_flows=shares_flows, percent=percent
        )
        self._traced: dict[int, tuple[Probe, float, list[Reply]]] = {}
        """By token: the probes of the trace, as they left."""
        self._held: list[VerdictReached] = []
        self._is_searching = False
        self._is_over = False

    @property
    def ports_done(self) -> int:
        """See ``Engine``."""
        return self._inner.ports_done

    @property
    def is_done(self) -> bool:
        """See ``Engine``."""
        return self._is_over

    def next_probes(self, now: float, most: int) -> Sequence[Probe]:
        """See ``Engine``."""
        return (
            self._search.next_probes(now, most) if self._is_searching else self._inner.next_probes(now, most)
        )

    def sent(self, probe: Probe, at: float) -> None:
        """See ``Engine``."""
        if self._is_searching:
            self._search.sent(probe, at)
            return
        self._inner.sent(probe, at)
        if probe.port == self._port and not probe.min_reply_ttl:
            self._traced[probe.token] = (probe, at, [])

    def failed(self, probe: Probe, at: float) -> None:
        """See ``Engine``."""
        (self._search if self._is_searching else self._inner).failed(probe, at)

    def receive(self, reply: Reply) -> None:
        """See ``Engine``."""
        if self._is_searching:
            self._search.receive(reply)
            return
        self._inner.receive(reply)
        if reply.token in self._traced:
            self._traced[reply.token][2].append(reply)

    def advance(self, now: float) -> None:
        """See ``Engine``."""
        (self._search if self._is_searching else self._inner).advance(now)

    def wake_at(self) -> float:
        """See ``Engine``."""
        if self._is_searching:
            return -inf if self._search.is_done else self._search.wake_at()
        return self._inner.wake_at()

    def events(self) -> list[Event]:
        """See ``Engine``."""
        ready: list[Event] = []
        for event in self._inner.events():
            if isinstance(event, VerdictReached):
                self._held.append(event)
            else:
                ready.append(event)
        if self._inner.is_done and not self._is_searching:
            self._begin()
        ready += self._search.events()
        if self._search.is_done and not self._is_over:
            ready += self.release()
        return ready

    def _begin(self) -> None:
        self._is_searching = True
        for probe, at, replies in self._traced.values():
            self._search.take_over(probe, at, replies)
        self._traced.clear()

    def release(self) -> list[Event]:
        """The verdict held back, with what was found by now; nothing more is sent."""
        self._is_over = True
        if self._is_searching:
            self._search.stop()
        found = branches_of(self._search, self._port, self._percent)
        held, self._held = self._held, []
        return [event._replace(branches=found) for event in held]
