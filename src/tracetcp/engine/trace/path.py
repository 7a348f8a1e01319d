"""The trace of one port: which probe next, which hop is what, which row is decided.

Knows nothing of other ports but what ``Survey`` tells, nothing of pacing, and no clock: ``now`` is an
argument. The rules, in the order in which probes are wanted:

1. A port that answered RST to a low TTL is asked again with TTL 127.
2. First attempts go out on flow 0, up to ``WINDOW`` TTLs beyond the farthest router heard, never beyond
   the nearest terminal answer (``end``).
3. A silent TTL just below ``end`` may be the destination itself, which answers only one SYN of a flow: it
   is a suspect until a probe alone on its flow was lost there, or farther out. The nearest suspect and the
   one in the middle are asked, so that a long block is halved with every answer.
4. Further attempts go to known hops, attempt k on flow k - 1, so that each column is one path.
5. When hops ``LEAP_FROM`` and up take much longer than all before them, a long link lies ahead, and another
   ``WINDOW`` of TTLs follows without waiting for it, once.
6. When nothing answers for a while, one look at the last TTL, on a fresh flow, asks whether the destination
   is there at all; then the window doubles step by step; then the silent TTLs get their further attempts,
   each on a fresh flow. A router that answers such a probe is asked again on the flow of its column.

A row is decided when its cells are settled and nothing in flight can still change what it is:

- a RST may be forged or early; it stands once the second look is back and, for ``GRACE``, no router beyond
  and no SYN-ACK contradicted it;
- on a path that loses packets, and below a router's report, a hop of stars is asked again before it is
  called silent.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from tracetcp.engine.trace.flight import Flight, Purpose, Want
from tracetcp.engine.trace.hops import Cell, CellState, HopState
from tracetcp.model import (
    FLOWS,
    Event,
    Hop,
    HopFinished,
    Outcome,
    Ping,
    ReplyKind,
    TraceFinished,
    TraceStarted,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetcp.config import TraceConfig
    from tracetcp.engine.trace.routers import Survey
    from tracetcp.model import Probe, Reply

WINDOW = 4
"""TTLs probed beyond the farthest router heard: about what a destination sees of SYNs."""
SECOND_LOOK_TTL = 127
"""High enough for any path, and the look of a Windows host's SYN."""
SECOND_LOOKS = 2
"""Second looks sent before the RST is believed."""
LEAP_FLOOR = 0.06
"""Seconds without an answer before a long link is assumed ahead: the answer of a router that was slow to make
its ICMP error is in by then, mostly.
"""
LEAP_FROM = 6
"""Hops known before one leaps: nearer than that, silence is a firewall rather than an ocean."""
STALL_FLOOR = 0.25
"""Seconds without an answer before the window is widened, once an RTT is known."""
STALL_BLIND = 0.5
"""The same before anything at all has answered."""
STRIKES = 2
"""Proofs of loss after which a doubtful cell is believed lost."""
LOSSY_ALONE_LOSSES = 4
"""Lone losses that clear a suspect on a path known to lose packets; on a clean one a single loss does."""
GRACE = 0.1
"""Seconds, at least, for which a RST may be contradicted; the next routers' answers are that near."""
GRACE_RTTS = 2
"""The same in RTTs of the RST, up to ``STALL_FLOOR``."""


