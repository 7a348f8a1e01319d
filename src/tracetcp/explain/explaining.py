"""Judges each trace as it ends, once the controls that its verdict wants have run. No I/O, no clock.

``ExplainingEngine`` stands round an engine and is one itself: control traces run beside the traces asked for,
through the same prober, and never show as rows. A port's end is held back, with all that follows it, until
its verdict is known. Ports of the run that reached far are controls of the others.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING

from tracetcp.explain.control_plan import Known, plan_controls, wants_confirmation
from tracetcp.explain.controls import ControlTraces, traced_port
from tracetcp.explain.reply_ttls import ReplyTtls
from tracetcp.explain.siblings import Siblings
from tracetcp.explain.so_far import LiveTrace
from tracetcp.model import AddressSeen, HopFinished, Outcome, TraceFinished, VerdictReached, spelled_out
from tracetcp.model.evidence import Evidence, TracedPort
from tracetcp.verdicts import judge
from tracetcp.verdicts.blocked import passing_controls
from tracetcp.verdicts.nearness import farthest_router

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tracetcp.config import TraceConfig
    from tracetcp.engine import Engine
    from tracetcp.engine.run_state import RunState
    from tracetcp.model import Event, Hop, Probe, Reply


class ExplainingEngine:
    """An engine whose traces end in a ``VerdictReached``.

    ``open_engine`` makes the engine of the traces that ``config`` asks for and those of controls; all share
    ``state``. Without ``may_probe`` the verdicts are drawn from the traces alone. ``shares_flows`` is the
    prober's. No name is known here: who knows some puts them in with ``with_names``.
    """

    def __init__(
        self,
        config: TraceConfig,
        destination: str,
        open_engine: Callable[[TraceConfig], Engine],
        state: RunState,
        *,
        may_probe: bool = True,
        shares_flows: bool = True,
    ) -> None:
        self._main = open_engine(config)
        self._controls = ControlTraces(config, state, open_engine, shares_flows=shares_flows)
        self._reply_ttls = ReplyTtls(state.tokens, config.timeout)
        self._live = LiveTrace(config.ports[0], config.last_ttl)
        self._may_begin = may_probe and len(config.ports) == 1 and not config.is_scan
        """Whether controls may begin before the trace ends: of several ports the others are controls."""
        self._may_hold = self._may_begin and shares_flows
        """Whether the end waits for controls: not where a probe's first answer hides all others."""
        self._seen_changes = 0
        """How far ``_begin_controls()`` has looked at the live trace."""
        self._config = config
        self._destination = destination
        self._state = state
        self._may_probe = may_probe
        is_several = len(config.ports) > 1 and not config.is_scan
        self._siblings = Siblings(
            config, destination, state, may_hold=is_several and may_probe and shares_flows
        )
        self._hops: dict[int, list[Hop]] = {}
        self._held: deque[Event] = deque()

    @property
    def ports_done(self) -> int:
        """Ports asked for that are traced."""
        return self._main.ports_done

    @property
    def is_done(self) -> bool:
        """Whether everything is judged and every event was taken."""
        return self._main.is_done and not self._held

    @property
    def so_far(self) -> TracedPort:
        """What the trace of a single port has met so far."""
        return self._live.traced()

    def _engines(self) -> list[Engine]:
        return [self._main, *self._controls.engines, *self._reply_ttls.engines]

    def next_probes(self, now: float, most: int) -> Sequence[Probe]:
        """The next probes of the traces asked for, else of a control."""
        for engine in self._engines():
            probes = engine.next_probes(now, most)
            if probes:
                return probes
        return ()

    def sent(self, probe: Probe, at: float) -> None:
        """See ``Engine``."""
        owner = self._state.tokens.owner_of(probe.token)
        assert owner is not None, "a token is its engine's until the probe's port is decided"
        owner.sent(probe, at)
        if owner is self._main:
            self._siblings.sent(probe, at)
        if owner is self._main and self._may_begin:
            self._live.sent(probe, at)

    def failed(self, probe: Probe, at: float) -> None:
        """See ``Engine``."""
        owner = self._state.tokens.owner_of(probe.token)
        assert owner is not None, "as above"
        owner.failed(probe, at)

    def receive(self, reply: Reply) -> None:
        """See ``Engine``: the engine whose token it is takes the reply."""
        owner = self._state.tokens.owner_of(reply.token)
        if owner is not None:
            owner.receive(reply)
            self._siblings.received(reply)
            if owner is self._main and self._may_begin:
                self._live.received(reply)
                if self._may_hold and self._live.nearest_answer_ttl:
                    self._state.held_ports.add(self._config.ports[0])

    def advance(self, now: float) -> None:
        """See ``Engine``."""
        self._siblings.advance(now)
        for engine in self._engines():
            engine.advance(now)

    def wake_at(self) -> float:
        """See ``Engine``."""
        busy = [engine for engine in self._engines() if not engine.is_done]
        return min((self._siblings.wake_at(), *(engine.wake_at() for engine in busy))) if busy else -inf

    def events(self) -> list[Event]:
        """What is decided and, where a trace ended, judged."""
        ready: list[Event] = list(self._controls.take())
        if self._may_begin and not self._main.is_done:
            self._begin_controls()
        ready += self._take_main()
        while self._held:
            event = self._held[0]
            if isinstance(event, TraceFinished):
                evidence = self._evidence(event)
                if self._wants_controls(evidence) or self._wants_search(evidence):
                    break
                ready += [event, VerdictReached(event.port, evidence, judge(evidence))]
                del self._hops[event.port]
            else:
                ready.append(event)
            self._held.popleft()
        return ready

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
                self._siblings.on_ended(traced_port(event, self._hops.get(event.port, ())))
        return seen

    def _begin_controls(self) -> None:
        """Start controls while the trace is under way: once it was answered, or once it met silence."""
        live = self._live
        is_answered = live.nearest_answer_ttl > 0
        is_new = live.changes != self._seen_changes or self._controls.has_news
        if live.is_heard and is_new and not self._controls.is_asking:
            self._seen_changes, self._controls.has_news = live.changes, False
            evidence = self._evidence_of(live.traced())
            self._note_routers_of(evidence)
            self._wants_controls(evidence, is_over=False)
        port = {self._config.ports[0]}
        self._state.waiting_ports = port if self._controls.is_asking and not is_answered else set()
        if not self._controls.is_asking and self._state.held_ports:
            if wants_confirmation(self._evidence_of(live.traced())):
                self._state.unplaced_ports |= port
            self._state.held_ports -= port

    def _evidence(self, event: TraceFinished) -> Evidence:
        further = self._controls.records_of(event.port).get(event.port, ())
        return self._evidence_of(traced_port(event, self._hops.get(event.port, ()), further))

    def _evidence_of(self, traced: TracedPort) -> Evidence:
        extra = self._controls.records_of(traced.port)
        known = {
            each.port: each for each in (*self._siblings.controls_of(traced), *self._controls.asked.values())
        }
        known.pop(traced.port, None)
        controls = tuple(
            replace(each, records=(*each.records, *extra[port])) if port in extra else each
            for port, each in known.items()
        )
        evidence = Evidence(
            port=traced.port,
            outcome=traced.outcome,
            hops=traced.hops,
            records=traced.records,
            destination=self._destination,
            start_hop=self._config.start_hop,
            last_ttl=self._config.last_ttl,
            controls=controls if self._may_probe else (),
            tos=self._config.tos,
        )
        return self._reply_ttls.filled_in(evidence)

    def _wants_controls(self, evidence: Evidence, *, is_over: bool = True) -> bool:
        """Start what the verdict still wants; whether to wait for it."""
        if not self._may_probe:
            return False
        if not self._controls.is_asking:
            traced = {*self._controls.traced, *(each.port for each in self._siblings.ended)}
            steps = plan_controls(evidence, Known(traced, is_over=is_over))
            if is_over and all(step.is_trace for step in steps) and self._reply_ttls.wants(evidence):
                return True  # a TTL may make the trace of a control needless
            farthest = max((control.last_router or 0 for control in evidence.controls), default=0)
            self._controls.start(steps, is_host_met=farthest < (evidence.distance or 0))
            if evidence.outcome is Outcome.NOT_REACHED:
                self._place_host(evidence)
        return self._controls.is_asking

    def _note_routers_of(self, evidence: Evidence) -> None:
        """Note how far controls went: the port in doubt is asked as far before its end is believed."""
        if self._may_hold and evidence.controls:
            farthest = max(farthest_router(control, self._destination) for control in evidence.controls)
            self._state.routers_of_controls[evidence.port] = farthest

    def _place_host(self, evidence: Evidence) -> None:
        """Note where controls met the destination; a proxy may have answered those that came less far."""
        last = evidence.last_router or 0
        distances = [control.distance or 0 for control in evidence.controls]
        farther = [distance for distance in distances if distance > last]
        self._state.host_ttl = max(farther, default=self._state.host_ttl)

    def _wants_search(self, evidence: Evidence) -> bool:
        """Start the search for the hop that drops a port asked at farther hops; whether to wait for it."""
        if self._controls.is_searching():
            return self._controls.is_searched(evidence.port)
        if not self._may_probe or not self._is_drop_hop_unknown(evidence):
            return False
        passing = passing_controls(evidence)
        assert passing is not None, "without controls that pass nothing is known to be dropped"
        finished = [event for event in self._held if isinstance(event, TraceFinished)]
        alike = [event.port for event in finished if self._is_drop_hop_unknown(self._evidence(event))]
        self._controls.search(alike, passing.controls)
        return True

    def _is_drop_hop_unknown(self, evidence: Evidence) -> bool:
        """Whether a port is silent where others are answered, and the hop that drops it was not asked."""
        return (
            evidence.outcome is Outcome.NOT_REACHED
            and self._config.start_hop > 1
            and evidence.last_router is None
            and self._controls.may_search(evidence.port)
            and passing_controls(evidence) is not None
        )


def with_names(event: VerdictReached, names: Mapping[str, str]) -> VerdictReached:
    """``event`` with ``names`` in its sentences; the conclusions are the same, since they rest on none."""
    evidence = replace(event.evidence, names=names)
    return event._replace(evidence=evidence, verdicts=judge(evidence))
