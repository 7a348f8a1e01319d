"""An engine of single probes: each TTL that a control is asked at gets one SYN. No I/O, no clock.

A trace sends a window of probes; this sends only those that decide a verdict, so that the destination sees
few SYNs. It asks nothing again: who planned the probes may plan more.

R1. A probe leaves under the pacing of the run, and never between those of a retry. Nothing is paced under
    ``-F``.
R2. A probe that nothing answers is given up after ``timeout`` seconds.
R3. An answer that comes later counts all the same, as long as the run lasts: where somebody nearer answers
    for the destination, its own RTT is not known.
R4. Unless the prober ``shares_flows``, a probe waits until the one before it on its flow is answered or
    given up.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from tracetcp.engine.trace.flight import Flight, Purpose
from tracetcp.model import Probe, ProbeRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tracetcp.engine.run_state import RunState
    from tracetcp.model import Event, Reply


class Ask(NamedTuple):
    """One SYN to ``port`` with ``ttl`` on ``flow``."""

    port: int
    ttl: int
    attempt: int
    flow: int


class ControlProbes:
    """The engine (see ``Engine``) of the probes ``asks``; it has no events, but ``records``."""

    def __init__(
        self,
        asks: Iterable[Ask],
        state: RunState,
        timeout: float,
        *,
        is_paced: bool,
        shares_flows: bool = True,
    ) -> None:
        self.ports_done = 0
        self.has_late_answers = False
        """Whether a probe that was given up has been answered since somebody cleared this."""
        self._to_send = deque(asks)
        self._state = state
        self._timeout = timeout
        self._is_paced = is_paced
        self._shares_flows = shares_flows
        self._flights: dict[int, Flight] = {}
        """By token."""
        self._next_send_at = -inf

    @property
    def is_done(self) -> bool:
        """Whether every probe was answered or given up."""
        return not self._to_send and not any(flight.is_in_flight for flight in self._flights.values())

    @property
    def records(self) -> tuple[ProbeRecord, ...]:
        """The probes that left, with what answered them."""
        return tuple(flight.record() for flight in self._flights.values())

    def next_probes(self, now: float, most: int) -> Sequence[Probe]:
        """The next probe that pacing lets pass."""
        self._next_send_at = inf
        if most < 1:
            return ()
        for ask in self._to_send:
            may_leave_at = self._may_leave_at(ask)
            if may_leave_at <= now:
                self._to_send.remove(ask)
                return (Probe(self._state.tokens.draw(self), *ask),)
            self._next_send_at = min(self._next_send_at, may_leave_at)
        return ()

    def _may_leave_at(self, ask: Ask) -> float:
        if not self._shares_flows and self._is_in_use(ask.port, ask.flow):  # R4
            return inf
        if not self._is_paced:
            return -inf
        routers = self._state.routers
        return inf if routers.at(ask.ttl).is_reserved else routers.next_send_at(ask.ttl)  # R1

    def _is_in_use(self, port: int, flow: int) -> bool:
        return any(
            flight.is_in_flight and (flight.probe.port, flight.probe.flow) == (port, flow)
            for flight in self._flights.values()
        )

    def sent(self, probe: Probe, at: float) -> None:
        """See ``Engine``."""
        flight = self._flights[probe.token] = Flight(probe, Purpose.PRESENCE, is_alone=True)
        flight.sent_at = at
        self._state.routers.on_sent(probe.ttl, at, probe.token)

    def failed(self, probe: Probe, at: float) -> None:
        """See ``Engine``: the probe counts as lost."""
        self.sent(probe, at)
        self._flights[probe.token].is_lost = True

    def receive(self, reply: Reply) -> None:
        """See ``Engine``."""
        flight = self._flights[reply.token]
        flight.replies.append(reply)
        self.has_late_answers = self.has_late_answers or flight.is_lost  # R3
        self._state.timeouts.add(flight.probe.ttl, flight.rtt(reply))
        self._state.routers.on_reply(flight, reply)

    def advance(self, now: float) -> None:
        """See ``Engine``."""
        for flight in self._flights.values():
            flight.is_lost = flight.is_lost or flight.sent_at + self._timeout <= now  # R2

    def wake_at(self) -> float:
        """See ``Engine``."""
        flights = self._flights.values()
        return min(
            self._next_send_at,
            *(flight.sent_at + self._timeout for flight in flights if flight.is_in_flight),
            inf,
        )

    def events(self) -> list[Event]:
        """See ``Engine``: none."""
        return []
