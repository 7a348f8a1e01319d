"""Lists of targets, and what is left of them to do: files are read, nothing is sent."""

from __future__ import annotations

import json
import os
import select
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tracetcp.cli.target_list import LONGEST_LINE, BadLine, ListedTarget, parse_line
from tracetcp.errors import NameNotFound, TracetcpError, UsageError
from tracetcp.names.hosts import resolve_numeric
from tracetcp.names.lookups import WORKER_MEMORY
from tracetcp.targets import arrivals as arrivals_module
from tracetcp.targets.arrivals import MOST_AHEAD, Arrival, Arrivals, Entry
from tracetcp.targets.listing import Listing
from tracetcp.targets.rate import RatePacer
from tracetcp.targets.resume import Done, Earlier, read_done

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path


@pytest.mark.parametrize(
    ("line", "host", "ports"),
    [
        (b"www.example.com\n", "www.example.com", [80]),
        (b"  192.0.2.1:443\r\n", "192.0.2.1", [443]),
        (b"[2001:db8::1]:22,25 # mail\n", "2001:db8::1", [22, 25]),
        (b"2001:db8::1", "2001:db8::1", [80]),
        (b"https://host.example/path#part\n", "host.example", [443]),
        (b"\xef\xbb\xbfhost:8000-8002\n", "host", [8000, 8001, 8002]),
        ("m\u00fcller.example:80\n".encode(), "m\u00fcller.example", [80]),
    ],
)
def test_a_line_is_a_target_as_on_the_command_line(line: bytes, host: str, ports: list[int]) -> None:
    parsed = parse_line(1, line)
    assert isinstance(parsed, ListedTarget)
    assert (parsed.number, parsed.host, list(parsed.ports)) == (1, host, ports)


@pytest.mark.parametrize("line", [b"\n", b"  \t\n", b"# a remark\n", b"   # another\n", b""])
def test_empty_lines_and_comments_are_no_targets(line: bytes) -> None:
    assert parse_line(3, line) is None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"host:99999\n", "port 99999 is out of range"),
        (b"host other\n", "unexpected word 'other': one target a line"),
        (b":80\n", "has no host"),
        (b"host:\xff\xfe\n", "is neither a number nor a known service"),
        (b"x" * LONGEST_LINE, "longer than 4096 bytes"),
    ],
)
def test_a_bad_line_is_told_with_the_reason_in_plain_ascii(line: bytes, words: str) -> None:
    parsed = parse_line(7, line)
    assert isinstance(parsed, BadLine)
    assert parsed.number == 7
    assert words in parsed.reason
    assert parsed.reason.isascii()
    assert "\n" not in parsed.reason


def write(path: Path, text: str | bytes) -> str:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


def test_a_file_is_looked_through_before_anything_is_sent_and_each_bad_line_told_once(tmp_path: Path) -> None:
    path = write(tmp_path / "list", "a:1\n\nb:x!\n# c\nc:3\n" + "y" * 9000 + "\nd")
    told: list[str] = []
    listing = Listing(path, told.append)
    assert listing.total == 3
    assert listing.is_any_bad
    assert [line.partition(":")[0] for line in told] == [f"{path}, line 3", f"{path}, line 6"]
    assert [tuple(entry) for entry in listing] == [
        (f"{path}, line 1", "a", (1,)),
        (f"{path}, line 5", "c", (3,)),
        (f"{path}, line 7", "d", (80,)),
    ]
    assert len(told) == 2
    listing.close()


def test_ports_of_the_command_line_win_over_those_of_the_list(tmp_path: Path) -> None:
    listing = Listing(write(tmp_path / "list", "a:1\nb\n"), pytest.fail, range(5, 7))
    assert [list(entry.ports) for entry in listing] == [[5, 6], [5, 6]]
    listing.close()


