"""The flags of a watch: what they mean, what they cannot go with, and what the program writes."""

from __future__ import annotations

import errno
import json
import os
import stat
from typing import TYPE_CHECKING

import pytest

from tracetcp import app
from tracetcp.cli.parsing import Invocation, parse
from tracetcp.config import Watch
from tracetcp.errors import TracetcpError, UsageError
from tracetcp.formatters.display import Display
from tracetcp.watch_screen import MetricsFile, shows_block, takes_utf8

if TYPE_CHECKING:
    from pathlib import Path


def watch_of(line: str) -> Watch | None:
    understood = parse(line.split())
    assert isinstance(understood, Invocation)
    return understood.watch


def test_a_watch_has_an_interval_and_may_have_an_end_and_a_heartbeat() -> None:
    assert watch_of("host:443") is None
    assert watch_of("--watch 5 host:443") == Watch(5)
    assert watch_of("--watch 1 --count 10 --heartbeat 60 host:443") == Watch(1, 10, 60)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("--watch 0 host", "--watch: interval '0' is out of range: use 1 to 86400"),
        ("--watch x host", "--watch: interval 'x' is not a number: use 1 to 86400"),
        ("--watch 1 --count 0 host", "--count: count '0' is out of range: use 1 to 999999999"),
        ("--watch 1 --heartbeat 0 host", "--heartbeat: heartbeat '0' is out of range: use 1 to 86400"),
        ("--count 3 host", "--count needs --watch: give both, or neither"),
        ("--heartbeat 3 host", "--heartbeat needs --watch: give both, or neither"),
        ("--metrics f host", "--metrics needs --watch: give both, or neither"),
        ("--watch 1 -c host", "--watch and -c exclude each other: give one of them"),
        ("--watch 1 --mtu host", "--watch and --mtu exclude each other: give one of them"),
        ("--watch 1 --compare 80 443 host", "--watch and --compare exclude each other: give one of them"),
        ("--watch 1 --say tls host", "--watch and --say exclude each other: give one of them"),
        ("--watch 1 --idle 5 host", "--watch and --idle exclude each other: give one of them"),
        ("--watch 1 --report host", "--watch and --report exclude each other: give one of them"),
        ("--watch 1 --branches host", "--watch and --branches exclude each other: give one of them"),
        ("--watch 1 --picture a.svg host", "--watch and --picture exclude each other: give one of them"),
        ("-f list --watch 1", "-f and --watch exclude each other: --watch follows the path to one port"),
        (
            "--watch 1 -s 1 9 host",
            "--watch and -s exclude each other: a watch follows the path to one port, a scan has none",
        ),
        (
            "--watch 1 -h 128 -m 1 host",
            "--watch and -s exclude each other: a watch follows the path to one port, a scan has none",
        ),
        ("--watch 1 host:80,443", "--watch watches one port, and 2 are given: start one for each"),
        ("--watch 1 -r 1 9 host", "--watch watches one port, and 9 are given: start one for each"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(line: str, complaint: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse(line.split())
    assert str(raised.value) == complaint


def test_a_metrics_file_has_a_name() -> None:
    with pytest.raises(UsageError, match="--metrics names no file"):
        parse(["--watch", "1", "--metrics", "", "host"])


def test_the_metrics_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "port.prom"
    written = MetricsFile(str(path))
    assert path.read_text() == "# EOF\n"
    with path.open() as reader:
        written.write("new\n")
        assert reader.read() == "# EOF\n"
    assert path.read_text() == "new\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [file.name for file in tmp_path.iterdir()] == ["port.prom"]


def test_a_metrics_file_that_cannot_be_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(TracetcpError, match="cannot be written"):
        MetricsFile(str(tmp_path / "nowhere" / "port.prom"))


def test_a_full_disk_has_a_remedy_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pathlib.Path.write_text", fail)
    with pytest.raises(TracetcpError, match=r"\(No space left on device\): make room"):
        MetricsFile(str(tmp_path / "port.prom"))


def test_one_that_cannot_be_replaced_later_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    written = MetricsFile(str(folder / "port.prom"))
    (folder / "port.prom").unlink()
    folder.rmdir()
    written.write("1\n")
    written.write("2\n")
    assert capsys.readouterr().err.count("cannot be written") == 1
    folder.mkdir()
    written.write("3\n")
    assert (folder / "port.prom").read_text() == "3\n"


@pytest.mark.parametrize(
    ("display", "term", "is_terminal", "expected"),
    [
        (Display(), "xterm", True, True),
        (Display(), "xterm", False, False),
        (Display(), "dumb", True, False),
        (Display(), "", True, False),
        (Display(json=True), "xterm", True, False),
        (Display(pcap="-"), "xterm", True, False),
    ],
)
def test_the_block_is_for_terminals_that_can_move_their_cursor(
    display: Display, term: str, is_terminal: bool, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr("sys.stdout.isatty", lambda: is_terminal)
    assert shows_block(display) is expected


@pytest.mark.parametrize(
    ("encoding", "environment", "expected"),
    [
        ("utf-8", {"LANG": "en_GB.UTF-8"}, True),
        ("utf-8", {"LC_ALL": "C", "LANG": "en_GB.UTF-8"}, False),
        ("utf-8", {"LC_CTYPE": "C.UTF-8"}, False),
        ("utf-8", {"LC_CTYPE": "de_DE.utf8"}, True),
        ("utf-8", {"LC_CTYPE": "C.UTF-8", "LANG": "C.UTF-8"}, True),
        ("utf-8", {}, False),
        ("iso8859-1", {"LANG": "en_GB.UTF-8"}, False),
        (None, {"LANG": "en_GB.UTF-8"}, False),
    ],
)
def test_sparks_need_a_locale_of_utf_8(
    encoding: str | None, environment: dict[str, str], expected: bool
) -> None:
    assert takes_utf8(encoding, environment) is expected


def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, line: str
) -> tuple[int, list[str]]:
    """The status and the lines of a watch of loopback; privileges stay, for the tests that follow."""
    monkeypatch.setattr("tracetcp.privileges.become_caller", lambda: None)
    monkeypatch.setattr("tracetcp.privileges.give_up_capabilities", lambda: None)
    status = app.main(line.split())
    return status, capsys.readouterr().out.splitlines()


@pytest.mark.netns
def test_a_watch_of_loopback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "port.prom"
    status, lines = run(capsys, monkeypatch, f"--watch 1 --count 2 --metrics {file} 127.0.0.1:9")
    assert status == 0
    assert [line.split()[1] for line in lines] == ["CLOSED", "END"]
    assert "tracetcp_watch_up{" in file.read_text()
    status, lines = run(capsys, monkeypatch, "--watch 1 --count 1 --json 127.0.0.1:9")
    assert [json.loads(line)["event"] for line in lines] == ["state", "end"]
