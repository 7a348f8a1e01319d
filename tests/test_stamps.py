"""Kernel stamps on our clock, also when the wall clock is set."""

from __future__ import annotations

import time

import pytest

from tracetcp.probers import stamps

APART = 1_700_000_000.0


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How far the wall clock is ahead of ours: the last of the list."""
    apart = [APART]
    monkeypatch.setattr(stamps, "clocks_apart", lambda: apart[-1])
    return apart


@pytest.mark.parametrize(
    ("stamp", "instant"),
    [
        (APART + 12.5, 12.5),
        (APART + 12.0, 12.0),
        (APART + 13.0, 13.0),
        (APART + 11.9, 13.0),
        (APART + 13.1, 13.0),
        (None, 13.0),
        (0.0, 13.0),
    ],
)
def test_a_stamp_counts_between_the_earliest_instant_and_now(
    wall: list[float], stamp: float | None, instant: float
) -> None:
    assert wall
    assert stamps.received_at(stamp, earliest=12.0, now=13.0) == instant


def test_the_stamps_of_one_look_are_void_when_the_wall_clock_was_set(wall: list[float]) -> None:
    clock = stamps.WallClock()
    assert (clock.apart, clock.look()) == (APART, APART)
    wall.append(APART + 3600)
    assert clock.look() is None
    assert (clock.apart, clock.look()) == (APART + 3600, APART + 3600)


def test_a_wall_clock_that_is_slowly_corrected_is_followed(wall: list[float]) -> None:
    clock = stamps.WallClock()
    for _ in range(10):
        wall.append(wall[-1] + stamps.LONGEST_CLOCK_STEP / 2)
        assert clock.look() == wall[-1]


def test_a_timespec_is_read_where_it_stands() -> None:
    data = b"before--" + stamps.TIMESPEC.pack(12, 345_000_000)
    assert stamps.stamp_in(data, 8) == pytest.approx(12.345)


def test_the_clocks_are_as_far_apart_as_they_say() -> None:
    assert stamps.clocks_apart() == pytest.approx(time.time() - time.monotonic(), abs=1.0)
