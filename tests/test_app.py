"""The app: exit statuses, streams, interruption, and errors as sentences. No socket is opened here."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from math import inf
from typing import TYPE_CHECKING

import pytest

from tracetcp import __version__, app
from tracetcp.cli.flags import USAGE
from tracetcp.errors import NameNotFound, NoPermission, NoRoute
from tracetcp.formatters.progress import ERASE_LINE
from tracetcp.model import Probe, Reply, ReplyKind, SendFailure
from tracetcp.probers.prober import Prober

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tracetcp.config import TraceConfig

TARGET = "198.51.100.7"


class OneHostProber(Prober):
    """A host one hop away on a virtual clock: answers with ``kind``, or never."""

    kind = "raw"
    capacity = 1000
    source = "198.51.100.1"
    destination = TARGET

    def __init__(self, kind: ReplyKind | None) -> None:
        self.now = 0.0
        self.is_closed = False
        self._answer = kind
        self._replies: list[Reply] = []

    def clock(self) -> float:
        return self.now

    def send(self, probe: Probe) -> float | SendFailure:
        if self._answer is not None:
            self._replies.append(Reply(probe.token, self._answer, TARGET, self.now + 0.001))
        return self.now

    def descriptors(self) -> Sequence[int]:
        return ()

    def wake_at(self) -> float:
        return self._replies[0].received_at if self._replies else inf

    def drain(self) -> Sequence[Reply]:
        arrived = [reply for reply in self._replies if reply.received_at <= self.now]
        self._replies = [reply for reply in self._replies if reply.received_at > self.now]
        return arrived

    def close(self) -> None:
        self.is_closed = True


class Jump:
    """What the runner waits with instead of a selector: the prober's clock jumps."""

    def __init__(self, prober: OneHostProber, interrupt_after: float | None) -> None:
        self._prober = prober
        self._interrupt_after = interrupt_after

    def __call__(self, _descriptors: Sequence[int], until: float) -> Sequence[int]:
        if self._interrupt_after is not None and self._prober.now >= self._interrupt_after:
            raise KeyboardInterrupt
        self._prober.now = max(self._prober.now, until)
        return ()

    def close(self) -> None: ...


@pytest.fixture
def probe_with(monkeypatch: pytest.MonkeyPatch) -> Callable[..., OneHostProber]:
    """Makes the app use a prober of the test's own, and keep its privileges."""

    def use(kind: ReplyKind | None, interrupt_after: float | None = None) -> OneHostProber:
        prober = OneHostProber(kind)
        monkeypatch.setattr("tracetcp.probers.open_prober", lambda *_: prober)
        monkeypatch.setattr("tracetcp.privileges.become_caller", lambda: None)
        monkeypatch.setattr("tracetcp.privileges.give_up_capabilities", lambda: None)
        monkeypatch.setattr("tracetcp.runner.SelectorWait", lambda _: Jump(prober, interrupt_after))
        return prober

    return use


def test_an_open_port_is_written_and_ends_with_0(
    probe_with: Callable[..., OneHostProber], capsys: pytest.CaptureFixture[str]
) -> None:
    prober = probe_with(ReplyKind.SYN_ACK)
    assert app.main(["-n", TARGET]) == 0
    out, err = capsys.readouterr()
    assert out == (
        f"\nTracing route to {TARGET} on port 80\nOver a maximum of 30 hops.\n"
        f"1       Destination Reached in 1 ms. Connection established to {TARGET}\nTrace Complete.\n"
    )
    assert err == ""
    assert prober.is_closed


def test_a_closed_port_is_reached_too(
    probe_with: Callable[..., OneHostProber], capsys: pytest.CaptureFixture[str]
) -> None:
    probe_with(ReplyKind.RST)
    assert app.main(["-c", TARGET + ":81"]) == 0
    assert capsys.readouterr().out == f"[{TARGET}:81]  1    Dest. in 1 ms. Port CLOSED on {TARGET}\n"


def test_a_destination_that_never_answers_ends_with_1(
    probe_with: Callable[..., OneHostProber], capsys: pytest.CaptureFixture[str]
) -> None:
    probe_with(None)
    assert app.main(["-n", "-c", "-m", "1", TARGET]) == 1
    assert capsys.readouterr().out == f"[{TARGET}:80]  1    *       *       *       Request timed out.\n"


def test_an_interrupt_keeps_the_rows_says_so_and_ends_with_130(
    probe_with: Callable[..., OneHostProber], capsys: pytest.CaptureFixture[str]
) -> None:
    prober = probe_with(None, 0.5)
    assert app.main(["-n", TARGET]) == 130
    out, err = capsys.readouterr()
    assert out.startswith("\nTracing route to")
    assert err == "Trace interrupted.\n"
    assert prober.is_closed


