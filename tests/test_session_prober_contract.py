"""The contract of ``SessionProber``, kept by the kernel's and by the virtual one alike."""

from __future__ import annotations

import os
import socket
import sys
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, TypeAlias

import pytest

from internet import network
from internet.sessions import VirtualSessions
from lab import SERVER, SERVER_6, near, rules
from prober_lab import as_nobody, inside
from tracetcp.config import TraceConfig
from tracetcp.model import FailureKind, SendFailure
from tracetcp.model.connection import FULL_TTL, Close, Connect, Heed, Report, Speak, State
from tracetcp.probers.session import link
from tracetcp.probers.session.kernel import KernelSessions
from tracetcp.runner import SelectorWait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from lab import Chain
    from tracetcp.model.connection import Order
    from tracetcp.probers.session.contract import SessionProber
    from tracetcp.runner import Wait

    Opener: TypeAlias = "Callable[..., AbstractContextManager[Subject]]"

PATIENCE = 5.0
TRIGGER = b"a word that must not arrive"
REQUEST = b"GET / HTTP/1.1\r\n\r\n"
SERVER_PROGRAM = """
import socket, sys, threading
listening = socket.create_server(("::", 8080), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
def serve(connected):
    try:
        while heard := connected.recv(65536):
            print("heard", heard[:32], flush=True)
            if heard.endswith(b"\\r\\n\\r\\n"):
                connected.sendall(b"y" * 5000)
        print("ended", flush=True)
    except ConnectionResetError:
        print("reset", flush=True)
while True:
    threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()
"""


class Subject:
    """A prober to an open port at the end of a path of several hops, and how to wait."""

    def __init__(self, prober: SessionProber, wait: Wait) -> None:
        self.prober = prober
        self._wait = wait
        self.known: dict[int, Report] = {}

    def act(self, *orders: Order) -> None:
        for order in orders:
            assert isinstance(self.prober.act(order), float)
            if isinstance(order, Speak):
                self.known.pop(order.connection, None)

    def until(self, is_so: Callable[[Report], bool], connection: int = 0, patience: float = PATIENCE) -> bool:
        """Wait until the newest report on a connection is so; whether that happened."""
        until = self.prober.clock() + patience
        while connection not in self.known or not is_so(self.known[connection]):
            if self.prober.clock() >= until:
                return False
            self._wait(self.prober.descriptors(), min(until, self.prober.wake_at()))
            for report in self.prober.drain():
                self.known[report.connection] = report
        return True

    def open(self, connection: int = 0, announced_mss: int | None = None) -> Report:
        self.act(Connect(connection, announced_mss))
        assert self.until(lambda report: report.state is State.OPEN, connection)
        return self.known[connection]


@contextmanager
def on_kernel(lab: Chain, destination: str = SERVER, port: int = 8080) -> Iterator[Subject]:
    with (
        inside(lab.client),
        as_nobody(),
        closing(KernelSessions(TraceConfig(host=destination), destination, port)) as prober,
        closing(SelectorWait(prober.clock)) as wait,
    ):
        yield Subject(prober, wait)


@contextmanager
def on_virtual_clock(**table: object) -> Iterator[Subject]:
    with closing(VirtualSessions(network("1 2 3 4 5 6 | rtt 8", **table))) as prober:
        yield Subject(prober, prober.wait)


@pytest.fixture
def subject(request: pytest.FixtureRequest) -> Opener:
    kind: str = request.param
    if kind == "virtual":
        return on_virtual_clock
    lab: Chain = request.getfixturevalue("lab")
    lab.start("server", [sys.executable, "-c", SERVER_PROGRAM])
    destination = SERVER if kind == "IPv4" else SERVER_6
    return lambda: on_kernel(lab, destination)


ON_KERNEL = [pytest.param(kind, marks=pytest.mark.netns) for kind in ("IPv4", "IPv6")]
EVERY = pytest.mark.parametrize("subject", ["virtual", *ON_KERNEL], indirect=True)


@EVERY
def test_a_connection_opens_and_says_what_it_can_carry(subject: Opener) -> None:
    with subject() as on:
        report = on.open()
        assert on.prober.link_mtu == report.path_mtu == report.packet == 1500
        assert report.headers == (72 if on.prober.family == 6 else 52)
        assert report.allowed == report.payload == 1500 - report.headers


