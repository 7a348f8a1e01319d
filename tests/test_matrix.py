"""Many ports: groups, table, comparison."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from notation import TARGET, trace
from tracetcp.formatters.conclusions import compare, parting, port_list, render_matrix, summarise
from tracetcp.model.verdict import Kind, Verdict
from tracetcp.verdicts import judge_main

if TYPE_CHECKING:
    from tracetcp.model.evidence import Evidence

A, B, C, D, E, F, G = (f"10.0.{number}.1" for number in range(1, 8))


def judged(traces: list[Evidence]) -> list[tuple[Evidence, Verdict]]:
    """Each trace with its verdict, the others its controls."""
    controlled = [
        replace(each, controls=(*each.controls, *[other for other in traces if other.port != each.port]))
        for each in traces
    ]
    return [(each, judge_main(each)) for each in controlled]


def test_the_documented_range_in_three_lines() -> None:
    blocked = {135: f"{A} {B} *", 137: f"{A} * *", 138: f"{A} * *", 139: f"{A} * *"}
    traces = [trace(blocked.get(port, f"{A} {B} {C}"), port) for port in range(130, 141)]
    assert render_matrix(summarise(judged(traces))) == (
        "PORTS            MET\n"
        f"130-134,136,140  passes hop 3 ({C})\n"
        f"135              dropped after hop 2 ({B})\n"
        f"137-139          dropped after hop 1 ({A})\n"
    )


def test_every_end_has_its_words() -> None:
    whole = f"{A} {B} {C} {D} {E} {F} {G} open"
    traces = [
        trace(whole, 21),
        trace(f"{A} {B} {C} {D} {E} {F} {G} closed", 22),
        trace(f"{A} {B} open", 80),
        trace(f"{A} {B} closed", 81),
        trace(f"{A} {B}!3/13", 135),
        trace(f"{A} {B}!3/1", 136),
        trace(f"{A} {B} {C} " * 4, 500),
        trace(f"{A} {B} {C} {D} {E} {F} {G} * *", 600, is_lost=lambda ttl, flow: ttl > 2 and flow < 3),
        trace("10.9.1.1 10.9.2.1 10.9.3.1 10.9.4.1 10.9.5.1 10.9.6.1 10.9.7.1 10.9.8.1 10.9.9.1 *", 700),
    ]
    assert render_matrix(summarise(judged(traces)), "# ") == (
        "# PORTS  MET\n"
        f"# 21     open at hop 8 ({TARGET})\n"
        f"# 22     closed at hop 8 ({TARGET})\n"
        "# 80     proxy at hop 3\n"
        "# 81     forged answer at hop 3\n"
        f"# 135    rejected by hop 2 ({B}): Communication administratively prohibited\n"
        f"# 136    unreachable from hop 2 ({B}): Host unreachable\n"
        f"# 500    loops from hop 1 ({A}) on\n"
        f"# 600    dropped after hop 2 ({B})\n"
        "# 700    no answer after hop 9 (10.9.9.1)\n"
    )


def test_a_scan_in_three_lines() -> None:
    ends = {22: "open", 80: "open", 81: "closed"}
    traces = [trace(ends.get(port, "*"), port, start=128, last=128) for port in (22, 23, 80, 81, 82)]
    assert [(group.ports, group.met, group.kind) for group in summarise(judged(traces))] == [
        ((22, 80), f"open at {TARGET}", Kind.OPEN),
        ((23, 82), "dropped on the way or by the destination", Kind.BLOCKED),
        ((81,), f"closed at {TARGET}", Kind.CLOSED),
    ]


def test_the_documented_range_over_one_hop() -> None:
    traces = [trace("*" if port in (135, 137) else C, port, start=3, last=3) for port in range(130, 138)]
    assert render_matrix(summarise(judged(traces))) == (
        f"PORTS        MET\n130-134,136  passes hop 3 ({C})\n135,137      dropped before hop 3 ({C})\n"
    )


def test_nothing_answers_at_all() -> None:
    assert [group.met for group in summarise(judged([trace("* *", 1), trace("* *", 2)]))] == ["no answer"]


def test_a_port_given_twice_is_listed_once() -> None:
    (group,) = summarise(judged([trace(f"{A} open", 80), trace(f"{A} open", 80)]))
    assert group.ports == (80,)


@pytest.mark.parametrize(
    ("ports", "text"),
    [
        ((), ""),
        ((80,), "80"),
        ((130, 131, 132, 133, 134, 136, 140), "130-134,136,140"),
        ((1, 2, 4, 5), "1-2,4-5"),
    ],
)
def test_ports_in_words(ports: tuple[int, ...], text: str) -> None:
    assert port_list(ports) == text


def test_two_paths_side_by_side() -> None:
    paths = [trace(f"{A} {B} open", 80), trace(f"{A} {B} {C} * open", 443)]
    assert compare(paths, "# ") == (
        "# HOP  PORT 80   PORT 443\n"
        "# 1    10.0.1.1  10.0.1.1\n"
        "# 2    10.0.2.1  10.0.2.1\n"
        "# 3    open      10.0.3.1\n"
        "# 4              *\n"
        "# 5              open\n"
        "# The paths part at hop 3.\n"
    )


def test_a_path_asked_over_fewer_hops_leaves_its_column_empty() -> None:
    assert compare([trace(f"{A} {B}", 80), trace(B, 443, start=2)]).splitlines()[1] == "1    10.0.1.1"


@pytest.mark.parametrize(
    ("first", "second", "ttl"),
    [
        (f"{A} {B} open", f"{A} {B} open", None),
        (f"{A} {B} open", f"{A} {B} closed", 3),
        (f"{A} * {C} open", f"{A} {B} {C} open", None),  # a star is no other path
        (f"{A} {B} * *", f"{A} {B} {C} open", 3),  # stars to the end are
        (f"{A} {B}|{C} {D} open", f"{A} {B} {D} open", None),  # shared load
        (f"{A} {B} {D} open", f"{A} {C} {D} open", 2),
        (f"{A} * *", f"{A} * *", None),
        (f"{A} {B}", f"{A} {B} {C}", None),  # not asked is not known
        (f"{A} {B}!3/13", f"{A} {B} open", 2),
    ],
)
def test_where_paths_part(first: str, second: str, ttl: int | None) -> None:
    paths: list[Evidence] = [trace(first, 80), trace(second, 443)]
    assert parting(paths, range(1, 6)) == ttl


def test_paths_that_part_between_routers_may_only_share_load() -> None:
    text = compare([trace(f"{A} {B} open", 80), trace(f"{A} {C} open", 443)])
    assert text.splitlines()[-1] == "The paths part at hop 2, perhaps only where routers share load."


def test_paths_that_stay_together() -> None:
    text = compare([trace(f"{A} open", 80), trace(f"{A} open", 443)])
    assert text.splitlines()[-1] == "The paths do not part."
