"""Judges each trace as it ends, and sends the control probes that its verdict wants. No I/O, no clock.

``Explaining`` stands round an engine and is one itself: control traces run beside the traces asked for,
through the same prober, and never show as rows. A port's end is held back, with all that follows it, until
its verdict is known.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from tracetcp.model import AddressSeen, HopFinished, TraceFinished, VerdictReached, spelled_out
from tracetcp.verdicts import Evidence, TracedPort, judge, plan_controls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tracetcp.config import TraceConfig
    from tracetcp.engine import Engine
    from tracetcp.model import Event, Hop, Probe, Reply


class Explaining:
    """An engine whose traces end in a ``VerdictReached``.

    ``open_control`` makes the engine of a control trace. ``names`` may still grow while this runs. Without
    ``may_probe`` the verdicts are drawn from the traces alone.
    """

    def __init__(
        self,
        main: Engine,
        config: TraceConfig,
        destination: str,
        open_control: Callable[[TraceConfig], Engine],
        names: Mapping[str, str],
        *,
        may_probe: bool = True,
    ) -> None:
        self._main = main
        self._config = config
        self._destination = destination
        self._open_control = open_control
        self._names = names
        self._may_probe = may_probe
        self._running: list[Engine] = []
        self._asked: set[int] = set()
        self._controls: dict[int, TracedPort] = {}
        self._hops: dict[int, list[Hop]] = {}
        self._control_hops: dict[int, list[Hop]] = {}
        self._held: deque[Event] = deque()
        self._sender = main

    @property
    def ports_done(self) -> int:
        """Ports asked for that are traced."""
        return self._main.ports_done

    @property
    def is_done(self) -> bool:
        """Whether everything is judged and every event was taken."""
        return self._main.is_done and not self._held

    def next_probes(self, now: float, most: int) -> Sequence[Probe]:
        """The next probes of the traces asked for, else of a control."""
        for engine in (self._main, *self._running):
            probes = engine.next_probes(now, most)
            if probes:
                self._sender = engine
                return probes
        return ()

    def sent(self, probe: Probe, at: float) -> None:
        """See ``Engine``."""
        self._sender.sent(probe, at)

    def failed(self, probe: Probe, at: float) -> None:
        """See ``Engine``."""
        self._sender.failed(probe, at)

    def receive(self, reply: Reply) -> None:
        """See ``Engine``: whose token it is not ignores it."""
        for engine in (self._main, *self._running):
            engine.receive(reply)

    def advance(self, now: float) -> None:
        """See ``Engine``."""
        for engine in (self._main, *self._running):
            engine.advance(now)

    def wake_at(self) -> float:
        """See ``Engine``."""
        busy = [engine for engine in (self._main, *self._running) if not engine.is_done]
        return min((engine.wake_at() for engine in busy), default=float("-inf"))

    def events(self) -> list[Event]:
        """What is decided and, where a trace ended, judged."""
        for engine in self._running:
            self._learn(spelled_out(engine.events()))
        self._running = [engine for engine in self._running if not engine.is_done]
        ready: list[Event] = []
        for event in spelled_out(self._main.events()):
            (ready if isinstance(event, AddressSeen) else self._held).append(event)
        while self._held:
            event = self._held[0]
            if isinstance(event, TraceFinished):
                evidence = self._evidence(event)
                if self._wants_controls(evidence):
                    break
                ready += [event, VerdictReached(event.port, evidence, judge(evidence))]
                del self._hops[event.port]
            else:
                if isinstance(event, HopFinished):
                    self._hops.setdefault(event.port, []).append(event.hop)
                ready.append(event)
            self._held.popleft()
        return ready

    def _learn(self, events: Iterable[Event]) -> None:
        """Keep what a control trace found; its addresses are nobody's rows and need no names."""
        for event in events:
            if isinstance(event, HopFinished):
                self._control_hops.setdefault(event.port, []).append(event.hop)
            elif isinstance(event, TraceFinished):
                rows = tuple(self._control_hops.pop(event.port, ()))
                self._controls[event.port] = TracedPort(
                    port=event.port, outcome=event.outcome, hops=rows, records=event.records
                )

    def _evidence(self, event: TraceFinished) -> Evidence:
        controls = tuple(control for port, control in self._controls.items() if port != event.port)
        return Evidence(
            port=event.port,
            outcome=event.outcome,
            hops=tuple(self._hops.get(event.port, ())),
            records=event.records,
            destination=self._destination,
            start_hop=self._config.start_hop,
            last_ttl=self._config.last_ttl,
            controls=controls,
            names=self._names,
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
