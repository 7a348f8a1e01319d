"""The contract of ``Prober``: the same tests for every prober, on real kernels, and for the virtual one.

Tests that concern only one prober are in that prober's own file.
"""

from __future__ import annotations

import errno
import socket
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, TypeAlias

import pytest

from internet import VirtualProber, network
from lab import SERVER, SERVER_6, rules
from prober_lab import (
    REPLY_WAIT,
    capture_prober,
    connect_prober,
    inside,
    probe,
    raw_prober,
    readable,
    shared_prober,
)
from tracetcp.config import TraceConfig
from tracetcp.errors import ProberError
from tracetcp.model import FailureKind, ReplyKind, SendFailure
from tracetcp.probers import failures
from tracetcp.probers.connect.prober import ConnectProber
from tracetcp.probers.raw.shared import SharedRawProber
from tracetcp.runner import PROBES_PER_DRAIN, SelectorWait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from lab import Chain
    from tracetcp.model import Probe, Reply
    from tracetcp.probers.prober import Prober
    from tracetcp.runner import Wait

    Opener: TypeAlias = "Callable[[], AbstractContextManager[Subject]]"

QUIET = 0.3
"""Seconds to wait for replies that must not come."""
AT_ONCE = 0.5
"""The most seconds for a call that does not wait, on a busy machine."""
STAMP_ERROR = 0.001
"""The most seconds by which a stamp from another clock may be wrong."""
KERNEL: dict[str, Callable[..., AbstractContextManager[Prober]]] = {
    "raw": raw_prober,
    "connect": connect_prober,
    "capture": capture_prober,
    "shared": shared_prober,
}
IN_FLIGHT = 200
CHOSEN = 23_000
"""A first source port, outside the range from which the kernel assigns them."""


class Subject:
    """A prober, its wait, and a network of at least three hops with port 80 open and others closed."""

    def __init__(self, prober: Prober, wait: Wait) -> None:
        self.prober = prober
        self._wait = wait

    def pass_time(self, until: float) -> None:
        """Wait as the runner does, once."""
        self._wait(self.prober.descriptors(), min(until, self.prober.wake_at()))

    def replies(self, count: int = 1, patience: float = REPLY_WAIT) -> list[Reply]:
        """At least ``count`` replies, including all that come with the last; fewer once ``patience`` ends."""
        until = self.prober.clock() + patience
        found = [*self.prober.drain()]
        while len(found) < count and self.prober.clock() < until:
            self.pass_time(until)
            found += self.prober.drain()
        return found

    def send(self, *probes: Probe) -> dict[int, float]:
        """Send ``probes``; returns the instant of each by its token."""
        sent = {each.token: self.prober.send(each) for each in probes}
        return {token: at for token, at in sent.items() if isinstance(at, float)}


@contextmanager
def on_kernel(kind: str, lab: Chain) -> Iterator[Subject]:
    with (
        KERNEL[kind](lab.client, SERVER) as opened,
        closing(SelectorWait(opened.clock)) as wait,
    ):
        yield Subject(opened, wait)


@contextmanager
def on_virtual_clock() -> Iterator[Subject]:
    with closing(VirtualProber(network("5 10 15 | rtt 20 | open 80"))) as opened:
        yield Subject(opened, opened.wait)


@pytest.fixture
def subject(request: pytest.FixtureRequest) -> Opener:
    kind: str = request.param
    if kind == "virtual":
        return on_virtual_clock
    lab: Chain = request.getfixturevalue("lab")
    return lambda: on_kernel(kind, lab)


ON_KERNELS = [pytest.param(kind, marks=pytest.mark.netns) for kind in KERNEL]
EVERY = pytest.mark.parametrize("subject", ["virtual", *ON_KERNELS], indirect=True)
KERNELS = pytest.mark.parametrize("subject", ON_KERNELS, indirect=True)
VIRTUAL = pytest.mark.parametrize("subject", ["virtual"], indirect=True)
SEEING = pytest.mark.parametrize("subject", [ON_KERNELS[0], ON_KERNELS[3]], indirect=True)
"""The probers that see packets and can capture them."""
BLIND = pytest.mark.parametrize("subject", ["virtual", *ON_KERNELS[1:3]], indirect=True)
SHARING = pytest.mark.parametrize("subject", [ON_KERNELS[0], *ON_KERNELS[2:]], indirect=True)
"""The probers that receive everything that comes to this machine, and must recognise their own replies."""


@EVERY
def test_a_probe_leaves_at_an_instant_of_the_clock(subject: Opener) -> None:
    with subject() as on:
        before = on.prober.clock()
        sent_at = on.prober.send(probe(1))
        assert isinstance(sent_at, float)
        assert before <= sent_at <= on.prober.clock()


