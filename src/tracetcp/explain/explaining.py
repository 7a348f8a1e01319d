"""Judges each trace as it ends, and sends the control probes that its verdict wants. No I/O, no clock.

``Explaining`` stands round an engine and is one itself: control traces run beside the traces asked for,
through the same prober, and never show as rows. A port's end is held back, with all that follows it, until
its verdict is known. Ports of the run that reached far are controls of the others.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from tracetcp.explain.block_search import Locating
from tracetcp.explain.control_plan import plan_controls
from tracetcp.limits import LAST_PATH_TTL
from tracetcp.model import AddressSeen, HopFinished, Outcome, TraceFinished, VerdictReached, spelled_out
from tracetcp.model.evidence import Evidence, TracedPort
from tracetcp.verdicts import judge
from tracetcp.verdicts.blocked import passing_controls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tracetcp.config import TraceConfig
    from tracetcp.engine import Engine
    from tracetcp.model import Event, Hop, Probe, ProbeRecord, Reply

MOST_SIBLINGS = 8
"""Ports of the run that serve the others as controls: enough to tell a block from chance."""
MOST_LOCATED = 16
"""Blocked ports of a run for which the hop is searched: routers' limits must last, and the user waits."""
SHORTEST_WAIT = 0.5
"""Seconds that a probe of a search is waited for, at least."""
RTTS_WAITED = 4
"""The same in RTTs of the ports that are answered: no timeout has to be sat out for each hop of a search."""
CONFIRMATIONS = 3
"""Pings of a search under ``-F``, where no engine asks again before it believes in silence."""


