"""The engine of port scans: one TTL beyond any path, so that every probe reaches the host.

Knows no socket and no clock. Rows stream out in port order, so memory is bounded by the ports between the
oldest undecided one and the newest sent. Most ports are answered at once; that path allocates one object and
emits one event.

What is sent:

R1. Retransmissions go before new ports; a new port waits while ``LONGEST_QUEUE`` ports are undecided.
R2. No more probes are in flight than the congestion window (``congestion``) allows, and no more are waited
    for than the prober's capacity. Under ``-F`` the capacity alone counts.
R3. A probe is in flight until it is answered, cannot be sent or expires: after twice the smoothed RTT and
    four RTTVAR, ``MINIMUM_FLIGHT_TIME`` at least; while the host has answered nothing, after ``MINIMUM_RTO``
    or the timeout (``-t``), whichever is shorter.
R4. An attempt is lost after the retransmission timeout of RFC 6298, ``MINIMUM_RTO`` at least and the timeout
    at most; while the host has answered nothing, after the timeout.

When a port is decided:

R5. An answer of the destination decides it at once. A SYN-ACK that follows another answer to the same
    attempt still counts until the row is out.
R6. An answer of a router decides it once as many attempts were answered as ``-p`` asks for; until then the
    port is asked again.
R7. A port whose attempts are lost is silent after as many as ``-p`` asks for. Under ``-F``, and while the
    host has answered nothing, that is all.
R8. Silence may be a firewall or a lost probe. So where the host answers other ports, two attempts are made
    at least; and once a loss was proven (``congestion``), ``ATTEMPTS_UNDER_LOSS`` at least, and as many as
    make a false verdict as unlikely as ``FALSE_SILENCE_CHANCE`` at the share of probes seen lost.
R9. Attempts made before the window was last reduced for losses say nothing of the port: they do not count.
R10. After ``MOST_ATTEMPTS``, or as many as ``-p`` asks for if these are more, a port is silent all the same.
R11. A reply with a loose quote counts once others bear it out (``loose_quotes``). A loose Time Exceeded never
    does: beyond any path no TTL runs out, and every sender seems to stay at one TTL.
"""

from __future__ import annotations

from collections import deque
from math import ceil, inf, log
from typing import TYPE_CHECKING

from tracetcp.engine.rtt import VARIATION_FACTOR, RttEstimator
from tracetcp.engine.scan.attempts import Attempt, Port, Retransmission
from tracetcp.engine.scan.congestion import CongestionWindow
from tracetcp.model import (
    AddressSeen,
    Event,
    Hop,
    Outcome,
    Ping,
    PortScanned,
    Probe,
    ProbeRecord,
    ReplyKind,
    outcome_of,
)

if TYPE_CHECKING:
    from tracetcp.config import TraceConfig
    from tracetcp.engine.run_state import RunState
    from tracetcp.model import Reply

MINIMUM_RTO = 0.2
"""Seconds before a retransmission, however short the RTT: hosts and routers pause that long."""
MINIMUM_FLIGHT_TIME = 0.01
"""Seconds."""
LONGEST_QUEUE = 16_384
"""Ports between the oldest undecided one and the newest sent."""
FALSE_SILENCE_CHANCE = 1e-8
"""Chance accepted that all attempts at a port that answers were lost."""
MOST_LOOSE = 64
"""Replies with a loose quote that wait at a time: more are a flood."""
MOST_ATTEMPTS = 20
ATTEMPTS_UNDER_LOSS = 3