class Path:
    """The trace of one port."""

    def __init__(self, port: int, config: TraceConfig, survey: Survey, now: float) -> None:
        self.port = port
        self.start = config.start_hop
        self.last = config.last_ttl
        self.pings = config.pings
        self.flights: list[Flight] = []
        self.is_done = False
        self.has_new_doubts = False
        self._anti_flood = config.anti_flood
        self._timeout = config.timeout
        self._survey = survey
        self._hops = {ttl: HopState(ttl, config.pings) for ttl in range(self.start, self.last + 1)}
        self._second_looks: list[Flight] = []
        self._frontier = self.start - 1
        self._farthest = self.start - 1
        self._reach = min(self.last, max(self.start - 1 + WINDOW, survey.distance))
        self._step = WINDOW
        self._next_first = self.start
        self._next_row = self.start
        self._next_flow = config.pings
        self._next_look = config.pings
        self._now = now
        self._stirred_at = now
        self._stands_at = now
        self._may_leap = True
        self._is_scouted = False
        self._is_sweeping = False
        self._is_lossy = False
        self._may_doubt = False
        self._known_ttl: int | None = None
        self._end: int | None = None
        self._events: list[Event] = [TraceStarted(port)]

    # What to send ------------------------------------------------------------------------------------

    def wants(self) -> Iterator[Want]:
        """The probes that may go out now, best first; the caller takes the first that pacing lets pass."""
        if self.is_done:
            return
        if self._needs_second_look():
            yield Want(SECOND_LOOK_TTL, self._next_look + 1, self._next_flow, Purpose.SECOND_LOOK, True)
        if self._next_first <= self._first_limit():
            yield Want(self._next_first, 1, 0, Purpose.CELL)
        yield from self._suspect_wants()
        yield from self._further_wants()
        if self._end is None and self._is_scouted and not self._scouts():
            yield Want(self.last, self._next_look + 1, self._next_flow, Purpose.LOOK, True)
        if self._end is None and self._is_sweeping:
            yield from self._sweep_wants()

    def _first_limit(self) -> int:
        if self._end is None:
            return self._reach
        return min(max(self._reach, self._known() + WINDOW), self._end - 1)

    def _needs_second_look(self) -> bool:
        end = self._end
        if end is None or end >= SECOND_LOOK_TTL or self._hops[end].outcome is not Outcome.CLOSED:
            return False
        looks = self._second_looks
        return len(looks) < SECOND_LOOKS and all(look.is_lost and not look.replies for look in looks)

    def _suspects(self) -> tuple[int, ...]:
        """The silent TTLs below ``end`` to be asked now: the nearest and, in a long block, the middle one."""
        known = self._known()
        if self._end is None or known == self._end - 1:
            return ()
        nearest, middle = self._end - 1, (known + self._end) // 2
        return (nearest, middle) if middle < nearest - 1 else (nearest,)

    def _suspect_wants(self) -> Iterator[Want]:
        for ttl in self._suspects():
            hop = self._hops[ttl]
            cell = self._next_cell(hop)
            if cell is not None and cell.attempt > 1:
                yield self._lone_want(ttl, cell.attempt)
            elif not any(flight.is_waiting and flight.is_alone for flight in hop.flights):
                yield Want(ttl, self._next_look + 1, self._next_flow, Purpose.LOOK, True)

    def _further_wants(self) -> Iterator[Want]:
        """Attempts 2 and up at hops that cannot be the destination, and at a router that ended the trace."""
        known = self._known()
        for ttl in range(self._next_row, known + 1):
            cell = self._next_cell(self._hops[ttl])
            if cell is not None:
                yield Want(ttl, cell.attempt, cell.attempt - 1, Purpose.CELL)
        end = self._end
        if end is not None and known == end - 1 and self._hops[end].outcome is Outcome.UNREACHABLE:
            cell = self._next_cell(self._hops[end])
            if cell is not None:
                yield Want(end, cell.attempt, cell.attempt - 1, Purpose.CELL)

    def _sweep_wants(self) -> Iterator[Want]:
        for ttl in range(max(self._next_row, self._frontier + 1), self.last + 1):
            cell = self._next_cell(self._hops[ttl])
            if cell is not None and cell.attempt > 1:
                yield Want(ttl, cell.attempt, self._next_flow, Purpose.CELL, True)

    def _lone_want(self, ttl: int, attempt: int) -> Want:
        """A further attempt, alone: on its column's flow if that is unused out there, else on a fresh one."""
        flow = attempt - 1
        if any(flight.probe.flow == flow and flight.probe.ttl > self._frontier for flight in self.flights):
            flow = self._next_flow
        return Want(ttl, attempt, flow, Purpose.CELL, True)

    @staticmethod
    def _next_cell(hop: HopState) -> Cell | None:
        return next((cell for cell in hop.cells if cell.state is CellState.UNSENT), None)

    def doubts(self) -> Iterator[int]:
        """The TTLs with a cell to be asked again, nearest first."""
        self.has_new_doubts = False
        if self.is_done or not self._may_doubt:
            return
        self._may_doubt = any(hop.doubtful for hop in self._hops.values())
        for ttl in range(self._next_row, (self._end or self.last) + 1):
            hop = self._hops[ttl]
            if hop.doubtful is not None and (ttl != self._end or hop.outcome is Outcome.UNREACHABLE):
                yield ttl

    def retry(self, ttl: int) -> Want:
        """The probe that asks the doubtful cell of ``ttl`` again, on the flow of its column."""
        cell = self._hops[ttl].doubtful
        assert cell is not None, "retry() is for the TTLs of doubts()"
        return Want(ttl, cell.attempt, cell.attempt - 1, Purpose.CELL)

    def control(self, ttl: int, flow: int) -> Want:
        """A probe that asks on ``flow``, known to pass, whether the router at ``ttl`` answers now."""
        return Want(ttl, self._next_look + 1, flow, Purpose.CONTROL)

    # What happened -----------------------------------------------------------------------------------

    def sent(self, want: Want, probe: Probe, now: float) -> Flight:
        """Note that ``want`` left as ``probe``."""
        flight = Flight(probe, want.purpose, is_alone=want.is_alone)
        flight.sent_at = now
        self.flights.append(flight)
        if want.flow >= self.pings:
            self._next_flow = want.flow + 1 if want.flow + 1 < FLOWS else self.pings
        self._next_look = max(self._next_look, want.attempt)
        if want.purpose is Purpose.SECOND_LOOK:
            self._second_looks.append(flight)
        elif want.purpose is not Purpose.CONTROL:
            self._hops[want.ttl].flights.append(flight)
        if want.purpose is Purpose.CELL:
            cell = self._hops[want.ttl].cells[want.attempt - 1]
            cell.state, cell.flight = CellState.WAITING, flight
            if want.attempt == 1 and want.ttl == self._next_first:
                self._next_first += 1
                self._stirred_at = now
        return flight

    def received(self, flight: Flight, reply: Reply) -> None:
        """Take a reply to one of this path's flights into account."""
        self._known_ttl = None
        flight.replies.append(reply)
        if self.is_done or flight.purpose in (Purpose.SECOND_LOOK, Purpose.CONTROL):
            return
        ttl = flight.probe.ttl
        if reply.kind is ReplyKind.TIME_EXCEEDED and ttl > self._frontier:
            self._frontier = ttl
            self._reach = min(self.last, max(self._reach, ttl + WINDOW))
            self._stirred_at = reply.received_at
        if reply.kind is ReplyKind.RST:
            grace = min(STALL_FLOOR, max(GRACE, GRACE_RTTS * flight.rtt(reply)))
            self._stands_at = max(self._stands_at, reply.received_at + grace)
        self._farthest = max(self._farthest, ttl)
        if flight.purpose is Purpose.CELL:
            self._answer_cell(flight, reply)
        self._find_end()

    def _answer_cell(self, flight: Flight, reply: Reply) -> None:
        hop = self._hops[flight.probe.ttl]
        cell = hop.cells[flight.probe.attempt - 1]
        if reply.kind is ReplyKind.TIME_EXCEEDED and flight.probe.flow != cell.attempt - 1:
            if cell.flight is flight:
                cell.state = CellState.UNSENT
            return
        if cell.state is not CellState.ANSWERED:
            self._is_lossy = self._is_lossy or cell.flight is not flight
            cell.state, cell.flight = CellState.ANSWERED, flight
        hop.strikes = 0
        if reply.kind in (ReplyKind.TIME_EXCEEDED, ReplyKind.UNREACHABLE) and self._anti_flood:
            self._may_doubt = hop.doubt() or self._may_doubt

    def _find_end(self) -> None:
        """The nearest terminal answer beyond all routers; rows that are out already stay what they are."""
        first = max(self._frontier + 1, self._next_row)
        ttls = range(first, self.last + 1)
        self._end = next((ttl for ttl in ttls if self._hops[ttl].terminal()), None)

    def lost(self, flight: Flight) -> None:
        """Give a flight up: no reply in time."""
        self._known_ttl = None
        flight.is_lost = True
        if flight.purpose is not Purpose.CELL:
            return
        ttl = flight.probe.ttl
        hop = self._hops[ttl]
        cell = hop.cells[flight.probe.attempt - 1]
        if cell.flight is not flight or cell.state is not CellState.WAITING:
            return
        doubted = self._anti_flood and hop.strikes < STRIKES and (hop.is_router or self._survey.answers(ttl))
        cell.state = CellState.DOUBTFUL if doubted else CellState.LOST
        self._may_doubt = self._may_doubt or doubted
        self._is_lossy = self._is_lossy or hop.is_router

    def strike(self, ttl: int, count: int = 1) -> None:
        """Count proofs that the doubtful cells of ``ttl`` are really lost; at ``STRIKES`` believe them."""
        hop = self._hops[ttl]
        hop.strikes += count
        if hop.strikes >= STRIKES:
            for cell in hop.cells:
                if cell.state is CellState.DOUBTFUL:
                    cell.state = CellState.LOST

    # Waiting -----------------------------------------------------------------------------------------

    def gives_up_at(self, flight: Flight) -> float:
        """When ``flight`` counts as lost: after the whole timeout, sooner once as far a TTL has answered."""
        ttl = flight.probe.ttl
        has_answered = self._farthest >= ttl or self._end is not None or self._survey.has_router(ttl)
        wait = min(self._timeout, self._survey.patience.bound(ttl)) if has_answered else self._timeout
        return flight.sent_at + wait

    def wakes_at(self) -> float:
        """When ``advance()`` has something to do though nothing arrives, infinity for never."""
        if self.is_done:
            return inf
        stands_at = self._stands_at if self._stands_at > self._now else inf
        return min(stands_at, self._widens_at())

    def advance(self, now: float) -> None:
        """Let time pass: look farther when nothing has answered for a while."""
        self._now = now
        if not self.is_done and self._widens_at() <= now:
            self._widen()

    def _widens_at(self) -> float:
        is_waiting_for_more = self._end is None and self._next_first > self._reach > self._frontier
        if self._is_sweeping or not is_waiting_for_more:
            return inf
        longest = self._survey.patience.longest
        if longest is None:
            return self._stirred_at + min(STALL_BLIND, self._timeout)
        floor = LEAP_FLOOR if self._leaps() else STALL_FLOOR
        return self._stirred_at + min(max(floor, 2 * longest), self._timeout)

    def _leaps(self) -> bool:
        return self._may_leap and self._frontier >= LEAP_FROM

    def _widen(self) -> None:
        """Leap, then scout the last TTL, then double the window, then sweep all that is silent."""
        self._stirred_at = self._now
        is_near_the_last = self.last - self._reach <= 1
        leaps, self._may_leap = self._leaps(), False
        if not (leaps or self._is_scouted or is_near_the_last):
            self._is_scouted = True
        elif self._reach < self.last:
            self._reach = min(self.last, self._reach + self._step)
            self._step *= 2
        else:
            self._is_sweeping = True

    def _scouts(self) -> bool:
        return any(flight.purpose is Purpose.LOOK for flight in self._hops[self.last].flights)

    # What is decided ---------------------------------------------------------------------------------

    def _known(self) -> int:
        """The highest TTL that cannot be the destination: a router's, or a cleared suspect's."""
        if self._known_ttl is None:
            self._known_ttl = self._find_known()
        return self._known_ttl

    def _find_known(self) -> int:
        if self._end is None:
            return self._frontier
        needed = LOSSY_ALONE_LOSSES if self._is_lossy else 1
        for ttl in range(self._end - 1, self._frontier, -1):
            if self._hops[ttl].alone_losses() >= needed:
                return ttl
        return self._frontier

    def decide(self) -> None:
        """Decide every row that can be decided."""
        while not self.is_done and (hop := self._decided_row()) is not None:
            self._events.append(HopFinished(self.port, hop))
            self._next_row += 1
            if hop.outcome is not None or self._next_row > self.last:
                self._finish(hop.outcome or Outcome.NOT_REACHED)

    def events(self) -> list[Event]:
        """What was decided since the last call, in display order."""
        decided, self._events = self._events, []
        return decided

    def _decided_row(self) -> Hop | None:
        ttl = self._next_row
        hop = self._hops[ttl]
        if ttl == self._end:
            return self._final_row(hop)
        if not hop.is_settled or (self._end is not None and ttl > self._known()):
            return None
        if self._now < self._stands_at and hop.has_only_rst_in_a_cell:
            return None
        if self._doubts_silence() and hop.strikes < STRIKES and not hop.is_answered:
            hop.doubt()
            self._may_doubt = self.has_new_doubts = True
            return None
        return hop.row()

    def _doubts_silence(self) -> bool:
        """Whether silence may be chance or thrift: on lossy paths, and below a router's report."""
        end = self._hops.get(self._end or 0)
        is_reported = end is not None and end.outcome is Outcome.UNREACHABLE
        return self._anti_flood and (self._is_lossy or is_reported)

    def _final_row(self, hop: HopState) -> Hop | None:
        if hop.outcome is Outcome.UNREACHABLE:
            return hop.row(Outcome.UNREACHABLE) if hop.is_settled else None
        if hop.outcome is Outcome.CLOSED and self._may_be_contradicted():
            return None
        return self._destination_row(hop)

    def _may_be_contradicted(self) -> bool:
        """Whether a RST may yet prove early or forged: by a second look, or by a router farther out."""
        if self._needs_second_look() or any(look.is_waiting for look in self._second_looks):
            return True
        if self._now < self._stands_at:
            return True
        end = self._end or 0
        return any(flight.is_waiting and flight.probe.ttl > end for flight in self.flights)

    def _destination_row(self, hop: HopState) -> Hop:
        """The lost pings before the answer, then the answer; a second look's answer replaces a RST."""
        answer = hop.terminal()
        assert answer is not None, "only a TTL with a terminal answer is the end"
        flight, reply = answer
        answered_flows = {
            other.probe.flow for other in self.flights if other.reply_of(ReplyKind.SYN_ACK, ReplyKind.RST)
        }
        lost = tuple(
            cell.ping()
            for cell in hop.cells[: min(flight.probe.attempt, self.pings) - 1]
            if cell.is_lost and cell.flight is not None and cell.flight.probe.flow not in answered_flows
        )
        attempt = flight.probe.attempt
        if reply.kind is ReplyKind.RST:
            flight, reply = self._answer_beyond() or answer
        outcome = Outcome.OPEN if reply.kind is ReplyKind.SYN_ACK else Outcome.CLOSED
        return Hop(hop.ttl, (*lost, Ping(attempt, flight.rtt(reply), reply)), outcome)

    def _answer_beyond(self) -> tuple[Flight, Reply] | None:
        """The answer that outranks a RST at ``end``: any SYN-ACK, else the second look's RST."""
        for kind, flights in ((ReplyKind.SYN_ACK, self.flights), (ReplyKind.RST, self._second_looks)):
            for flight in flights:
                reply = flight.reply_of(kind)
                if reply is not None and flight.probe.ttl > self._frontier:
                    return flight, reply
        return None

    def _finish(self, outcome: Outcome) -> None:
        self.is_done = True
        if outcome in (Outcome.OPEN, Outcome.CLOSED):
            self._survey.distance = self._next_row - 1
        records = tuple(flight.record() for flight in self.flights)
        self._events.append(TraceFinished(self.port, outcome, records))