def test_a_pipe_is_read_as_it_comes_and_its_length_is_not_known(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    told: list[str] = []
    threading.Thread(target=lambda: fifo.write_bytes(b"a\nb:\nc\n")).start()
    listing = Listing(str(fifo), told.append)
    assert listing.total is None
    assert not listing.is_any_bad
    assert [entry.host for entry in listing] == ["a", "c"]
    assert listing.is_any_bad
    assert len(told) == 1
    listing.close()


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_list_that_cannot_be_read_is_a_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"-f cannot read .*: name a file with one target a line"):
        list(Listing(str(tmp_path / name), pytest.fail))


def record(host: str, port: int, address: str = "192.0.2.1") -> bytes:
    return json.dumps({"target": {"host": host, "address": address}, "port": port}).encode() + b"\n"


def test_what_has_a_whole_record_is_done_and_a_cut_last_line_is_not(tmp_path: Path) -> None:
    path = write(tmp_path / "out", record("a", 80) + record("b", 443) + record("c", 80)[:-9])
    told: list[str] = []
    assert read_done(path, told.append) == [Done("a", 80, "192.0.2.1"), Done("b", 443, "192.0.2.1")]
    assert told == [f"{path} ends in a cut line, which counts for none: with '>> {path}' it would be removed"]


@pytest.mark.parametrize("cut", range(1, 12))
def test_the_cut_line_is_removed_from_the_file_that_is_appended_to(tmp_path: Path, cut: int) -> None:
    whole = record("a", 80)
    path = write(tmp_path / "out", whole + record("b", 80)[:-cut])
    with open(path, "ab", buffering=0) as out:  # noqa: PTH123
        done = read_done(path, pytest.fail, out.fileno())
        out.write(record("c", 80))
    lines = (tmp_path / "out").read_bytes().splitlines()
    hosts = [json.loads(line)["target"]["host"] for line in lines]
    assert hosts == (["a", "b", "c"] if cut == 1 else ["a", "c"])
    assert [each.host for each in done] == hosts[:-1]


def test_a_whole_file_is_appended_to_as_it_is(tmp_path: Path) -> None:
    path = write(tmp_path / "out", record("a", 80))
    with open(path, "r+b", buffering=0) as out:  # noqa: PTH123 - a descriptor at the beginning of the file
        assert len(read_done(path, pytest.fail, out.fileno())) == 1
        out.write(record("b", 80))
    assert (tmp_path / "out").read_bytes() == record("a", 80) + record("b", 80)


@pytest.mark.parametrize(
    "line", [b"[]\n", b"{}\n", b"nonsense\n", b'{"target":{"host":1,"address":"a"},"port":2}\n', b"\n"]
)
def test_a_line_that_is_no_record_is_told_and_counts_for_none(tmp_path: Path, line: bytes) -> None:
    path = write(tmp_path / "out", line + record("a", 80))
    told: list[str] = []
    assert [each.host for each in read_done(path, told.append)] == ["a"]
    assert told == [f"{path}, line 1: this is no record of a trace, and counts for none"]


def test_a_file_of_records_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--resume cannot read .*No such file.*name the file that --json"):
        read_done(str(tmp_path / "missing"), pytest.fail)


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/full"])
def test_a_line_without_an_end_is_not_read_for_ever(device: str) -> None:
    with pytest.raises(UsageError, match=rf"--resume cannot read {device} \(line 1 is longer than 64 MB\)"):
        read_done(device, pytest.fail)
    told: list[str] = []
    with pytest.raises(UsageError, match=rf"-f cannot read {device} \(line 1 is longer than 1 MB\)"):
        list(Listing(device, told.append))
    assert told == [f"{device}, line 1: the line is longer than 4096 bytes: one target a line"]


