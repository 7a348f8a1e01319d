"""The loop between engine and prober: order, name waits, failures, interruption."""

from __future__ import annotations

import errno
import os
import resource
import select
import time
from contextlib import ExitStack, closing
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest

from internet import VirtualProber, network
from internet.clock import VirtualClock
from tracetcp.config import TraceConfig
from tracetcp.engine import open_engine
from tracetcp.engine.run_state import RunState
from tracetcp.errors import NoRoute, ProberError
from tracetcp.model import (
    AddressSeen,
    Event,
    FailureKind,
    Hop,
    HopFinished,
    Outcome,
    Ping,
    Probe,
    Reply,
    ReplyKind,
    SendFailure,
    TraceFinished,
    TraceStarted,
)
from tracetcp.probers.prober import Prober
from tracetcp.runner import Pair, SelectorWait, first_replies, run, run_pairs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROUTER = "192.0.2.1"
TARGET = "198.51.100.7"
RTT = 0.010


class OneHopEngine:
    """Wants one probe; its only row is the answer, or the loss after a second."""

    ports_done = 0

    def __init__(self) -> None:
        self._probe: Probe | None = Probe(1, 80, 1, 1, 0)
        self._deadline = inf
        self._events: list[Event] = [TraceStarted(80)]
        self.is_done = False

    def next_probes(self, now: float, most: int) -> list[Probe]:
        probe, self._probe = self._probe, None
        return [probe] if probe else []

    def sent(self, probe: Probe, at: float) -> None:
        self._deadline = at + 1.0

    def failed(self, probe: Probe, at: float) -> None:
        self._finish(Ping(1, None, None))

    def receive(self, reply: Reply) -> None:
        self._events.append(AddressSeen(reply.sender))
        self._finish(Ping(1, RTT, reply))

    def advance(self, now: float) -> None:
        if not self.is_done and now >= self._deadline:
            self._finish(Ping(1, None, None))

    def wake_at(self) -> float:
        return self._deadline

    def events(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _finish(self, ping: Ping) -> None:
        self.is_done = True
        self._events += [HopFinished(80, Hop(1, (ping,))), TraceFinished(80, Outcome.NOT_REACHED, ())]


class ScriptedProber(Prober):
    """Answers after ``RTT`` or never, or fails, as scripted; ``tries`` has the instants of all sends."""

    kind = "scripted"
    capacity = 64
    destination = TARGET
    source = "192.0.2.2"

    def __init__(self, *results: SendFailure, answers: bool = True, interrupt_at: float = inf) -> None:
        self.time = VirtualClock(interrupt_at=interrupt_at)
        self.tries: list[float] = []
        self.drained: list[float] = []
        self.watched: Sequence[int] = ()
        self._results = list(results)
        self._answers = answers
        self._replies: list[Reply] = []

    def clock(self) -> float:
        return self.time.now

    def send(self, probe: Probe) -> float | SendFailure:
        self.tries.append(self.time.now)
        if self._results:
            return self._results.pop(0)
        if self._answers:
            self.answer(probe.token, self.time.now + RTT)
        return self.time.now

    def answer(self, token: int, at: float) -> None:
        self._replies.append(Reply(token, ReplyKind.TIME_EXCEEDED, ROUTER, at))

    def descriptors(self) -> Sequence[int]:
        return [88]

    def wake_at(self) -> float:
        return min((reply.received_at for reply in self._replies), default=inf)

    def wait(self, descriptors: Sequence[int], until: float) -> Sequence[int]:
        """All descriptors are readable when time has passed."""
        self.watched = descriptors
        self.time(descriptors, until)
        return descriptors

    def drain(self) -> Sequence[Reply]:
        self.drained.append(self.time.now)
        arrived = [reply for reply in self._replies if reply.received_at <= self.time.now]
        self._replies = [reply for reply in self._replies if reply.received_at > self.time.now]
        return arrived

    def close(self) -> None: ...


class SlowLookup:
    """Settles an address ``delay`` seconds after it was asked; without an answer its row waits a second."""

    def __init__(self, prober: ScriptedProber, delay: float) -> None:
        self.asked: dict[str, float] = {}
        self.acknowledged = 0
        self._prober = prober
        self._delay = delay

    def ask(self, address: str) -> None:
        self.asked.setdefault(address, self._prober.clock())

    def waits_until(self, address: str) -> float:
        return self.asked[address] + min(self._delay, 1.0)

    def fileno(self) -> int:
        return 77

    def acknowledge(self) -> None:
        self.acknowledged += 1


def shown(prober: ScriptedProber, *lookups: SlowLookup) -> list[tuple[float, str]]:
    """The events of a run with their instants, without ``AddressSeen``."""
    return [
        (round(prober.clock(), 3), type(event).__name__)
        for events in run(OneHopEngine(), prober, lookups, prober.wait)
        for event in events
        if not isinstance(event, AddressSeen)
    ]


def test_events_come_out_at_the_moment_they_are_decided() -> None:
    assert shown(ScriptedProber()) == [(0.0, "TraceStarted"), (RTT, "HopFinished"), (RTT, "TraceFinished")]


def test_silence_is_waited_for_and_then_told() -> None:
    assert shown(ScriptedProber(answers=False))[-1] == (1.0, "TraceFinished")


def test_header_and_row_wait_for_their_own_names_and_the_rest_queues_behind_them() -> None:
    prober = ScriptedProber()
    lookup = SlowLookup(prober, delay=0.2)
    assert shown(prober, lookup) == [
        (0.2, "TraceStarted"),
        (0.21, "HopFinished"),
        (0.21, "TraceFinished"),
    ]
    assert lookup.asked == {TARGET: 0.0, ROUTER: RTT}
    assert prober.watched == [77, 88]
    assert lookup.acknowledged > 0


def test_a_name_that_never_comes_holds_its_row_for_one_second_only() -> None:
    prober = ScriptedProber()
    assert shown(prober, SlowLookup(prober, delay=inf))[-1] == (1.01, "TraceFinished")


def no_buffer() -> SendFailure:
    return SendFailure(errno.ENOBUFS, "no buffer", FailureKind.TRANSIENT)


def test_a_full_buffer_is_tried_again_after_longer_and_longer_pauses() -> None:
    prober = ScriptedProber(no_buffer(), no_buffer(), no_buffer())
    assert shown(prober)[-1] == (0.062 + RTT, "TraceFinished")
    assert prober.tries == pytest.approx([0.0, 0.002, 0.012, 0.062])


def test_a_buffer_that_stays_full_costs_the_probe() -> None:
    prober = ScriptedProber(*[no_buffer() for _ in range(4)])
    with pytest.raises(ProberError, match="no buffer"):
        shown(prober)
    assert len(prober.tries) == 4


def test_a_failure_of_another_kind_ends_the_tries() -> None:
    prober = ScriptedProber(no_buffer(), SendFailure(errno.EPERM, "refused"))
    with pytest.raises(ProberError, match="refused"):
        shown(prober)
    assert prober.tries == pytest.approx([0.0, 0.002])


class ManyProbesEngine(OneHopEngine):
    """Wants three probes in a burst, and records what it is told and when its time advances."""

    def __init__(self) -> None:
        super().__init__()
        self._probes = [Probe(token, 80, token, 1, 0) for token in (1, 2, 3)]
        self.told: list[str] = []

    def next_probes(self, now: float, most: int) -> list[Probe]:
        probes, self._probes = self._probes, []
        return probes

    def sent(self, probe: Probe, at: float) -> None:
        super().sent(probe, at)
        self.told.append(f"sent {probe.token}")

    def failed(self, probe: Probe, at: float) -> None:
        self.told.append(f"failed {probe.token}")

    def receive(self, reply: Reply) -> None:
        self.told.append(f"reply {reply.token}")
        if self.told.count("reply 1") == 1 and reply.token == 3:
            super().receive(reply)

    def advance(self, now: float) -> None:
        self.told.append(f"{now * 1000:.0f} ms")


class SecondHasNoBuffer(ScriptedProber):
    """Has no buffer for the second probe of a burst; answers the probes sent after 5 ms."""

    def send(self, probe: Probe) -> float | SendFailure:
        self.tries.append(self.time.now)
        if len(self.tries) in (2, 3, 4):
            return no_buffer()
        self.answer(probe.token, self.time.now + 0.005)
        return self.time.now


def test_while_a_probe_is_tried_again_replies_are_drained_and_told_after_it() -> None:
    engine, prober = ManyProbesEngine(), SecondHasNoBuffer()
    list(run(engine, prober, wait=prober.wait))
    assert engine.told == ["sent 1", "sent 2", "sent 3", "reply 1", "62 ms", "reply 2", "reply 3", "67 ms"]
    assert prober.drained == pytest.approx([0.002, 0.005, 0.012, 0.062, 0.062, 0.067])


def test_an_interrupt_between_two_tries_goes_on() -> None:
    prober = ScriptedProber(no_buffer(), no_buffer(), interrupt_at=0.005)
    with pytest.raises(KeyboardInterrupt):
        list(run(OneHopEngine(), prober, wait=prober.wait))
    assert prober.tries == pytest.approx([0.0, 0.002])


def test_a_run_that_could_send_nothing_ends_with_the_reason_instead_of_a_row() -> None:
    with pytest.raises(ProberError, match="the local firewall refused it"):
        shown(ScriptedProber(SendFailure(errno.EPERM, "the local firewall refused it")))


@pytest.mark.parametrize(
    ("kind", "error"), [(FailureKind.NO_ROUTE, NoRoute), (FailureKind.PERMANENT, ProberError)]
)
def test_a_permanent_failure_ends_the_run_with_its_sentence(
    kind: FailureKind, error: type[Exception]
) -> None:
    with pytest.raises(error, match="a sentence"):
        shown(ScriptedProber(SendFailure(errno.EINVAL, "a sentence", kind)))


def test_an_interrupt_lets_out_what_was_decided_and_held_for_a_name() -> None:
    prober = ScriptedProber(interrupt_at=0.5)
    out: list[str] = []

    def drain() -> None:
        for events in run(OneHopEngine(), prober, [SlowLookup(prober, delay=inf)], prober.wait):
            out.extend(type(event).__name__ for event in events)

    with pytest.raises(KeyboardInterrupt):
        drain()
    assert out == ["TraceStarted", "AddressSeen", "HopFinished", "TraceFinished"]


def test_an_interrupt_with_nothing_held_just_goes_on() -> None:
    prober = ScriptedProber(interrupt_at=0.005)
    with pytest.raises(KeyboardInterrupt):
        list(run(OneHopEngine(), prober, wait=prober.wait))


# Several pairs


def traced(*paths: str) -> dict[str, list[tuple[float, Event]]]:
    """The events, with their instants, of traces of ``paths`` that run side by side."""
    time = VirtualClock()
    pairs = {
        path: Pair(
            open_engine(TraceConfig(host="h", ports=(80,)), RunState(b"a repeatable run")),
            VirtualProber(network(path), wait=time),
        )
        for path in paths
    }
    decided: dict[str, list[tuple[float, Event]]] = {path: [] for path in paths}
    for pair, events in run_pairs(list(pairs.values()), wait=time):
        (path,) = [each for each, one in pairs.items() if one is pair]
        decided[path] += [(time.now, event) for event in events]
    return decided


def test_pairs_run_side_by_side_as_each_would_alone() -> None:
    near, far = "1 10 * 12 | rtt 20 | open 80", "3 50 55 90 | rtt 150 | closed 80"
    together = traced(near, far)
    assert together == traced(near) | traced(far)
    ends = {path: [at for at, _ in events] for path, events in together.items()}
    assert min(ends[far]) < max(ends[near]) < max(ends[far]), "one was traced after the other"


def test_a_pair_that_waits_for_buffers_does_not_keep_another_waiting() -> None:
    time = VirtualClock()
    halted, other = ScriptedProber(no_buffer(), no_buffer(), no_buffer()), ScriptedProber()
    halted.time = other.time = time
    pairs = [Pair(OneHopEngine(), prober) for prober in (halted, other)]
    ends = [
        (pair.prober is other, round(time.now, 3))
        for pair, events in run_pairs(pairs, wait=time)
        for event in events
        if isinstance(event, TraceFinished)
    ]
    assert ends == [(True, RTT), (False, 0.062 + RTT)]


def test_a_pair_that_is_done_is_drained_no_more() -> None:
    time = VirtualClock()
    first, second = ScriptedProber(), ScriptedProber(answers=False)
    first.time = second.time = time
    list(run_pairs([Pair(OneHopEngine(), prober) for prober in (first, second)], wait=time))
    assert max(first.drained) == RTT < max(second.drained)


# The wait of real descriptors


@pytest.fixture
def pipes() -> Iterator[Callable[[int], list[tuple[int, int]]]]:
    """Opens pipes, and closes them afterwards."""
    with ExitStack() as stack:

        def opened(count: int) -> list[tuple[int, int]]:
            made = [os.pipe() for _ in range(count)]
            for each in (number for pair in made for number in pair):
                stack.callback(os.close, each)
            return made

        yield opened


Pipes: TypeAlias = "Callable[[int], list[tuple[int, int]]]"


def test_the_wait_ends_for_a_descriptor_and_tells_which(pipes: Pipes) -> None:
    (first, to_first), (second, _) = pipes(2)
    os.write(to_first, b"x")
    with closing(SelectorWait(time.monotonic)) as wait:
        assert wait([first, second], inf) == {first}


def test_the_wait_ends_at_its_instant_and_at_once_for_a_past_one(pipes: Pipes) -> None:
    ((reader, _),) = pipes(1)
    with closing(SelectorWait(time.monotonic)) as wait:
        began_at = time.monotonic()
        assert wait([reader], -inf) == set()
        assert wait([reader], began_at + 0.2) == set()
        assert 0.2 <= time.monotonic() - began_at < 5


def test_the_wait_forgets_descriptors_that_are_not_among_those_given(pipes: Pipes) -> None:
    (first, to_first), (second, to_second) = pipes(2)
    os.write(to_first, b"x")
    with closing(SelectorWait(time.monotonic)) as wait:
        assert wait([first], inf) == {first}
        assert wait([second], -inf) == set()
        os.write(to_second, b"x")
        assert wait([second], inf) == {second}
        assert wait([second, first], inf) == {first, second}


def test_the_wait_takes_descriptors_beyond_1024(pipes: Pipes) -> None:
    ((reader, writer),) = pipes(1)
    os.write(writer, b"x")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    high = 1500
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], high + 1), before[1]))
    try:
        os.dup2(reader, high)
        with closing(SelectorWait(time.monotonic)) as wait:
            assert wait([high], inf) == {high}
        os.close(high)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_wait_that_nothing_can_end_is_refused() -> None:
    with (
        closing(SelectorWait(time.monotonic)) as wait,
        pytest.raises(AssertionError, match="nothing can end"),
    ):
        wait([], 0.0)


