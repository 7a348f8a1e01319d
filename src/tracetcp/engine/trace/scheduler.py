"""Many paths, one pacing: admits ports, picks the next probe, keeps the time.

Knows no socket and no clock. The next probe is

R1. one of a retry (``retries``), of a suspected loss that may be asked again now; else
R2. what the first path wants that pacing lets pass, ports in order; a path's wants come best first.

R3. Pacing is by router (``routers``). A confirmation goes to the host, which is no router to be spared; under
    ``-F`` nothing is paced.
R4. A reply with a loose quote waits until others bear it out (``loose_quotes``), and counts from then on.
R5. At most ``ACTIVE_PATHS`` ports are traced at a time, ``QUEUED_PATHS`` with those that wait to be shown.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING

from tracetcp.engine.trace.flight import Purpose
from tracetcp.engine.trace.path import Path
from tracetcp.engine.trace.retries import Choice, Retries
from tracetcp.model import AddressSeen, Event, Probe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetcp.config import TraceConfig
    from tracetcp.engine.run_state import RunState
    from tracetcp.engine.trace.flight import Flight, Want
    from tracetcp.model import Reply

ACTIVE_PATHS = 16
"""Ports traced at the same time."""
QUEUED_PATHS = 64
"""Ports traced or waiting to be shown: bounds memory when one port in front is slow."""
MOST_LOOSE = 4
"""Loose quotes of one probe that are looked at: more are a flood."""


class TraceEngine:
    """The engine of path traces (see the package for the calls that every engine has).

    ``capacity`` bounds the probes in flight, ``shares_flows`` says whether those of one flow may be so
    together; what is learnt goes into ``state``.
    """

    def __init__(
        self, config: TraceConfig, state: RunState, capacity: int, *, shares_flows: bool = True
    ) -> None:
        self.ports_done = 0
        self._config = config
        self._state = state
        self._capacity = capacity
        self._shares_flows = shares_flows
        self._ports = iter(config.ports)
        self._has_more_ports = True
        self._paths: deque[Path] = deque()
        self._retries = Retries(state.routers)
        self._flights: dict[int, tuple[Path, Flight]] = {}
        """By token: every probe of the paths that are not retired."""
        self._in_flight: dict[int, tuple[Path, Flight]] = {}
        """Those of them that have no reply and are not given up."""
        self._sending: Choice | None = None
        """The choice of the last ``next_probes()``, until it is told what came of it."""
        self._seen: list[Event] = []
        """Addresses to be told of."""
        self._loose: list[tuple[Path, Flight, Reply]] = []
        """Replies with a loose quote that wait to be borne out."""
        self._loose_count = 0
        """How many loose quotes the run had seen when those were looked at last."""
        self._next_send_at = inf
        """When something that is wanted may be sent; minus infinity for at once."""
        self._reserved: set[int] = set()
        """The TTLs at which the last ``next_probes()`` had to let another engine's retry go first."""

    @property
    def is_done(self) -> bool:
        """Whether every port is traced and its events were taken."""
        return not self._has_more_ports and not self._paths

    # What to send ------------------------------------------------------------------------------------

    def next_probes(self, now: float, most: int) -> tuple[Probe, ...]:
        """The probe to send now, one at a time; none when nothing may leave before ``wake_at()``."""
        self._admit(now)
        self._next_send_at = inf
        self._reserved.clear()
        self._retries.reset()
        if len(self._in_flight) >= self._capacity or most < 1:
            return ()
        choice = self._retries.choose(self._paths, now) or self._choose(now)  # R1, R2
        self._next_send_at = min(self._next_send_at, self._retries.next_at)
        if choice is None:
            return ()
        self._sending = choice
        want = choice.want
        token = self._state.tokens.draw(self)
        return (Probe(token, choice.port, want.ttl, want.attempt, want.flow),)

    def _admit(self, now: float) -> None:
        while self._may_admit():
            port = next(self._ports, None)
            if port is None:
                self._has_more_ports = False
                return
            path = Path(port, self._config, self._state, now, shares_flows=self._shares_flows)
            self._paths.append(path)

    def _may_admit(self) -> bool:
        active = sum(not path.is_done for path in self._paths)
        return self._has_more_ports and active < ACTIVE_PATHS and len(self._paths) < QUEUED_PATHS  # R5

    def _choose(self, now: float) -> Choice | None:
        paced: set[int] = set()
        for path in self._paths:
            for want in path.wants():
                if want.ttl in paced:
                    continue
                may_leave_at = self._may_leave_at(want)
                if may_leave_at <= now:
                    return Choice(path, want, path.port)
                self._next_send_at = min(self._next_send_at, may_leave_at)
                paced.add(want.ttl)
        return None

    def _may_leave_at(self, want: Want) -> float:
        """When pacing lets ``want`` pass; infinity while another engine's retry goes first."""
        if not self._config.anti_flood or want.purpose is Purpose.CONFIRMATION:  # R3
            return -inf
        if self._state.routers.at(want.ttl).is_reserved:
            self._reserved.add(want.ttl)
            return inf
        return self._state.routers.next_send_at(want.ttl)

    def sent(self, probe: Probe, at: float) -> None:
        """Tell that the probe of the last ``next_probes()`` left at ``at``."""
        self._in_flight[probe.token] = self._flights[probe.token] = self._depart(probe, at)

    def failed(self, probe: Probe, at: float) -> None:
        """Tell that the probe of the last ``next_probes()`` could not be sent: it counts as lost at once."""
        path, flight = self._depart(probe, at)
        path.lost(flight)

    def _depart(self, probe: Probe, at: float) -> tuple[Path, Flight]:
        assert self._sending is not None, "sent() and failed() follow next_probes()"
        path, want, _, retry = self._sending
        self._sending = None
        flight = path.sent(want, probe, at)
        self._state.routers.on_sent(want.ttl, at, probe.token)
        if retry is not None and want.purpose is Purpose.CONTROL:
            retry.control = flight
        elif retry is not None:
            retry.asked.append((path, flight))
        return path, flight

    # What happened -----------------------------------------------------------------------------------

    def receive(self, reply: Reply) -> None:
        """Take a reply into account; one that answers no probe of an undecided port is ignored."""
        known = self._flights.get(reply.token)
        if known is None:
            return
        path, flight = known
        if not reply.is_loose:
            self._take(path, flight, reply)
        elif len(flight.unsupported) < MOST_LOOSE:  # R4
            flight.unsupported.append(reply)
            self._loose.append((path, flight, reply))
            self._state.loose_quotes.add(flight.probe, reply)

    def _take(self, path: Path, flight: Flight, reply: Reply) -> None:
        if path.received(flight, reply):
            self._in_flight |= {each.probe.token: (path, each) for each in path.flights if each.is_in_flight}
        if not flight.is_in_flight:
            self._in_flight.pop(reply.token, None)
        if reply not in flight.forged:
            self._state.timeouts.add(flight.probe.ttl, flight.rtt(reply))
        self._state.routers.on_reply(flight, reply)
        if reply.sender not in self._state.addresses:
            self._state.addresses.add(reply.sender)
            self._seen.append(AddressSeen(reply.sender))

    def advance(self, now: float) -> None:
        """Let time pass: give up what waited long enough, widen stalled windows, judge retries."""
        self._take_borne_out()
        overdue = [pair for pair in self._in_flight.values() if pair[0].times_out_at(pair[1]) <= now]
        for path, flight in overdue:
            del self._in_flight[flight.probe.token]
            self._state.routers.on_lost(flight.probe)
            path.lost(flight)
        for path in self._paths:
            path.advance(now)
        self._retries.judge()

    def _take_borne_out(self) -> None:
        """Take the loose quotes that others of the run bear out by now."""
        quotes = self._state.loose_quotes
        if self._loose_count == quotes.count:
            return
        self._loose_count, waiting, self._loose = quotes.count, self._loose, []
        for path, flight, reply in waiting:
            if quotes.bear_out(flight.probe, reply):  # R4
                flight.unsupported.remove(reply)
                self._take(path, flight, reply)
            else:
                self._loose.append((path, flight, reply))

    def wake_at(self) -> float:
        """The instant at which ``advance()`` or ``next_probes()`` may have something to do."""
        return min(self._instants(), default=self._next_send_at)

    def _instants(self) -> Iterator[float]:
        yield self._next_send_at
        if self._may_admit() or self._retries.is_any_over or self._retries.may_begin:
            yield -inf
        if any(not self._state.routers.at(ttl).is_reserved for ttl in self._reserved):
            yield -inf
        for path, flight in self._in_flight.values():
            yield path.times_out_at(flight)
        for path in self._paths:
            yield path.wakes_at()

    # What is decided ---------------------------------------------------------------------------------

    def events(self) -> list[Event]:
        """Everything decided since the last call: addresses first, then rows, ports in order."""
        for path in self._paths:
            if path.decide():
                self._next_send_at = -inf
        events, self._seen = self._seen, []
        while self._paths:
            head = self._paths[0]
            events.extend(head.events())
            if not head.is_done:
                break
            self._retire(self._paths.popleft())
        return events

    def _retire(self, path: Path) -> None:
        self._retries.forget(path)
        self._loose = [waiting for waiting in self._loose if waiting[0] is not path]
        for flight in path.flights:
            flight.is_lost = flight.is_lost or not flight.replies
            self._flights.pop(flight.probe.token, None)
            self._in_flight.pop(flight.probe.token, None)
            self._state.tokens.release(flight.probe.token)
        self.ports_done += 1
