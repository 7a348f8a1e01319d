"""Signals in the middle of a trace: what was decided is out, the capture is whole, the status is right."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from scapy.utils import rdpcap

import machine
from internet.lab import simulated
from internet.notation import network
from machine import USER, Way
from tracetcp import app, signals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from internet.lab import SimulatedInternet

SIGNALS = [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGINT]
LINES = {signal.SIGINT: "Trace interrupted.\n"}
AT_ONCE = 2.0
"""Seconds, on a busy machine; the run would wait for a minute more."""
PROBERS = {"root": Way(), "nobody": Way(user=USER)}


@pytest.fixture(scope="module")
def internet() -> Iterator[SimulatedInternet]:
    """Three routers, and silence for a minute behind them; no name server."""
    with simulated(network("1 2 3 | down")) as running:
        yield running


@pytest.mark.netns
@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("way", PROBERS.values(), ids=PROBERS)
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_keeps_the_rows_and_the_packets(
    number: signal.Signals, way: Way, family: int, internet: SimulatedInternet, tmp_path: Path
) -> None:
    """The rows wait for names when the signal comes: only the handler can have them written."""
    file = tmp_path / "trace.pcap"
    capture = [] if way.user else ["--pcap", str(file)]
    target = internet.destination if family == 4 else internet.destination6
    with machine.started(internet, ["-t", "60000", *capture, target], way) as process:
        _wait_for_a_look_up(process.pid)
        time.sleep(0.5)
        sent_at = time.monotonic()
        os.kill(process.pid, number)
        out, err = process.communicate(timeout=10)
        took = time.monotonic() - sent_at
    assert process.returncode == 128 + number
    assert err.splitlines(keepends=True)[-1] == LINES.get(number, f"Trace ended by {number.name}.\n")
    assert len(re.findall(r"^[123] .* ms .*\d$", out, re.MULTILINE)) == 3
    assert "Trace Complete" not in out
    assert took < AT_ONCE
    if capture:
        assert len(rdpcap(str(file))) > 20


OTHERWISE = ["--branches", "--report", "--json -A", "-e", "--compare 80 443", "-f {}"]
"""What does more than trace one port, or writes otherwise than row by row."""


@pytest.mark.netns
@pytest.mark.parametrize(("way", "family"), [(Way(), 6), (Way(user=USER), 4)], ids=PROBERS)
@pytest.mark.parametrize("flags", OTHERWISE)
def test_whatever_is_asked_for_ctrl_c_ends_it_with_a_line(
    flags: str, way: Way, family: int, internet: SimulatedInternet, tmp_path: Path
) -> None:
    target = internet.destination if family == 4 else internet.destination6
    machine.open_to_all(tmp_path)
    (tmp_path / "list").write_text(f"{target}\n")
    words = flags.format(tmp_path / "list").split()
    if "-f" not in words:
        words.append(target)
    with machine.started(internet, ["-t", "60000", *words], way) as process:
        _wait_for_a_look_up(process.pid)
        time.sleep(0.5)
        sent_at = time.monotonic()
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=10)
        took = time.monotonic() - sent_at
    assert process.returncode == 130
    assert err.endswith(LINES[signal.SIGINT])
    assert "Traceback" not in err
    assert took < AT_ONCE


def _wait_for_a_look_up(pid: int) -> None:
    """Until the first router has answered: its name is looked for by a thread of its own."""
    until = time.monotonic() + 20
    while len(list(Path(f"/proc/{pid}/task").iterdir())) < 2:
        assert time.monotonic() < until, "no name is looked up"
        time.sleep(0.01)


@pytest.mark.netns
def test_a_run_that_is_to_survive_its_terminal_does(internet: SimulatedInternet) -> None:
    words = machine.command(internet, ["-n", "-m", "4", "-t", "1500", internet.destination])
    place = len(internet.namespace.prefix)
    finished = machine.finish(
        [
            *words[:place],
            "sh",
            "-c",
            'trap "" HUP; "$@" & sleep 0.5; kill -HUP $!; wait $!',
            "sh",
            *words[place:],
        ]
    )
    assert finished.returncode == 1
    assert finished.stdout.endswith("Trace Complete.\n")


def test_the_program_takes_signals_that_nobody_else_took(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers: dict[int, object] = {
        **dict.fromkeys((signal.SIGTERM, signal.SIGQUIT), signal.SIG_DFL),
        signal.SIGHUP: signal.SIG_IGN,
    }
    monkeypatch.setattr("signal.signal", handlers.__setitem__)
    monkeypatch.setattr("signal.getsignal", handlers.__getitem__)
    monkeypatch.setattr("sys.argv", ["tracetcp", "-v"])
    monkeypatch.setattr("sys.unraisablehook", sys.unraisablehook)
    during: list[dict[int, object]] = []

    def main(_: object) -> int:
        during.append(dict(handlers))
        return 5

    left: list[int] = []
    monkeypatch.setattr(app, "main", main)
    monkeypatch.setattr("os._exit", left.append)
    app.console()
    assert left == [5]
    assert during == [
        {
            signal.SIGINT: signal.default_int_handler,
            signal.SIGTERM: signals._end,
            signal.SIGQUIT: signals._end,
            signal.SIGHUP: signal.SIG_IGN,
        }
    ]
    assert set(handlers.values()) == {signal.SIG_IGN}


def test_an_ending_signal_is_a_line_and_a_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    later: list[tuple[int, object]] = []
    monkeypatch.setattr("signal.signal", lambda number, handler: later.append((number, handler)))
    monkeypatch.setattr("tracetcp.cli.parsing.parse", lambda *_: signals._end(signal.SIGTERM, None))
    assert app.main(["-v"]) == 143
    assert capsys.readouterr() == ("", "Trace ended by SIGTERM.\n")
    assert later == [(signal.SIGTERM, signal.SIG_IGN)]


IGNORING = """
import os, signal, time
from tracetcp import app, signals

