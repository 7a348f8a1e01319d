"""A machine with little room: few descriptors, little memory, odd files under /etc, talkative hosts."""

from __future__ import annotations

import errno
import json
import os
import re
import time
from typing import TYPE_CHECKING

import pytest

import machine
from internet.lab import simulated
from internet.notation import network
from machine import USER, Way
from tracetcp import app, descriptors, names
from tracetcp.config import TraceConfig
from tracetcp.errors import NoRoute
from tracetcp.names.escape import LONGEST_TEXT, printable
from tracetcp.names.origins import best_origin, origin_question
from tracetcp.probers import open_prober

if TYPE_CHECKING:
    from collections.abc import Iterator

    from internet.lab import SimulatedInternet

NAMES = {
    "10.1.1.1": "one.example",
    "10.2.1.1": "two.example",
    "fd00:1:1::1": "one.example",
    "fd00:2:1::1": "two.example",
}
KNOWN = {"names": NAMES, "hosts": {"host.example": ["203.0.113.80", "2001:db8::80"]}}
PROBERS = {"root": None, "nobody": USER}
netns = pytest.mark.netns
each_prober = pytest.mark.parametrize("user", PROBERS.values(), ids=PROBERS)
each_family = pytest.mark.parametrize("family", [4, 6])


@pytest.fixture(scope="module")
def internet() -> Iterator[SimulatedInternet]:
    with simulated(network("1 2 3 | open 80 | rtt 4", dns=KNOWN)) as running:
        yield running


def destination(internet: SimulatedInternet, family: int) -> str:
    return internet.destination if family == 4 else internet.destination6


def own_lines(text: str) -> list[str]:
    """The lines of standard error but the one that any run without privileges has."""
    return [line for line in text.splitlines(keepends=True) if "no raw sockets" not in line]


# Descriptors -----------------------------------------------------------------------------------------------


@netns
@each_prober
@each_family
@pytest.mark.parametrize("limit", [16, 20, 32, 64, 100])
def test_look_ups_fit_the_descriptors(
    limit: int, family: int, user: int | None, internet: SimulatedInternet
) -> None:
    way = Way(user=user, limits=[f"-n {limit}"])
    finished = machine.run(internet, ["-A", destination(internet, family)], way)
    assert finished.returncode == 0
    told = own_lines(finished.stderr)
    assert told == [] or (limit, user) == (16, None)
    assert all(machine.is_one_line(line) and "no AS is looked up" in line for line in told)
    assert "one.example" in finished.stdout
    assert "two.example" in finished.stdout


@netns
@each_prober
@each_family
@pytest.mark.parametrize("limit", range(6, 16))
def test_fewer_descriptors_cost_names_or_end_in_a_line(
    limit: int, family: int, user: int | None, internet: SimulatedInternet
) -> None:
    way = Way(user=user, limits=[f"-n {limit}"])
    finished = machine.run(internet, ["-A", target := destination(internet, family)], way)
    told = own_lines(finished.stderr)
    assert finished.returncode in (0, 3)
    assert len(told) <= 2
    assert all(machine.is_one_line(line) for line in told)
    assert not told or "ulimit -n" in told[0]
    if finished.returncode == 0:
        assert finished.stdout.endswith(f"Connection established to {target}\nTrace Complete.\n")
    else:
        assert told


@pytest.mark.parametrize(
    ("room", "kinds", "workers"), [(36, 2, 16), (16, 2, 6), (6, 2, 1), (18, 1, 16), (3, 1, 1)]
)
def test_the_workers_share_the_room(
    room: int, kinds: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "room_for", lambda *_: room)
    opened = names.open_lookups(origins=kinds == 2, warn=pytest.fail)
    assert [lookup._most_workers for lookup in opened] == [workers] * kinds
    opened.close()


@pytest.mark.parametrize(
    ("room", "origins", "opened", "left_out"),
    [(5, True, 1, "no AS is"), (2, True, 0, "no name or AS is"), (2, False, 0, "no name is")],
)
def test_what_there_is_no_room_for_is_told(
    room: int, origins: bool, opened: int, left_out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(names, "room_for", lambda *_: room)
    look_ups = names.open_lookups(origins=origins, warn=told.append)
    assert len(list(look_ups)) == opened
    look_ups.close()
    (line,) = told
    assert line.startswith(f"{left_out} looked up, ")
    assert line.endswith("raise 'ulimit -n'")


def test_the_limit_is_not_looked_at_where_nothing_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "room_for", pytest.fail)
    assert list(names.open_lookups(names=False)) == []