class PipeProber(ScriptedProber):
    """On the real clock, with a pipe that becomes readable when it is sent a probe."""

    def __init__(self, ends: tuple[int, int]) -> None:
        super().__init__()
        self._reader, self._writer = ends

    def clock(self) -> float:
        return time.monotonic()

    def send(self, probe: Probe) -> float | SendFailure:
        os.write(self._writer, bytes([probe.token]))
        return self.clock()

    def descriptors(self) -> Sequence[int]:
        return [self._reader]

    def wake_at(self) -> float:
        return inf

    def drain(self) -> Sequence[Reply]:
        if not select.select([self._reader], [], [], 0)[0]:
            return []
        return [Reply(os.read(self._reader, 1)[0], ReplyKind.TIME_EXCEEDED, ROUTER, self.clock())]


def test_a_run_waits_for_descriptors_and_gives_its_own_back(pipes: Pipes) -> None:
    prober = PipeProber(*pipes(1))
    before = len(list(Path("/proc/self/fd").iterdir()))
    out = [type(event).__name__ for events in run(OneHopEngine(), prober) for event in events]
    assert out == ["TraceStarted", "AddressSeen", "HopFinished", "TraceFinished"]
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_first_replies_are_waited_for_without_an_engine(pipes: Pipes) -> None:
    prober = PipeProber(*pipes(1))
    assert first_replies(prober, prober.clock() + 0.1) == []
    prober.send(Probe(7, 80, 1, 1, 0))
    assert [reply.token for reply in first_replies(prober, prober.clock() + 5)] == [7]
