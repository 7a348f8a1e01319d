"""The search for branches as an engine: sends what the plan wants, as pacing lets it pass. No I/O, no clock.

R1. Each router has its pace (``routers``). Where one is known to limit its answers, or the first probes of
    ``IN_A_ROW`` flows in a row were lost, or one on a flow that was answered before, the TTL is asked every
    ``LIMITED_INTERVAL`` seconds, as often more as it has routers.
R2. Where probes of one flow cannot be in flight together (``shares_flows``), a flow waits for its last probe.
R3. A reply with a loose quote counts once others bear it out (``loose_quotes``).
R4. The search ends when nothing is wanted, or at its budget: ``MOST_SECONDS`` and ``MOST_PROBES``.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from tracetcp.engine.branches.plan import Plan, Want
from tracetcp.engine.branches.samples import Samples
from tracetcp.engine.trace.flight import Flight, Purpose
from tracetcp.engine.trace.pacer import LIMITED_INTERVAL
from tracetcp.model import FLOWS, AddressSeen, Event, Probe, ReplyKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracetcp.config import TraceConfig
    from tracetcp.engine.run_state import RunState
    from tracetcp.model import Reply

MOST_SECONDS = 60.0
"""A limited router where many branches meet again gives an answer a second; who waits longer sees no use."""
IN_A_ROW = 4
MOST_PROBES = 3000
"""The default of scamper's tracelb."""
MOST_LOOSE = 4
"""Loose quotes of one probe that are looked at: more are a flood."""
CONTROL_FLOWS = 256
"""The last flows are those of controls where flows are not shared (``engine.trace.flows``)."""