def test_a_system_without_limits_has_all_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "resource", None)
    assert descriptors.room_for(5000) == 5000


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.EMFILE, "x"), "this process may open no more files: raise 'ulimit -n'"),
        (OSError(errno.ENFILE, "x"), "this machine has no more room (Too many open files in system)"),
        (OSError(errno.ENOMEM, "x"), "this machine has no more room (Cannot allocate memory)"),
        (MemoryError(), "this process may use no more memory: raise 'ulimit -v'"),
        (SystemError("error return without exception set"), "this process may use no more memory"),
        (
            ImportError("x.so: failed to map segment from shared object"),
            "this process may use no more memory",
        ),
        (RuntimeError("can't start new thread"), "this process may start no more threads: raise 'ulimit -u'"),
    ],
)
def test_what_runs_out_is_told_with_a_remedy(
    error: Exception, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.delenv(app.DEBUG_VARIABLE, raising=False)
    monkeypatch.setattr("tracetcp.cli.parsing.parse", fail)
    assert app.main(["127.0.0.1"]) == 3
    assert machine.is_one_line(err := capsys.readouterr().err)
    assert err.startswith(f"tracetcp: {told}")


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (errno.EADDRNOTAVAIL, NoRoute),
        (errno.ENETUNREACH, NoRoute),
        (errno.EINVAL, NoRoute),
        (errno.EMFILE, OSError),
    ],
)
def test_a_route_that_goes_while_sockets_are_opened_is_told_as_one(
    number: int, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("tracetcp.probers.raw.prober.RawProber", refuse)
    with pytest.raises(error, match=re.escape(os.strerror(number))):
        open_prober(TraceConfig(host="127.0.0.1", ports=(80,)), "127.0.0.1")


# Memory ----------------------------------------------------------------------------------------------------


@netns
@each_prober
@each_family
@pytest.mark.parametrize("arguments", ["-A", "-s 1 500", "-e"])
def test_little_memory_costs_names_or_ends_in_a_line(
    arguments: str, family: int, user: int | None, internet: SimulatedInternet
) -> None:
    """From too little to start with to enough, in steps; what Python itself says is not ours to word.

    The steps of one family lie between those of the other.
    """
    for kilobytes in (*range(28_000 if family == 4 else 34_000, 64_000, 12_000), 72_000, 88_000):
        way = Way(user=user, limits=[f"-v {kilobytes}"])
        finished = machine.run(internet, [*arguments.split(), destination(internet, family)], way)
        assert "Traceback" not in finished.stderr
        assert "Exception" not in finished.stderr
        told = own_lines(finished.stderr)
        assert len(told) <= 1
        assert finished.returncode == (3 if told else 0)


@netns
@each_prober
def test_little_memory_leaves_no_target_waiting(user: int | None, internet: SimulatedInternet) -> None:
    """A thread that cannot even begin would never say that its target does not come."""
    for kilobytes in range(36_000 if user is None else 41_000, 100_000, 10_000):
        way = Way(user=user, limits=[f"-v {kilobytes}"])
        for arguments in (["--all-addresses", "host.example"], ["-n", "host.example"]):
            finished = machine.run(internet, arguments, way)
            told = own_lines(finished.stderr)
            assert len(told) <= 1
            assert finished.returncode == (3 if told else 0)
            assert not told or "raise 'ulimit -" in told[0]


# Names and texts -------------------------------------------------------------------------------------------

HUGE = {
    "escapes": b"\x1b[31m\\\r\n" * 8000,
    "numbers": b"64500 " * 10_000 + b"| 192.0.2.0/24 |",
    "one number": b"9" * 64_000 + b" | 192.0.2.0/24 |",
    "bars": b"|" * 64_000,
    "a long prefix": b"64500 | " + b"1" * 64_000 + b"/24",
}


@pytest.mark.parametrize("raw", HUGE.values(), ids=HUGE)
def test_a_text_as_long_as_dns_allows_costs_no_time_and_no_room(raw: bytes) -> None:
    began_at = time.process_time()
    origin = best_origin([raw] * 4, "192.0.2.1")
    assert origin is None or len(origin.numbers) <= 4
    assert len(shown := printable(raw)) <= LONGEST_TEXT
    assert re.fullmatch(r"[!-~]*", shown)
    assert time.process_time() - began_at < 1


ROUTERS = {
    4: ["212.187.131.125", "62.253.122.9", "62.253.184.117"],
    6: ["2001:1900::9", "2a02:8800::1", "2a02:8800::2"],
}
ESCAPES = r"\027[2J\007 \155[31m"
"""As a zone file writes it: bytes that clear a terminal, ring its bell and colour it."""
STRINGS = '" "'.join([ESCAPES * 12] * 480)
"""Strings of one TXT record, as many as a message of DNS has room for."""


@pytest.mark.alone
@netns
@each_prober
@each_family
def test_names_and_texts_as_long_as_dns_allows_are_plain_words(family: int, user: int | None) -> None:
    """The first router has 1,000 names and 60 KB of origin, the AS of the others as much of a name.

    The record of ``--json`` is written seconds after they were asked for.
    """
    first, *others = ROUTERS[family]
    hops = [{"address": four, "address6": six} for four, six in zip(ROUTERS[4], ROUTERS[6], strict=True)]
    texts = {origin_question(each): f"64500 | {others[0]}/16 | GB" for each in others}
    texts[origin_question(first)] = STRINGS
    texts["as64500.asn.cymru.com"] = "64500 | GB | ripencc | 2000-12-06 | " + STRINGS
    names = {first: [f"\x1b[31m{number}.example" for number in range(1000)]}
    scenario = network("", hop=hops, destination={"down": True}, dns={"names": names, "texts": texts})
    with simulated(scenario) as internet:
        words = ["-t", "1000", "-m", "4", destination(internet, family)]
        runs = [
            machine.run(internet, [*flags, *words], Way(user=user))
            for flags in (["--json", "-A"], ["--report"])
        ]
        asked = internet.questions()
    for finished in runs:
        assert (finished.returncode, own_lines(finished.stderr)) == (1, [])
        assert re.fullmatch(r"[ -~\t\n]+", finished.stdout)
    assert max(map(len, runs[1].stdout.splitlines())) < 1000
    probes = [hop["probes"][0] for hop in json.loads(runs[0].stdout)["hops"][:3]]
    assert [probe["origin"] for probe in probes] == [None, "AS64500", "AS64500"]
    assert re.fullmatch(r"\\027\\09131m\d+\.example", probes[0]["name"])
    assert "as64500.asn.cymru.com" in asked
    assert "`AS64500` (`?027?0912J?007 " in runs[1].stdout


@netns
@each_prober
@pytest.mark.parametrize(
    "text",
    [
        "",
        "garbage\x01\xff\n" * 500,
        "nameserver 300.1.1.1\n",
        "nameserver 2001:db8::g\n",
        "options " + "x" * 50_000,
    ],
)
def test_a_resolver_file_of_no_use_costs_names_only(text: str, user: int | None) -> None:
    with simulated(network("1 2 | open 80 | rtt 3")) as internet:
        internet.namespace.etc("resolv.conf", text)
        traced = machine.run(internet, ["-A", internet.destination], Way(user=user))
        named = machine.run(internet, ["host.example"], Way(user=user))
    assert (traced.returncode, own_lines(traced.stderr)) == (0, [])
    assert (named.returncode, named.stdout) == (3, "")
    assert machine.is_one_line(named.stderr)
    assert "/etc/resolv.conf names no usable server" in named.stderr


@pytest.mark.alone
@netns
@each_prober
@pytest.mark.parametrize(
    "server",
    ["203.0.113.99", "192.0.2.53\noptions timeout:99 attempts:99", "2001:db8::99", "fe80::53%nowhere"],
    ids=["silent", "slow", "silent over IPv6", "out of reach"],
)
def test_a_name_server_that_cannot_be_reached_is_not_waited_for_long(server: str, user: int | None) -> None:
    with simulated(network("1 2 | open 80 | rtt 3")) as internet:
        internet.namespace.etc("resolv.conf", f"nameserver {server}\n")
        began_at = time.monotonic()
        traced = machine.run(internet, ["-A", internet.destination], Way(user=user))
        took = time.monotonic() - began_at
    assert (traced.returncode, own_lines(traced.stderr)) == (0, [])
    assert took < 4


@netns
@each_prober
def test_a_hosts_file_of_100_megabytes_is_read_in_part(user: int | None) -> None:
    """Measured: 0.4 s and 40 MB, where all of it took 19 s and 800 MB."""
    first = "10.1.1.1 first.example\nfd00:1:1::1 first.example\n"
    last = "203.0.113.80 last.example\n2001:db8::80 last.example\n"
    with simulated(network("1 2 | open 80 | rtt 3")) as internet:
        block = "".join(
            f"10.{number >> 8}.{number & 255}.9 host{number}.example\n" for number in range(65_536)
        )
        internet.namespace.etc("hosts", first + block * 54 + last)
        way = Way(user=user, limits=["-v 150000"])
        traced = [machine.run(internet, [destination(internet, family)], way, timeout=8) for family in (4, 6)]
        family = "-4" if user is None else "-6"
        named = machine.run(internet, [family, "last.example"], way, timeout=30)
    for finished in (*traced, named):
        assert (finished.returncode, own_lines(finished.stderr)) == (0, [])
        assert "first.example" in finished.stdout
