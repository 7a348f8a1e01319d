"""Watches of simulated networks on the virtual clock: ten hours take seconds. For tests."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from internet import Scenario, VirtualProber
from internet.report import SECRET
from tracetcp.config import TraceConfig, Watch
from tracetcp.engine import Engine, open_engine
from tracetcp.engine.run_state import RunState
from tracetcp.model.watching import (
    Heartbeat,
    LocalTrouble,
    LossChanged,
    PathChanged,
    RttChanged,
    StateChanged,
    TargetMoved,
    WatchEnded,
)
from tracetcp.runner import run
from tracetcp.watch import QuietMachine
from tracetcp.watch.engine import WatchEngine

if TYPE_CHECKING:
    from tracetcp.model.watching import Snapshot
    from tracetcp.watch import Machine

CHANGES = (StateChanged, PathChanged, LossChanged, RttChanged, LocalTrouble, TargetMoved, Heartbeat)
SETTLED = 60.0
"""Seconds after which the first rounds are over."""


def in_turn(*networks: tuple[float, Scenario]) -> Scenario:
    """A network that is each of these since its instant (seconds); destination and all else of the first."""
    first = networks[0][1].table
    later = [{"since": at * 1000, "hop": each.table["hop"]} for at, each in networks[1:]]
    return Scenario.of(first | {"route": later})


class Watched:
    """A whole watch of ``scenario``: its events but for those of every interval, and its summary."""

    def __init__(
        self,
        scenario: Scenario,
        port: int = 80,
        *,
        interval: float = 1.0,
        count: int = 60,
        family: int = 4,
        shares_flows: bool = True,
        heartbeat: float | None = None,
        machine: Machine | None = None,
        prober: VirtualProber | None = None,
        config: TraceConfig | None = None,
    ) -> None:
        self.prober = prober or VirtualProber(scenario, family, shares_flows=shares_flows)
        config = config or TraceConfig(host="target", ports=(port,))

        def opened(each: TraceConfig, state: RunState) -> Engine:
            return open_engine(each, state, self.prober.capacity, shares_flows=shares_flows)

        self.engine = WatchEngine(
            replace(config, ports=(port,)),
            Watch(interval, count, heartbeat),
            self.prober.destination,
            opened,
            RunState(SECRET),
            machine=machine or QuietMachine(shares_flows=shares_flows),
        )
        self.events: list[object] = []
        self.summary: Snapshot | None = None
        for events in run(self.engine, self.prober, wait=self.prober.wait):
            for event in events:
                if isinstance(event, WatchEnded):
                    self.summary = event.snapshot
                elif isinstance(event, CHANGES):
                    self.events.append(event)
