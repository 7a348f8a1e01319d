"""The window of a path: its transitions, on TTLs and instants alone."""

from __future__ import annotations

from math import inf

import pytest

from tracetcp.engine.trace.window import BLIND_STALL_SECONDS, JUMP_SECONDS, STALL_SECONDS, Stage, Window

TIMEOUT = 4.0


def window(*, last: int = 30, sent: int = 4, router: int = 0, distance: int = 0) -> Window:
    """A window whose first attempts up to TTL ``sent`` have left, with a router at ``router``."""
    made = Window(1, last, distance, 0.0)
    if router:
        made.on_last_router(router, 1.0)
    while made.next_first_ttl <= sent:
        made.on_first_sent(1.0)
    return made


def stages(made: Window, count: int) -> list[tuple[Stage, int]]:
    """The stage and the window's end after each of ``count`` stalls."""
    found = []
    for _ in range(count):
        made.stall(2.0)
        found.append((made.stage, made.end))
    return found


def test_it_ends_four_ttls_beyond_the_farthest_router() -> None:
    made = window()
    assert made.end == 4
    made.on_last_router(3, 1.0)
    assert made.end == 7
    made.on_last_router(2, 2.0)
    assert (made.end, made.last_router_ttl, made.last_progress_at) == (7, 2, 1.0)


def test_it_reaches_as_far_as_the_host_where_that_is_known_and_never_beyond_the_last_ttl() -> None:
    assert window(distance=12).end == 12
    assert window(last=3).end == 3
    assert window(last=10, router=9).end == 10


def test_a_blind_path_asks_the_last_ttl_then_widens_by_doubled_steps_then_makes_its_last_pass() -> None:
    assert stages(window(), 5) == [
        (Stage.LOOKED, 4),
        (Stage.WIDENING, 8),
        (Stage.WIDENING, 16),
        (Stage.WIDENING, 30),
        (Stage.LAST_PASS, 30),
    ]


def test_a_long_link_is_jumped_once() -> None:
    made = window(router=6, sent=10)
    assert stages(made, 3) == [(Stage.JUMPED, 14), (Stage.LOOKED, 14), (Stage.WIDENING, 22)]
    made.on_last_router(20, 3.0)
    assert stages(made, 1) == [(Stage.WIDENING, 30)]


def test_nearer_than_six_hops_silence_is_no_long_link() -> None:
    assert stages(window(router=5, sent=9), 1) == [(Stage.LOOKED, 9)]


@pytest.mark.parametrize(
    ("last", "expected"),
    [(5, [Stage.WIDENING, Stage.LAST_PASS]), (4, [Stage.LAST_PASS]), (6, [Stage.LOOKED])],
)
def test_the_last_ttl_is_not_asked_where_the_window_nearly_holds_it(last: int, expected: list[Stage]) -> None:
    assert [stage for stage, _ in stages(window(last=last), len(expected))] == expected


def test_the_last_ttl_is_wanted_from_the_look_on_until_it_was_asked() -> None:
    made = window()
    assert not made.wants_far_probe
    made.stall(1.0)
    made.stall(2.0)
    assert made.wants_far_probe
    made.on_far_probe_sent()
    assert not made.wants_far_probe


def test_a_path_stalls_only_when_all_of_the_window_is_sent() -> None:
    assert window(sent=3).stalls_at(0.01, TIMEOUT) == inf
    assert window(sent=4).stalls_at(0.01, TIMEOUT) < inf
    done = window(last=4)
    done.stall(2.0)
    assert done.stage is Stage.LAST_PASS
    assert done.stalls_at(0.01, TIMEOUT) == inf


def test_what_a_stall_takes_depends_on_what_is_known() -> None:
    assert window().stalls_at(None, TIMEOUT) == 1.0 + BLIND_STALL_SECONDS
    assert window().stalls_at(0.01, TIMEOUT) == 1.0 + STALL_SECONDS
    assert window().stalls_at(0.3, TIMEOUT) == 1.0 + 0.6
    assert window(router=6, sent=10).stalls_at(0.01, TIMEOUT) == 1.0 + JUMP_SECONDS
    assert window().stalls_at(0.01, 0.1) == 1.0 + 0.1


def test_a_last_pass_that_is_told_of_a_farther_end_widens_again() -> None:
    made = window(last=6, sent=6)
    stages(made, 5)
    assert made.stage is Stage.LAST_PASS
    made.end_at(9)
    assert (made.stage, made.last) == (Stage.WIDENING, 9)