def test_what_could_not_be_traced_is_a_record_and_not_done(tmp_path: Path) -> None:
    failed = record("b", 443).replace(b'"port"', b'"outcome": "not-traced", "port"')
    unnamed = failed.replace(b'"192.0.2.1"', b"null")
    told: list[str] = []
    content = record("a", 443) + failed + unnamed
    assert read_done(write(tmp_path / "out", content), told.append) == [Done("a", 443, "192.0.2.1")]
    assert not told
    with (tmp_path / "out").open("r+b") as file:
        file.write(content[:-1])  # without the last line end
        file.truncate()
        read_done(str(tmp_path / "out"), told.append, file.fileno())
    assert (tmp_path / "out").read_bytes() == content
    assert not told


def test_each_record_stands_for_one_trace_since_a_list_may_name_a_target_twice() -> None:
    earlier = Earlier([Done("a", 80, "192.0.2.1"), Done("a", 80, "192.0.2.2"), Done("b", 22, "192.0.2.3")])
    assert [earlier.take("a", 80) for _ in range(3)] == [True, True, False]
    assert not earlier.take("a", 443)
    assert earlier.take("b", 22, "whatever")
    by_address = Earlier([Done("a", 80, "192.0.2.1")], by_address=True)
    assert not by_address.take("a", 80, "192.0.2.2")
    assert by_address.take("a", 80, "192.0.2.1")


@pytest.mark.parametrize("rate", [1, 2, 7, 50, 100, 333, 2000, 100_000])
def test_no_second_has_more_probes_than_the_rate(rate: int) -> None:
    pacer, now, sent = RatePacer(rate), 0.0, []
    while now < 3.2:
        for _ in range(min(pacer.allowance(now), 3 * rate)):
            pacer.on_sent(now)
            sent.append(now)
        now = max(now + 1e-6, pacer.next_at)
    latest = 0
    for index, at in enumerate(sent):
        while sent[latest] <= at - 1 + 1e-9:
            latest += 1
        assert index - latest + 1 <= rate
    assert len(sent) >= 0.95 * 3.2 * rate - 1


def test_a_pacer_that_was_idle_lets_one_burst_pass() -> None:
    pacer = RatePacer(100)
    assert pacer.allowance(0.0) == pacer.allowance(60.0) == 2
    pacer.on_sent(60.0)
    pacer.on_sent(60.0)
    assert pacer.allowance(60.0) == 0
    assert 60.0 < pacer.next_at < 60.02
    assert pacer.allowance(pacer.next_at) == 1


def numeric(host: str) -> str | None:
    return resolve_numeric(host, 4)


def drained(arrivals: Arrivals) -> list[Arrival]:
    """Everything that arrives, as the loop takes it."""
    found: list[Arrival] = []
    until = time.monotonic() + 20
    arrivals.start()
    while not arrivals.is_over and time.monotonic() < until:
        arrivals.acknowledge()
        while (arrival := arrivals.take()) is not None:
            found.append(arrival)
        time.sleep(0.001)
    arrivals.close()
    arrivals.close()
    return found


def entries(*hosts: str) -> Iterator[Entry]:
    return (Entry(f"line {number}", host, (80,)) for number, host in enumerate(hosts, 1))


def test_targets_arrive_with_their_addresses_or_their_errors() -> None:
    def resolve(host: str) -> Sequence[str]:
        if host == "odd.example":
            raise ValueError("odd")
        if host == "none.example":
            raise NameNotFound("there is none")
        return ["192.0.2.7", "192.0.2.8"]

    found = drained(
        Arrivals(entries("192.0.2.1", "a.example", "none.example", "odd.example", "::1"), numeric, resolve)
    )
    told = {arrival.entry.host: (arrival.addresses, str(arrival.error or "")) for arrival in found}
    assert told == {
        "192.0.2.1": (("192.0.2.1",), ""),
        "a.example": (("192.0.2.7", "192.0.2.8"), ""),
        "none.example": ((), "there is none"),
        "odd.example": ((), "looking up the host failed: odd"),
        "::1": ((), "::1 is an IPv6 address: leave out -4"),
    }