@EVERY
def test_the_announced_mss_bounds_what_the_other_side_may_send(subject: Opener) -> None:
    with subject() as on:
        assert on.open(announced_mss=1300).allowed == 1288
        on.act(Speak(0, FULL_TTL, REQUEST))
        assert on.until(lambda report: report.received >= 5000)
        assert on.known[0].largest == 1288


@EVERY
def test_what_arrives_is_acknowledged(subject: Opener) -> None:
    with subject() as on:
        on.open()
        on.act(Speak(0, FULL_TTL, b"x" * 1400))
        assert on.until(lambda report: report.is_acknowledged)
        assert on.known[0].errors == 0


@EVERY
@pytest.mark.parametrize("ttl", [1, 3, 6])
def test_what_expires_is_an_error_and_the_connection_lives_on(subject: Opener, ttl: int) -> None:
    with subject() as on:
        on.open()
        on.act(Speak(0, ttl, b"hello"))
        assert on.until(lambda report: report.errors == 1)
        assert not on.known[0].is_acknowledged
        assert on.known[0].state is State.OPEN


@EVERY
def test_silence_keeps_nobody_awake_and_shows_as_retransmissions(subject: Opener) -> None:
    with subject() as on:
        on.open()
        on.act(Speak(0, 2, b"hello"))
        assert on.until(lambda report: report.retransmissions == 2)
        assert on.known[0].errors >= 2


@EVERY
def test_words_that_expired_may_be_given_another_ttl(subject: Opener) -> None:
    with subject() as on:
        on.open()
        on.act(Speak(0, 2, b"hello"))
        assert on.until(lambda report: report.errors == 1)
        on.act(Speak(0, FULL_TTL, b""))
        assert on.until(lambda report: report.acknowledged == 5)
        assert on.known[0].is_acknowledged


@EVERY
def test_what_comes_with_a_smaller_ttl_is_not_listened_to(subject: Opener) -> None:
    with subject() as on:
        on.act(Connect(0, min_reply_ttl=59))
        assert not on.until(lambda report: report.state is State.OPEN, patience=0.5)
        on.act(Connect(1, min_reply_ttl=58))
        assert on.until(lambda report: report.state is State.OPEN, 1)
        on.act(Heed(1, 59), Speak(1, FULL_TTL, b"hello"))
        assert not on.until(lambda report: report.acknowledged > 0, 1, patience=0.5)
        on.act(Heed(1, 0))
        assert on.until(lambda report: report.acknowledged == 5, 1)


@EVERY
def test_what_came_is_counted(subject: Opener) -> None:
    with subject() as on:
        before = on.open().segments
        on.act(Speak(0, FULL_TTL, b"hello"))
        assert on.until(lambda report: report.is_acknowledged)
        assert on.known[0].segments == before + 1


@EVERY
def test_no_report_comes_without_a_reason(subject: Opener) -> None:
    with subject() as on:
        on.open()
        assert on.prober.drain() == []
        on.act(Speak(0, FULL_TTL, b"hello"))
        assert on.until(lambda report: report.is_acknowledged)
        assert on.prober.drain() == []


@EVERY
def test_after_an_end_nothing_is_reported(subject: Opener) -> None:
    with subject() as on:
        on.open()
        on.act(Speak(0, 1, b"hello"), Close(0), Close(0))
        assert not on.until(lambda report: report.errors > 0, patience=0.5)
        on.prober.close()
        assert (list(on.prober.drain()), list(on.prober.descriptors())) == ([], [])
        on.prober.close()


def test_a_virtual_host_that_answered_may_end_the_connection() -> None:
    with on_virtual_clock(destination={"ends": True}) as on:
        on.open()
        on.act(Speak(0, FULL_TTL, REQUEST))
        assert on.until(lambda report: report.state is State.FINISHED)


# What kernels alone can show


@pytest.mark.netns
@pytest.mark.parametrize("destination", [SERVER, SERVER_6])
@pytest.mark.parametrize("is_closed_at_once", [True, False])
def test_words_that_were_lost_never_arrive_and_the_server_is_told(
    lab: Chain, destination: str, *, is_closed_at_once: bool
) -> None:
    """A plain close would send them again, with a TTL that reaches."""
    server = lab.start("server", [sys.executable, "-c", SERVER_PROGRAM])
    with lab.capture("server") as captured, on_kernel(lab, destination) as on:
        on.open()
        on.act(Speak(0, 3, TRIGGER))
        if not is_closed_at_once:
            assert on.until(lambda report: report.errors > 0)
        on.prober.close()
        assert server.stdout is not None
        assert server.stdout.readline() == "reset\n"
        time.sleep(0.3)
    assert not any(TRIGGER in bytes(packet) for packet in captured.packets())


