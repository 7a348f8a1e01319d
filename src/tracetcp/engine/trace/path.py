"""The trace of one port: which probe next, which hop is what, which row is decided.

Knows nothing of other ports but what the run's ``Routers`` tell, nothing of pacing, and no clock: ``now`` is
an argument. How far first attempts go stands in ``window``, which answer ends the trace in ``ending``, which
losses are asked again in ``losses``, which flow a probe takes in ``flows``. Probes are wanted in this order:

R1. What the end of the trace wants to be sure (``ending``): the confirmation of a RST, a witness of a router
    beyond it, a look as far as a control went; each on a fresh flow.
R2. First attempts, on flow 0, up to the end of the window and never beyond the end of the trace. A port that
    is silent where controls met the destination is asked no farther; while they look for it, no window grows.
R3. A silent TTL just below the end may be the destination itself, which answers one SYN of a flow only: it is
    shadowed until a probe alone on its flow was lost there, or farther out; ``LONE_LOSSES_IF_LOSSY`` such
    probes on a path that loses packets. The first to be asked is the one behind the last router: there the
    destination stands if its answers overtook each other. If it does not, the nearest to the end and the one
    in the middle are asked, so that a long block is halved with every answer. Where ``LONE_ANSWERS`` of them
    were answered and the end is farther all the same, asking on would never end. Where the end is that of the
    first column, its flow is asked first; where columns are no flows, the flow that met the router before.
R4. Further attempts at hops that cannot be the destination, and at the router that ended the trace: attempt k
    on flow k - 1, so that each column is one path.
R5. The far probe of the window, on a fresh flow.
R6. In the last pass of the window, further attempts at the silent TTLs, each on a fresh flow. A router that
    answers one of them is asked again on the flow of its column.

A hop that was asked too often (``hops``) is asked no more, whatever is wanted of it: every trace ends.

A row is decided when

R7. all its cells are settled and it lies below the end, clear of shadowed TTLs;
R8. every cell that has only TCP answers has waited its timeout for the router that is there; if none came,
    and its flow met routers farther out, the answers are forged and the cell is a star;
R9. its stars, if it has nothing else, are no suspected losses: all hops of stars are asked again at a time,
    so that silence to the last TTL takes as long as at one;
R10. where columns are no flows yet, the first attempt at the next TTL has had the time that an answer
    takes, and the routers known at the next ``SEEN_AHEAD`` are settled: load sharing that is seen there
    makes it a row to be asked again;
R11. if it is the last one, no control looks whether the destination is there, nor did one go on so that this
    port is to be asked as far;
R12. if it is the last one or the one before, one flow was seen to meet both (``last_link``), or silence right
    before the last (``ending``).
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from tracetcp.engine.trace.ending import CONFIRMATION_TTL, Ending
from tracetcp.engine.trace.flight import Flight, Purpose, Want
from tracetcp.engine.trace.flows import Flows
from tracetcp.engine.trace.forgeries import ForgedAnswers
from tracetcp.engine.trace.hops import TCP_KINDS, Cell, CellState, HopState
from tracetcp.engine.trace.last_link import LastLink
from tracetcp.engine.trace.losses import SuspectedLosses
from tracetcp.engine.trace.window import TTL_WINDOW, Stage, Window
from tracetcp.model import (
    Event,
    Hop,
    HopFinished,
    Outcome,
    ReplyKind,
    TraceFinished,
    TraceStarted,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetcp.config import TraceConfig
    from tracetcp.engine.run_state import RunState
    from tracetcp.engine.trace.last_link import Wanted
    from tracetcp.model import Probe, Reply

LONE_ANSWERS = 2
"""Answers to lone probes that clear a TTL nearer than the end."""
SEEN_AHEAD = 2
"""TTLs behind a row at which load sharing may still show: branches of some hops show at six probes more."""
LONGER_BRANCH = 2
"""Hops by which another flow may be longer: branches of load balancing differ by a hop or two."""


class Path:
    """The trace of one port, from ``now`` on; ``shares_flows`` is the prober's."""

    def __init__(
        self, port: int, config: TraceConfig, state: RunState, now: float, *, shares_flows: bool = True
    ) -> None:
        self.port = port
        self.pings = config.pings
        self.flights: list[Flight] = []
        """Everything that was sent, in order."""
        self.is_done = False
        """Whether the last row is decided."""
        self._state = state
        self._timeout = config.timeout
        self._now = now
        ttls = range(config.start_hop, config.last_ttl + 1)
        self._first = ttls.start
        self._hops = {ttl: HopState(ttl, config.pings) for ttl in ttls}
        self._window = Window(ttls.start, config.last_ttl, state.distance, now)
        self._flows = Flows(config.pings, are_shared=shares_flows)
        self._flows.are_columns = shares_flows or state.routers.is_load_shared
        self._spares_the_host = config.anti_flood
        """Whether a port that is silent where controls met the host is asked no farther; not under ``-F``."""
        self._forgeries = ForgedAnswers()
        self._losses = SuspectedLosses(self._hops, state.routers, asks_again=config.anti_flood)
        self._last_link = LastLink(self._hops, self.flights, self._flows, self._losses)
        self._ending = Ending(
            self._hops, self.flights, self._flows, self._losses, self._last_link, config.pings
        )
        self._farthest_answer_ttl = ttls.start - 1
        """The highest TTL that anything answered."""
        self._next_row = ttls.start
        """The TTL of the next row to be decided: rows come in ascending order."""
        self._row_waits_until = -inf
        """Until when the next row waits for a router where only TCP answers came."""
        self._last_attempt = config.pings
        """The number of the last attempt that is no ping: those count on."""
        self._known_ttl: int | None = None
        """What ``_last_known_ttl()`` found last, None when it must look again."""
        self._events: list[Event] = [TraceStarted(port)]

    # What to send ------------------------------------------------------------------------------------

    def wants(self) -> Iterator[Want]:
        """The probes that may go out now, best first; the caller takes the first that pacing lets pass."""
        return (want for want in self._wants() if self._may_ask(want))

    def _may_ask(self, want: Want) -> bool:
        return want.purpose is Purpose.CONFIRMATION or not self._hops[want.ttl].is_worn_out

    def _wants(self) -> Iterator[Want]:
        if self.is_done:
            return
        window, end = self._window, self._ending.ttl
        if self._ending.wants_confirmation:  # R1
            yield self._lone(CONFIRMATION_TTL, Purpose.CONFIRMATION)
        if self._ending.wants_witness and self._ending.contested_ttl is not None:  # R1
            yield self._lone(self._ending.contested_ttl, Purpose.WITNESS)
        if (look := self._ending.wanted_look) is not None:  # R1
            yield self._lone(look, Purpose.PRESENCE)
        if window.next_first_ttl <= self._last_first_ttl():  # R2
            yield Want(window.next_first_ttl, 1, self._flows.first, Purpose.CELL)
        yield from self._wants_at_shadowed()
        yield from self._further_wants()
        if end is None and window.wants_far_probe:  # R5
            yield self._lone(window.last, Purpose.PRESENCE)
        if end is None and window.stage is Stage.LAST_PASS:  # R6
            yield from self._last_wants()

    def _lone(self, ttl: int, purpose: Purpose) -> Want:
        """A probe alone on a fresh flow, that has no cell."""
        return Want(ttl, self._last_attempt + 1, self._flows.fresh, purpose, is_alone=True)

    def _last_first_ttl(self) -> int:
        """The highest TTL that a first attempt may have now."""
        end = self._ending.ttl
        if end is None:
            return self._window.end
        return min(max(self._window.end, self._last_known_ttl() + TTL_WINDOW), end - 1)

    def _shadowed(self) -> tuple[int, ...]:
        """The shadowed TTLs to be asked now."""
        known, end = self._last_known_ttl(), self._ending.ttl
        if end is None or known == end - 1:
            return ()
        if known == self._window.last_router_ttl and not self._losses.is_path_lossy:  # R3
            return (known + 1,)
        nearest, middle = end - 1, (known + end) // 2
        return (nearest, middle) if middle < nearest - 1 else (nearest,)

    def _wants_at_shadowed(self) -> Iterator[Want]:
        for ttl in self._shadowed():  # R3
            hop = self._hops[ttl]
            cell = self._next_cell(hop)
            if self._ending.column_ttl is not None and not self._is_column_asked(ttl):
                yield from self._on_free_flow(ttl, 1, is_alone=True)
            elif cell is not None and cell.attempt > 1:
                yield self._lone_attempt(ttl, cell.attempt)
            elif not any(flight.is_in_flight and flight.is_alone for flight in hop.flights):
                yield self._lone(ttl, Purpose.PRESENCE)

    def _further_wants(self) -> Iterator[Want]:
        known, end = self._last_known_ttl(), self._ending.ttl
        if end is not None:
            yield from self._wants_at_link(end)
        for ttl in range(self._next_row, known + 1):  # R4
            yield from self._next_attempt(ttl)
        if end is not None and known == end - 1:
            yield from self._wants_at_end(end)

    def _wants_at_link(self, end: int) -> Iterator[Want]:
        link = self._last_link.wanted(end)  # R12
        if link is None or not self._flows.is_free(link.flow):
            return
        cell = self._next_cell(self._hops[link.ttl])
        if cell is None or link.ttl == end or self._flows.are_columns:
            yield Want(link.ttl, self._last_attempt + 1, link.flow, Purpose.PRESENCE)
        else:
            yield Want(link.ttl, cell.attempt, link.flow, Purpose.CELL)

    def _wants_at_end(self, end: int) -> Iterator[Want]:
        if self._ending.is_router:  # R4
            yield from self._next_attempt(end)
        elif (ttl := self._ending.column_ttl) is not None:  # R12
            asked = ttl if self._is_column_asked(end - 1) else end - 1
            yield from self._on_free_flow(asked, 1, is_alone=True)
        for question in (self._ending.longest_column, self._ending.silence_before):
            if question is not None and not question.is_in_flight:
                yield self._on_flow(question.probe)

    def _is_column_asked(self, ttl: int) -> bool:
        """Whether the first column was asked at ``ttl``, or cannot be any more."""
        if ttl < self._next_row:
            return True
        flow, flights = self._flows.of_column(1), self._hops[ttl].flights
        return any(flight.probe.flow == flow and not flight.is_in_flight for flight in flights)

    def _next_attempt(self, ttl: int) -> Iterator[Want]:
        unsent = [cell for cell in self._hops[ttl].cells if cell.state is CellState.UNSENT]
        for cell in unsent if self._flows.were_mixed else unsent[:1]:  # columns do not wait for each other
            yield from self._on_free_flow(ttl, cell.attempt)

    def _on_free_flow(self, ttl: int, attempt: int, *, is_alone: bool = False) -> Iterator[Want]:
        flow = self._column_flow(ttl, attempt)
        if flow is not None and self._flows.is_free(flow):
            yield Want(ttl, attempt, flow, Purpose.CELL, is_alone)

    def _on_flow(self, wanted: Wanted) -> Want:
        """A probe on that flow, for the cell of its column if that was not asked yet."""
        for cell in self._hops[wanted.ttl].cells:
            if cell.state is CellState.UNSENT and self._flows.of_column(cell.attempt) == wanted.flow:
                return Want(wanted.ttl, cell.attempt, wanted.flow, Purpose.CELL)
        return Want(wanted.ttl, self._last_attempt + 1, wanted.flow, Purpose.PRESENCE)

    def _column_flow(self, ttl: int, attempt: int) -> int | None:
        """The flow of an attempt at ``ttl`` (``flows`` F1 to F3), None while that is not known."""
        before = None if self._flows.are_columns or attempt != 2 else self._hops.get(ttl - 1)
        flight = before.cells[0].flight if before else None
        if flight is None or flight.is_lost:
            return self._flows.of_column(attempt)
        return None if flight.is_in_flight else flight.probe.flow

    def _last_wants(self) -> Iterator[Want]:
        for ttl in range(max(self._next_row, self._window.last_router_ttl + 1), self._window.last + 1):
            cell = self._next_cell(self._hops[ttl])
            if cell is not None and cell.attempt > 1:
                yield Want(ttl, cell.attempt, self._flows.fresh, Purpose.CELL, is_alone=True)

    def _lone_attempt(self, ttl: int, attempt: int) -> Want:
        """A further attempt, alone: on its column's flow if that is unused out there, else on a fresh one."""
        flow, nearest = self._column_flow(ttl, attempt), self._window.last_router_ttl
        is_used = any(flight.probe.flow == flow and flight.probe.ttl > nearest for flight in self.flights)
        if flow is None or is_used or not self._flows.is_free(flow):
            flow = self._flows.fresh
        return Want(ttl, attempt, flow, Purpose.CELL, is_alone=True)

    @staticmethod
    def _next_cell(hop: HopState) -> Cell | None:
        return next((cell for cell in hop.cells if cell.state is CellState.UNSENT), None)

    # What is asked again -----------------------------------------------------------------------------

    def suspected_ttls(self) -> Iterator[int]:
        """The TTLs with a suspected loss that may be asked again now, nearest first."""
        return filter(self._may_retry, self._ttls_of_retries())

    def suspects_loss_at(self, ttl: int) -> bool:
        """Whether ``ttl`` is one of ``suspected_ttls()``."""
        return ttl in self._ttls_of_retries() and self._may_retry(ttl)

    def _ttls_of_retries(self) -> range:
        """Where a loss matters: in rows that are not out; one at the destination says nothing."""
        if self.is_done or not self._losses.is_any:
            return range(0)
        end = self._ending.ttl
        last = self._window.last if end is None else end if self._ending.is_router else end - 1
        return range(self._next_row, last + 1)

    def _may_retry(self, ttl: int) -> bool:
        """Whether a loss is suspected at ``ttl`` and nothing else is in flight on the flow of its retry."""
        hop = self._hops[ttl]
        cell = None if hop.is_worn_out else hop.suspected
        return cell is not None and self._flows.is_free(self._flows.of_column(cell.attempt))

    def retry(self, ttl: int) -> Want:
        """The probe that asks a suspected loss at ``ttl`` again, on the flow of its column."""
        cell = self._hops[ttl].suspected
        assert cell is not None, "retry() is for the TTLs of suspected_ttls()"
        return Want(ttl, cell.attempt, self._flows.of_column(cell.attempt), Purpose.CELL)

    def control(self, ttl: int, flow: int) -> Want:
        """A probe that asks, on ``flow`` that is known to pass, whether the router at ``ttl`` answers now."""
        return Want(ttl, self._last_attempt + 1, self._flows.of_control(ttl, flow), Purpose.CONTROL)

    def confirm_losses(self, ttl: int, count: int) -> None:
        """Count ``count`` proofs that the suspected losses at ``ttl`` are real."""
        self._losses.confirm(ttl, count)

    # What happened -----------------------------------------------------------------------------------

    def sent(self, want: Want, probe: Probe, now: float) -> Flight:
        """Note that ``want`` left as ``probe``."""
        flight = Flight(probe, want.purpose, is_alone=want.is_alone)
        flight.sent_at = now
        self.flights.append(flight)
        self._flows.on_sent(flight)
        self._last_attempt = max(self._last_attempt, want.attempt)
        if want.purpose is Purpose.CONFIRMATION:
            self._ending.on_confirmation_sent(flight)
        elif want.purpose is not Purpose.CONTROL:
            self._hops[want.ttl].flights.append(flight)
        if want.purpose is Purpose.WITNESS:
            self._ending.on_witness_sent(flight)
        if want.purpose is Purpose.CELL:
            self._fill_cell(want, flight, now)
        elif want.purpose is Purpose.PRESENCE and want.ttl == self._window.last:
            self._window.on_far_probe_sent()
        return flight

    def _fill_cell(self, want: Want, flight: Flight, now: float) -> None:
        cell = self._hops[want.ttl].cells[want.attempt - 1]
        cell.state, cell.flight = CellState.IN_FLIGHT, flight
        self._losses.recount()
        if want.attempt == 1 and want.ttl == self._window.next_first_ttl:
            self._window.on_first_sent(now)

    def received(self, flight: Flight, reply: Reply) -> bool:
        """Take a reply to one of this path's flights into account; whether earlier ones no longer count."""
        self._known_ttl = None
        flight.replies.append(reply)
        is_new = self._forgeries.learn(flight)
        self._ending.proof = self._forgeries.proof
        if is_new:
            self._set_aside(reply.received_at)
        else:
            self._forgeries.set_aside([flight])
        if reply in flight.forged:
            self._find_end(reply.received_at)
        else:
            self._take(flight, reply)
        return is_new

    def _set_aside(self, now: float) -> None:
        """Go back to where the path would be if nobody had forged answers."""
        self._forgeries.set_aside(self.flights)
        answered = (each.probe.ttl for each in self.flights if each.replies and each.probe.ttl in self._hops)
        self._farthest_answer_ttl = max(answered, default=self._first - 1)
        self._ending.forget()
        self._find_end(now)
        for flight in self.flights:
            if flight.is_missed:
                flight.is_lost = self.times_out_at(flight) <= now
        for hop in self._hops.values():
            hop.forget_answers()
        self._losses.recount()

    def _take(self, flight: Flight, reply: Reply) -> None:
        """Take a reply into account that is not known to be forged."""
        if self.is_done or flight.purpose in (Purpose.CONFIRMATION, Purpose.CONTROL):
            return
        ttl = flight.probe.ttl
        self._ending.on_reply(flight, reply)
        self._farthest_answer_ttl = max(self._farthest_answer_ttl, ttl)
        if flight.purpose is Purpose.CELL:
            self._answer_cell(flight, reply)
        else:
            self._losses.on_answer(self._hops[ttl], reply.kind)
        self._find_end(reply.received_at)
        if not self._flows.are_columns and self._shares_load(flight, reply):
            self._flows.make_columns(self._flow_of_last_row())
            self._find_end(reply.received_at)
        if self._flows.were_mixed:
            self._ask_off_column_again()

    def _flow_of_last_row(self) -> int | None:
        """The flow that met the router of the last row that is out, None where that shows none."""
        last = self._hops.get(self._next_row - 1)
        met = last.flows_answered(ReplyKind.TIME_EXCEEDED) if last else []
        return met[0] if met else None

    def _find_end(self, now: float) -> None:
        last_router = self._ending.find(self._next_row)
        self._window.on_last_router(max(last_router, self._first - 1), now)

    def _shares_load(self, flight: Flight, reply: Reply) -> bool:
        """Whether ``reply`` shows that flows go different ways."""
        if reply.kind in TCP_KINDS:
            return self._ending.is_contradicted
        senders = {
            other.sender
            for each in self._hops[flight.probe.ttl].flights
            if (other := each.reply_of(reply.kind)) is not None
        }
        return len(senders) > 1 or self._ending.is_contradicted

    def _ask_off_column_again(self) -> None:
        """Have the rows that are not out and lie below the end asked on the flows of their columns."""
        end = self._ending.ttl or self._window.last + 1
        for ttl in range(self._next_row, end + self._ending.is_router):
            for cell in self._hops[ttl].cells:
                flight = cell.flight
                if cell.state is CellState.ANSWERED and flight and self._flows.is_off_column(flight):
                    cell.state = CellState.UNSENT

    def _answer_cell(self, flight: Flight, reply: Reply) -> None:
        hop = self._hops[flight.probe.ttl]
        cell = hop.cells[flight.probe.attempt - 1]
        if reply.kind is ReplyKind.TIME_EXCEEDED and self._flows.is_off_column(flight):  # R6
            if cell.flight is flight:
                cell.state = CellState.UNSENT
            return
        if cell.state is not CellState.ANSWERED:
            self._losses.is_path_lossy = self._losses.is_path_lossy or cell.flight is not flight
            cell.state, cell.flight = CellState.ANSWERED, flight
        self._losses.on_answer(hop, reply.kind)

    def lost(self, flight: Flight) -> None:
        """Give a flight up: no reply in time."""
        self._known_ttl = None
        flight.is_lost = True
        if flight.purpose is Purpose.CELL:
            self._lose_cell(flight)
        if self._flows.were_mixed or self._ending.ttl == flight.probe.ttl + 1:  # R12
            self._find_end(self._now)

    def _lose_cell(self, flight: Flight) -> None:
        hop = self._hops[flight.probe.ttl]
        cell = hop.cells[flight.probe.attempt - 1]
        if cell.flight is flight and cell.state is CellState.IN_FLIGHT:
            self._losses.on_lost(hop, cell)

    # Waiting -----------------------------------------------------------------------------------------

    def times_out_at(self, flight: Flight) -> float:
        """When ``flight`` counts as lost: after the whole timeout, sooner once as far a TTL has answered."""
        ttl = flight.probe.ttl
        has_answered = (
            self._farthest_answer_ttl >= ttl
            or self._ending.ttl is not None
            or self._state.routers.has_router_at(ttl)
        )
        timeout = self._timeout
        if has_answered:
            timeout = min(timeout, self._state.timeouts.timeout(ttl))
        return flight.sent_at + timeout

    def wakes_at(self) -> float:
        """When ``advance()`` has something to do though nothing arrives, infinity for never."""
        if self.is_done:
            return inf
        ending = self._ending
        instants = (ending.stands_at, ending.doubted_until, self._row_waits_until, self._looks_until())
        return min(self._stalls_at(), *(each for each in instants if each > self._now), inf)

    def advance(self, now: float) -> None:
        """Let time pass: look farther when nothing has answered for a while."""
        self._now = now
        self._hear_of_controls()
        host_ttl = self._state.host_ttl
        if host_ttl and self._spares_the_host:  # R2
            if self._farthest_answer_ttl >= host_ttl:
                host_ttl = self._farthest_answer_ttl + LONGER_BRANCH
            self._window.end_at(min(max(host_ttl, self._next_row), max(self._hops)))
        if not self.is_done and self._stalls_at() <= now:
            self._window.stall(now)

    def _hear_of_controls(self) -> bool:
        """Have the end know what the run knows of this port's controls; whether that is new."""
        ending = self._ending
        before = ending.router_of_control, ending.is_unplaced
        ending.router_of_control = self._state.routers_of_controls.get(self.port)
        ending.is_unplaced = self.port in self._state.unplaced_ports
        return before != (ending.router_of_control, ending.is_unplaced)

    def _stalls_at(self) -> float:
        if self._ending.ttl is not None or self.port in self._state.waiting_ports:  # R2
            return inf
        return self._window.stalls_at(self._state.timeouts.longest_srtt, self._timeout)

    # What is decided ---------------------------------------------------------------------------------

    def _last_known_ttl(self) -> int:
        """The highest TTL that cannot be the destination: a router's, or one that is shadowed no more."""
        if self._known_ttl is None:
            self._known_ttl = self._find_last_known_ttl()
        return self._known_ttl

    def _find_last_known_ttl(self) -> int:
        end, last_router = self._ending.ttl, self._window.last_router_ttl
        if end is None:
            return last_router
        needed = self._losses.lone_losses_needed
        for ttl in range(end - 1, last_router, -1):
            hop = self._hops[ttl]
            if hop.alone_losses() >= needed or hop.alone_answers() >= LONE_ANSWERS or hop.is_worn_out:  # R3
                return ttl
        return last_router

    def decide(self) -> bool:
        """Decide every row that can be decided; whether something is to be asked before the next one."""
        is_more_wanted = self._hear_of_controls()
        while not self.is_done and (row := self._decided_row()) is not None:
            hop = self._hops[row.ttl]
            if self._suspects_silence(hop):  # R9
                for other in self._hops_ahead():
                    if other.is_settled and self._suspects_silence(other):
                        self._losses.suspect_silence(other)
                return True
            self._events.append(HopFinished(self.port, row))
            self._next_row += 1
            if row.outcome is not None or self._next_row > self._window.last:
                self._finish(row.outcome or Outcome.NOT_REACHED)
        return is_more_wanted

    def _suspects_silence(self, hop: HopState) -> bool:
        return not hop.is_worn_out and self._losses.suspects_silence(hop, is_reported=self._ending.is_router)

    def _hops_ahead(self) -> Iterator[HopState]:
        """The hops of the rows that are not out, up to the end."""
        end = self._ending.ttl or self._window.last + 1
        return (self._hops[ttl] for ttl in range(self._next_row, end))

    def events(self) -> list[Event]:
        """What was decided since the last call, in display order."""
        decided, self._events = self._events, []
        return decided

    def _decided_row(self) -> Hop | None:
        """The next row if nothing in flight can change it any more; else ``wakes_at()`` may change."""
        ttl, end = self._next_row, self._ending.ttl
        hop = self._hops[ttl]
        if end is not None and ttl >= end - 1 and self._is_link_open(end):  # R12
            return None
        if ttl == end:
            is_held = self.port in self._state.held_ports or self._now < self._looks_until()  # R11
            if is_held or self._ending.column_ttl is not None:
                return None
            return self._ending.row(self._now, self._window.last_router_ttl)
        if not hop.is_settled or (end is not None and ttl > self._last_known_ttl()):  # R7
            return None
        if not self._flows.are_columns:
            self._row_waits_until = self._is_open_ahead_until(ttl)
            if self._now < self._row_waits_until:  # R10
                return None
        doubtful = hop.answered_by_tcp_alone()
        self._row_waits_until = max(map(self.times_out_at, doubtful), default=-inf)
        if self._now < self._row_waits_until:  # R8
            return None
        return hop.row(without=[flight for flight in doubtful if self._ending.is_forged(flight)])

    def _is_link_open(self, end: int) -> bool:
        """Whether it is still to be seen which flows meet what before the end."""
        return self._last_link.is_awaited(end) or self._ending.silence_before is not None

    def _looks_until(self) -> float:
        """Until when the end waits for what may contradict it."""
        timeouts = self._state.timeouts
        return self._ending.looks_until(lambda ttl: min(self._timeout, timeouts.timeout(ttl)))

    def _is_open_ahead_until(self, ttl: int) -> float:
        """Until when it may still show close behind ``ttl`` that flows part; infinity while that is open."""
        end = self._ending.ttl or self._window.last + 1
        ahead = (self._hops[each] for each in range(ttl + 1, min(ttl + 1 + SEEN_AHEAD, end)))
        if any(hop.is_router and not hop.is_settled for hop in ahead):
            return inf
        first = self._hops[ttl + 1].cells[0] if ttl + 1 < end else None
        if first is None or first.flight is None or first.state is not CellState.IN_FLIGHT:
            return -inf
        return first.flight.sent_at + min(self._timeout, self._state.timeouts.timeout(ttl + 1))

    def _finish(self, outcome: Outcome) -> None:
        self.is_done = True
        if outcome in (Outcome.OPEN, Outcome.CLOSED):
            self._state.distance = self._next_row - 1
        records = tuple(map(self._flows.record, self.flights))
        self._events.append(TraceFinished(self.port, outcome, records))
