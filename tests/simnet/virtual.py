"""A prober on a virtual clock, in front of a simulated network: four seconds of waiting cost nothing."""

from __future__ import annotations

import heapq
from itertools import count
from math import inf
from typing import TYPE_CHECKING

from simnet.network import Syn
from tracetcp.engine import UNBOUNDED, open_engine
from tracetcp.model import (
    QUOTE_FIELDS,
    Event,
    HopFinished,
    Outcome,
    Probe,
    Quote,
    Reply,
    SendFailure,
    TcpAnswer,
    TraceFinished,
    spelled_out,
)
from tracetcp.probers.prober import Prober
from tracetcp.runner import run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simnet.network import Answer, Network
    from tracetcp.config import TraceConfig

SOURCE = "10.0.0.2"
FIRST_PORT = 20_000
SECRET = b"repeatable runs."
MOST_TURNS = 100_000


class VirtualProber(Prober):
    """Implements ``Prober``; ``sent`` lists every probe with its instant."""

    kind = "virtual"
    source = SOURCE

    def __init__(self, network: Network, capacity: int = UNBOUNDED) -> None:
        self.network = network
        self.destination = network.host.address
        self.capacity = capacity
        self.now = 0.0
        self.sent: list[tuple[float, Probe]] = []
        self.failures: Callable[[Probe], SendFailure | None] = lambda _: None
        self._arrivals: list[tuple[float, int, Reply]] = []
        self._order = count()
        self._turns = 0

    def clock(self) -> float:
        """The virtual time."""
        return self.now

    def descriptors(self) -> Sequence[int]:
        """There are none: nothing outside wakes a virtual clock."""
        return ()

    def close(self) -> None:
        """There is nothing to close."""

    def send(self, probe: Probe) -> float | SendFailure:
        """Hand the probe to the network, and its answers to the future."""
        failure = self.failures(probe)
        if failure is not None:
            return failure
        self.sent.append((self.now, probe))
        syn = Syn(FIRST_PORT + probe.flow, probe.port, probe.ttl, probe.token)
        for answer in self.network.answers(syn, self.now):
            self.inject(reply_of(answer, syn), self.now + answer.delay)
        return self.now

    def inject(self, reply: Reply, at: float) -> None:
        """Let ``reply`` arrive at ``at``, whoever sent it."""
        heapq.heappush(self._arrivals, (at, next(self._order), reply._replace(received_at=at)))

    def wake_at(self) -> float:
        """When the next reply arrives."""
        return self._arrivals[0][0] if self._arrivals else inf

    def wait(self, _descriptors: Sequence[int], until: float) -> Sequence[int]:
        """A ``runner.Wait``: jump to ``until``."""
        assert until < inf, "the engine waits for nothing"
        self.now = max(self.now, until)
        return ()

    def drain(self) -> Sequence[Reply]:
        """What has arrived by now."""
        self._turns += 1
        assert self._turns < MOST_TURNS, "the engine goes round in circles"
        replies = []
        while self._arrivals and self._arrivals[0][0] <= self.now:
            replies.append(heapq.heappop(self._arrivals)[2])
        return replies


def reply_of(answer: Answer, syn: Syn) -> Reply:
    """The answer as a prober hands it out: matched already, what the network rewrote kept as information."""
    icmp_type, icmp_code = answer.icmp or (None, None)
    quote = tcp = None
    if answer.icmp is None:
        tcp = TcpAnswer(64240, 1460, b"\x02\x04\x05\xb4")
    else:
        rewritten = answer.rewritten or {}
        quote = Quote(
            str(rewritten.get("source address", SOURCE)),
            "",
            int(rewritten.get("source port", syn.source_port)),
            syn.port,
            int(rewritten.get("sequence number", syn.sequence)),
            1,
            0,
            None,
            answer.quoted,
            None,
            None,
            tuple(name for name in QUOTE_FIELDS if name in rewritten),
        )
    return Reply(
        answer.acknowledged,
        answer.kind,
        answer.sender,
        0.0,
        answer.reply_ttl,
        icmp_type,
        icmp_code,
        quote,
        answer.labels,
        tcp,
    )


class Report:
    """What one run decided, and what it cost."""

    def __init__(self, prober: VirtualProber, config: TraceConfig) -> None:
        self.prober = prober
        self.events: list[tuple[float, Event]] = []
        engine = open_engine(config, SECRET, prober.capacity)
        for events in run(engine, prober, wait=prober.wait):
            self.events += [(prober.now, event) for event in spelled_out(events)]
        self.seconds = prober.now
        self.ports_done = engine.ports_done

    def hops(self, port: int | None = None) -> list[HopFinished]:
        """The rows, of ``port`` only if it is given."""
        rows = [event for _, event in self.events if isinstance(event, HopFinished)]
        return [row for row in rows if port is None or row.port == port]

    def lines(self, port: int | None = None) -> list[str]:
        """The rows as short text: ``3 10 * 12 10.0.3.1`` or ``5 20 open``; RTTs in whole milliseconds."""
        lines = []
        for row in self.hops(port):
            cells = ["*" if ping.rtt is None else str(round(ping.rtt * 1000)) for ping in row.hop.pings]
            last = [row.hop.outcome.value] if row.hop.outcome else list(row.hop.senders)
            lines.append(" ".join([str(row.hop.ttl), *cells, *last]))
        return lines

    @property
    def finished(self) -> list[TraceFinished]:
        """The ends of the traces."""
        return [event for _, event in self.events if isinstance(event, TraceFinished)]

    @property
    def outcomes(self) -> dict[int, Outcome]:
        """Port to outcome."""
        return {event.port: event.outcome for event in self.finished}

    def sent_with(self, ttl: int) -> list[float]:
        """When probes with ``ttl`` left."""
        return [at for at, probe in self.prober.sent if probe.ttl == ttl]

    def sent_beyond(self, ttl: int) -> int:
        """How many probes left with a TTL larger than ``ttl``."""
        return sum(probe.ttl > ttl for _, probe in self.prober.sent)


def trace(network: Network, config: TraceConfig, capacity: int = UNBOUNDED) -> Report:
    """Run the real engine and loop against ``network`` on a virtual clock."""
    return Report(VirtualProber(network, capacity), config)