class BranchSearch:
    """The search on ``port``, from what ``take_over`` tells of a trace; sure by ``percent`` (95 or 99)."""

    def __init__(
        self,
        port: int,
        config: TraceConfig,
        state: RunState,
        capacity: int,
        *,
        shares_flows: bool = True,
        percent: int = 95,
    ) -> None:
        self.samples = Samples()
        self.is_stopped = False
        """Whether the budget ended the search."""
        self.probes_sent = 0
        self._port = port
        self._config = config
        self._state = state
        self._capacity = capacity
        self._shares_flows = shares_flows
        self._next_flow = 0
        self.plan = Plan(self.samples, config.start_hop, config.last_ttl, percent, self._new_flow)
        self._started_at: float | None = None
        self._wants: list[Want] = []
        self._is_dirty = True
        self._sending: Want | None = None
        self._flights: dict[int, tuple[Want, Flight]] = {}
        self._in_flight: dict[int, tuple[Want, Flight]] = {}
        self._loose: list[tuple[Want, Flight, Reply]] = []
        self._slow: set[int] = set()
        """TTLs that seem to limit their answers."""
        self._lost_in_a_row: dict[int, int] = {}
        self._seen: list[Event] = []
        self._next_at = -inf
        self._is_over = False

    # What a trace tells ----------------------------------------------------------------------------------

    def take_over(self, probe: Probe, sent_at: float, replies: Sequence[Reply]) -> None:
        """Take a probe of the trace into account, with its replies."""
        self._next_flow = max(self._next_flow, probe.flow + 1 if probe.flow < FLOWS - CONTROL_FLOWS else 0)
        if not self._config.start_hop <= probe.ttl <= self._config.last_ttl:
            self.samples.add_flow(probe.flow)
            return
        self.samples.sent(probe.ttl, probe.flow, sent_at, probe.source_port, is_draw=True)
        counted = [r for r in replies if not r.is_loose or self._state.loose_quotes.bear_out(probe, r)]
        counted.sort(key=lambda reply: reply.kind is not ReplyKind.TIME_EXCEEDED)
        if counted:
            self.samples.answered(probe.ttl, probe.flow, counted[0], sent_at)
        else:
            self.samples.lost(probe.ttl, probe.flow)

    def _new_flow(self) -> int | None:
        if self._next_flow >= FLOWS - CONTROL_FLOWS:
            return None
        self._next_flow += 1
        return self._next_flow - 1

    # The engine -------------------------------------------------------------------------------------------

    @property
    def is_done(self) -> bool:
        """Whether nothing more is wanted or on its way."""
        return self._is_over

    def next_probes(self, now: float, most: int) -> tuple[Probe, ...]:
        """The next probe that pacing lets pass."""
        if self._started_at is None:
            self._started_at = now
        self._next_at = inf
        if most < 1 or self._is_over or len(self._in_flight) >= self._capacity:
            return ()
        self._look_at_budget(now)
        if self._is_dirty:
            self._wants, self._is_dirty = [] if self.is_stopped else self.plan.wants(), False
        paced: set[int] = set()
        for place, want in enumerate(self._wants):
            if want.ttl in paced or (not self._shares_flows and self._is_in_use(want.flow)):  # R2
                continue
            may_leave_at = max(want.from_at, self._may_leave_at(want.ttl, is_alone=want.is_alone))
            if may_leave_at <= now:
                del self._wants[place]
                self._is_dirty = not self._wants
                self._sending = want
                return (self._probe(want),)
            self._next_at = min(self._next_at, may_leave_at)
            if want.from_at <= now:
                paced.add(want.ttl)
        if not self._in_flight and not self._wants:
            self._end()
        return ()

    def _probe(self, want: Want) -> Probe:
        sample = self.samples.at(want.ttl).by_flow.get(want.flow)
        attempt = 1 + (sample.tries if sample else 0)
        return Probe(self._state.tokens.draw(self), self._port, want.ttl, attempt, want.flow)

    def _is_in_use(self, flow: int) -> bool:
        return any(want.flow == flow for want, _ in self._in_flight.values())

    def _may_leave_at(self, ttl: int, *, is_alone: bool = False) -> float:
        """When pacing lets a probe with ``ttl`` pass."""
        if not self._config.anti_flood:
            return -inf
        place = self._state.routers.at(ttl)
        if ttl < self.plan.edge and (is_alone or ttl in self._slow or place.is_limited):  # R1
            share = LIMITED_INTERVAL / (1 if is_alone else max(1, len(place.routers)))
            return place.sent[-1] + share if place.sent else -inf
        return self._state.routers.next_send_at(ttl)

    def _look_at_budget(self, now: float) -> None:
        assert self._started_at is not None, "next_probes() noted it"
        is_spent = now >= self._started_at + MOST_SECONDS or self.probes_sent >= MOST_PROBES
        if is_spent and (self._wants or self._is_dirty) and not self.is_stopped:
            self.is_stopped, self._wants = bool(self._wants or self.plan.wants()), []  # R4

    def _end(self) -> None:
        self._is_over = True
        for token in self._flights:
            self._state.tokens.release(token)
        self._flights.clear()

    def stop(self) -> None:
        """End now, with what is known."""
        if not self._is_over:
            self.is_stopped = True
            self._in_flight.clear()
            self._end()

    def sent(self, probe: Probe, at: float) -> None:
        """See ``Engine``."""
        want = self._depart(probe, at)
        flight = Flight(probe, Purpose.PRESENCE, is_alone=True)
        flight.sent_at = at
        self._flights[probe.token] = self._in_flight[probe.token] = (want, flight)

    def failed(self, probe: Probe, at: float) -> None:
        """See ``Engine``: the probe counts as lost."""
        want = self._depart(probe, at)
        self.samples.lost(want.ttl, want.flow)
        self._state.tokens.release(probe.token)
        self._is_dirty = True

    def _depart(self, probe: Probe, at: float) -> Want:
        assert self._sending is not None, "sent() and failed() follow next_probes()"
        want, self._sending = self._sending, None
        self.probes_sent += 1
        self.samples.sent(want.ttl, want.flow, at, probe.source_port, is_draw=want.is_draw)
        self._state.routers.on_sent(want.ttl, at)
        return want

    def receive(self, reply: Reply) -> None:
        """See ``Engine``; of the replies to a probe the first counts."""
        known = self._flights.get(reply.token)
        if known is None:
            return
        want, flight = known
        if reply.is_loose:
            if len(flight.unsupported) >= MOST_LOOSE:
                return
            flight.unsupported.append(reply)
            self._state.loose_quotes.add(flight.probe, reply)
            self._loose.append((want, flight, reply))
            return
        self._take(want, flight, reply)

    def _take(self, want: Want, flight: Flight, reply: Reply) -> None:
        self._is_dirty = True
        if flight.replies:
            return
        was_lost = self._in_flight.pop(reply.token, None) is None
        flight.replies.append(reply)
        self.samples.answered(want.ttl, want.flow, reply, flight.sent_at, was_lost=was_lost)
        self._lost_in_a_row[want.ttl] = 0
        self._state.timeouts.add(want.ttl, flight.rtt(reply))
        self._state.routers.on_reply(flight, reply)
        if reply.sender not in self._state.addresses:
            self._state.addresses.add(reply.sender)
            self._seen.append(AddressSeen(reply.sender))

    def advance(self, now: float) -> None:
        """See ``Engine``."""
        if self._loose:
            self._take_borne_out()
        for token, (want, flight) in list(self._in_flight.items()):
            if self._times_out_at(flight) <= now:
                del self._in_flight[token]
                self.samples.lost(want.ttl, want.flow)
                self._is_dirty = True
                self._look_at_loss(want)

    def _look_at_loss(self, want: Want) -> None:
        hop = self.samples.at(want.ttl)
        sample = hop.by_flow[want.flow]
        if sample.tries > 1 and not sample.met:  # it may well be silent
            return
        in_a_row = self._lost_in_a_row[want.ttl] = self._lost_in_a_row.get(want.ttl, 0) + 1
        is_control = bool(sample.met)
        hop.is_limited = hop.is_limited or is_control
        if hop.is_answered and (in_a_row >= IN_A_ROW or is_control):  # R1
            self._slow.add(want.ttl)

    def _take_borne_out(self) -> None:
        waiting, self._loose = self._loose, []
        for want, flight, reply in waiting:
            if self._state.loose_quotes.bear_out(flight.probe, reply):  # R3
                self._take(want, flight, reply)
            else:
                self._loose.append((want, flight, reply))

    def _times_out_at(self, flight: Flight) -> float:
        """A TTL as far as which nothing was answered gets the whole timeout."""
        ttl, most = flight.probe.ttl, self._config.timeout
        is_known = ttl <= max(self.samples.last_router(), self.samples.nearest or 0)
        known = self._state.timeouts.timeout(min(ttl, self.samples.nearest or ttl))
        return flight.sent_at + (min(known, most) if is_known or self.samples.nearest else most)

    def wake_at(self) -> float:
        """See ``Engine``."""
        if self._is_dirty and not self._is_over:
            return -inf
        waits = [self._times_out_at(flight) for _, flight in self._in_flight.values()]
        if self._started_at is not None and self._wants:
            waits.append(self._started_at + MOST_SECONDS)
        return min([self._next_at, *waits])

    def events(self) -> list[Event]:
        """The addresses seen since the last call."""
        events, self._seen = self._seen, []
        return events
