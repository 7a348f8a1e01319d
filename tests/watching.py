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
    from collections.abc import Callable, Collection, Sequence
    from typing import TypeAlias

    from tracetcp.model.watching import Snapshot
    from tracetcp.watch import Machine

    Key: TypeAlias = Callable[[WatchEngine, float], None]

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
        keys: Sequence[tuple[float, Key]] = (),
    ) -> None:
        """``keys`` are what the user does, each with its instant, in order."""
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
        self._keys = list(keys)
        for events in run(self.engine, self.prober, wait=self._wait):
            for event in events:
                if isinstance(event, WatchEnded):
                    self.summary = event.snapshot
                elif isinstance(event, CHANGES):
                    self.events.append(event)

    def _wait(self, descriptors: Sequence[int], until: float) -> Collection[int]:
        """Wait as the clock does, but do what the user does then."""
        readable = self.prober.wait(descriptors, min(until, self._keys[0][0]) if self._keys else until)
        while self._keys and self._keys[0][0] <= self.prober.clock():
            self._keys.pop(0)[1](self.engine, self.prober.clock())
        return readable


def pause(engine: WatchEngine, now: float) -> None:
    """Press ``p``: pause, or go on."""
    engine.pause(now, is_paused=not engine.is_paused)


def begin_figures_anew(engine: WatchEngine, _: float) -> None:
    """Press ``r``."""
    engine.begin_figures_anew()


def end(engine: WatchEngine, now: float) -> None:
    """Press ``q``."""
    engine.end(now)
