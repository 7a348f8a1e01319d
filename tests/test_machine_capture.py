"""The file of ``--pcap``: whose rights it is opened with, where it may be, and what a full one costs."""

from __future__ import annotations

import errno
import os
import re
import signal
import stat
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from scapy.utils import rdpcap

import machine
from internet.lab import simulated
from internet.notation import network
from lab import program
from machine import SUDO, USER, Way
from tracetcp import app
from tracetcp.errors import ProberError, UsageError
from tracetcp.pcap_file import PcapFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from internet.lab import SimulatedInternet

CALLER = Way(SUDO)
HEADER = 24
netns = pytest.mark.netns


@pytest.fixture(scope="module")
def internet() -> Iterator[SimulatedInternet]:
    with simulated(network("1 2 3 | open 80 | rtt 4")) as running:
        yield running


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder where everybody may write, and those above it, which everybody may enter."""
    machine.open_to_all(tmp_path)
    place = tmp_path / "shared"
    place.mkdir()
    place.chmod(0o777)
    return place


def packets(path: Path) -> int:
    return len(rdpcap(str(path)))


# Whose rights ----------------------------------------------------------------------------------------------


@netns
def test_a_new_file_belongs_to_who_called_sudo(internet: SimulatedInternet, shared: Path) -> None:
    file = shared / "trace.pcap"
    finished = machine.run(internet, ["-n", "--pcap", str(file), internet.destination], CALLER)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert (file.stat().st_uid, file.stat().st_gid, stat.S_IMODE(file.stat().st_mode)) == (USER, USER, 0o644)
    assert packets(file) >= 20


@netns
@pytest.mark.parametrize("is_link", [True, False])
def test_a_file_of_roots_is_not_touched(internet: SimulatedInternet, shared: Path, is_link: bool) -> None:
    secret = shared.parent / "secret"
    secret.write_text("of root's")
    secret.chmod(0o600)
    name = secret
    if is_link:
        name = shared / "link"
        name.symlink_to(secret)
        os.chown(name, USER, USER, follow_symlinks=False)
    finished = machine.run(internet, ["-n", "--pcap", str(name), internet.destination], CALLER)
    assert (finished.returncode, finished.stdout) == (3, "")
    assert machine.is_one_line(finished.stderr)
    assert str(name) in finished.stderr
    assert secret.read_text() == "of root's"


@netns
def test_root_without_sudo_keeps_its_files(internet: SimulatedInternet, shared: Path) -> None:
    """Where root alone could write, and a capability less it could not: the file is opened before that."""
    os.chown(shared, USER, USER)
    shared.chmod(0o755)
    file = shared / "trace.pcap"
    finished = machine.run(internet, ["-n", "--pcap", str(file), internet.destination])
    assert (finished.returncode, finished.stderr) == (0, "")
    assert packets(file) >= 20


# Where -----------------------------------------------------------------------------------------------------


@netns
@pytest.mark.parametrize("way", [Way(), CALLER], ids=["root", "sudo"])
def test_a_dash_is_standard_output_and_the_rows_go_to_standard_error(
    internet: SimulatedInternet, shared: Path, way: Way
) -> None:
    words = machine.command(internet, ["-n", "--pcap", "-", internet.destination], way)
    with (shared / "out").open("wb") as out:
        finished = subprocess.run(
            words, stdout=out, stderr=subprocess.PIPE, text=True, timeout=30, check=False
        )
    assert finished.returncode == 0
    assert finished.stderr.endswith("Connection established to 203.0.113.80\nTrace Complete.\n")
    assert packets(shared / "out") >= 20
    assert not (shared / "-").exists()


@netns
def test_a_dash_whose_reader_is_gone_ends_the_run_quietly(internet: SimulatedInternet) -> None:
    shell = ["bash", "-c", '"$@" | head -c 30 > /dev/null; exit ${PIPESTATUS[0]}', "bash"]
    ports = "1-400"  # more packets than a pipe holds: the end does not come before the reader has gone
    words = [str(program.SCRIPT), "-n", "--pcap", "-", f"{internet.destination}:{ports}"]
    finished = machine.finish([*internet.namespace.prefix, *shell, *words])
    assert finished.returncode == 141
    assert "tracetcp:" not in finished.stderr


def test_a_dash_without_a_reader_is_told_as_a_closed_pipe_is(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    monkeypatch.setattr("os.dup", lambda _: writer)
    with pytest.raises(BrokenPipeError):
        PcapFile("-", pytest.fail)
    os.close(writer)


def test_packets_are_not_for_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert app.main(["-n", "--pcap", "-", "127.0.0.1"]) == 2
    assert capsys.readouterr().err.startswith("tracetcp: packets are nothing for a terminal: ")


def test_without_standard_error_the_rows_have_nowhere_to_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)
    assert app.main(["-n", "--pcap", "-", "127.0.0.1"]) == 3


def test_standard_output_by_another_name_is_refused_unharmed(tmp_path: Path) -> None:
    rows = tmp_path / "rows"
    rows.write_text("earlier rows\n")
    saved = os.dup(1)
    number = os.open(rows, os.O_WRONLY | os.O_APPEND)
    try:
        os.dup2(number, 1)
        with pytest.raises(UsageError, match="use '--pcap -'"):
            PcapFile(str(rows), pytest.fail)
    finally:
        os.dup2(saved, 1)
        os.close(saved)
        os.close(number)
    assert rows.read_text() == "earlier rows\n"


@pytest.mark.parametrize("closed", [(1,), (0, 1)])
def test_without_standard_output_any_file_will_do(tmp_path: Path, closed: tuple[int, ...]) -> None:
    saved = [os.dup(number) for number in closed]
    for number in closed:
        os.close(number)
    try:
        with closing(PcapFile(str(tmp_path / "x"), pytest.fail)):
            assert (tmp_path / "x").stat().st_size == HEADER
    finally:
        for copy, number in zip(saved, closed, strict=True):
            os.dup2(copy, number)
            os.close(copy)


def test_an_older_file_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(bytes(1000))
    with closing(PcapFile(str(file), pytest.fail)) as opened:
        opened.tap(1.0, b"E" * 40)
        assert file.stat().st_size == HEADER + 16 + 40  # whole, though nothing was closed
        opened.close()
        opened.tap(2.0, b"E" * 40)
    assert file.stat().st_size == HEADER + 16 + 40


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("none/x", "make its directory"), ("file/x", "make its directory"), (".", "name a file"), ("\0", "")],
)
def test_what_cannot_be_opened_is_told_with_a_remedy(tmp_path: Path, name: str, remedy: str) -> None:
    (tmp_path / "file").touch()
    if not remedy:
        name, remedy = "x" * 300, "name another one"
    with pytest.raises(ProberError, match=f"cannot be written: .+: {remedy}"):
        PcapFile(str(tmp_path / name), pytest.fail)


@netns
def test_a_fifo_says_that_it_waits_and_then_has_all(internet: SimulatedInternet, shared: Path) -> None:
    fifo = shared / "fifo"
    os.mkfifo(fifo)
    fifo.chmod(0o666)
    with machine.started(internet, ["-n", "--pcap", str(fifo), internet.destination], CALLER) as process:
        assert process.stderr is not None
        assert machine.is_one_line(first := process.stderr.readline())
        assert "waiting for its reader" in first
        data = fifo.read_bytes()
        out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert out.endswith("Trace Complete.\n")
    (shared / "copy").write_bytes(data)
    assert packets(shared / "copy") >= 20


def test_the_reader_of_a_fifo_may_come_late(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with ThreadPoolExecutor() as readers:
        read: list[Future[bytes]] = []
        with closing(PcapFile(str(fifo), lambda _: read.append(readers.submit(fifo.read_bytes)))):
            pass
        assert len(read[0].result(10)) == HEADER


@netns
def test_a_fifo_without_a_reader_can_be_interrupted(internet: SimulatedInternet, shared: Path) -> None:
    fifo = shared / "fifo"
    os.mkfifo(fifo)
    with machine.started(internet, ["-n", "--pcap", str(fifo), internet.destination]) as process:
        assert process.stderr is not None
        process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=5)
    assert (process.returncode, err) == (130, "Trace interrupted.\n")


def test_a_fifo_whose_reader_goes_is_given_up(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    told: list[str] = []
    with closing(PcapFile(str(fifo), told.append)) as opened:
        opened.tap(1.0, b"E" * 40)
        os.close(reader)
        opened.tap(2.0, b"E" * 40)
        opened.tap(3.0, b"E" * 40)
    (line,) = told
    assert line == f"file {str(fifo)!r} takes no more packets (its reader is gone): the trace goes on without"


# Full ------------------------------------------------------------------------------------------------------

ROWS = "Connection established to 203.0.113.80\nTrace Complete.\n"


@netns
@pytest.mark.parametrize("way", [Way(), CALLER], ids=["root", "sudo"])
def test_a_full_device_costs_the_packets_only(internet: SimulatedInternet, way: Way) -> None:
    finished = machine.run(internet, ["-n", "--pcap", "/dev/full", internet.destination], way)
    assert finished.returncode == 0
    assert finished.stdout.endswith(ROWS)
    assert machine.is_one_line(finished.stderr)
    assert "file '/dev/full' takes no more packets (No space left on device)" in finished.stderr


@netns
def test_a_disk_that_fills_up_keeps_whole_packets(internet: SimulatedInternet, shared: Path) -> None:
    """A file may grow by 512 bytes here: seven packets, and a part of the eighth."""
    file = shared / "trace.pcap"
    limited = Way(SUDO, limits=["-f 1"])
    finished = machine.run(internet, ["-n", "--pcap", str(file), internet.destination], limited)
    assert finished.returncode == 0
    assert finished.stdout.endswith(ROWS)
    assert machine.is_one_line(finished.stderr)
    assert str(file) in finished.stderr
    assert 3 <= packets(file) < 20
    assert _ends_with_a_packet(file.read_bytes())


def _ends_with_a_packet(data: bytes) -> bool:
    at = HEADER
    while at < len(data):
        at += 16 + int.from_bytes(data[at + 8 : at + 12], "little")
    return at == len(data)


def test_what_is_half_written_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write

    def full(number: int, data: memoryview) -> int:
        if os.fstat(number).st_size > 100:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(number, data[:30])

    told: list[str] = []
    monkeypatch.setattr("os.write", full)
    with closing(PcapFile(str(tmp_path / "x"), told.append)) as opened:
        opened.tap(1.0, b"E" * 40)
        opened.tap(2.0, b"E" * 40)
    assert (tmp_path / "x").stat().st_size == HEADER + 16 + 40
    assert len(told) == 1


@netns
@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("way", [CALLER, Way(user=USER)], ids=["sudo", "nobody"])
def test_a_run_that_is_killed_leaves_its_rows_and_whole_packets(way: Way, family: int, shared: Path) -> None:
    file, rows = shared / "trace.pcap", shared / "rows"
    capture = [] if way.user else ["--pcap", str(file)]
    with simulated(network("1 2 3 | down")) as internet, rows.open("w") as out:
        target = internet.destination if family == 4 else internet.destination6
        words = machine.command(internet, ["-n", "-t", "60000", *capture, target], way)
        with machine.begun(words, stdout=out) as process:
            until = time.monotonic() + 20
            while "\n3 " not in rows.read_text():
                assert time.monotonic() < until, "no third row"
                time.sleep(0.01)
            process.kill()
            process.wait(5)
    assert re.findall(r"^\d .* ms .*\n", rows.read_text(), re.MULTILINE)[-1].startswith("3 ")
    if capture:
        assert packets(file) >= 6
        assert _ends_with_a_packet(file.read_bytes())


def test_what_standard_output_is_added_to_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``>> file`` on a disk that fills up in the middle of the first packet, or of the header."""
    write = os.write
    for limit in (20, 50):
        earlier = tmp_path / f"earlier{limit}"
        earlier.write_bytes(bytes(1000))
        number = os.open(earlier, os.O_WRONLY | os.O_APPEND)

        def full(_: int, data: memoryview, number: int = number, limit: int = limit) -> int:
            room = 1000 + limit - os.fstat(number).st_size
            if not room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return write(number, data[:room])

        told: list[str] = []
        with monkeypatch.context() as patch:
            patch.setattr("os.dup", lambda _, number=number: number)
            patch.setattr("os.write", full)
            with closing(PcapFile("-", told.append)) as opened:
                opened.tap(1.0, b"E" * 40)
        assert earlier.stat().st_size == 1000 + min(limit, HEADER)
        assert told == [
            "standard output takes no more packets (No space left on device): the trace goes on without"
        ]
