"""The loop of many targets, on a virtual clock: how many at a time, errors, interruption, names."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import pytest

from internet import VirtualProber, network
from internet.clock import VirtualClock
from tracetcp.config import TraceConfig
from tracetcp.engine import open_engine
from tracetcp.engine.run_state import InCommon, RunState
from tracetcp.errors import NoRoute, ProberError
from tracetcp.model import FailureKind, HopFinished, SendFailure, TraceStarted
from tracetcp.runner import Pair
from tracetcp.targets.crowd import Crowd, Step
from tracetcp.targets.rate import RatePacer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from tracetcp.model import Probe
    from tracetcp.probers.prober import Prober

NET = network("1 2 | open 80 | rtt 5")


class Names:
    """A look-up that answers after ``delay`` seconds of the virtual clock; it cannot be waited for."""

    def __init__(self, clock: VirtualClock, delay: float) -> None:
        self._clock = clock
        self._delay = delay
        self._asked: dict[str, float] = {}
        self.is_readable = False

    def ask(self, address: str) -> None:
        self._asked.setdefault(address, self._clock.now)

    def waits_until(self, address: str) -> float:
        until = self._asked.get(address, -inf) + self._delay
        return until if until > self._clock.now else -inf

    def fileno(self) -> int:
        return 99

    def acknowledge(self) -> None:
        self.is_readable = False


class Place:
    """The hub, the arrivals, and the network of every target: numbers."""

    def __init__(self, count: int, *, interrupt_at: float = inf) -> None:
        self.clock_of_all = VirtualClock(0.0, interrupt_at)
        self.left = list(range(count))
        self.late: list[int] = []
        """Targets that are still to come."""
        self.open: dict[int, VirtualProber] = {}
        self.most_open = 0
        self.cannot_open: dict[int, Exception] = {}
        self.failing: dict[int, Callable[[Probe], SendFailure | None]] = {}
        self.descriptor: int | None = None
        self.in_common = InCommon()
        self.acknowledged = 0

    @property
    def is_over(self) -> bool:
        return not self.left and not self.late

    def take(self) -> int | None:
        return self.left.pop(0) if self.left else None

    def fileno(self) -> int | None:
        return self.descriptor

    def acknowledge(self) -> None:
        self.acknowledged += 1

    def pair(self, number: int) -> Pair:
        if number in self.cannot_open:
            raise self.cannot_open[number]
        prober = VirtualProber(NET, wait=self.clock_of_all)
        if number in self.failing:
            prober.failing = self.failing[number]
        self.open[number] = prober
        self.most_open = max(self.most_open, sum(not each.was_closed for each in self.open.values()))
        state = RunState(bytes(15) + bytes([number]), self.in_common)
        return Pair(open_engine(TraceConfig(host="h", pings=1), state), prober)

    def clock(self) -> float:
        return self.clock_of_all.now

    def descriptors(self) -> Sequence[int]:
        return ()

    def collect(self, readable: Collection[int]) -> Iterable[Prober]:
        open_now = [each for each in self.open.values() if not each.was_closed]
        return [each for each in open_now if each.wake_at() <= self.clock()]

    def crowd(self, most: int = 4, rate: int = 1000, lookups: Sequence[Names] = ()) -> Crowd[int]:
        return Crowd(self, self.pair, self, RatePacer(rate), most, lookups)


def rows(steps: Iterable[Step[int]]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for step in steps:
        found.setdefault(step.item, []).extend(e.hop.ttl for e in step.events if isinstance(e, HopFinished))
    return found


def test_every_target_is_traced_so_many_at_a_time_and_closed() -> None:
    place = Place(20)
    assert rows(place.crowd(most=4).run(place.clock_of_all)) == {number: [1, 2, 3] for number in range(20)}
    assert place.most_open == 4
    assert all(prober.was_closed for prober in place.open.values())


def test_without_targets_it_ends_at_once() -> None:
    place = Place(0)
    assert list(place.crowd().run(place.clock_of_all)) == []


def test_what_cannot_be_opened_is_told_and_the_others_go_on() -> None:
    place = Place(4)
    place.cannot_open = {1: NoRoute("no way"), 3: NoRoute("none either")}
    steps = list(place.crowd().run(place.clock_of_all))
    errors = {step.item: str(step.error) for step in steps if step.error is not None}
    assert errors == {1: "no way", 3: "none either"}
    assert {step.item for step in steps if step.is_over} == {0, 1, 2, 3}
    assert rows(steps)[0] == rows(steps)[2] == [1, 2, 3]


def test_a_target_whose_probes_cannot_be_sent_ends_alone_with_the_rows_it_has() -> None:
    place = Place(3)
    gone = SendFailure(101, "the route is gone", FailureKind.NO_ROUTE)
    place.failing[1] = lambda _: gone
    steps = list(place.crowd().run(place.clock_of_all))
    (failed,) = [step for step in steps if step.error is not None]
    assert (failed.item, str(failed.error), failed.is_over) == (1, "the route is gone", True)
    assert isinstance(failed.error, NoRoute)
    assert place.open[1].was_closed
    assert rows(steps)[0] == rows(steps)[2] == [1, 2, 3]


def test_a_system_without_buffers_is_tried_again_in_a_moment() -> None:
    place = Place(2)
    full = SendFailure(105, "the queue is full", FailureKind.TRANSIENT)
    tries: list[float] = []

    def sometimes(_: Probe) -> SendFailure | None:
        tries.append(place.clock())
        return full if len(tries) == 1 else None

    place.failing[0] = sometimes
    assert rows(place.crowd().run(place.clock_of_all)) == {0: [1, 2, 3], 1: [1, 2, 3]}
    assert 0.001 < tries[1] - tries[0] < 0.02


def test_nothing_that_is_no_error_of_a_run_is_swallowed() -> None:
    place = Place(1)
    place.cannot_open[0] = ZeroDivisionError("a mistake")
    with pytest.raises(ZeroDivisionError):
        list(place.crowd().run(place.clock_of_all))


def test_the_rate_holds_over_all_targets() -> None:
    place = Place(12)
    assert len(rows(place.crowd(most=12, rate=20).run(place.clock_of_all))) == 12
    sent = sorted(sent.at for prober in place.open.values() for sent in prober.sent)
    assert len(sent) >= 36
    assert sent[-1] >= (len(sent) - 1) / 20 - 0.1


def test_an_interrupt_brings_what_was_decided_and_closes_everything() -> None:
    place = Place(3, interrupt_at=0.003)
    names = Names(place.clock_of_all, 5.0)
    seen: list[Step[int]] = []
    with pytest.raises(KeyboardInterrupt):
        seen.extend(place.crowd(lookups=[names]).run(place.clock_of_all))
    seen_rows = rows(seen)
    assert seen_rows == {} or set(seen_rows) <= {0, 1, 2}
    assert all(prober.was_closed for prober in place.open.values())


def test_held_rows_come_out_on_an_interrupt() -> None:
    place = Place(1, interrupt_at=0.5)
    names = Names(place.clock_of_all, 5.0)
    steps: list[Step[int]] = []
    with pytest.raises(KeyboardInterrupt):
        steps.extend(place.crowd(lookups=[names]).run(place.clock_of_all))
    assert any(isinstance(event, TraceStarted) for event in steps[-1].events)
    assert rows(steps)[0] == [1, 2, 3]


def test_a_name_that_comes_releases_the_rows_that_wait_for_it() -> None:
    place = Place(2)
    names = Names(place.clock_of_all, 0.4)

    def wait(descriptors: Sequence[int], until: float) -> tuple[int, ...]:
        assert 99 in descriptors
        place.clock_of_all(descriptors, min(until, place.clock() + 0.05))
        return (99,)

    assert rows(place.crowd(lookups=[names]).run(wait)) == {0: [1, 2, 3], 1: [1, 2, 3]}
    assert 0.4 <= place.clock() < 1.0


def test_it_waits_for_targets_that_come_late() -> None:
    place = Place(1)
    place.descriptor = 7
    place.late = [1, 2]

    def wait(descriptors: Sequence[int], until: float) -> tuple[int, ...]:
        if 7 in descriptors and place.late:
            place.left.append(place.late.pop(0))
            return (7,)
        place.clock_of_all(descriptors, until)
        return ()

    assert rows(place.crowd().run(wait)) == {0: [1, 2, 3], 1: [1, 2, 3], 2: [1, 2, 3]}
    assert place.acknowledged == 2


def test_an_error_for_good_ends_the_target_that_met_it() -> None:
    place = Place(1)
    broken = SendFailure(1, "refused for good", FailureKind.PERMANENT)
    place.failing[0] = lambda probe: broken if probe.ttl > 2 else None
    steps = list(place.crowd().run(place.clock_of_all))
    assert isinstance(steps[-1].error, ProberError)
    assert steps[-1].is_over
