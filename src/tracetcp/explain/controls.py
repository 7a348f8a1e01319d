"""The traces beside those asked for: controls, and the search for a hop that drops ports. No I/O.

All of them run in the engines of one run, so they share its pacing and what it knows of routers. Their rows
are never shown.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from tracetcp.explain.block_search import BlockSearch
from tracetcp.explain.control_probes import Ask, ControlProbes
from tracetcp.explain.so_far import traced_so_far
from tracetcp.limits import LAST_PATH_TTL
from tracetcp.model import FLOWS, AddressSeen, HopFinished, Outcome, TraceFinished, spelled_out
from tracetcp.model.evidence import TracedPort

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tracetcp.config import TraceConfig
    from tracetcp.engine import Engine
    from tracetcp.engine.run_state import RunState
    from tracetcp.explain.control_plan import Step
    from tracetcp.model import Hop, ProbeRecord

MOST_SEARCHED = 16
"""Blocked ports of a run for which the hop is searched: routers' limits must last, and the user waits."""
MINIMUM_CONTROL_TIMEOUT = 0.5
"""Seconds that a probe of a control or a search is waited for, at least."""
CONTROL_TIMEOUT_RTTS = 4
"""The same in the longest RTT seen: nobody need sit out the whole timeout at each silent hop."""
UNPACED_SEARCH_PINGS = 3
"""Pings of a search under ``-F``, where no engine asks again before it believes in silence."""


class ControlTraces:
    """The controls of one run for ``config``.

    ``open_engine`` makes the engines of traces; ``shares_flows`` is the prober's.
    """

    def __init__(
        self,
        config: TraceConfig,
        state: RunState,
        open_engine: Callable[[TraceConfig], Engine],
        *,
        shares_flows: bool = True,
    ) -> None:
        self.asked: dict[int, TracedPort] = {}
        """By port: what the controls have met that are over."""
        self.traced: set[int] = set()
        """The controls that were traced, or are being traced."""
        self.has_news = False
        """Whether a control has ended since somebody cleared this."""
        self._config = config
        self._state = state
        self._open_engine = open_engine
        self._shares_flows = shares_flows
        self._probing: ControlProbes | None = None
        self._probed: list[ControlProbes] = []
        """Those whose probes were answered or given up."""
        self._tracing: list[Engine] = []
        self._records: dict[int, list[ProbeRecord]] = defaultdict(list)
        """By port: the single probes."""
        self._hops: dict[int, list[Hop]] = {}
        self._search: BlockSearch | None = None
        self._searched: dict[int, BlockSearch] = {}

    @property
    def engines(self) -> list[Engine]:
        """Those that have something to do."""
        searching = self._search.engine if self._search else None
        return [engine for engine in (self._probing, *self._tracing, searching) if engine is not None]

    @property
    def is_asking(self) -> bool:
        """Whether controls are under way."""
        return self._probing is not None or bool(self._tracing)

    def take(self) -> list[AddressSeen]:
        """Learn what the engines have decided; the addresses that nobody was told of."""
        is_over = self._probing is not None and self._probing.is_done
        if is_over or any(each.has_late_answers for each in self._probed):
            self._take_probes()
            self.has_news = True
        seen: list[AddressSeen] = []
        for engine in self._tracing:
            for event in spelled_out(engine.events()):
                if isinstance(event, AddressSeen):
                    seen.append(event)
                elif isinstance(event, HopFinished):
                    self._hops.setdefault(event.port, []).append(event.hop)
                elif isinstance(event, TraceFinished):
                    probes = self._records.get(event.port, ())
                    self.asked[event.port] = traced_port(event, self._hops.pop(event.port, ()), probes)
                    self.has_news = True
        self._tracing = [engine for engine in self._tracing if not engine.is_done]
        if self._search:
            self._search.go_on()
            if self._search.is_done:
                self._searched |= dict.fromkeys(self._search.ports, self._search)
                self._search = None
        return seen

    def _take_probes(self) -> None:
        """Learn what the probes have met that are over; an answer may come after its probe was given up."""
        if self._probing is not None and self._probing.is_done:
            self._probed.append(self._probing)
            self._probing = None
        self._records.clear()
        for probing in self._probed:
            probing.has_late_answers = False
            for record in probing.records:
                self._records[record.probe.port].append(record)
        for port in self._records.keys() - self.traced:
            self.asked[port] = traced_so_far(port, self._records[port], self._config.last_ttl)

    def start(self, steps: Sequence[Step], *, is_host_met: bool) -> None:
        """Take ``steps``; ``is_host_met`` if the destination answered, so that its RTT is known."""
        traces = [step for step in steps if step.is_trace]
        for step in traces:
            self.traced.add(step.port)
            config = replace(
                self._config, ports=(step.port,), start_hop=step.ttls[0], max_hops=len(step.ttls)
            )
            self._tracing.append(self._open_engine(replace(config, timeout=self._timeout())))
        asks = self._asks((step.port, ttl) for step in steps if not step.is_trace for ttl in step.ttls)
        if asks:
            timeout = self._state.timeouts.timeout(1) if is_host_met else self._timeout()
            timeout = min(self._config.timeout, timeout)
            self._probing = ControlProbes(
                asks,
                self._state,
                timeout,
                is_paced=self._config.anti_flood,
                shares_flows=self._shares_flows,
            )

    def _asks(self, wanted: Iterable[tuple[int, int]]) -> list[Ask]:
        """A probe for each port and TTL ``wanted``, each time on another flow that no trace uses.

        Where flows are not shared, a probe would take the place of the one before it on its flow: it leaves
        alone the flows of those that were not answered, for their answers may come late.
        """
        records = [record for records in self._records.values() for record in records]
        before = Counter((record.probe.port, record.probe.ttl) for record in records)
        waiting: Counter[int] = Counter()
        if not self._shares_flows:
            waiting.update(record.probe.port for record in records if not record.replies)
        asks = []
        for port, ttl in wanted:
            count = before[port, ttl]
            before[port, ttl] += 1
            asks.append(Ask(port, ttl, count + 1, FLOWS - 1 - max(count, waiting[port])))
        return asks

    def _timeout(self) -> float:
        """How long a control is waited for (seconds), where nobody knows how far the destination is."""
        longest = self._state.timeouts.longest_srtt
        if longest is None:
            return self._config.timeout
        return min(self._config.timeout, max(MINIMUM_CONTROL_TIMEOUT, CONTROL_TIMEOUT_RTTS * longest))

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
        wait = max(MINIMUM_CONTROL_TIMEOUT, CONTROL_TIMEOUT_RTTS * _longest_rtt(controls))
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
