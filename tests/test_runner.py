"""The loop between engine and prober: order, name waits, failures, interruption."""

from __future__ import annotations

import errno
from math import inf
from typing import TYPE_CHECKING

import pytest

from tracetcp.errors import NoRoute, ProberError
from tracetcp.model import (
    AddressSeen,
    Event,
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
from tracetcp.runner import run

if TYPE_CHECKING:
    from collections.abc import Sequence

ROUTER = "192.0.2.1"
TARGET = "198.51.100.7"
RTT = 0.010


class OneHopEngine:
    """Wants one probe; its answer, or its loss after a second, is the only row."""

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
    """A virtual clock; answers its first good send after ``RTT``, or never, or fails as told."""

    kind = "scripted"
    capacity = 64
    destination = TARGET
    source = "192.0.2.2"

    def __init__(self, *results: SendFailure, answers: bool = True, interrupt_at: float = inf) -> None:
        self.now = 0.0
        self.watched: list[int] = []
        self._results = list(results)
        self._answers = answers
        self._interrupt_at = interrupt_at
        self._reply_at = inf

    def clock(self) -> float:
        return self.now

    def wake_on(self, file_descriptor: int) -> None:
        self.watched.append(file_descriptor)

    def send(self, probe: Probe) -> float | SendFailure:
        if self._results:
            return self._results.pop(0)
        if self._answers:
            self._reply_at = self.now + RTT
        return self.now

    def receive(self, until: float) -> Sequence[Reply]:
        arrival = min(self._reply_at, max(until, self.now))
        if arrival >= self._interrupt_at:
            raise KeyboardInterrupt
        self.now = max(self.now, arrival)
        if self.now < self._reply_at:
            return []
        self._reply_at = inf
        return [Reply(1, ReplyKind.TIME_EXCEEDED, ROUTER, self.now)]

    def close(self) -> None: ...


class SlowLookup:
    """Settles an address ``delay`` after it was asked; without an answer its row waits a second."""

    def __init__(self, prober: ScriptedProber, delay: float) -> None:
        self.asked: dict[str, float] = {}
        self.acknowledged = 0
        self._prober = prober
        self._delay = delay

    def ask(self, address: str) -> None:
        self.asked.setdefault(address, self._prober.now)

    def waits_until(self, address: str) -> float:
        return self.asked[address] + min(self._delay, 1.0)

    def fileno(self) -> int:
        return 77

    def acknowledge(self) -> None:
        self.acknowledged += 1


def shown(prober: ScriptedProber, *lookups: SlowLookup) -> list[tuple[float, str]]:
    """What comes out of a run and when, address news aside."""
    return [
        (round(prober.now, 3), type(event).__name__)
        for events in run(OneHopEngine(), prober, lookups)
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
    assert prober.watched == [77]
    assert lookup.acknowledged > 0


def test_a_name_that_never_comes_holds_its_row_for_one_second_only() -> None:
    prober = ScriptedProber()
    assert shown(prober, SlowLookup(prober, delay=inf))[-1] == (1.01, "TraceFinished")


def test_a_full_buffer_is_tried_again_and_the_probe_is_not_lost() -> None:
    prober = ScriptedProber(SendFailure(errno.ENOBUFS, "no buffer"), SendFailure(errno.ENOBUFS, "no buffer"))
    assert shown(prober)[-1] == (RTT, "TraceFinished")


def test_a_run_that_could_send_nothing_ends_with_the_reason_instead_of_a_row() -> None:
    with pytest.raises(ProberError, match="the local firewall refused it"):
        shown(ScriptedProber(SendFailure(errno.EPERM, "the local firewall refused it")))


@pytest.mark.parametrize(
    ("number", "error"),
    [(errno.ENETUNREACH, NoRoute), (errno.EHOSTUNREACH, NoRoute), (errno.EINVAL, ProberError)],
)
def test_a_permanent_failure_ends_the_run_with_its_sentence(number: int, error: type[Exception]) -> None:
    with pytest.raises(error, match="a sentence"):
        shown(ScriptedProber(SendFailure(number, "a sentence", permanent=True)))


def test_an_interrupt_lets_out_what_was_decided_and_held_for_a_name() -> None:
    prober = ScriptedProber(interrupt_at=0.5)
    out: list[str] = []

    def drain() -> None:
        for events in run(OneHopEngine(), prober, [SlowLookup(prober, delay=inf)]):
            out.extend(type(event).__name__ for event in events)

    with pytest.raises(KeyboardInterrupt):
        drain()
    assert out == ["TraceStarted", "AddressSeen", "HopFinished", "TraceFinished"]


def test_an_interrupt_with_nothing_held_just_goes_on() -> None:
    prober = ScriptedProber(interrupt_at=0.005)
    with pytest.raises(KeyboardInterrupt):
        list(run(OneHopEngine(), prober))
