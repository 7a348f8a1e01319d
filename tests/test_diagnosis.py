"""The looks for local causes, on faked system files and on loopback."""

from __future__ import annotations

import errno
import os
import socket
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tracetcp import diagnosis
from tracetcp.cli.parsing import Check, parse
from tracetcp.diagnosis import Finding
from tracetcp.errors import NoPermission
from tracetcp.model import Reply, ReplyKind
from tracetcp.probers import routes
from tracetcp.probers.prober import Prober

if TYPE_CHECKING:
    from pathlib import Path

    from tracetcp.model import Probe


def interface(root: Path, name: str, *, flags: str = "0x1003", state: str = "up", kind: str = "1") -> Path:
    folder = root / "sys/class/net" / name
    folder.mkdir(parents=True)
    for file, text in (("flags", flags), ("operstate", state), ("type", kind)):
        (folder / file).write_text(text + "\n")
    return folder


def test_an_interface_that_is_up_passes_and_loopback_alone_does_not(tmp_path: Path) -> None:
    assert not diagnosis.interfaces(tmp_path).is_passed
    interface(tmp_path, "lo")
    interface(tmp_path, "eth1", flags="0x1002")
    assert not diagnosis.interfaces(tmp_path).is_passed
    interface(tmp_path, "eth0")
    assert diagnosis.interfaces(tmp_path) == Finding("interfaces", True, "up: eth0")


@pytest.mark.parametrize("source", ["127.0.0.1", "127.1.2.3"])
def test_a_source_address_that_is_here_passes(source: str) -> None:
    assert diagnosis.source_address(source).is_passed


@pytest.mark.parametrize("source", ["192.0.2.77", "2001:db8::77"])
def test_a_source_address_that_is_gone_is_told(source: str) -> None:
    finding = diagnosis.source_address(source)
    assert not finding.is_passed
    assert finding.sentence.startswith(f"address {source}, which probes leave from, is gone")


def test_what_else_keeps_an_address_from_being_bound_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EMFILE, "x")

    monkeypatch.setattr("socket.socket.bind", refuse)
    assert diagnosis.source_address("192.0.2.77").is_passed
    monkeypatch.setattr("socket.socket.__init__", refuse)
    assert diagnosis.source_address("192.0.2.77").is_passed


@pytest.mark.parametrize(
    ("flags", "state", "is_passed"),
    [("0x1003", "up", True), ("0x1003", "unknown", True), ("0x1003", "down", False), ("0x1002", "up", False)],
)
def test_a_link_is_up_or_its_state_is_told(tmp_path: Path, flags: str, state: str, is_passed: bool) -> None:
    interface(tmp_path, "eth0", flags=flags, state=state)
    finding = diagnosis.link_state("eth0", tmp_path)
    assert finding.is_passed is is_passed
    assert "eth0" in finding.sentence


def test_tunnels_are_known_by_their_type_or_their_device(tmp_path: Path) -> None:
    interface(tmp_path, "eth0")
    interface(tmp_path, "wg0", kind="65534")
    (interface(tmp_path, "tap0") / "tun_flags").touch()
    assert diagnosis.tunnel("eth0", tmp_path) is None
    assert "wg0, a tunnel" in str(diagnosis.tunnel("wg0", tmp_path))
    assert "tap0, a TUN or TAP device" in str(diagnosis.tunnel("tap0", tmp_path))


def test_containers_and_wsl_are_known_by_their_marks(tmp_path: Path) -> None:
    assert diagnosis.translation(tmp_path) is None
    (tmp_path / ".dockerenv").touch()
    assert "this is Docker" in str(diagnosis.translation(tmp_path))
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/version").write_text("Linux version 5.15.1-Microsoft-standard-WSL2")
    assert "this is WSL" in str(diagnosis.translation(tmp_path))


def test_the_interface_of_an_address_is_found(tmp_path: Path) -> None:
    interface(tmp_path, "lo")
    interface(tmp_path, "none0")
    (tmp_path / "proc/net").mkdir(parents=True)
    (tmp_path / "proc/net/if_inet6").write_text("fe800000000000000000000000000001 02 40 20 80     eth7\n")
    assert diagnosis.interface_of("127.0.0.1", tmp_path) == "lo"
    assert diagnosis.interface_of("192.0.2.77", tmp_path) is None
    assert diagnosis.interface_of("fe80::1%eth7", tmp_path) == "eth7"
    assert diagnosis.interface_of("fe80::2", tmp_path) is None


def test_loopback_passes_here() -> None:
    assert diagnosis.loopback_tcp().is_passed
    assert diagnosis.loopback_icmp().is_passed
    assert diagnosis.route("127.0.0.1").is_passed


