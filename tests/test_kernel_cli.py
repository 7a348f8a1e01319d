"""The program as a process: pipes, interrupts, bad input, and nothing left behind."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab import SERVER, program, rules, shape

if TYPE_CHECKING:
    from lab import Chain

pytestmark = pytest.mark.netns

SILENT = "10.0.99.77"
"""An address without a host: a trace to it waits the whole timeout."""


def through_shell(lab: Chain, line: str, arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``line`` in a shell, with the program and its arguments as ``"$@"``."""
    command = program.command(lab.client, shlex.split(arguments))
    return subprocess.run(
        ["bash", "-c", line, "bash", *command],
        env=program.environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_head_takes_two_rows_and_all_end_quietly(lab: Chain) -> None:
    finished = through_shell(lab, 'set -o pipefail; "$@" | head -n 2', f"-c -n {SERVER}")
    assert len(finished.stdout.splitlines()) == 2
    assert finished.stderr == ""


def test_reader_that_is_gone_ends_a_long_scan(lab: Chain) -> None:
    began_at = time.monotonic()
    finished = through_shell(lab, '"$@" | head -n 1', f"-n -s 1 20000 {SERVER}")
    assert finished.stdout.startswith("[10.0.7.1:1]  1 ")
    assert finished.stderr == ""
    assert time.monotonic() - began_at < 10


def test_rows_are_records_for_awk(lab: Chain) -> None:
    finished = through_shell(lab, """ "$@" | awk '/OPEN/ { print $1 }' """, f"-n -s 20 25 {SERVER}")
    assert finished.stdout.split() == ["[10.0.7.1:21]", "[10.0.7.1:23]"]


def test_rows_appear_as_they_are_decided(lab: Chain) -> None:
    lab.nft("r3", rules.forwarded("drop"))
    process = started(lab, f"-n -t 3000 -m 4 {SERVER}")
    try:
        assert process.stdout is not None
        began_at = time.monotonic()
        rows = [process.stdout.readline() for _ in range(6)]
        seen_after = time.monotonic() - began_at
        assert rows[-1].startswith("3 ")
        assert process.poll() is None
        assert seen_after < 2.9
    finally:
        end(process)


def started(lab: Chain, arguments: str) -> subprocess.Popen[str]:
    """The running program, in a session of its own so that a signal reaches no other process."""
    return subprocess.Popen(
        program.command(lab.client, shlex.split(arguments)),
        env=program.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.kill()
    process.communicate(timeout=10)


@pytest.mark.parametrize("lines", [3, 4, 5])
def test_interrupt_keeps_the_rows_decided_so_far(lab: Chain, lines: int) -> None:
    lab.nft("r3", rules.forwarded("drop"))
    process = started(lab, f"-n -t 5000 {SERVER}")
    assert process.stdout is not None
    before = "".join(process.stdout.readline() for _ in range(lines))
    process.send_signal(signal.SIGINT)
    rest, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (130, "Trace interrupted.\n")
    assert shape(before + rest).startswith(
        "\nTracing route to 10.0.7.1 on port 80\nOver a maximum of 30 hops.\n"
    )
    assert "Trace Complete." not in rest


@pytest.mark.parametrize("delay", [0.25, 0.6, 1.2])
def test_interrupt_at_any_moment_leaves_no_process(lab: Chain, delay: float) -> None:
    process = started(lab, f"-t 5000 {SILENT}")
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "Traceback" not in err
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


# Not the kernel's own neighbour discovery.
ANY_PROBE = "tcp or udp"
BAD_INPUT = [
    "",
    "-h",
    f"-h 0 {SERVER}",
    f"-m 256 {SERVER}",
    f"-p 101 {SERVER}",
    f"-t 0 {SERVER}",
    f"-r 20 10 {SERVER}",
    f"-s 1 65536 {SERVER}",
    f"-z {SERVER}",
    f"{SERVER} 10.0.7.2",
    f"{SERVER}:nosuchservice",
    f"{SERVER}:65536",
    f"-6 {SERVER}",
]


def test_bad_input_says_why_and_sends_nothing(lab: Chain) -> None:
    with lab.capture(only=ANY_PROBE) as capture:
        for arguments in BAD_INPUT:
            finished = lab.run(arguments)
            assert (finished.status, finished.out) == (2, ""), arguments
            assert "tracetcp: " in finished.err.splitlines()[-1], arguments
            assert "Traceback" not in finished.err, arguments
    assert capture.packets() == []


def test_help_and_version_send_nothing(lab: Chain) -> None:
    with lab.capture(only=ANY_PROBE) as capture:
        for flag in ("-?", "--help", "-v", "--version"):
            assert lab.run(flag).status == 0
    assert capture.packets() == []


def test_nothing_is_left_on_the_users_disk(lab: Chain, tmp_path: Path) -> None:
    places = {"HOME": str(tmp_path), "XDG_CACHE_HOME": "", "XDG_CONFIG_HOME": ""}
    before = set(Path().iterdir())
    assert lab.run(f"-n -m 1 {SERVER}", environment=places).status == 1
    assert list(tmp_path.rglob("*")) == []
    assert set(Path().iterdir()) == before
