"""Runs the real engine and loop against a scenario on the virtual clock, and reports the result.

report = trace(network("1 10 * | rtt 20"), TraceConfig(host="target"))
assert report.lines()[-1] == "4 20 open"
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from internet.expectation import line_of
from internet.virtual import VirtualProber
from tracetcp.engine import UNBOUNDED, open_engine
from tracetcp.engine.run_state import RunState
from tracetcp.model import HopFinished, Outcome, TraceFinished, spelled_out
from tracetcp.runner import run

if TYPE_CHECKING:
    from internet.scenario import Scenario
    from tracetcp.config import TraceConfig
    from tracetcp.model import Event, Hop

SECRET = b"repeatable runs."


class Report:
    """The events of one run, and the probes that it took."""

    def __init__(self, prober: VirtualProber, config: TraceConfig) -> None:
        self.prober = prober
        self.config = config
        self.events: list[tuple[float, Event]] = []
        state = RunState(SECRET)
        engine = open_engine(config, state, prober.capacity, shares_flows=prober.shares_flows)
        for events in run(engine, prober, wait=prober.wait):
            self.events += [(prober.clock(), event) for event in spelled_out(events)]
        self.seconds = prober.clock()
        self.ports_done = engine.ports_done

    def hops(self, port: int | None = None) -> list[HopFinished]:
        """The rows; only those of ``port`` if it is given."""
        rows = [event for _, event in self.events if isinstance(event, HopFinished)]
        return [row for row in rows if port is None or row.port == port]

    def lines(self, port: int | None = None) -> list[str]:
        """The rows as short text: ``3 10 * 12 10.3.1.1`` or ``5 20 open``; RTTs in whole milliseconds."""
        return [line(row.hop) for row in self.hops(port)]

    def all_lines(self) -> list[str]:
        """The rows as in ``expect``: with the port in front where there are several."""
        return [line_of(row.port, line(row.hop), self.config.ports) for row in self.hops()]

    @property
    def finished(self) -> list[TraceFinished]:
        """The ends of the traces."""
        return [event for _, event in self.events if isinstance(event, TraceFinished)]

    @property
    def outcomes(self) -> dict[int, Outcome]:
        """Port to outcome."""
        return {event.port: event.outcome for event in self.finished}

    def sent_with(self, ttl: int) -> list[float]:
        """The instants at which probes with ``ttl`` were sent."""
        return [at for at, probe in self.prober.sent if probe.ttl == ttl]

    def sent_beyond(self, ttl: int) -> int:
        """The number of probes sent with a TTL larger than ``ttl``."""
        return sum(probe.ttl > ttl for _, probe in self.prober.sent)


def line(hop: Hop) -> str:
    """One row as short text."""
    cells = ["*" if ping.rtt is None else str(round(ping.rtt * 1000)) for ping in hop.pings]
    senders = hop.senders if hop.outcome in (None, Outcome.UNREACHABLE) else ()
    end = [hop.outcome.value] if hop.outcome else []
    return " ".join([str(hop.ttl), *cells, *senders, *end])


def trace(
    scenario: Scenario,
    config: TraceConfig,
    family: int = 4,
    *,
    capacity: int = UNBOUNDED,
    shares_flows: bool = True,
) -> Report:
    """Run the real engine and loop against ``scenario`` on a virtual clock."""
    prober = VirtualProber(scenario, family, capacity=capacity, shares_flows=shares_flows)
    return Report(prober, config)