class Ignores:
    def __del__(self):
        os.kill(os.getpid(), {number})
        time.sleep(0)  # the handler runs here at the latest, and Python ignores what it raises

def run(_):
    Ignores()
    time.sleep(60)

app._run = run
signals.end_runs()
os._exit(app.main([]))
"""


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_that_comes_where_python_ignores_it_ends_the_run_too(number: signal.Signals) -> None:
    """As during an import, in whose callback one Ctrl-C of 150 was lost, with Python's traceback."""
    words = [sys.executable, "-c", IGNORING.format(number=int(number))]
    finished = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    assert finished.returncode == 128 + number
    assert finished.stderr == LINES.get(number, f"Trace ended by {number.name}.\n")


@pytest.mark.parametrize(
    ("error", "is_told"), [(KeyboardInterrupt(), False), (ValueError("odd"), True)], ids=["^C", "other"]
)
def test_any_other_error_that_python_ignores_is_told_as_ever(
    error: BaseException, is_told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    monkeypatch.setattr("sys.__unraisablehook__", told.append)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr("signal.setitimer", lambda *_: None)
    ignored = SimpleNamespace(exc_value=error)
    signals._take_ignored(ignored)
    assert told == ([ignored] if is_told else [])


@pytest.mark.netns
@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("way", PROBERS.values(), ids=PROBERS)
@pytest.mark.parametrize(
    "flags", ["-r 0 65535 -m 255 -p 100", "-r 0 65535 -m 255 -p 100 -F", "-e -r 1 65535"]
)
def test_the_largest_run_stays_small_and_ends_at_once(
    flags: str, way: Way, family: int, internet: SimulatedInternet
) -> None:
    """Measured: 45 to 65 MB, and at most 0.1 s; the margins are for a machine that is busy otherwise."""
    target = internet.destination if family == 4 else internet.destination6
    with machine.started(internet, ["-n", *flags.split(), target], way) as process:
        time.sleep(2)
        after_2 = _peak(process.pid)
        time.sleep(1.5)
        after_4 = _peak(process.pid)
        sent_at = time.monotonic()
        os.kill(process.pid, signal.SIGINT)
        process.wait(10)
        took = time.monotonic() - sent_at
    assert process.returncode == 130
    assert after_4 < 100
    assert after_4 - after_2 < 15
    assert took < AT_ONCE


@pytest.mark.netns
@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("way", PROBERS.values(), ids=PROBERS)
def test_as_many_ports_as_one_argument_can_list_stay_small(
    way: Way, family: int, internet: SimulatedInternet
) -> None:
    """Linux takes 128 KiB in one argument; what it lists is traced as the window lets it, not at once."""
    target = internet.destination if family == 4 else f"[{internet.destination6}]"
    listed = ",".join(map(str, range(1, 44_000, 2)))
    with machine.started(internet, ["-n", f"{target}:{listed}"], way) as process:
        time.sleep(1.5)
        peak = _peak(process.pid)
        sent_at = time.monotonic()
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=10)
        took = time.monotonic() - sent_at
    assert process.returncode == 130
    assert "on port 1\n" in out
    assert err.endswith(LINES[signal.SIGINT])
    assert "Traceback" not in err
    assert peak < 100
    assert took < AT_ONCE


def _peak(pid: int) -> float:
    """The most memory that a process had, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024