@pytest.mark.parametrize("number", [errno.EPERM, errno.ETIMEDOUT])
def test_a_firewall_on_loopback_is_told(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refused(socket.socket):
        def connect(self, address: object) -> None:
            raise OSError(number, "refused")

    monkeypatch.setattr("tracetcp.diagnosis.socket.socket", Refused)
    assert "local firewall" in diagnosis.loopback_tcp().sentence


def test_a_firewall_that_refuses_or_swallows_icmp_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refused(socket.socket):
        def send(self, *_: object) -> int:
            raise PermissionError(errno.EPERM, "refused")

    class Swallowed(socket.socket):
        def recv(self, *_: object) -> bytes:
            raise TimeoutError

    monkeypatch.setattr("tracetcp.diagnosis.socket.socket", Refused)
    assert "refuses packets" in diagnosis.loopback_icmp().sentence
    monkeypatch.setattr("tracetcp.diagnosis.socket.socket", Swallowed)
    assert "do not arrive" in diagnosis.loopback_icmp().sentence


def test_something_that_answers_for_a_closed_port_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Accepted(socket.socket):
        def connect(self, address: object) -> None: ...

    monkeypatch.setattr("tracetcp.diagnosis.socket.socket", Accepted)
    assert not diagnosis.loopback_tcp().is_passed


def test_no_way_to_an_address_is_the_kernels_word(monkeypatch: pytest.MonkeyPatch) -> None:
    class Routeless(socket.socket):
        def connect(self, address: object) -> None:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")

    monkeypatch.setattr("tracetcp.probers.routes.socket.socket", Routeless)
    finding = diagnosis.route("192.0.2.1")
    assert not finding.is_passed
    assert "192.0.2.1" in finding.sentence


def test_without_raw_sockets_the_looks_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unprivileged(socket.socket):
        def __init__(self, *arguments: object, **_: object) -> None:
            if socket.SOCK_RAW in arguments:
                raise PermissionError(errno.EPERM, "refused")
            super().__init__()

    monkeypatch.setattr("tracetcp.diagnosis.socket.socket", Unprivileged)
    assert "without privileges" in diagnosis.privileges().sentence


class LoopbackProber(Prober):
    """Answers its probe with a RST, or not at all."""

    kind = "raw"

    def __init__(self, *, answers: bool) -> None:
        self._answers = answers
        self._reader, self._writer = os.pipe()

    def clock(self) -> float:
        return time.monotonic()

    def send(self, probe: Probe) -> float:
        self._token = probe.token
        return self.clock()

    def descriptors(self) -> list[int]:
        return [self._reader]

    def drain(self) -> list[Reply]:
        return [Reply(self._token, ReplyKind.RST, "127.0.0.1", self.clock())] if self._answers else []

    def close(self) -> None:
        os.close(self._reader)
        os.close(self._writer)


@pytest.mark.parametrize("answers", [True, False])
def test_the_self_test_passes_when_its_probe_is_answered(
    answers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracetcp.probers.open_prober", lambda *_: LoopbackProber(answers=answers))
    monkeypatch.setattr(diagnosis, "PATIENCE", 0.05)
    assert diagnosis.raw_self_test().is_passed is answers


def test_a_self_test_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise NoPermission("a sentence")

    monkeypatch.setattr("tracetcp.probers.open_prober", refuse)
    assert diagnosis.raw_self_test() == Finding("probe", False, "a sentence")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody traces without privilege")
def test_without_raw_sockets_the_check_tells_what_this_kernel_grants(monkeypatch: pytest.MonkeyPatch) -> None:
    without = Finding("privileges", True, diagnosis.WITHOUT_RAW_SOCKETS)
    monkeypatch.setattr(diagnosis, "privileges", lambda: without)
    found = list(diagnosis.check("127.0.0.1"))
    assert found[1] == Finding(
        "ordinary sockets",
        True,
        "one source port a column: yes; the TTL of answers: yes; replies later than 0.9 s: no",
    )


@pytest.mark.skipif(sys.platform != "linux", reason="as above")
def test_a_kernel_that_grants_less_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not know the option of a least TTL."""
    monkeypatch.setitem(routes.LEAST_TTL, socket.AF_INET, (socket.IPPROTO_IP, 254))
    assert diagnosis.ordinary_sockets(None) == Finding(
        "ordinary sockets", True, "one source port a column: yes; the TTL of answers: no"
    )


def test_after_silence_only_what_was_found_is_told(tmp_path: Path) -> None:
    interface(tmp_path, "lo", state="unknown")
    assert diagnosis.after_silence("192.0.2.1", "127.0.0.1", tmp_path) == []
    found = diagnosis.after_silence("127.0.0.1", "127.0.0.1", tmp_path)
    assert [finding.subject for finding in found] == ["target"]
    gone = diagnosis.after_silence("192.0.2.1", "192.0.2.77", tmp_path)
    assert [finding.subject for finding in gone] == ["source"]


def test_the_check_looks_at_everything_and_at_a_route_if_there_is_a_host() -> None:
    subjects = ["privileges", "interfaces", "loopback TCP", "loopback ICMP", "probe", "versions"]
    found = [finding.subject for finding in diagnosis.check(None) if finding.subject != "ordinary sockets"]
    assert found == subjects
    assert "route" in [finding.subject for finding in diagnosis.check("127.0.0.1")]


@pytest.mark.parametrize(
    ("line", "asked"),
    [("--check", Check(None)), ("--check host:80", Check("host")), ("-6 host --check", Check("host", 6))],
)
def test_the_command_line_of_a_check(line: str, asked: Check) -> None:
    assert parse(line.split()) == asked
