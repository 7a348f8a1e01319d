"""Many targets on one virtual clock, behind routers that they share; each as the program traces it.

crowd = Crowd([Spot(network("1! 2! 3! 10"), TraceConfig(host="a")), ...], rate=100)
crowd.run()
assert crowd.lines("a") == trace(...).lines()
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from internet.clock import VirtualClock
from internet.report import SECRET, line
from internet.virtual import VirtualProber
from tracetcp.engine import open_engine
from tracetcp.engine.run_state import InCommon, RunState
from tracetcp.model import HopFinished, spelled_out
from tracetcp.runner import Pair
from tracetcp.targets.crowd import Crowd as Loop
from tracetcp.targets.rate import RatePacer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from internet.scenario import Scenario
    from tracetcp.config import TraceConfig
    from tracetcp.probers.prober import Prober


class Spot(NamedTuple):
    """One target: its network, and how it is traced."""

    scenario: Scenario
    config: TraceConfig
    family: int = 4


class _Arrivals:
    """All of them at once."""

    def __init__(self, spots: Iterable[Spot]) -> None:
        self._left = deque(spots)

    @property
    def is_over(self) -> bool:
        return not self._left

    def take(self) -> Spot | None:
        return self._left.popleft() if self._left else None

    def fileno(self) -> int | None:
        return None

    def acknowledge(self) -> None: ...


class Crowd:
    """A run over ``spots``: the rows of each, and every instant at which a probe left."""

    def __init__(
        self, spots: Sequence[Spot], *, rate: int = 100, most: int = 16, shares_flows: bool = True
    ) -> None:
        self.wait = VirtualClock()
        self.rows: dict[str, list[str]] = {}
        self.order: list[str] = []
        """The hosts in the order in which they ended."""
        self.sent: list[float] = []
        self.errors: dict[str, str] = {}
        self._first: VirtualProber | None = None
        self._open: dict[int, VirtualProber] = {}
        self._asked_at: dict[str, list[float]] = {}
        self._shares_flows = shares_flows
        self._in_common = {4: InCommon(), 6: InCommon()}
        self._loop = Loop(_Arrivals(spots), self._pair, self, RatePacer(rate), most)

    def run(self) -> None:
        """To the end."""
        for step in self._loop.run(self.wait):
            host = step.item.config.host
            rows = self.rows.setdefault(host, [])
            rows += [line(e.hop) for e in spelled_out(step.events) if isinstance(e, HopFinished)]
            if step.error is not None:
                self.errors[host] = str(step.error)
            if step.is_over:
                self.order.append(host)
                self._forget()

    def _pair(self, spot: Spot) -> Pair:
        prober = VirtualProber(
            spot.scenario, spot.family, wait=self.wait, beside=self._first, shares_flows=self._shares_flows
        )
        self._first = self._first or prober
        self._open[id(prober)] = prober
        state = RunState(spot.config.host.encode() + SECRET, self._in_common[spot.family])
        return Pair(open_engine(spot.config, state, shares_flows=self._shares_flows), prober)

    def _forget(self) -> None:
        for key, prober in list(self._open.items()):
            if prober.was_closed:
                del self._open[key]
                for at, probe in prober.sent:
                    self.sent.append(at)
                    router = prober.router_at(probe.ttl)
                    if router is not None:
                        self._asked_at.setdefault(router, []).append(at)

    def clock(self) -> float:
        """See ``Hub``."""
        return self.wait.now

    def descriptors(self) -> Sequence[int]:
        """See ``Hub``."""
        return ()

    def collect(self, readable: Collection[int]) -> Iterable[Prober]:
        """See ``Hub``: those to which a packet has come."""
        return [prober for prober in self._open.values() if prober.wake_at() <= self.wait.now]

    def asked_at(self, router: str) -> list[float]:
        """The instants at which probes left that were to end at ``router``, ascending."""
        return sorted(self._asked_at[router])

    @property
    def lost_to_limits(self) -> int:
        """Answers that routers kept back."""
        assert self._first is not None, "nothing ran"
        return self._first.counts.limited
