"""The engine of port scans: one TTL beyond any path, so that every probe reaches the host.

Knows no socket and no clock. Each port is asked attempt after attempt until it answers; what is in the
network at once is bounded by a congestion window; rows stream out in port order, so memory is bounded by
the ports between the oldest undecided one and the newest sent. Ports come by ten thousands and nearly all are
answered at once, so the way of those is short: one object, one event, and no call that could be spared.

Silence may be a firewall or a lost probe. A port is called silent after:

1. every attempt asked for (``-p``) was lost, and
2. where the host answers other ports: two attempts in all, and once any repeated attempt was answered as
   many as make a false verdict unlikely at the share of probes seen lost (not under ``-F``). Those made
   while the window was too large do not count.
"""

from __future__ import annotations

from collections import deque
from math import ceil, inf, log
from typing import TYPE_CHECKING

from tracetcp.engine.rtt import VARIATION_FACTOR, RttEstimator
from tracetcp.engine.scan.attempts import Attempt, Port, Retransmission
from tracetcp.engine.scan.congestion import CongestionWindow
from tracetcp.engine.tokens import tokens, unused
from tracetcp.model import (
    AddressSeen,
    Event,
    Hop,
    Outcome,
    Ping,
    PortScanned,
    Probe,
    ProbeRecord,
    outcome_of,
)

if TYPE_CHECKING:
    from tracetcp.config import TraceConfig
    from tracetcp.model import Reply

SHORTEST_WAIT = 0.2
"""Seconds before an attempt is repeated, however short the RTT: hosts and routers pause that long."""
SHORTEST_STAY = 0.01
"""Seconds for which a probe counts as in the network, at least."""
LONGEST_QUEUE = 16_384
"""Ports between the oldest undecided one and the newest sent."""
FALSE_SILENCE = 1e-8
"""Chance accepted that all attempts at a port that answers were lost."""
MOST_ATTEMPTS = 20
ATTEMPTS_UNDER_LOSS = 3
"""Attempts at a silent port, at least, once any loss was proven."""