def test_names_are_looked_up_side_by_side_but_no_more_than_so_many() -> None:
    under_way = most = 0
    lock = threading.Lock()

    def resolve(_: str) -> Sequence[str]:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.02)
        with lock:
            under_way -= 1
        return ["192.0.2.1"]

    hosts = [f"h{number}.example" for number in range(24)]
    found = drained(Arrivals(entries(*hosts), numeric, resolve, resolvers=4))
    assert sorted(arrival.entry.host for arrival in found) == sorted(hosts)
    assert 2 <= most <= 4


def test_a_list_is_read_only_so_far_ahead() -> None:
    read = 0

    def endless() -> Iterator[Entry]:
        nonlocal read
        while True:
            read += 1
            yield Entry("", "192.0.2.1", (80,))

    arrivals = Arrivals(endless(), numeric, lambda _: [])
    arrivals.start()
    until = time.monotonic() + 5
    while read <= MOST_AHEAD and time.monotonic() < until:
        time.sleep(0.005)
    time.sleep(0.05)
    assert read == MOST_AHEAD + 1
    arrivals.close()


def test_what_reading_the_list_raised_is_raised_where_targets_are_taken() -> None:
    has_taken_one = threading.Event()

    def broken() -> Iterator[Entry]:
        yield Entry("", "192.0.2.1", (80,))
        assert has_taken_one.wait(5)
        raise UsageError("the disk is gone")

    arrivals = Arrivals(broken(), numeric, lambda _: [])
    arrivals.start()
    wait_until(lambda: arrivals.take() is not None)
    has_taken_one.set()
    wait_until(lambda: all(thread.name != "tracetcp-targets" for thread in threading.enumerate()))
    assert not arrivals.is_over
    with pytest.raises(TracetcpError, match="the disk is gone"):
        arrivals.take()
    arrivals.close()


def wait_until(is_so: Callable[[], bool]) -> None:
    """Let threads work until ``is_so``, five seconds at most."""
    until = time.monotonic() + 5
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.002)


def test_a_system_that_allows_no_more_threads_looks_names_up_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "tracetcp-dns":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    found = drained(Arrivals(entries("a.example", "b.example"), numeric, lambda _: ["192.0.2.1"]))
    assert [arrival.entry.host for arrival in found] == ["a.example", "b.example"]


def test_a_name_that_came_before_there_were_threads_comes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start
    refused: list[threading.Thread] = []

    def refuse_first(thread: threading.Thread) -> None:
        if thread.name == "tracetcp-dns" and not refused:
            refused.append(thread)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse_first)
    arrivals = Arrivals(entries("a.example", "b.example"), numeric, lambda _: ["192.0.2.1"])
    found = drained(arrivals)
    assert [arrival.entry.host for arrival in found] == ["a.example", "b.example"]
    assert arrivals.is_over


def test_too_little_memory_ends_the_run_or_costs_the_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals_module, "has_room", lambda needed: needed < WORKER_MEMORY)
    found = drained(Arrivals(entries("192.0.2.1", "a.example"), numeric, pytest.fail))
    assert [str(arrival.error) for arrival in found] == [
        "None",
        "this process may use no more memory: raise 'ulimit -v', or trace fewer ports at a time",
    ]
    monkeypatch.setattr(arrivals_module, "has_room", lambda _: False)
    arrivals = Arrivals(entries("192.0.2.1"), numeric, pytest.fail)
    with closing(arrivals), pytest.raises(MemoryError):
        arrivals.start()


def test_news_are_told_by_a_descriptor() -> None:
    arrivals = Arrivals(entries("192.0.2.1"), numeric, lambda _: [])
    arrivals.start()
    until = time.monotonic() + 5
    while not arrivals.is_over and arrivals.take() is None and time.monotonic() < until:
        time.sleep(0.001)
    assert select.select([arrivals.fileno()], [], [], 1.0)[0]
    arrivals.acknowledge()
    assert not select.select([arrivals.fileno()], [], [], 0)[0]
    arrivals.close()
