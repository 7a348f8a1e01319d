"""The engine of a watch: when an interval begins, what the user asks, and the summary. No I/O, no clock.

What a watch knows of the destination is in ``destination``; this hands on to it what happens.

R1. The machine, or the watch itself, may have slept: then the next interval begins at once, and what was
    under way counts for nothing. In a pause that is no news.
R2. Another address of the target is another destination, of which nothing is known.
R3. After the last interval the watch ends once every question and look is decided.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from tracetcp.model.watching import Asked, Heartbeat, Snapshot, TargetMoved, WatchEnded
from tracetcp.watch import QuietMachine
from tracetcp.watch.destination import WatchedDestination
from tracetcp.watch.figures import Figures
from tracetcp.watch.intervals import Intervals
from tracetcp.watch.local_causes import LocalCauses
from tracetcp.watch.look_ups import LookUps
from tracetcp.watch.news import News
from tracetcp.watch.questions import Questions
from tracetcp.watch.times import Times

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tracetcp.config import TraceConfig, Watch
    from tracetcp.engine import Engine
    from tracetcp.engine.run_state import RunState
    from tracetcp.model import Event, Probe, Reply
    from tracetcp.watch import Machine

ASLEEP = 5.0
"""Seconds (and two intervals) that the watch must have missed for its machine to have slept, or it itself."""


class WatchEngine:
    """The engine that watches the one port of ``config`` as ``watch`` says.

    ``open_engine`` makes the engines of looks, each with the state that it is given.
    """

    def __init__(
        self,
        config: TraceConfig,
        watch: Watch,
        destination: str,
        open_engine: Callable[[TraceConfig, RunState], Engine],
        state: RunState,
        *,
        machine: Machine | None = None,
    ) -> None:
        self.ports_done = 0
        self._config = config
        self._open_engine = open_engine
        self._machine = machine or QuietMachine()
        self._questions = Questions(self._machine)
        self._look_ups = LookUps(self._machine)
        self._news = News()
        self._causes = LocalCauses(self._machine, self._news)
        self._intervals = Intervals(watch.interval, watch.intervals)
        self._heartbeat = None if watch.heartbeat is None else Intervals(watch.heartbeat, None)
        self._times = Times(0.0)
        self._began_at = -inf
        self._path_changes = 0
        self._is_over = False
        self._watched = self._at(destination, state, Figures())

    def _at(self, address: str, state: RunState, figures: Figures) -> WatchedDestination:
        """The destination at ``address``."""
        return WatchedDestination(
            self._config,
            address,
            self._open_engine,
            state,
            self._machine,
            questions=self._questions,
            figures=figures,
            look_ups=self._look_ups,
            intervals=self._intervals,
            times=self._times,
            causes=self._causes,
            news=self._news,
        )

    # The calls that every engine has -------------------------------------------------------------------

    @property
    def is_done(self) -> bool:
        """Whether the watch has ended and its events were taken."""
        return self._is_over and not self._news

    def next_probes(self, now: float, most: int) -> Sequence[Probe]:
        """See ``Engine``."""
        if self._began_at == -inf:
            self._begin(now)
        if most < 1 or self._is_over:
            return ()
        self._note_interval(now)
        return self._watched.next_probes(now, most)

    def sent(self, probe: Probe, at: float) -> None:
        """See ``Engine``."""
        self._causes.sent(at)
        self._watched.sent(probe, at)

    def failed(self, probe: Probe, at: float) -> None:
        """See ``Engine``."""
        self._watched.failed(probe, at)

    def receive(self, reply: Reply) -> None:
        """See ``Engine``."""
        self._watched.receive(reply)

    def advance(self, now: float) -> None:
        """See ``Engine``."""
        self._news.advance(now)
        longest = inf if self.is_paused else max(ASLEEP, 2 * self._intervals.length)
        if self._causes.has_slept(now, longest):  # R1
            self._watched.forget_what_is_under_way()
            if self._intervals.next_at < now:
                self._intervals.begin_at(now)
            self._watched.look_if_unknown()
        self._watched.advance(now)
        self._notice_target(now)

    def wake_at(self) -> float:
        """See ``Engine``."""
        heartbeat_at = inf if self._heartbeat is None else self._heartbeat.next_at
        wake_at = min(self._intervals.next_at, heartbeat_at, self._watched.wakes_at())
        self._causes.expect(wake_at)
        return wake_at

    def events(self) -> list[Event]:
        """See ``Engine``."""
        now, measured = self._news.now, self._watched.measured
        self._watched.take_look()
        self._path_changes += measured.tell_path()
        if not (measured.path.has_rounds or self._questions.are_in_round):
            measured.tell_quality()
        if self._heartbeat is not None and now >= self._heartbeat.next_at:
            self._heartbeat.begin(now)
            self._news.tell(Heartbeat(now, self.snapshot()))
        if self._intervals.are_over and not self._watched.is_undecided:  # R3
            self.end(now)
        return self._news.take()

    # What the user asks --------------------------------------------------------------------------------

    def end(self, now: float) -> None:
        """End the watch; its summary is the last event."""
        if self._began_at == -inf:
            self._begin(now)
        self._news.advance(now)
        if not self._is_over:
            self._is_over = True
            self._news.tell(WatchEnded(self._news.now, self.snapshot()))

    @property
    def is_paused(self) -> bool:
        """Whether nothing is asked, as the user wants it."""
        return self._intervals.are_paused

    def pause(self, now: float, *, is_paused: bool) -> None:
        """Ask nothing, or go on."""
        self._news.advance(now)
        if is_paused == self.is_paused:
            return
        self._causes.count_from(now)
        if is_paused:
            self._intervals.pause()
            self._watched.forget_what_is_under_way()
            self._watched.port.hold(now)
            return
        self._intervals.go_on()
        if self._causes.lasting is None:
            self._watched.port.go_on(now)
        self._go_on(now)

    def begin_figures_anew(self) -> None:
        """Count from zero; what is known of the port and its path stays known."""
        self._watched.measured.begin_anew()

    # The interval --------------------------------------------------------------------------------------

    def _begin(self, now: float) -> None:
        self._news.advance(now)
        self._began_at = self._watched.port.since = now
        self._times.begin(now)
        if self._heartbeat is not None:
            self._heartbeat.begin_at(now + self._heartbeat.length)
        self._watched.look_if_unknown()

    def _note_interval(self, now: float) -> None:
        if now < self._intervals.next_at:
            return
        if not self._intervals.is_first:
            self._news.tell(Asked(now))
        if self._intervals.begin(now):
            self._watched.begin_interval(now)

    # The target ----------------------------------------------------------------------------------------

    def _notice_target(self, now: float) -> None:
        address, before = self._machine.new_destination(), self._watched
        if address is None:
            return
        self._news.tell(TargetMoved(now, before.address, address))
        before.abandon()
        self._causes.count_from(now)
        self._intervals.stop()
        self._watched = self._at(address, before.looks.state, before.measured.figures)  # R2
        self._watched.port.hold(now)
        self._go_on(now)

    def _go_on(self, now: float) -> None:
        """Ask again: in a look first, if nothing is known of the port and this machine can send."""
        self._watched.look_if_unknown()
        if self._watched.looks.current is None:
            self._intervals.begin_at(now)

    # What is known -------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """What is known now."""
        now, watched, local = self._news.now, self._watched, self._causes.lasting
        spent, figures = self._times.spent(now), watched.measured.figures
        return Snapshot(
            at=now,
            started_at=self._began_at,
            state=watched.port.state,
            since=watched.port.since,
            local=None if local is None else local.cause,
            hops=watched.measured.rows(watched.port.state),
            asked=figures.asked,
            answered=figures.answered,
            up=spent.up,
            down=spent.down,
            unknown=spent.unknown,
            longest_outage=spent.longest_outage,
            outages=spent.outages,
            path_changes=self._path_changes,
            is_paused=self.is_paused,
        )