class Sweep:
    """The engine of port scans (see the package for the calls that every engine has)."""

    def __init__(self, config: TraceConfig, secret: bytes, capacity: int) -> None:
        self.ports_done = 0
        self._ttl = config.start_hop
        self._pings = config.pings
        self._timeout = config.timeout
        self._anti_flood = config.anti_flood
        self._capacity = capacity
        self._tokens = tokens(secret)
        self._ports = iter(config.ports)
        self._has_more_ports = True
        self._queue: deque[Port] = deque()
        self._again: deque[Port] = deque()
        self._flights: dict[int, Port | Retransmission] = {}
        self._staying: deque[Port | Retransmission] = deque()
        self._waiting: deque[Port | Retransmission] = deque()
        self._in_network = 0
        self._window = CongestionWindow()
        self._rtt = RttEstimator()
        self._addresses: set[str] = set()
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
        if not self._may_send():
            self._forget_gone(now)
        pace = self._window.pace
        most = min(most, self._room(), most if pace is None else pace.room(now))
        while len(probes) < most:
            attempt = self._repeat() or self._next_port()
            if attempt is None:
                break
            probes.append(attempt.probe)
            self._flights[attempt.probe.token] = attempt
            self._staying.append(attempt)
            self._waiting.append(attempt)
        self._in_network += len(probes)
        if pace is not None:
            pace.sent(len(probes), now)
        return probes

    def _room(self) -> int:
        """Probes for which the windows have room."""
        size = self._window.size if self._anti_flood else self._capacity
        return min(size - self._in_network, self._capacity - len(self._waiting))

    def _may_send(self) -> bool:
        """Whether the windows are open and there may be something to send."""
        has_something = self._again or (self._has_more_ports and len(self._queue) < LONGEST_QUEUE)
        return bool(has_something) and self._room() > 0

    def _repeat(self) -> Retransmission | None:
        """The next attempt at a port that is to be asked again."""
        while self._again:
            port = self._again.popleft()
            if not port.is_done:
                attempt = len(port.retransmissions) + 2
                probe = Probe(
                    unused(self._tokens, self._flights), port.probe.port, self._ttl, attempt, attempt - 1
                )
                repeat = Retransmission(probe, port)
                port.retransmissions += (repeat,)
                return repeat
        return None

    def _next_port(self) -> Port | None:
        """The first attempt at the next port."""
        if len(self._queue) >= LONGEST_QUEUE:
            return None
        number = next(self._ports, None)
        if number is None:
            self._has_more_ports = False
            return None
        port = Port(Probe(unused(self._tokens, self._flights), number, self._ttl, 1, 0))
        self._queue.append(port)
        return port

    def _forget_gone(self, now: float) -> None:
        """Take probes off the network's count that are answered or too old to be in it."""
        staying = self._staying
        stay = self._stay()
        while staying and (not staying[0].is_in_flight or staying[0].sent_at + stay <= now):
            self._give_up(staying.popleft())

    def _stay(self) -> float:
        if self._rtt.smoothed is None:
            return min(SHORTEST_WAIT, self._timeout)
        return max(SHORTEST_STAY, 2 * self._rtt.smoothed + VARIATION_FACTOR * self._rtt.variation)

    def _leave(self, attempt: Attempt) -> None:
        if attempt.is_in_flight:
            attempt.is_in_flight = False
            self._in_network -= 1

    def _give_up(self, attempt: Attempt) -> None:
        if attempt.is_in_flight:
            self._leave(attempt)
            self._window.gone()

    def sent(self, probe: Probe, at: float) -> None:
        """Tell that a probe of ``next_probes()`` left at ``at``."""
        self._flights[probe.token].sent_at = at

    def failed(self, probe: Probe, at: float) -> None:
        """Tell that a probe of ``next_probes()`` could not be sent: it waits its turn again."""
        attempt = self._flights[probe.token]
        attempt.sent_at = at
        self._leave(attempt)

    # What happened -----------------------------------------------------------------------------------

    def receive(self, reply: Reply) -> None:
        """Take a reply into account; one that answers no probe of an undecided port is ignored."""
        attempt = self._flights.get(reply.token)
        if attempt is None:
            return
        if attempt.reply is not None:
            if outcome_of(attempt.probe, reply) is Outcome.OPEN:
                attempt.port.answered(attempt, reply)
            return
        self._leave(attempt)
        received_at = reply.received_at
        rtt = max(0.0, received_at - attempt.sent_at)
        self._rtt.add(rtt)
        if self._anti_flood:
            self._window.answered(rtt, received_at)
        attempt.port.answered(attempt, reply)
        self._count_answer(attempt, reply)
        if reply.sender not in self._addresses:
            self._addresses.add(reply.sender)
            self._events.append(AddressSeen(reply.sender))

    def _count_answer(self, attempt: Port | Retransmission, reply: Reply) -> None:
        port = attempt.port
        port.answers += 1
        if attempt is not port and not port.is_done and self._anti_flood:
            for earlier in port.attempts[: attempt.probe.attempt - 1]:
                if earlier.reply is None:
                    self._window.loss_proven(earlier.sent_at, reply.received_at)
        is_of_destination = attempt.outcome not in (None, Outcome.UNREACHABLE)
        if is_of_destination or port.answers >= self._pings:
            port.is_done = True
        else:
            self._again.append(port)

    def advance(self, now: float) -> None:
        """Let time pass: repeat or give up what waited long enough."""
        waiting = self._waiting
        wait = self._wait()
        while waiting:
            attempt = waiting[0]
            is_settled = attempt.reply is not None or attempt.port.is_done
            if not is_settled and attempt.sent_at + wait > now:
                break
            waiting.popleft()
            if not is_settled:
                self._give_up(attempt)
                self._ask_again_or_give_up(attempt.port)

    def _wait(self) -> float:
        if self._rtt.smoothed is None:
            return self._timeout
        wait = self._rtt.smoothed + VARIATION_FACTOR * self._rtt.variation
        return min(self._timeout, max(SHORTEST_WAIT, wait))

    def _ask_again_or_give_up(self, port: Port) -> None:
        """Attempts of a time when the window was too large say nothing of the port."""
        calm_since = self._window.calm_since
        made = sum(attempt.sent_at > calm_since for attempt in port.attempts)
        if made < self._attempts() and len(port.attempts) < max(MOST_ATTEMPTS, self._pings):
            self._again.append(port)
        else:
            port.is_done = True

    def _attempts(self) -> int:
        """Attempts to make at a silent port (the list above)."""
        if not self._anti_flood or self._rtt.smoothed is None:
            return self._pings
        if not self._window.has_loss:
            return max(self._pings, 2)
        needed = ceil(log(FALSE_SILENCE) / log(self._window.loss_share))
        return max(self._pings, ATTEMPTS_UNDER_LOSS, needed)

    def wake_at(self) -> float:
        """The instant at which ``advance()`` or ``next_probes()`` may have something to do."""
        wake_at = self._waiting[0].sent_at + self._wait() if self._waiting else inf
        if self._may_send():
            pace = self._window.pace
            return -inf if pace is None else min(wake_at, pace.opens_at)
        if self._staying and (self._has_more_ports or self._again):
            wake_at = min(wake_at, self._staying[0].sent_at + self._stay())
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
        """As ``_retire``, for a port that had its answer to the first attempt: nearly every one."""
        probe, sent_at, reply = port.probe, port.sent_at, port.reply
        assert reply is not None, "only an answered attempt is final"
        hop = Hop(self._ttl, (Ping(1, max(0.0, reply.received_at - sent_at), reply),), port.outcome)
        self._events.append(PortScanned(probe.port, hop, (ProbeRecord(probe, sent_at, (reply,)),)))
        del self._flights[probe.token]
        port.final = None
        self.ports_done += 1

    def _retire(self, port: Port) -> None:
        attempts = port.attempts
        records = tuple([attempt.record() for attempt in attempts])
        self._events.append(PortScanned(port.probe.port, self._row(port), records))
        for attempt in attempts:
            del self._flights[attempt.probe.token]
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