@EVERY
def test_every_reply_comes_out_once_with_its_token_and_instant(subject: Opener) -> None:
    asked = [probe(1), probe(3, flow=1), probe(64, 81, 2), probe(64, 80, 3)]
    with subject() as on:
        sent = on.send(*asked)
        replies = on.replies(len(asked))
        now = on.prober.clock()
        assert on.replies(patience=QUIET) == []
    assert sorted(reply.token for reply in replies) == sorted(each.token for each in asked)
    for reply in replies:
        assert sent[reply.token] - STAMP_ERROR <= reply.received_at <= now
    kinds = {reply.token: reply.kind for reply in replies}
    assert [kinds[each.token] for each in asked] == [
        ReplyKind.TIME_EXCEEDED,
        ReplyKind.TIME_EXCEEDED,
        ReplyKind.RST,
        ReplyKind.SYN_ACK,
    ]


@pytest.mark.alone
@EVERY
def test_draining_waits_for_nothing(subject: Opener) -> None:
    with subject() as on:
        began_at = time.monotonic()
        assert on.prober.drain() == []
        on.send(probe(1))
        on.prober.drain()
        on.prober.drain()
        assert time.monotonic() - began_at < AT_ONCE


@KERNELS
def test_a_descriptor_is_readable_as_long_as_a_reply_waits(subject: Opener) -> None:
    with subject() as on:
        assert len(on.prober.descriptors()) > 0
        assert readable(on.prober) == []
        on.send(probe(1))
        until = on.prober.clock() + REPLY_WAIT
        while not readable(on.prober) and on.prober.clock() < until:
            on.pass_time(until)
        assert readable(on.prober) != []
        assert len(on.prober.drain()) == 1
        assert readable(on.prober) == []


@VIRTUAL
def test_without_a_descriptor_the_instant_to_wake_at_tells_of_a_reply(subject: Opener) -> None:
    with subject() as on:
        (sent_at,) = on.send(probe(1)).values()
        assert on.prober.wake_at() == pytest.approx(sent_at + 0.005)
        on.pass_time(sent_at + REPLY_WAIT)
        assert len(on.prober.drain()) == 1


@EVERY
def test_the_instant_to_wake_at_lies_ahead_once_drained(subject: Opener) -> None:
    with subject() as on:
        on.send(probe(1))
        assert len(on.replies()) == 1
        drained_at = on.prober.clock()
        assert on.prober.drain() == []
        assert on.prober.wake_at() > drained_at


@EVERY
def test_a_silent_probe_keeps_nobody_awake(subject: Opener) -> None:
    """The runner must rarely wake while nothing arrives."""
    with subject() as on:
        until, turns = on.prober.clock() + 2.0, 0
        on.send(probe(1))
        while on.prober.clock() < until:
            on.pass_time(until)
            on.prober.drain()
            turns += 1
    assert turns < 100


@EVERY
def test_several_probes_are_told_of_in_order_and_before_their_replies(subject: Opener) -> None:
    asked = [probe(64, 1000 + number, number) for number in range(32)]
    with subject() as on:
        told = [*on.prober.send_all(asked), *on.prober.send_all(())]
        replies = on.replies(len(asked))
    assert [each for each, _ in told] == asked
    instants = [at for _, at in told if isinstance(at, float)]
    assert len(instants) == len(asked)
    assert instants == sorted(instants)
    assert {reply.token for reply in replies} == {each.token for each in asked}


@EVERY
def test_as_many_probes_as_it_says_may_be_in_flight(subject: Opener) -> None:
    with subject() as on:
        asked = [probe(64, 1000 + number, number) for number in range(min(on.prober.capacity, IN_FLIGHT))]
        replies: list[Reply] = []
        for start in range(0, len(asked), PROBES_PER_DRAIN):  # as the runner does
            on.send(*asked[start : start + PROBES_PER_DRAIN])
            replies += on.prober.drain()
        replies += on.replies(len(asked) - len(replies))
    assert len(asked) > 1
    assert sorted(reply.token for reply in replies) == sorted(each.token for each in asked)


@KERNELS
def test_probes_of_one_flow_leave_from_one_source_port(subject: Opener, lab: Chain) -> None:
    """One after the other where they cannot be in flight together, answered or not."""
    lab.nft("r2", rules.forwarded(rules.drop(99)))
    with lab.capture(only="tcp[tcpflags] == tcp-syn") as capture, subject() as on:
        for each in (probe(1, 80, 0), probe(2, 80, 0), probe(2, 80, 1), probe(64, 80, 0), probe(2, 80, 0)):
            on.send(each)
            assert len(on.replies()) == 1
        on.send(probe(64, 99, 0), probe(64, 99, 1))
        on.replies(patience=QUIET)
        on.send(probe(1, 99, 0))
        assert len(on.replies()) == 1
    syns = capture.fields("tcp.flags == 2", "tcp.dstport", "tcp.srcport")
    ports = [source for destination, source in syns if destination == "80"]
    assert [port == ports[0] for port in ports] == [True, True, False, True, True]
    silent = [source for destination, source in syns if destination == "99"]
    assert [port == silent[0] for port in silent] == [True, False, True]


