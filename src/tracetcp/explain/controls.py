"""The traces beside those asked for: control traces, and the search for a hop that drops ports. No I/O.

All of them run in the engines of one run, so they share its pacing and what it knows of routers. Their rows
are never shown.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tracetcp.explain.block_search import BlockSearch
from tracetcp.limits import LAST_PATH_TTL
from tracetcp.model import HopFinished, Outcome, TraceFinished, spelled_out
from tracetcp.model.evidence import TracedPort

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tracetcp.config import TraceConfig
    from tracetcp.engine import Engine
    from tracetcp.explain.control_plan import ControlPlan
    from tracetcp.model import Hop, ProbeRecord

MOST_SEARCHED = 16
"""Blocked ports of a run for which the hop is searched: routers' limits must last, and the user waits."""
MINIMUM_SEARCH_TIMEOUT = 0.5
"""Seconds that a probe of a search is waited for, at least."""
SEARCH_TIMEOUT_RTTS = 4
"""The same in RTTs of the ports that are answered, so a search need not sit out the timeout at each hop."""
UNPACED_SEARCH_PINGS = 3
"""Pings of a search under ``-F``, where no engine asks again before it believes in silence."""


class ControlTraces:
    """The control traces of one run for ``config``; ``open_engine`` makes the engine of each."""

    def __init__(self, config: TraceConfig, open_engine: Callable[[TraceConfig], Engine]) -> None:
        self.finished: dict[int, TracedPort] = {}
        """By port: the control traces that have ended."""
        self._config = config
        self._open_engine = open_engine
        self._running: list[Engine] = []
        self._asked: set[int] = set()
        self._hops: dict[int, list[Hop]] = {}
        self._search: BlockSearch | None = None
        self._searched: dict[int, BlockSearch] = {}

    @property
    def engines(self) -> list[Engine]:
        """Those that have something to do."""
        searching = self._search.engine if self._search else None
        return [*self._running, *([searching] if searching else [])]

    def take(self) -> None:
        """Learn what the engines have decided; their addresses need no names."""
        for engine in self._running:
            for event in spelled_out(engine.events()):
                if isinstance(event, HopFinished):
                    self._hops.setdefault(event.port, []).append(event.hop)
                elif isinstance(event, TraceFinished):
                    hops = self._hops.pop(event.port, ())
                    self.finished[event.port] = traced_port(event, hops)
        self._running = [engine for engine in self._running if not engine.is_done]
        if self._search:
            self._search.go_on()
            if self._search.is_done:
                self._searched |= dict.fromkeys(self._search.ports, self._search)
                self._search = None

    def start(self, plan: ControlPlan) -> bool:
        """Start what of ``plan`` was not asked for yet; whether any control is under way."""
        wanted = tuple(port for port in plan.ports if port not in self._asked)
        if wanted:
            self._asked.update(wanted)
            start, count = plan.ttls.start, len(plan.ttls)
            control = replace(self._config, ports=wanted, start_hop=start, max_hops=count)
            self._running.append(self._open_engine(control))
        return bool(self._running)

    # The search for the hop that drops ports ----------------------------------------------------------

    def is_searching(self) -> bool:
        """Whether a search is under way."""
        return self._search is not None

    def is_searched(self, port: int) -> bool:
        """Whether the search now under way is for ``port``."""
        return self._search is not None and port in self._search.ports

    def may_search(self, port: int) -> bool:
        """Whether a search for ``port`` is still to be had."""
        return port not in self._searched and len(self._searched) < MOST_SEARCHED

    def search(self, ports: Sequence[int], controls: Iterable[TracedPort]) -> None:
        """Start the search for ``ports``, which are silent where ``controls`` are answered."""
        controls = tuple(controls)
        control = max(controls, key=_rank_as_control).port
        ttls = range(1, min(self._config.start_hop - 1, LAST_PATH_TTL) + 1)
        pings = 1 if self._config.anti_flood else UNPACED_SEARCH_PINGS
        wait = max(MINIMUM_SEARCH_TIMEOUT, SEARCH_TIMEOUT_RTTS * _longest_rtt(controls))
        config = replace(self._config, max_hops=1, pings=pings, timeout=min(self._config.timeout, wait))
        room = MOST_SEARCHED - len(self._searched)
        self._search = BlockSearch(ports[:room], control, ttls, config, self._open_engine)

    def records_of(self, port: int) -> Mapping[int, Sequence[ProbeRecord]]:
        """By port: the probes of the search that was made for ``port``, its control's among them."""
        search = self._searched.get(port)
        return search.records if search else {}


def traced_port(event: TraceFinished, hops: Iterable[Hop], further: Iterable[ProbeRecord] = ()) -> TracedPort:
    """The finished trace of one port, with ``further`` probes of it."""
    records = (*event.records, *further)
    return TracedPort(port=event.port, outcome=event.outcome, hops=tuple(hops), records=records)


def _longest_rtt(controls: Iterable[TracedPort]) -> float:
    """The longest RTT (seconds) of any probe of ``controls``."""
    answered = [record for control in controls for record in control.own_records if record.replies]
    return max((record.replies[0].received_at - record.sent_at for record in answered), default=0.0)


def _rank_as_control(traced: TracedPort) -> tuple[bool, int]:
    """How good a control a port is: some hosts answer an open port once a flow, a closed one each time."""
    return traced.outcome is Outcome.CLOSED, sum(traced.answered.values())