@pytest.mark.parametrize(
    ("error", "status"),
    [(NoPermission("a sentence"), 3), (NoRoute("a sentence"), 3), (NameNotFound("a sentence"), 3)],
)
def test_what_keeps_a_run_from_going_on_is_one_line_and_3(
    error: Exception, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("tracetcp.probers.open_prober", fail)
    assert app.main([TARGET]) == status
    assert capsys.readouterr() == ("", "tracetcp: a sentence\n")


def test_a_mistake_of_ours_is_a_line_too_and_a_traceback_only_on_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_config: TraceConfig, _destination: str) -> None:
        raise ZeroDivisionError("divided")

    monkeypatch.setattr("tracetcp.probers.open_prober", fail)
    monkeypatch.delenv(app.DEBUG_VARIABLE, raising=False)
    assert app.main([TARGET]) == 3
    assert capsys.readouterr().err.startswith("tracetcp: divided (ZeroDivisionError; TRACETCP_DEBUG=1 shows")
    monkeypatch.setenv(app.DEBUG_VARIABLE, "1")
    with pytest.raises(ZeroDivisionError):
        app.main([TARGET])


def test_without_a_host_the_usage_line_comes_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0] == f"usage: {USAGE}"
    assert err.splitlines()[1].startswith("tracetcp: no host given")
    assert len(err.splitlines()) == 2


def test_wrong_usage_is_one_line_and_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["-p", "0", TARGET]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("tracetcp: ")


def test_help_and_version_are_written_and_end_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["-v"]) == 0
    assert capsys.readouterr().out == f"tracetcp {__version__}\n"
    assert app.main(["-?"]) == 0
    assert capsys.readouterr().out.startswith("usage: tracetcp [options] host[:port]\n")


def test_a_full_disk_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(sys.stdout, "write", full)
    assert app.main(["-v"]) == 3
    assert capsys.readouterr().err == (
        "tracetcp: standard output takes no more text (No space left on device): "
        "make room, or send it elsewhere\n"
    )


def test_options_from_the_environment_count(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRACETCP_OPTIONS", "-v")
    assert app.main(["host"]) == 0
    assert capsys.readouterr().out.startswith("tracetcp ")
    monkeypatch.setenv("TRACETCP_OPTIONS", "-p 0")
    assert app.main(["host"]) == 2
    assert capsys.readouterr().err.endswith("(TRACETCP_OPTIONS is '-p 0')\n")


@pytest.mark.parametrize(
    ("preset", "told"),
    [("", ""), ("-n -p 2", "passed  options: TRACETCP_OPTIONS puts '-n -p 2' before every command line\n")],
)
def test_the_check_tells_options_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], preset: str, told: str
) -> None:
    monkeypatch.setenv("TRACETCP_OPTIONS", preset)
    monkeypatch.setattr("tracetcp.diagnosis.check", lambda _: [])
    assert app.main(["--check"]) == 0
    assert capsys.readouterr().out == told


def run(command: str) -> subprocess.CompletedProcess[str]:
    """A shell command in which ``tracetcp`` is this interpreter's; nothing here sends a packet."""
    program = f"{sys.executable} -m tracetcp"
    return subprocess.run(
        ["bash", "-c", command.replace("tracetcp", program)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("tracetcp -? | head -1; exit ${PIPESTATUS[0]}", (0, 141)),
        ("tracetcp -? | true; exit ${PIPESTATUS[0]}", (0, 141)),
        ("tracetcp -? >&-", (3,)),
        ("tracetcp -? >/dev/full", (3,)),
        ("tracetcp -p 0 host 2>&-", (2,)),
        ("tracetcp -p 0 host >&- 2>&-", (2,)),
    ],
)
def test_a_closed_or_full_stream_never_shows_a_traceback(command: str, status: tuple[int, ...]) -> None:
    finished = run(command)
    assert "Traceback" not in finished.stderr
    assert "Exception ignored" not in finished.stderr
    assert finished.stderr.count("\n") <= 1
    assert finished.returncode in status


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("rows_go_elsewhere", [True, False])
def test_the_progress_line_is_for_a_terminal_that_shows_no_rows(
    rows_go_elsewhere: bool, probe_with: Callable[..., OneHostProber], monkeypatch: pytest.MonkeyPatch
) -> None:
    probe_with(None)
    stderr = Terminal()
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setattr(sys, "stdout", io.StringIO() if rows_go_elsewhere else Terminal())
    monkeypatch.setattr("tracetcp.diagnosis.after_silence", lambda *_: [])
    assert app.main(["-n", "-m", "1", TARGET]) == 1
    written = stderr.getvalue()
    assert (f"{ERASE_LINE}1 of 1 ports" in written) == rows_go_elsewhere
    assert written.endswith(ERASE_LINE) == rows_go_elsewhere
    assert rows_go_elsewhere or not written


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_report_shows_how_far_it_is_on_a_terminal_and_leaves_it_clean(
    is_terminal: bool, probe_with: Callable[..., OneHostProber], monkeypatch: pytest.MonkeyPatch
) -> None:
    probe_with(None)
    stdout, stderr = Terminal(), Terminal() if is_terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setattr(sys, "stdout", stdout)
    monkeypatch.setattr("tracetcp.diagnosis.after_silence", lambda *_: [])
    assert app.main(["--report", "-n", "-m", "1", TARGET]) == 1
    assert stdout.getvalue().startswith("# Port ")
    written = stderr.getvalue()
    assert (f"{ERASE_LINE}1 hops to {TARGET}" in written) == is_terminal
    assert written.endswith(ERASE_LINE) == is_terminal
    assert is_terminal or not written
