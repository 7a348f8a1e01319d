"""A machine with little room: few descriptors, little memory, odd files under /etc, talkative hosts."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

import machine
from internet.lab import simulated
from internet.notation import network
from machine import USER, Way
from tracetcp import app, descriptors, names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from internet.lab import SimulatedInternet

NAMES = {"10.1.1.1": "one.example", "10.2.1.1": "two.example", "fd00:1:1::1": "one6.example"}
PROBERS = {"root": None, "nobody": USER}
netns = pytest.mark.netns
each_prober = pytest.mark.parametrize("user", PROBERS.values(), ids=PROBERS)


@pytest.fixture(scope="module")
def internet() -> Iterator[SimulatedInternet]:
    with simulated(network("1 2 3 | open 80 | rtt 4", dns={"names": NAMES})) as running:
        yield running


def own_lines(text: str) -> list[str]:
    """The lines of standard error but the one that any run without privileges has."""
    return [line for line in text.splitlines(keepends=True) if "no raw sockets" not in line]


# Descriptors -----------------------------------------------------------------------------------------------


@netns
@each_prober
@pytest.mark.parametrize("limit", [16, 20, 32, 64, 100])
def test_look_ups_fit_the_descriptors(limit: int, user: int | None, internet: SimulatedInternet) -> None:
    way = Way(user=user, limits=[f"-n {limit}"])
    finished = machine.run(internet, ["-A", internet.destination], way)
    assert finished.returncode == 0
    told = own_lines(finished.stderr)
    assert told == [] or (limit, user) == (16, None)
    assert all(machine.is_one_line(line) and "no AS is looked up" in line for line in told)
    assert "one.example" in finished.stdout
    assert "two.example" in finished.stdout


@netns
@each_prober
@pytest.mark.parametrize("limit", range(6, 16))
def test_fewer_descriptors_cost_names_or_end_in_a_line(
    limit: int, user: int | None, internet: SimulatedInternet
) -> None:
    way = Way(user=user, limits=[f"-n {limit}"])
    finished = machine.run(internet, ["-A", internet.destination], way)
    told = own_lines(finished.stderr)
    assert finished.returncode in (0, 3)
    assert len(told) <= 2
    assert all(machine.is_one_line(line) for line in told)
    assert not told or "ulimit -n" in told[0]
    if finished.returncode == 0:
        assert finished.stdout.endswith("Connection established to 203.0.113.80\nTrace Complete.\n")
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
    ],
)
def test_what_runs_out_is_told_with_a_remedy(
    error: Exception, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.delenv(app.DEBUG_VARIABLE, raising=False)
    monkeypatch.setattr("tracetcp.cli.parsing.parse", fail)
    assert app.main(["127.0.0.1"]) == 3
    assert machine.is_one_line(err := capsys.readouterr().err)
    assert err.startswith(f"tracetcp: {told}")


# Memory ----------------------------------------------------------------------------------------------------
