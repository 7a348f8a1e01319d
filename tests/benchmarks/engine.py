"""The engine alone, on a virtual clock: ``python -m benchmarks.engine``. Opens no socket.

An event is a probe sent or a reply received. Besides the engine, the figures include only the loop that
replaces network and runner.
"""

from __future__ import annotations

import heapq
import sys
import time
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from tracetcp.config import TraceConfig
from tracetcp.engine import open_engine
from tracetcp.engine.run_state import RunState
from tracetcp.model import Reply, ReplyKind
from tracetcp.runner import PROBES_PER_DRAIN

if TYPE_CHECKING:
    from tracetcp.engine import Engine
    from tracetcp.model import Probe

SECRET = b"a repeatable run"
HOPS = 15
DESTINATION = "203.0.113.80"
TURN_SECONDS = 0.0002
"""Seconds of virtual time for one turn of the runner when a scan sends at full speed."""


class Speed(NamedTuple):
    """A run of ``ports`` ports: the real ``seconds`` for ``probes`` probes and ``replies`` replies."""

    name: str
    ports: int
    probes: int
    replies: int
    seconds: float

    def __str__(self) -> str:
        events = (self.probes + self.replies) / self.seconds
        each = self.seconds / self.probes * 1e6
        took = f"{self.seconds:7.3f} s {each:7.2f} us/probe {events:9.0f} events/s"
        return f"{self.name:<8} {self.ports:>6} ports {took}"


def scan(ports: int) -> Speed:
    """A port scan of a host 20 ms away, every port closed."""
    config = TraceConfig(host="h", ports=range(ports), start_hop=128, max_hops=1, pings=1)
    return _measure("scan", config)


def trace(ports: int) -> Speed:
    """Traces of 15 hops, 10 ms each, to ``ports`` closed ports: three pings per hop, no pacing."""
    config = TraceConfig(host="h", ports=range(ports), anti_flood=False)
    return _measure("trace", config)


def _measure(name: str, config: TraceConfig) -> Speed:
    engine = open_engine(config, RunState(SECRET))
    began_at = time.perf_counter()
    probes, replies = _run(engine)
    return Speed(name, len(config.ports), probes, replies, time.perf_counter() - began_at)


def _run(engine: Engine) -> tuple[int, int]:
    """Drive ``engine`` to its end; returns the number of probes sent and of replies received."""
    waiting: list[tuple[float, int, Reply]] = []
    now, probes, replies = 0.0, 0, 0
    while not engine.is_done:
        while batch := engine.next_probes(now, PROBES_PER_DRAIN):
            for probe in batch:
                engine.sent(probe, now)
                probes += 1
                reply = _answer(probe, now)
                heapq.heappush(waiting, (reply.received_at, probes, reply))
        now = max(now + TURN_SECONDS, min(engine.wake_at(), waiting[0][0] if waiting else inf))
        while waiting and waiting[0][0] <= now:
            engine.receive(heapq.heappop(waiting)[2])
            replies += 1
        engine.advance(now)
        engine.events()
    return probes, replies


def _answer(probe: Probe, now: float) -> Reply:
    if probe.ttl < HOPS:
        kind, sender, rtt = ReplyKind.TIME_EXCEEDED, f"10.0.{probe.ttl}.1", probe.ttl * 0.01
        return Reply(probe.token, kind, sender, now + rtt, 64, 11, 0)
    return Reply(probe.token, ReplyKind.RST, DESTINATION, now + 0.02, 64)


def measure(size: int = 65_535) -> list[Speed]:
    """Scans of growing ranges up to ``size`` ports, and traces."""
    sizes = sorted({min(each, size) for each in (1_000, 10_000, 65_535)})
    return [*map(scan, sizes), *map(trace, (1, 10, 100))]


if __name__ == "__main__":
    for speed in measure():
        sys.stdout.write(f"{speed}\n")