@KERNELS
def test_a_further_probe_of_a_flow_takes_the_place_of_one_in_flight_or_joins_it(subject: Opener) -> None:
    first, second = probe(2, 80, 0), probe(3, 80, 0)
    with subject() as on:
        on.send(first, second)
        heard = [reply.token for reply in on.replies(2, patience=QUIET)]
        expected = [first.token, second.token] if on.prober.shares_flows else [second.token]
    assert sorted(heard) == sorted(expected)


@SHARING
def test_replies_to_another_of_its_kind_are_not_its_own(subject: Opener) -> None:
    with subject() as on, subject() as other:
        asked = [probe(1), probe(64, 81, 1), probe(64, 80, 2)]
        other.send(*asked)
        assert len(other.replies(len(asked))) == len(asked)
        assert on.replies(patience=QUIET) == []


@EVERY
def test_after_close_there_is_nothing_and_it_may_be_repeated(subject: Opener) -> None:
    with subject() as on:
        on.send(probe(1))
        on.pass_time(on.prober.clock() + REPLY_WAIT)
        on.prober.close()
        assert (list(on.prober.drain()), list(on.prober.descriptors())) == ([], [])
        on.prober.close()


def never(*_: object) -> None:
    raise AssertionError("it was called")


@BLIND
def test_a_prober_that_sees_no_packets_says_so_and_opens_nothing(subject: Opener) -> None:
    with subject() as on, pytest.raises(ProberError, match="--pcap needs raw sockets: this way of probing"):
        on.prober.capture(never)  # type: ignore[arg-type]


@SEEING
def test_a_prober_that_sees_packets_gives_each_to_the_tap(subject: Opener) -> None:
    taken: list[tuple[float, bytes]] = []
    with subject() as on:
        on.prober.capture(lambda: lambda instant, packet: taken.append((instant, packet)))
        began_at = time.time()
        on.send(probe(64, 81))
        assert len(on.replies()) == 1
    (sent_at, syn), (received_at, rst) = taken
    assert (syn[0] >> 4, syn[33], rst[0] >> 4, rst[33]) == (4, 0x02, 4, 0x14)
    assert (syn[12:16], syn[16:20]) == (rst[16:20], rst[12:16])
    assert began_at - STAMP_ERROR <= sent_at <= received_at + STAMP_ERROR <= time.time() + 2 * STAMP_ERROR


# Failures to send


def refuse(prober: Prober, number: int, patched: pytest.MonkeyPatch) -> None:
    """Make the system refuse the packets of ``prober`` with the error ``number``."""

    def refused(*_: object) -> None:
        raise OSError(number, "a test")

    if isinstance(prober, SharedRawProber):
        patched.setattr(prober._link, "sender", type("Sender", (), {"sendto": refused})())
        return
    where, name = {
        "raw": ("_sender", "sendto"),
        "scapy": ("_socket", "send"),
        "connect": ("", "_open"),
    }[prober.kind]
    if where == "_sender":
        patched.setattr(prober, where, type("Sender", (), {name: refused})())
    else:
        patched.setattr(getattr(prober, where) if where else prober, name, refused)


