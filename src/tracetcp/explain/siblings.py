"""The ports of one run as controls of each other: those that ended, and those under way. No I/O, no clock.

R1. Once a port is answered, its end is held until every other one under way was answered, too, or met
    ``MOST_AHEAD`` TTLs of silence; but no longer than a probe waits for its answer.
R2. A port that is not decided is to be asked as far as any other one met a router (``ending`` R8): whoever
    answers nearer may let its probes pass.
R3. Of those that ended the farthest ``MOST_SIBLINGS`` serve as controls. For a port that is answered so do
    those under way that met a router as far away or farther, with what answered them so far.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from tracetcp.explain.so_far import LiveTrace
from tracetcp.verdicts.nearness import farthest_router

if TYPE_CHECKING:
    from tracetcp.config import TraceConfig
    from tracetcp.engine.run_state import RunState
    from tracetcp.model import Probe, Reply
    from tracetcp.model.evidence import TracedPort

MOST_SIBLINGS = 8
"""Ports of the run that serve the others as controls: enough to tell a block from chance."""


class Siblings:
    """The ports of ``config``, traced to ``destination``; what they tell of each other goes into ``state``.

    With ``may_hold`` ends wait for others (R1, R2).
    """

    def __init__(self, config: TraceConfig, destination: str, state: RunState, *, may_hold: bool) -> None:
        self.ended: list[TracedPort] = []
        """The farthest of them (R3), farthest first."""
        self._last_ttl = config.last_ttl
        self._timeout = config.timeout
        self._destination = destination
        self._state = state
        self._may_hold = may_hold
        self._live: dict[int, LiveTrace] = {}
        """By port: those under way."""
        self._held_until: dict[int, float] = {}
        """By port: until when an end is held at most."""

    def sent(self, probe: Probe, at: float) -> None:
        """``probe`` left at ``at``, for the trace of its port."""
        if self._may_hold:
            self._live.setdefault(probe.port, LiveTrace(probe.port, self._last_ttl)).sent(probe, at)

    def received(self, reply: Reply) -> None:
        """One of them was answered."""
        for port, live in self._live.items():
            if live.received(reply) and live.nearest_answer_ttl and port not in self._held_until:
                self._held_until[port] = reply.received_at + self._timeout
                self._state.held_ports.add(port)

    def advance(self, now: float) -> None:
        """Let time pass: release what need not be held."""
        self._release(now)
        for port in self._held_until:
            self._state.routers_of_controls[port] = self._farthest_router_but(port)  # R2

    def _release(self, now: float) -> None:
        is_open = {port for port, live in self._live.items() if not live.is_heard}
        for port, until in self._held_until.items():
            if until <= now or not is_open:  # R1
                self._state.held_ports.discard(port)

    def _farthest_router_but(self, port: int) -> int:
        others = [live.farthest_router_ttl for other, live in self._live.items() if other != port]
        ended = [farthest_router(each, self._destination) for each in self.ended]
        return max([*others, *ended], default=0)

    def wake_at(self) -> float:
        """When ``advance()`` has something to do though nothing arrives, infinity for never."""
        held = (until for port, until in self._held_until.items() if port in self._state.held_ports)
        return min(held, default=inf)

    def controls_of(self, traced: TracedPort) -> list[TracedPort]:
        """Those that serve ``traced`` as controls (R3)."""
        farthest = traced.distance or inf
        passing = (live for live in self._live.values() if live.farthest_router_ttl >= farthest)
        return [*self.ended, *(live.answered() for live in passing)]

    def on_ended(self, traced: TracedPort) -> None:
        """The trace of a port is decided."""
        self._live.pop(traced.port, None)
        self._held_until.pop(traced.port, None)
        self.ended.append(traced)
        self.ended.sort(key=_reach, reverse=True)
        del self.ended[MOST_SIBLINGS:]  # R3


def _reach(traced: TracedPort) -> tuple[int, int]:
    """How far a port came: its last router, and how many probes were answered."""
    return traced.last_router or 0, sum(traced.answered.values())
