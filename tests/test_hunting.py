"""The hunt judges rightly: the truth of a network is no failure, anything else is one. And a little hunt."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hunting.case import Case, as_kept, case_of, kept
from hunting.faults import FAULTS, Fault
from hunting.judge import Judgement, Rating, Truth, judge, truth_of
from hunting.notation import toml
from hunting.runs import run_on_wire, run_virtually
from hunting.sighting import Cell, Row, Said, Sighting
from hunting.tally import Tally, wilson
from hunting.world import World
from internet import network, trace
from tracetcp.config import TraceConfig

if TYPE_CHECKING:
    from internet import Scenario

MENDED = sorted((Path(__file__).parent / "hunting" / "mended").glob("*.toml"))
"""Networks of which the program once said something untrue, as ``tests/hunt --show`` prints them: with raw
sockets or, as the file says, without, where the hop of an injected answer may be named too far out.
"""
MOST_SECONDS = 30
SEEDS = range(3 * len(FAULTS))
OPEN_AT_4 = "1 2 3 | open 80,443 | rtt 5"
HOST = "203.0.113.80"


def case(
    scenario: Scenario, fault: Fault | None = None, *, max_hops: int = 30, anti_flood: bool = True
) -> Case:
    config = TraceConfig(host="target", max_hops=max_hops, anti_flood=anti_flood)
    return Case(0, "none", fault or Fault("none"), 4, 80, scenario, config)


def judged(shown: Case, rows: list[Row], *said: Said) -> Judgement:
    outcome = rows[-1].outcome or "not-reached"
    return judge(World(shown), Sighting(outcome, tuple(rows), said or (verdict("open", 4),), ""))


def row(ttl: int, *senders: str | None, outcome: str | None = None, lost: int = 0) -> Row:
    kind = {"open": "syn-ack", "closed": "rst"}.get(outcome or "", "time-exceeded")
    cells = [Cell(flow, kind if sender else None, sender) for flow, sender in enumerate(senders)]
    return Row(ttl, outcome, tuple(cells), lost)


def rows_to(last: int, *end: Row) -> list[Row]:
    return [*(row(ttl, *[f"10.{ttl}.1.1"] * 3) for ttl in range(1, last + 1)), *end]


def verdict(kind: str, hop: int | None, certainty: str = "certain") -> Said:
    return Said(kind, hop, certainty, f"{kind} at hop {hop}")


END = row(4, HOST, outcome="open")


def kinds(judgement: Judgement) -> list[str]:
    return [complaint.kind for complaint in judgement.complaints]


def test_the_truth_is_no_failure() -> None:
    judgement = judged(case(network(OPEN_AT_4)), rows_to(3, END))
    assert judgement == (Rating.RIGHT_HOP, (), 0)


@pytest.mark.parametrize(
    ("path", "rows"),
    [
        (OPEN_AT_4, [*rows_to(2), row(3, "192.0.2.9", *["10.3.1.1"] * 2), END]),  # a stranger
        (OPEN_AT_4, [*rows_to(2), row(3, None, *["10.3.1.1"] * 2), END]),  # a star
        (OPEN_AT_4, [*rows_to(2), row(3, HOST, outcome="open")]),  # the host too near
        (OPEN_AT_4, [*rows_to(3), row(4, HOST, outcome="closed")]),
        (OPEN_AT_4, [*rows_to(1), *rows_to(3, END)[2:]]),  # a row too few
        ("1 *2 3 | open 80 | rtt 5", rows_to(3, END)),  # a silent router that speaks
    ],
)
def test_a_row_that_the_network_cannot_have_is_a_false_one(path: str, rows: list[Row]) -> None:
    assert "false row" in kinds(judged(case(network(path)), rows))


def test_a_column_over_a_link_that_does_not_exist_is_a_false_row() -> None:
    lanes = [{"address": f"10.2.{lane}.1", "next": [lane]} for lane in (1, 2)]
    path = network("1 2 3:2 | open 80 | rtt 5", hop_2={"router": lanes})
    straight = [row(1, "10.1.1.1"), row(2, "10.2.1.1"), row(3, "10.3.1.1"), row(4, HOST, outcome="open")]
    crossed = [*straight[:2], row(3, "10.3.2.1"), straight[3]]
    assert kinds(judged(case(path), straight)) == []
    assert kinds(judged(case(path), crossed)) == ["false row"]
    unprivileged = World(case(path), is_raw=False)
    assert judge(unprivileged, Sighting("open", tuple(crossed), (verdict("open", 4),), "")).complaints == ()


def test_loss_explains_a_star_but_not_a_hundred() -> None:
    path = case(network(OPEN_AT_4, loss=0.05))
    for lost, found in ((3, []), (100, ["false row"])):
        judgement = judged(path, [*rows_to(2), row(3, None, None, None, lost=lost), END])
        assert kinds(judgement) == found
        assert judgement.by_chance == 1


def test_a_limit_explains_stars_only_where_nobody_asks_again() -> None:
    rows = [*rows_to(2), row(3, "10.3.1.1", None, None), END]
    path = network("1 2 3! | open 80 | rtt 5")
    assert kinds(judged(case(path), rows)) == ["false row"]
    assert kinds(judged(case(path, anti_flood=False), rows)) == []


def test_an_injected_answer_hides_a_router_only_where_the_first_answer_is_the_only_one() -> None:
    path = case(
        network("1 2[injected rst 80] 3 | open 80 | rtt 5"), Fault("rst-injected", 2, (80,), at_expiry=True)
    )
    rows = [*rows_to(1), row(2, None, "10.2.1.1", "10.2.1.1"), *rows_to(3)[2:], END]
    for is_raw, found in ((True, ["false row"]), (False, [])):
        sighting = Sighting("open", tuple(rows), (verdict("open", 4),), "")
        assert [each.kind for each in judge(World(path, is_raw=is_raw), sighting).complaints] == found
    early = Sighting("open", (*rows_to(2), row(3, HOST, outcome="open")), (verdict("open", 3),), "")
    assert "false row" in [each.kind for each in judge(World(path, is_raw=False), early).complaints]


DROP = case(network("1 2[drop 80] 3 | open 80,443 | rtt 5"), Fault("drop", 2, (80,)), max_hops=6)
DROPPED = rows_to(2, *(row(ttl, None, None, None, lost=3) for ttl in range(3, 7)))


@pytest.mark.parametrize(
    ("said", "rating", "found"),
    [
        (verdict("blocked", 2), Rating.RIGHT_HOP, []),
        (verdict("blocked", 1), Rating.RIGHT_KIND, ["false alarm"]),
        (verdict("no-answer", 2), Rating.UNNAMED, []),
        (verdict("forged", 2), Rating.UNNAMED, ["false alarm"]),
    ],
)
def test_a_fault_is_named_at_its_hop(said: Said, rating: Rating, found: list[str]) -> None:
    judgement = judged(DROP, DROPPED, said)
    assert (judgement.rating, kinds(judgement)) == (rating, found)


@pytest.mark.parametrize("kind", ["blocked", "forged", "nat", "loop", "unreachable"])
def test_a_fault_that_is_not_there_is_a_false_alarm(kind: str) -> None:
    judgement = judged(case(network(OPEN_AT_4)), rows_to(3, END), verdict("open", 4), verdict(kind, 2))
    assert kinds(judgement) == ["false alarm"]


def test_a_box_taken_for_the_host_is_wrong_where_the_controls_show_it() -> None:
    path = network("1 2[rst 80] 3 4 5 6 | open 80,443 | rtt 7")
    shown = case(path, Fault("rst", 2, (80,), at_expiry=True))
    rows = rows_to(1, row(2, HOST, outcome="closed"))
    assert truth_of(World(shown)) == Truth("forged", frozenset({2}))
    assert kinds(judged(shown, rows, verdict("closed", 2, "likely"))) == ["wrong"]
    assert judged(shown, rows, verdict("forged", 2, "likely")) == (Rating.RIGHT_HOP, (), 0)


def test_a_router_is_called_silent_or_limited_only_if_it_is() -> None:
    silent = Said("silent-router", 2, "likely", "Hops 2, 3 did not answer, but later ones did")
    notes = (verdict("open", 4), silent, verdict("limited-router", 1))
    assert kinds(judged(case(network(OPEN_AT_4)), rows_to(3, END), *notes)) == ["false note"] * 2
    path = network("1! *2 *3 | open 80 | rtt 5")
    rows = [*rows_to(1), row(2, None, None, None), row(3, None, None, None), END]
    assert kinds(judged(case(path), rows, *notes)) == []


def test_every_fault_is_drawn_and_every_network_is_a_scenario_file() -> None:
    cases = [case_of(seed) for seed in SEEDS]
    assert {each.fault.name for each in cases} == set(FAULTS)
    assert {each.family for each in cases} == {4, 6}
    for each in cases:
        assert tomllib.loads(toml(each.scenario.table)) == each.scenario.table
        assert case_of(each.seed).scenario == each.scenario


def test_rates_have_their_intervals() -> None:
    assert wilson(0, 0) == (0, 1)
    low, high = wilson(95, 100)
    assert (round(low, 3), round(high, 3)) == (0.888, 0.978)
    tally = Tally()
    tally.add("drop", Judgement(Rating.RIGHT_HOP, (), 1))
    tally.add_error("drop")
    assert tally.has_failed
    assert tally.lines()[1].split()[:3] == ["drop", "1", "1"]


HARMLESS = (
    "none",
    "port-closed",
    "port-silent",
    "host-silent",
    "drop",
    "reject",
    "loop",
    "nat",
    "mss",
    "dscp",
)
"""Faults of which the program has said nothing wrong yet."""


@pytest.mark.repeats
@pytest.mark.parametrize("fault", HARMLESS)
def test_the_hunt_finds_nothing_wrong(fault: str) -> None:
    for seed in range(8):
        drawn = case_of(seed, [fault])
        judgement = judge(World(drawn), run_virtually(drawn))
        assert judgement.complaints == (), f"tests/hunt --fault {fault} --seeds {seed} --show"


@pytest.mark.netns
@pytest.mark.parametrize("user", [None, "nobody"])
def test_nor_does_it_on_the_wire(user: str | None) -> None:
    drawn = case_of(4, ["none"], is_raw=user is None)
    judgement = judge(World(drawn, is_raw=user is None), run_on_wire(drawn, user))
    assert judgement.complaints == ()


# What was mended


@pytest.mark.parametrize("file", MENDED, ids=lambda file: file.stem)
def test_what_was_mended_stays_so(file: Path) -> None:
    mended = kept(file)
    user = None if mended.is_raw else "nobody"
    judgement = judge(World(mended, is_raw=mended.is_raw), run_virtually(mended, user))
    assert not judgement.complaints
    about = () if mended.is_raw else (Rating.RIGHT_KIND,)
    assert judgement.rating in (Rating.RIGHT_HOP, Rating.UNSEEN, *about)


def test_silence_behind_a_limited_router_ends_in_bounded_time() -> None:
    (file,) = [file for file in MENDED if file.stem == "silence-behind-a-limited-router"]
    mended = kept(file)
    assert trace(mended.scenario, mended.config, mended.family).seconds < MOST_SECONDS


def test_a_case_that_is_kept_comes_back(tmp_path: Path) -> None:
    for seed in SEEDS:
        case = case_of(seed, is_raw=seed % 2 == 0)
        file = tmp_path / "kept.toml"
        file.write_text(toml(as_kept(case)))
        back = kept(file)
        assert (back.fault, back.family, back.port) == (case.fault, case.family, case.port)
        assert back.is_raw is case.is_raw
        assert back.config == case.config
        assert back.scenario.table == case.scenario.table