@KERNELS
@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOBUFS, FailureKind.TRANSIENT),
        (errno.EAGAIN, FailureKind.TRANSIENT),
        (errno.ENOMEM, FailureKind.TRANSIENT),
        (errno.EPERM, FailureKind.PROBE_LOST),
    ],
)
def test_a_probe_that_is_refused_says_whether_another_try_may_help(
    subject: Opener, number: int, kind: FailureKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    with subject() as on:
        with monkeypatch.context() as patched:
            refuse(on.prober, number, patched)
            failure = on.prober.send(probe(1))
        assert isinstance(failure, SendFailure)
        assert (failure.errno, failure.kind) == (number, kind)
        assert failure.reason
        assert on.prober.drain() == []
        on.send(probe(1, flow=1))
        assert len(on.replies()) == 1


@pytest.mark.parametrize("reasons", [failures.RAW_REASONS, failures.CONNECT_REASONS])
@pytest.mark.parametrize(
    ("numbers", "kind"),
    [
        ((errno.ENOBUFS, errno.EAGAIN, errno.ENOMEM), FailureKind.TRANSIENT),
        ((errno.EPERM,), FailureKind.PROBE_LOST),
        ((errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN), FailureKind.NO_ROUTE),
        ((errno.EINVAL, errno.EBADF), FailureKind.PERMANENT),
    ],
)
def test_each_error_number_has_its_meaning(
    reasons: dict[int, str], numbers: Sequence[int], kind: FailureKind
) -> None:
    told = [failures.failure(number, reasons) for number in numbers]
    assert [each.kind for each in told] == [kind] * len(told)
    assert all(each.reason for each in told)


def test_only_a_socket_that_is_opened_for_each_probe_can_want_for_a_descriptor() -> None:
    for number in (errno.EMFILE, errno.ENFILE, errno.EADDRINUSE):
        assert failures.failure(number, failures.CONNECT_REASONS).kind is FailureKind.PROBE_LOST
        assert failures.failure(number, failures.RAW_REASONS).kind is FailureKind.PERMANENT


def test_an_address_that_is_gone_is_told_from_ports_that_are_used_up() -> None:
    number = errno.EADDRNOTAVAIL
    assert failures.failure(number, failures.CONNECT_REASONS).kind is FailureKind.PROBE_LOST
    for reasons in (failures.OPEN_REASONS, failures.RAW_REASONS):
        assert failures.failure(number, reasons).kind is FailureKind.NO_ROUTE


@pytest.mark.netns
@pytest.mark.parametrize("kind", KERNEL)
def test_a_flow_leaves_from_the_source_port_that_it_is_told_to_have(kind: str, lab: Chain) -> None:
    asked = [probe(64, 80, 0), probe(64, 81, 5), probe(64, 81, 1023), probe(64, 443, 0)]
    with (
        lab.capture("server", only="tcp") as capture,
        KERNEL[kind](lab.client, SERVER, source_port=CHOSEN) as opened,
        closing(SelectorWait(opened.clock)) as wait,
    ):
        on = Subject(opened, wait)
        on.send(*asked)
        told = [opened.source_port(each) for each in asked]
        assert len(on.replies(len(asked))) == len(asked)
    assert told == [CHOSEN + each.flow for each in asked]
    syns = capture.fields("tcp.flags == 2", "tcp.srcport", "tcp.dstport")
    assert sorted(syns) == sorted((str(CHOSEN + each.flow), str(each.port)) for each in asked)


@pytest.mark.netns
@pytest.mark.parametrize("kind", KERNEL)
def test_over_ipv6_the_same_source_ports_have_the_same_labels_in_every_run(kind: str, lab: Chain) -> None:
    """Routers choose the path by the label as well (RFC 6437), so a label by chance would be another way."""
    labels = []
    for _ in range(2):
        with (
            lab.capture("server", only="ip6 and tcp") as capture,
            KERNEL[kind](lab.client, SERVER_6, source_port=CHOSEN) as opened,
            closing(SelectorWait(opened.clock)) as wait,
        ):
            on = Subject(opened, wait)
            on.send(probe(64, 80, 0), probe(64, 80, 1))
            on.replies(2)
        fields = capture.fields("tcp.flags == 2", "tcp.srcport", "ipv6.flow")
        labels.append(sorted(fields))
    assert len(labels[0]) == 2
    assert labels[0] == labels[1]


@KERNELS
def test_a_prober_tells_which_port_a_probe_left_from(subject: Opener, lab: Chain) -> None:
    with lab.capture("server", only="tcp port 81") as capture, subject() as on:
        asked = [probe(64, 81), probe(64, 81)]
        on.send(*asked)
        told = [on.prober.source_port(each) for each in asked]
        on.replies(2)
    assert [(str(port),) for port in told] == capture.fields("tcp.flags == 2", "tcp.srcport")


@pytest.mark.netns
@pytest.mark.parametrize("kind", KERNEL)
def test_a_source_port_that_is_taken_is_a_sentence(kind: str, lab: Chain) -> None:
    with inside(lab.client), socket.socket() as other:
        other.bind(("", CHOSEN))
        other.listen()
        with (
            pytest.raises(ProberError, match=f"^source port {CHOSEN} is taken.*another --source-port"),
            KERNEL[kind](lab.client, SERVER, source_port=CHOSEN),
        ):
            pass


@pytest.mark.netns
@pytest.mark.parametrize("kind", ["raw", "connect"])
def test_of_two_runs_on_the_same_ports_the_second_is_refused(kind: str, lab: Chain) -> None:
    with (
        KERNEL[kind](lab.client, SERVER, source_port=CHOSEN),
        pytest.raises(ProberError, match=r"^source port.* taken"),
        closing(ConnectProber(TraceConfig(host=SERVER, source_port=CHOSEN + 1000), SERVER)),
    ):
        pass
    with KERNEL[kind](lab.client, SERVER, source_port=CHOSEN):
        pass