class Explaining:
    """An engine whose traces end in a ``VerdictReached``.

    ``open_control`` makes the engine of a control trace. Without ``may_probe`` the verdicts are drawn from
    the traces alone. No name is known here: who knows some puts them in with ``with_names``.
    """

    def __init__(
        self,
        main: Engine,
        config: TraceConfig,
        destination: str,
        open_control: Callable[[TraceConfig], Engine],
        *,
        may_probe: bool = True,
    ) -> None:
        self._main = main
        self._config = config
        self._destination = destination
        self._open_control = open_control
        self._may_probe = may_probe
        self._running: list[Engine] = []
        self._asked: set[int] = set()
        self._controls: dict[int, TracedPort] = {}
        self._siblings: list[TracedPort] = []
        self._locating: Locating | None = None
        self._located: dict[int, Locating] = {}
        self._hops: dict[int, list[Hop]] = {}
        self._control_hops: dict[int, list[Hop]] = {}
        self._held: deque[Event] = deque()
        self._senders: dict[int, Engine] = {}

    @property
    def ports_done(self) -> int:
        """Ports asked for that are traced."""
        return self._main.ports_done

    @property
    def is_done(self) -> bool:
        """Whether everything is judged and every event was taken."""
        return self._main.is_done and not self._held

    def _engines(self) -> list[Engine]:
        """Those of the traces asked for, of the controls, and of a search."""
        searching = self._locating.engine if self._locating else None
        return [self._main, *self._running, *([searching] if searching else [])]

    def next_probes(self, now: float, most: int) -> Sequence[Probe]:
        """The next probes of the traces asked for, else of a control."""
        for engine in self._engines():
            probes = engine.next_probes(now, most)
            if probes:
                self._senders.update((probe.token, engine) for probe in probes)
                return probes
        return ()

    def sent(self, probe: Probe, at: float) -> None:
        """See ``Engine``."""
        self._senders.pop(probe.token).sent(probe, at)

    def failed(self, probe: Probe, at: float) -> None:
        """See ``Engine``."""
        self._senders.pop(probe.token).failed(probe, at)

    def receive(self, reply: Reply) -> None:
        """See ``Engine``: whose token it is not ignores it."""
        for engine in self._engines():
            engine.receive(reply)

    def advance(self, now: float) -> None:
        """See ``Engine``."""
        for engine in self._engines():
            engine.advance(now)

    def wake_at(self) -> float:
        """See ``Engine``."""
        busy = [engine for engine in self._engines() if not engine.is_done]
        return min((engine.wake_at() for engine in busy), default=float("-inf"))

    def events(self) -> list[Event]:
        """What is decided and, where a trace ended, judged."""
        self._take_controls()
        ready = self._take_main()
        while self._held:
            event = self._held[0]
            if isinstance(event, TraceFinished):
                evidence = self._evidence(event)
                if self._wants_controls(evidence) or self._wants_place(evidence):
                    break
                ready += [event, VerdictReached(event.port, evidence, judge(evidence))]
                del self._hops[event.port]
            else:
                ready.append(event)
            self._held.popleft()
        return ready

    def _take_controls(self) -> None:
        """Learn from what runs beside the traces asked for; its addresses need no names."""
        for engine in self._running:
            for event in spelled_out(engine.events()):
                if isinstance(event, HopFinished):
                    self._control_hops.setdefault(event.port, []).append(event.hop)
                elif isinstance(event, TraceFinished):
                    hops = self._control_hops.pop(event.port, ())
                    self._controls[event.port] = _traced(event, hops)
        self._running = [engine for engine in self._running if not engine.is_done]
        if self._locating:
            self._locating.go_on()
            if self._locating.is_done:
                self._located |= dict.fromkeys(self._locating.ports, self._locating)
                self._locating = None

    def _take_main(self) -> list[Event]:
        """Hold back what was decided of the traces asked for, but for new addresses."""
        seen: list[Event] = []
        for event in spelled_out(self._main.events()):
            if isinstance(event, AddressSeen):
                seen.append(event)
                continue
            self._held.append(event)
            if isinstance(event, HopFinished):
                self._hops.setdefault(event.port, []).append(event.hop)
            elif isinstance(event, TraceFinished):
                self._remember(_traced(event, self._hops.get(event.port, ())))
        return seen

    def _remember(self, traced: TracedPort) -> None:
        """Keep a port of the run as a control of others, if it reached as far as those kept."""
        self._siblings.append(traced)
        self._siblings.sort(key=_reach, reverse=True)
        del self._siblings[MOST_SIBLINGS:]

    def _evidence(self, event: TraceFinished) -> Evidence:
        search = self._located.get(event.port)
        extra = search.records if search else {}
        traced = _traced(event, self._hops.get(event.port, ()), extra.get(event.port, ()))
        known = {each.port: each for each in (*self._siblings, *self._controls.values())}
        known.pop(event.port, None)
        controls = tuple(
            replace(each, records=(*each.records, *extra[port])) if port in extra else each
            for port, each in known.items()
        )
        return Evidence(
            port=traced.port,
            outcome=traced.outcome,
            hops=traced.hops,
            records=traced.records,
            destination=self._destination,
            start_hop=self._config.start_hop,
            last_ttl=self._config.last_ttl,
            controls=controls if self._may_probe else (),
        )

    def _wants_controls(self, evidence: Evidence) -> bool:
        """Start what the verdict still wants; whether to wait for it."""
        plan = plan_controls(evidence) if self._may_probe else None
        if plan is None:
            return False
        wanted = tuple(port for port in plan.ports if port not in self._asked)
        if wanted:
            self._asked.update(wanted)
            start, count = plan.ttls.start, len(plan.ttls)
            control = replace(self._config, ports=wanted, start_hop=start, max_hops=count)
            self._running.append(self._open_control(control))
        return bool(self._running)

    def _wants_place(self, evidence: Evidence) -> bool:
        """Start the search for the hop that blocks a port asked at farther hops; whether to wait for it."""
        if self._locating:
            return evidence.port in self._locating.ports
        if not self._may_probe or not self._is_lost_sight_of(evidence):
            return False
        passing = passing_controls(evidence)
        assert passing is not None, "that is what lost sight of means"
        finished = [event for event in self._held if isinstance(event, TraceFinished)]
        alike = [event.port for event in finished if self._is_lost_sight_of(self._evidence(event))]
        control = max(passing.controls, key=_candour).port
        ttls = range(1, min(self._config.start_hop - 1, LAST_PATH_TTL) + 1)
        room = MOST_LOCATED - len(self._located)
        pings = 1 if self._config.anti_flood else CONFIRMATIONS
        timeout = min(self._config.timeout, max(SHORTEST_WAIT, RTTS_WAITED * _longest_rtt(passing.controls)))
        search = replace(self._config, max_hops=1, pings=pings, timeout=timeout)
        self._locating = Locating(alike[:room], control, ttls, search, self._open_control)
        return True

    def _is_lost_sight_of(self, evidence: Evidence) -> bool:
        """Whether a port is silent where others are answered, and the hop that drops it was not asked."""
        return (
            evidence.outcome is Outcome.NOT_REACHED
            and self._config.start_hop > 1
            and evidence.last_router is None
            and evidence.port not in self._located
            and len(self._located) < MOST_LOCATED
            and passing_controls(evidence) is not None
        )


def with_names(event: VerdictReached, names: Mapping[str, str]) -> VerdictReached:
    """``event`` with ``names`` in its sentences; the conclusions are the same, since they rest on none."""
    evidence = replace(event.evidence, names=names)
    return VerdictReached(event.port, evidence, judge(evidence))


def _longest_rtt(controls: Iterable[TracedPort]) -> float:
    """The longest RTT (seconds) of any probe of ``controls``."""
    answered = [record for control in controls for record in control.own_records if record.replies]
    return max((record.replies[0].received_at - record.sent_at for record in answered), default=0.0)


def _candour(traced: TracedPort) -> tuple[bool, int]:
    """How good a control a port is: some hosts answer an open port once a flow, a closed one each time."""
    return traced.outcome is Outcome.CLOSED, sum(traced.answered.values())


def _reach(traced: TracedPort) -> tuple[int, int]:
    """How far a port came: its last router, and how many probes were answered."""
    return traced.last_router or 0, sum(traced.answered.values())


def _traced(event: TraceFinished, hops: Iterable[Hop], further: Iterable[ProbeRecord] = ()) -> TracedPort:
    """The finished trace of one port, with ``further`` probes of it."""
    records = (*event.records, *further)
    return TracedPort(port=event.port, outcome=event.outcome, hops=tuple(hops), records=records)
