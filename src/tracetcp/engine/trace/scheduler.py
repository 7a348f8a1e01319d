"""Many paths under one pacing policy: admits ports, picks the next probe, keeps the time.

Knows no socket and no clock. The order of sending: probes of an inquiry already begun; new inquiries;
then what each path wants, ports in order, as far as the gate of the TTL lets it pass.

An inquiry asks a router again about cells lost at a TTL that has answered others. Before a port is called
blocked or a star is printed, one of two things must have happened ``path.STRIKES`` times:

1. a control probe (a port known to pass) sent right behind the doubtful ones was answered and they were
   not: the router was answering at that very moment; or
2. where there is no such control, the probe was lost although the router had been left alone for over a
   second.

At a router that limits its answers once is enough for the first: every proof costs a second there.
Doubtful probes and control all lost: the router limits its answers, so it is asked once a second only.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING

from tracetcp.engine.tokens import tokens, unused
from tracetcp.engine.trace.flight import Purpose, Want
from tracetcp.engine.trace.pacer import BURST, SLOW_INTERVAL
from tracetcp.engine.trace.path import Path
from tracetcp.engine.trace.retries import Inquiry
from tracetcp.engine.trace.routers import Survey
from tracetcp.model import AddressSeen, Event, Probe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetcp.config import TraceConfig
    from tracetcp.engine.trace.flight import Flight
    from tracetcp.model import Reply

ACTIVE_PATHS = 16
"""Ports traced at the same time."""
QUEUED_PATHS = 64
"""Ports traced or waiting to be shown: bounds memory when one port in front is slow."""


class Tracing:
    """The engine of path traces (see the package for the calls that every engine has)."""

    def __init__(self, config: TraceConfig, secret: bytes, capacity: int) -> None:
        self.ports_done = 0
        self._config = config
        self._capacity = capacity
        self._tokens = tokens(secret)
        self._ports = iter(config.ports)
        self._survey = Survey()
        self._paths: deque[Path] = deque()
        self._flights: dict[int, tuple[Path, Flight]] = {}
        self._waiting: dict[int, tuple[Path, Flight]] = {}
        self._inquiries: dict[int, Inquiry] = {}
        self._sending: tuple[Path, Want, Inquiry | None] | None = None
        self._seen: list[Event] = []
        self._has_more_ports = True
        self._opens_at = inf

    @property
    def is_done(self) -> bool:
        """Whether every port is traced and its events were taken."""
        return not self._has_more_ports and not self._paths

    # What to send ------------------------------------------------------------------------------------

    def next_probes(self, now: float, most: int) -> tuple[Probe, ...]:
        """The probe to send now, one at a time; none when nothing may leave before ``wake_at()``."""
        self._admit(now)
        self._opens_at = inf
        if len(self._waiting) >= self._capacity or most < 1:
            return ()
        choice = self._inquire(now) or self._choose(now)
        if choice is None:
            return ()
        path, want, inquiry, port = choice
        self._sending = (path, want, inquiry)
        return (Probe(unused(self._tokens, self._flights), port, want.ttl, want.attempt, want.flow),)

    def _admit(self, now: float) -> None:
        while self._may_admit():
            port = next(self._ports, None)
            if port is None:
                self._has_more_ports = False
                return
            self._paths.append(Path(port, self._config, self._survey, now))

    def _may_admit(self) -> bool:
        active = sum(not path.is_done for path in self._paths)
        return self._has_more_ports and active < ACTIVE_PATHS and len(self._paths) < QUEUED_PATHS

    def _choose(self, now: float) -> tuple[Path, Want, None, int] | None:
        closed: set[int] = set()
        for path in self._paths:
            for want in path.wants():
                if want.ttl in closed:
                    continue
                opens_at = self._opens_for(want)
                if opens_at <= now:
                    return path, want, None, path.port
                self._opens_at = min(self._opens_at, opens_at)
                closed.add(want.ttl)
        return None

    def _opens_for(self, want: Want) -> float:
        """When pacing lets ``want`` pass; a second look goes to the host, which is no router to be spared."""
        if not self._config.anti_flood or want.purpose is Purpose.SECOND_LOOK:
            return -inf
        return self._survey.router(want.ttl).gate.opens_at()

    def _inquire(self, now: float) -> tuple[Path, Want, Inquiry, int] | None:
        for inquiry in self._inquiries.values():
            if inquiry.to_send:
                path, want, port = inquiry.to_send.popleft()
                return path, want, inquiry, port
        for path in self._paths:
            for ttl in path.doubts():
                if ttl not in self._inquiries and self._begin_inquiry(ttl, now):
                    return self._inquire(now)
        return None

    def _begin_inquiry(self, ttl: int, now: float) -> bool:
        router = self._survey.router(ttl)
        doubtful = [path for path in self._paths if ttl in path.doubts()]
        members = doubtful[: 1 if router.gate.is_limited else BURST - 1]
        control = router.control({path.port for path in members})
        if control is None:
            members = members[:1]
            opens_at = self._survey.last_sent_to(router) + SLOW_INTERVAL
        else:
            opens_at = router.gate.opens_at(BURST)
        if opens_at > now:
            self._opens_at = min(self._opens_at, opens_at)
            return False
        inquiry = Inquiry(ttl)
        inquiry.to_send.extend((path, path.retry(ttl), path.port) for path in members)
        if control is not None:
            port, flow = control
            inquiry.to_send.append((members[0], members[0].control(ttl, flow), port))
        self._inquiries[ttl] = inquiry
        return True

    def sent(self, probe: Probe, at: float) -> None:
        """Tell that the probe of the last ``next_probes()`` left at ``at``."""
        self._waiting[probe.token] = self._flights[probe.token] = self._depart(probe, at)

    def failed(self, probe: Probe, at: float) -> None:
        """Tell that the probe of the last ``next_probes()`` could not be sent: it counts as lost at once."""
        path, flight = self._depart(probe, at)
        path.lost(flight)

    def _depart(self, probe: Probe, at: float) -> tuple[Path, Flight]:
        assert self._sending is not None, "sent() and failed() follow next_probes()"
        path, want, inquiry = self._sending
        self._sending = None
        flight = path.sent(want, probe, at)
        self._survey.router(want.ttl).gate.passed(at)
        if inquiry is not None and want.purpose is Purpose.CONTROL:
            inquiry.control = flight
        elif inquiry is not None:
            inquiry.members.append((path, flight))
        return path, flight

    # What happened -----------------------------------------------------------------------------------

    def receive(self, reply: Reply) -> None:
        """Take a reply into account; one that answers no probe of an undecided port is ignored."""
        known = self._flights.get(reply.token)
        if known is None:
            return
        path, flight = known
        self._waiting.pop(reply.token, None)
        path.received(flight, reply)
        self._survey.heard(flight, reply)
        if reply.sender not in self._survey.addresses:
            self._survey.addresses.add(reply.sender)
            self._seen.append(AddressSeen(reply.sender))

    def advance(self, now: float) -> None:
        """Let time pass: give up what waited long enough, widen stalled windows, judge inquiries."""
        overdue = [pair for pair in self._waiting.values() if pair[0].gives_up_at(pair[1]) <= now]
        for path, flight in overdue:
            del self._waiting[flight.probe.token]
            path.lost(flight)
        for path in self._paths:
            path.advance(now)
        for ttl in [ttl for ttl, inquiry in self._inquiries.items() if inquiry.is_over]:
            self._inquiries.pop(ttl).judge(self._survey)

    def wake_at(self) -> float:
        """The instant at which ``advance()`` or ``next_probes()`` may have something to do."""
        return min(self._instants(), default=self._opens_at)

    def _instants(self) -> Iterator[float]:
        yield self._opens_at
        if self._may_admit() or any(inquiry.is_over for inquiry in self._inquiries.values()):
            yield -inf
        if any(path.has_new_doubts for path in self._paths):
            yield -inf
        for path, flight in self._waiting.values():
            yield path.gives_up_at(flight)
        for path in self._paths:
            yield path.wakes_at()

    # What is decided ---------------------------------------------------------------------------------

    def events(self) -> list[Event]:
        """Everything decided since the last call: addresses first, then rows, ports in order."""
        for path in self._paths:
            path.decide()
        events, self._seen = self._seen, []
        while self._paths:
            head = self._paths[0]
            events.extend(head.events())
            if not head.is_done:
                break
            self._retire(self._paths.popleft())
        return events

    def _retire(self, path: Path) -> None:
        for flight in path.flights:
            flight.is_lost = flight.is_lost or not flight.replies
            self._flights.pop(flight.probe.token, None)
            self._waiting.pop(flight.probe.token, None)
        self.ports_done += 1