class ScanEngine:
    """The engine of port scans (see the package for the calls that every engine has)."""

    def __init__(self, config: TraceConfig, state: RunState, capacity: int) -> None:
        self.ports_done = 0
        self._ttl = config.start_hop
        self._pings = config.pings
        self._timeout = config.timeout
        # -F turns two policies off:
        self._has_congestion_control = config.anti_flood
        """Answers and proven losses are counted, and bound what is in flight (R2)."""
        self._doubts_silence = config.anti_flood
        """Silent ports get more attempts than were asked for (R8)."""
        self._capacity = capacity
        self._state = state
        self._ports = iter(config.ports)
        self._has_more_ports = True
        self._queue: deque[Port] = deque()
        """Ports asked whose rows are not out, in order."""
        self._to_ask_again: deque[Port] = deque()
        self._sent: dict[int, Port | Retransmission] = {}
        """The attempts at the ports in the queue, by token."""
        self._in_flight: deque[Port | Retransmission] = deque()
        """The attempts that may be in flight, as they were sent; some are not any more."""
        self._flight_size = 0
        """How many of them are (RFC 5681 section 2)."""
        self._waiting: deque[Port | Retransmission] = deque()
        """The attempts that may still be waited for, as they were sent; some are not any more."""
        self._window = CongestionWindow()
        self._rtt = RttEstimator()
        self._loose: deque[Reply] = deque(maxlen=MOST_LOOSE)
        """Replies with a loose quote that wait to be borne out."""
        self._events: list[Event] = []

    @property
    def is_done(self) -> bool:
        """Whether every port is decided and its events were taken."""
        return not self._has_more_ports and not self._queue

    # What to send ------------------------------------------------------------------------------------

    def next_probes(self, now: float, most: int) -> list[Probe]:
        """Up to ``most`` probes to send now; none when nothing may leave before ``wake_at()``."""
        probes: list[Probe] = []
        self._window.pass_time(now)
        self._forget_answered()
        if not self._may_send():
            self._expire_old(now)
        send_rate = self._window.send_rate
        most = min(most, self._room(), most if send_rate is None else send_rate.room(now))
        while len(probes) < most:
            attempt = self._next_retransmission() or self._next_port()  # R1
            if attempt is None:
                break
            probes.append(attempt.probe)
            self._sent[attempt.probe.token] = attempt
            self._in_flight.append(attempt)
            self._waiting.append(attempt)
        self._flight_size += len(probes)
        if send_rate is not None:
            send_rate.on_sent(len(probes), now)
        return probes

    def _room(self) -> int:
        """Probes for which the windows have room."""
        size = self._window.size if self._has_congestion_control else self._capacity  # R2
        return min(size - self._flight_size, self._capacity - len(self._waiting))

    def _may_send(self) -> bool:
        """Whether the windows are open and there may be something to send."""
        has_something = self._to_ask_again or (self._has_more_ports and len(self._queue) < LONGEST_QUEUE)
        return bool(has_something) and self._room() > 0

    def _next_retransmission(self) -> Retransmission | None:
        """The next attempt at a port that is to be asked again."""
        while self._to_ask_again:
            port = self._to_ask_again.popleft()
            if not port.is_done:
                attempt = len(port.retransmissions) + 2
                token = self._state.tokens.draw(self)
                probe = Probe(token, port.probe.port, self._ttl, attempt, attempt - 1)
                retransmission = Retransmission(probe, port)
                port.retransmissions += (retransmission,)
                return retransmission
        return None

    def _next_port(self) -> Port | None:
        """The first attempt at the next port."""
        if len(self._queue) >= LONGEST_QUEUE:  # R1
            return None
        number = next(self._ports, None)
        if number is None:
            self._has_more_ports = False
            return None
        port = Port(Probe(self._state.tokens.draw(self), number, self._ttl, 1, 0))
        self._queue.append(port)
        return port

    def _forget_answered(self) -> None:
        """Let go of the oldest probes that are answered: where the windows never fill, nothing else does."""
        in_flight = self._in_flight
        while in_flight and not in_flight[0].is_in_flight:
            in_flight.popleft()

    def _expire_old(self, now: float) -> None:
        """Take probes out of the deque that are answered or expired."""
        in_flight = self._in_flight
        flight_time = self._flight_time()
        while in_flight and (not in_flight[0].is_in_flight or in_flight[0].sent_at + flight_time <= now):
            self._expire(in_flight.popleft())

    def _flight_time(self) -> float:
        """Seconds after which a probe expires."""
        if self._rtt.srtt is None:  # R3
            return min(MINIMUM_RTO, self._timeout)
        return max(MINIMUM_FLIGHT_TIME, 2 * self._rtt.srtt + VARIATION_FACTOR * self._rtt.rttvar)  # R3

    def _expire(self, attempt: Attempt) -> None:
        if attempt.is_in_flight:
            self._land(attempt)
            self._window.expired()

    def _land(self, attempt: Attempt) -> None:
        """Count ``attempt`` as in flight no more."""
        if attempt.is_in_flight:
            attempt.is_in_flight = False
            self._flight_size -= 1

    def sent(self, probe: Probe, at: float) -> None:
        """Tell that a probe of ``next_probes()`` left at ``at``."""
        attempt = self._sent[probe.token]
        attempt.probe, attempt.sent_at = probe, at

    def failed(self, probe: Probe, at: float) -> None:
        """Tell that a probe of ``next_probes()`` could not be sent: it is lost after the usual wait."""
        attempt = self._sent[probe.token]
        attempt.sent_at = at
        self._land(attempt)  # R3

    # What happened -----------------------------------------------------------------------------------

    def receive(self, reply: Reply) -> None:
        """Take a reply into account; one that answers no probe of an undecided port is ignored."""
        attempt = self._sent.get(reply.token)
        if attempt is None:
            return
        if reply.quote is not None and reply.is_loose and not self._is_borne_out(attempt.probe, reply):  # R11
            return
        if attempt.reply is not None:
            if outcome_of(attempt.probe, reply) is Outcome.OPEN:  # R5
                attempt.port.answered(attempt, reply)
            return
        self._land(attempt)
        received_at = reply.received_at
        rtt = max(0.0, received_at - attempt.sent_at)
        self._rtt.add(rtt)
        if self._has_congestion_control:
            self._window.answered(rtt, received_at)
        attempt.port.answered(attempt, reply)
        self._count_answer(attempt, received_at)
        if reply.sender not in self._state.addresses:
            self._state.addresses.add(reply.sender)
            self._events.append(AddressSeen(reply.sender))

    def _is_borne_out(self, probe: Probe, reply: Reply) -> bool:
        """Whether a reply with a loose quote counts now; if not yet, ``advance()`` looks again."""
        if reply.kind is ReplyKind.TIME_EXCEEDED:  # R11
            return False
        quotes = self._state.loose_quotes
        quotes.add(probe, reply)
        is_borne_out = quotes.bear_out(probe, reply)
        if not is_borne_out:
            self._loose.append(reply)
        return is_borne_out

    def _count_answer(self, attempt: Port | Retransmission, received_at: float) -> None:
        port = attempt.port
        port.answers += 1
        if attempt is not port and not port.is_done and self._has_congestion_control:
            for earlier in port.attempts[: attempt.probe.attempt - 1]:
                if earlier.reply is None:
                    self._window.on_loss(earlier.sent_at, received_at)
        outcome = attempt.outcome
        is_of_router = outcome is None or outcome is Outcome.UNREACHABLE
        if not is_of_router or port.answers >= self._pings:  # R5, R6
            port.is_done = True
        else:
            self._to_ask_again.append(port)  # R6

    def advance(self, now: float) -> None:
        """Let time pass: what waited long enough is lost, and its port asked again or given up."""
        for _ in range(len(self._loose)):
            self.receive(self._loose.popleft())  # R11
        waiting = self._waiting
        rto = self._rto()
        while waiting:
            attempt = waiting[0]
            is_settled = attempt.reply is not None or attempt.port.is_done
            if not is_settled and attempt.sent_at + rto > now:
                break
            waiting.popleft()
            if not is_settled:
                self._expire(attempt)
                self._ask_again_or_give_up(attempt.port)

    def _rto(self) -> float:
        """Seconds after which an attempt is lost."""
        if self._rtt.srtt is None:  # R4
            return self._timeout
        rto = self._rtt.srtt + VARIATION_FACTOR * self._rtt.rttvar
        return min(self._timeout, max(MINIMUM_RTO, rto))  # R4

    def _ask_again_or_give_up(self, port: Port) -> None:
        since = self._window.recovery_started_at
        made = sum(attempt.sent_at > since for attempt in port.attempts)  # R9
        has_attempts_left = len(port.attempts) < max(MOST_ATTEMPTS, self._pings)  # R10
        if made < self._attempts_needed() and has_attempts_left:
            self._to_ask_again.append(port)
        else:
            port.is_done = True

    def _attempts_needed(self) -> int:
        """Attempts that must be lost before a port is silent."""
        if not self._doubts_silence or self._rtt.srtt is None:  # R7
            return self._pings
        if not self._window.has_loss:  # R8
            return max(self._pings, 2)
        needed = ceil(log(FALSE_SILENCE_CHANCE) / log(self._window.loss_share))
        return max(self._pings, ATTEMPTS_UNDER_LOSS, needed)  # R8

    def wake_at(self) -> float:
        """The instant at which ``advance()`` or ``next_probes()`` may have something to do."""
        wake_at = self._waiting[0].sent_at + self._rto() if self._waiting else inf
        if self._may_send():
            send_rate = self._window.send_rate
            return -inf if send_rate is None else min(wake_at, send_rate.next_send_at)
        if self._in_flight and (self._has_more_ports or self._to_ask_again):
            wake_at = min(wake_at, self._in_flight[0].sent_at + self._flight_time())
        return wake_at

    # What is decided ---------------------------------------------------------------------------------

    def events(self) -> list[Event]:
        """Everything decided since the last call, ports in order."""
        queue = self._queue
        while queue and queue[0].is_done:
            port = queue.popleft()
            if port.final is port and not port.retransmissions:
                self._retire_at_once(port)
            else:
                self._retire(port)
        events, self._events = self._events, []
        return events

    def _retire_at_once(self, port: Port) -> None:
        """Do as ``_retire`` does, for a port whose first attempt was answered: nearly every one."""
        probe, sent_at, reply = port.probe, port.sent_at, port.reply
        assert reply is not None, "only an answered attempt is final"
        hop = Hop(self._ttl, (Ping(1, max(0.0, reply.received_at - sent_at), reply),), port.outcome)
        self._events.append(PortScanned(probe.port, hop, (ProbeRecord(probe, sent_at, (reply,)),)))
        del self._sent[probe.token]
        self._state.tokens.release(probe.token)
        port.final = None
        self.ports_done += 1

    def _retire(self, port: Port) -> None:
        attempts = port.attempts
        records = tuple([attempt.record() for attempt in attempts])
        self._events.append(PortScanned(port.probe.port, self._row(port), records))
        for attempt in attempts:
            del self._sent[attempt.probe.token]
            self._state.tokens.release(attempt.probe.token)
        port.final = None  # breaks the cycles of references: memory must not wait for the collector
        port.retransmissions = ()
        self.ports_done += 1

    def _row(self, port: Port) -> Hop:
        """The lost attempts before the destination's answer and the answer; else every ping."""
        final = port.final
        if final is None:
            shown = [each for each in port.attempts if each.reply or not port.answers][: self._pings]
            return Hop(self._ttl, tuple([attempt.ping() for attempt in shown]))
        outcome = final.outcome
        if outcome is Outcome.UNREACHABLE:
            answered = [attempt for attempt in port.attempts if attempt.reply]
            return Hop(self._ttl, tuple([attempt.ping() for attempt in answered]), outcome)
        before = port.attempts[: min(final.probe.attempt, self._pings) - 1]
        return Hop(self._ttl, (*[each.ping() for each in before if not each.reply], final.ping()), outcome)