@pytest.mark.netns
def test_an_end_of_the_other_side_is_told_by_its_kind(lab: Chain) -> None:
    ends = (
        "import socket, struct\nlistening = socket.create_server(('', 8081))\nprint('ready', flush=True)\n"
        "first, _ = listening.accept()\nfirst.recv(99)\nfirst.close()\n"
        "second, _ = listening.accept()\nsecond.recv(99)\n"
        "second.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))\nsecond.close()\n"
        "listening.close()\nprint('done', flush=True)\ninput()\n"
    )
    server = lab.start("server", [sys.executable, "-c", ends])
    with on_kernel(lab, port=8081) as on:
        for connection, state in enumerate([State.FINISHED, State.RESET]):
            on.open(connection)
            on.act(Speak(connection, FULL_TTL, b"hello"))
            assert on.until(lambda report: report.state is not State.OPEN, connection)
            assert on.known[connection].state is state
            assert on.known[connection].acknowledged == 5
        assert server.stdout is not None
        assert server.stdout.readline() == "done\n"
        on.act(Connect(2))
        assert on.until(lambda report: report.state is not State.OPENING, 2)
        assert on.known[2].state is State.REFUSED


@pytest.mark.netns
@pytest.mark.parametrize("destination", [SERVER, SERVER_6])
def test_a_packet_refused_by_icmp_is_an_error_and_no_end(lab: Chain, destination: str) -> None:
    lab.start("server", [sys.executable, "-c", SERVER_PROGRAM])
    lab.nft("r2", rules.forwarded("tcp dport 8080 tcp flags & psh == psh reject with icmpx port-unreachable"))
    with on_kernel(lab, destination) as on:
        on.open()
        on.act(Speak(0, FULL_TTL, b"hello"))
        assert on.until(lambda report: report.errors == 1)
        assert on.known[0].state is State.OPEN


@pytest.mark.netns
def test_a_reset_leaves_what_was_acknowledged_known(lab: Chain) -> None:
    """The system takes everything for acknowledged once it has dropped the connection."""
    lab.start("server", [sys.executable, "-c", SERVER_PROGRAM])
    lab.nft("r2", rules.forwarded("tcp dport 8080 tcp flags & psh == psh reject with tcp reset"))
    with on_kernel(lab) as on:
        on.open()
        on.act(Speak(0, FULL_TTL, b"hello"))
        assert on.until(lambda report: report.state is State.RESET)
        assert on.known[0].acknowledged == 0


@pytest.mark.netns
def test_what_the_system_refuses_is_a_failure_that_says_so(
    lab: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    with on_kernel(lab) as on:

        def refused(*_: object) -> None:
            raise OSError(24, os.strerror(24))

        with monkeypatch.context() as patched:
            patched.setattr(socket.socket, "bind", refused)
            failure = on.prober.act(Connect(0))
        assert isinstance(failure, SendFailure)
        assert failure.kind is FailureKind.PROBE_LOST
        assert on.prober.drain() == []


@pytest.mark.netns
def test_the_link_is_known_though_the_path_mtu_is_smaller(lab: Chain) -> None:
    lab.ip("client", f"route add {SERVER}/32 via {near(1)} mtu 1400", f"route del {SERVER}/32")
    lab.start("server", [sys.executable, "-c", SERVER_PROGRAM])
    with on_kernel(lab) as on:
        assert on.prober.link_mtu == 1500
        assert on.open().path_mtu == 1400


@pytest.mark.netns
def test_an_interface_may_be_named(lab: Chain) -> None:
    lab.start("server", [sys.executable, "-c", SERVER_PROGRAM])
    with (
        inside(lab.client),
        as_nobody(),
        closing(KernelSessions(TraceConfig(host=SERVER, interface="eth1"), SERVER, 8080)) as prober,
        closing(SelectorWait(prober.clock)) as wait,
    ):
        assert prober.link_mtu == 1500
        Subject(prober, wait).open()


def test_an_answer_of_netlink_without_an_interface_is_none() -> None:
    assert link._index_in(bytes(64)) is None
