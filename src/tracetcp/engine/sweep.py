"""The engine of port scans: one TTL beyond any path, so that every probe reaches the host.

Knows no socket and no clock. Each port is asked attempt after attempt until it answers; what is in the
network at once is bounded by a congestion window; rows stream out in port order, so memory is bounded by
the ports between the oldest undecided one and the newest sent.

Silence may be a firewall or a lost probe. A port is called silent after:

1. every attempt asked for (``-p``) was lost, and
2. where the host answers other ports: two attempts in all, and once any repeated attempt was answered as
   many as make a false verdict unlikely at the share of probes seen lost (not under ``-F``).
"""

from __future__ import annotations

from collections import deque
from math import ceil, inf, log
from typing import TYPE_CHECKING

from tracetcp.engine.congestion import CongestionWindow
from tracetcp.engine.hops import OUTCOMES
from tracetcp.engine.patience import VARIATION_FACTOR, RttEstimator
from tracetcp.engine.tokens import tokens, unused
from tracetcp.model import (
    AddressSeen,
    Event,
    Hop,
    HopFinished,
    Outcome,
    Ping,
    Probe,
    ProbeRecord,
    ReplyKind,
    TraceFinished,
    TraceStarted,
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
MOST_ATTEMPTS = 10
RANKS = {kind: rank for rank, kind in enumerate(OUTCOMES)}
ATTEMPTS_UNDER_LOSS = 3
"""Attempts at a silent port, at least, once any loss was proven."""


class Sent:
    """One attempt at one port."""

    __slots__ = ("is_in_network", "port_state", "probe", "reply", "sent_at")

    def __init__(self, probe: Probe, port_state: PortState) -> None:
        self.probe = probe
        self.port_state = port_state
        self.sent_at = 0.0
        self.is_in_network = True
        self.reply: Reply | None = None

    @property
    def is_settled(self) -> bool:
        """Whether nothing hangs on this attempt any more."""
        return self.reply is not None or self.port_state.is_done

    @property
    def rank(self) -> int:
        """How much the answer says of the port, 0 for the most."""
        return RANKS[self.reply.kind] if self.reply else len(RANKS)

    def ping(self) -> Ping:
        """The attempt as a cell."""
        reply = self.reply
        if reply is None:
            return Ping(self.probe.attempt, None, None)
        return Ping(self.probe.attempt, max(0.0, reply.received_at - self.sent_at), reply)

    def record(self) -> ProbeRecord:
        """The attempt as evidence."""
        return ProbeRecord(self.probe, self.sent_at, (self.reply,) if self.reply else ())


class PortState:
    """One port from its first attempt to its row."""

    __slots__ = ("answers", "final", "is_done", "port", "sent")

    def __init__(self, port: int) -> None:
        self.port = port
        self.sent: list[Sent] = []
        self.answers = 0
        self.final: Sent | None = None
        self.is_done = False

    def answered(self, sent: Sent, reply: Reply) -> None:
        """Take an answer; a SYN-ACK outranks a RST, either outranks a router."""
        sent.reply = reply
        if reply.kind not in OUTCOMES:
            return
        if self.final is None or self.final.rank > sent.rank:
            self.final = sent


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
        self._queue: deque[PortState] = deque()
        self._again: deque[PortState] = deque()
        self._flights: dict[int, Sent] = {}
        self._staying: deque[Sent] = deque()
        self._waiting: deque[Sent] = deque()
        self._in_network = 0
        self._window = CongestionWindow()
        self._rtt = RttEstimator()
        self._answered_first = 0
        self._answered_later = 0
        self._addresses: set[str] = set()
        self._events: list[Event] = []

    @property
    def is_done(self) -> bool:
        """Whether every port is decided and its events were taken."""
        return not self._has_more_ports and not self._queue

    # What to send ------------------------------------------------------------------------------------

    def next_probe(self, now: float) -> Probe | None:
        """The probe to send now, None when nothing may leave before ``wake_at()``."""
        if not self._may_send():
            self._forget_gone(now)
            if not self._may_send():
                return None
        state = self._next_port()
        if state is None:
            return None
        attempt = len(state.sent) + 1
        probe = Probe(unused(self._tokens, self._flights), state.port, self._ttl, attempt, attempt - 1)
        sent = Sent(probe, state)
        state.sent.append(sent)
        self._flights[probe.token] = sent
        return probe

    def _may_send(self) -> bool:
        """Whether the windows are open and there may be something to send."""
        if self._in_network >= self._window_size() or len(self._waiting) >= self._capacity:
            return False
        return bool(self._again) or (self._has_more_ports and len(self._queue) < LONGEST_QUEUE)

    def _window_size(self) -> int:
        return self._window.size if self._anti_flood else self._capacity

    def _next_port(self) -> PortState | None:
        while self._again:
            state = self._again.popleft()
            if not state.is_done:
                return state
        is_full = len(self._queue) >= LONGEST_QUEUE
        port = None if is_full else next(self._ports, None)
        if port is None:
            self._has_more_ports &= is_full
            return None
        state = PortState(port)
        self._queue.append(state)
        return state

    def _forget_gone(self, now: float) -> None:
        """Take probes off the network's count that are answered or too old to be in it."""
        staying = self._staying
        stay = self._stay()
        while staying and (not staying[0].is_in_network or staying[0].sent_at + stay <= now):
            self._leave(staying.popleft())

    def _stay(self) -> float:
        if self._rtt.smoothed is None:
            return min(SHORTEST_WAIT, self._timeout)
        return max(SHORTEST_STAY, 2 * self._rtt.smoothed + VARIATION_FACTOR * self._rtt.variation)

    def _leave(self, sent: Sent) -> None:
        if sent.is_in_network:
            sent.is_in_network = False
            self._in_network -= 1

    def sent(self, probe: Probe, at: float) -> None:
        """Tell that the probe of the last ``next_probe()`` left at ``at``."""
        sent = self._flights[probe.token]
        sent.sent_at = at
        self._in_network += 1
        self._staying.append(sent)
        self._waiting.append(sent)

    def failed(self, probe: Probe, at: float) -> None:
        """Tell that the probe of the last ``next_probe()`` could not be sent: it waits its turn again."""
        sent = self._flights[probe.token]
        sent.sent_at = at
        sent.is_in_network = False
        self._waiting.append(sent)

    # What happened -----------------------------------------------------------------------------------

    def receive(self, reply: Reply) -> None:
        """Take a reply into account; one that answers no probe of an undecided port is ignored."""
        sent = self._flights.get(reply.token)
        if sent is None:
            return
        state = sent.port_state
        if sent.reply is not None:
            if reply.kind is ReplyKind.SYN_ACK:
                state.answered(sent, reply)
            return
        self._leave(sent)
        state.answered(sent, reply)
        rtt = max(0.0, reply.received_at - sent.sent_at)
        self._rtt.add(rtt)
        self._window.answered(rtt, reply.received_at)
        self._count_answer(sent, reply)
        if reply.sender not in self._addresses:
            self._addresses.add(reply.sender)
            self._events.append(AddressSeen(reply.sender))

    def _count_answer(self, sent: Sent, reply: Reply) -> None:
        state = sent.port_state
        state.answers += 1
        if sent.probe.attempt == 1:
            self._answered_first += 1
        elif not state.is_done:
            self._answered_later += 1
            self._window.loss_proven(reply.received_at)
        if reply.kind is ReplyKind.RST or reply.kind is ReplyKind.SYN_ACK or state.answers >= self._pings:
            state.is_done = True
        else:
            self._again.append(state)

    def advance(self, now: float) -> None:
        """Let time pass: repeat or give up what waited long enough."""
        waiting = self._waiting
        wait = self._wait()
        while waiting and (waiting[0].is_settled or waiting[0].sent_at + wait <= now):
            sent = waiting.popleft()
            if not sent.is_settled:
                self._leave(sent)
                self._ask_again_or_give_up(sent.port_state)

    def _wait(self) -> float:
        if self._rtt.smoothed is None:
            return self._timeout
        wait = self._rtt.smoothed + VARIATION_FACTOR * self._rtt.variation
        return min(self._timeout, max(SHORTEST_WAIT, wait))

    def _ask_again_or_give_up(self, state: PortState) -> None:
        if len(state.sent) < self._attempts():
            self._again.append(state)
        else:
            state.is_done = True

    def _attempts(self) -> int:
        """Attempts to make at a silent port (the list above)."""
        if not self._anti_flood or self._rtt.smoothed is None:
            return self._pings
        if not self._answered_later:
            return max(self._pings, 2)
        share = self._answered_later / (self._answered_first + self._answered_later)
        needed = MOST_ATTEMPTS if share >= 1 else ceil(log(FALSE_SILENCE) / log(share))
        return max(self._pings, min(MOST_ATTEMPTS, max(ATTEMPTS_UNDER_LOSS, needed)))

    def wake_at(self) -> float:
        """The instant at which ``advance()`` or ``next_probe()`` may have something to do."""
        if self._may_send():
            return -inf
        wake_at = self._waiting[0].sent_at + self._wait() if self._waiting else inf
        if self._staying and (self._has_more_ports or self._again):
            wake_at = min(wake_at, self._staying[0].sent_at + self._stay())
        return wake_at

    # What is decided ---------------------------------------------------------------------------------

    def events(self) -> list[Event]:
        """Everything decided since the last call, ports in order."""
        queue = self._queue
        while queue and queue[0].is_done:
            self._retire(queue.popleft())
        events, self._events = self._events, []
        return events

    def _retire(self, state: PortState) -> None:
        hop = self._row(state)
        records = tuple([sent.record() for sent in state.sent])
        self._events += (
            TraceStarted(state.port),
            HopFinished(state.port, hop),
            TraceFinished(state.port, hop.outcome or Outcome.NOT_REACHED, records),
        )
        for sent in state.sent:
            del self._flights[sent.probe.token]
        state.sent.clear()  # breaks the cycles of references: memory must not wait for the collector
        state.final = None
        self.ports_done += 1

    def _row(self, state: PortState) -> Hop:
        """The lost attempts before the destination's answer and the answer; else every ping."""
        final = state.final
        if final is None:
            shown = [sent for sent in state.sent if sent.reply or not state.answers][: self._pings]
            return Hop(self._ttl, tuple([sent.ping() for sent in shown]))
        reply = final.reply
        assert reply is not None, "only an answered attempt is final"
        outcome = OUTCOMES[reply.kind]
        if outcome is Outcome.UNREACHABLE:
            answered = [sent for sent in state.sent if sent.reply]
            return Hop(self._ttl, tuple([sent.ping() for sent in answered]), outcome)
        if final.probe.attempt == 1:
            return Hop(self._ttl, (final.ping(),), outcome)
        before = state.sent[: min(final.probe.attempt, self._pings) - 1]
        return Hop(self._ttl, (*[sent.ping() for sent in before if not sent.reply], final.ping()), outcome)
