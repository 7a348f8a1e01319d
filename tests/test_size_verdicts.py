"""Verdicts on packet sizes: the sentence for each finding, its place and how sure it is."""

from __future__ import annotations

import pytest

from notation import TARGET, trace
from tracetcp.formatters.conclusions import render_tests
from tracetcp.model.evidence import Evidence
from tracetcp.model.sizes import Answers, Hole, Place, SizesFound, Told
from tracetcp.model.verdict import Certainty, Kind, Verdict
from tracetcp.verdicts.sizes import judge_sizes

PATH = "10.0.0.1 10.0.1.1 10.0.2.1 open"
HOLE = Hole(1400, 1401, 14, 11)
LONG = Answers(5000, 1500, 1500)
TOO_SHORT = " pass there; the host's answers were too short to tell about the way back."


def judged(
    found: SizesFound | None, path: str = PATH, main: Kind = Kind.OPEN, **more: object
) -> tuple[Verdict, ...]:
    return judge_sizes(trace(path, **more), found, main)  # type: ignore[arg-type]


def sizes(**fields: object) -> SizesFound:
    values: dict[str, object] = {"is_connected": True, "link": 1500, "passed": 1500, "answers": LONG}
    return SizesFound(**(values | fields))  # type: ignore[arg-type]


def only(verdicts: tuple[Verdict, ...]) -> Verdict:
    (verdict,) = verdicts
    return verdict


@pytest.mark.parametrize(
    ("answers", "end"),
    [
        (LONG, " pass both ways."),
        (
            Answers(1343, 1395, 1500),
            TOO_SHORT,
        ),
        (None, TOO_SHORT),
        (Answers(5000, 1400, 1500), " pass there; the largest that came back had 1400 bytes."),
    ],
)
def test_what_passes_is_said_for_each_way(answers: Answers | None, end: str) -> None:
    verdict = only(judged(sizes(answers=answers)))
    assert (verdict.kind, verdict.sentence) == (Kind.MTU_WHOLE, "Packets of 1500 bytes" + end)
    assert (verdict.certainty, verdict.evidence, verdict.hop) == (Certainty.CERTAIN, (), None)


@pytest.mark.parametrize(
    ("place", "where", "hop"),
    [
        (Place(2, 3), "after hop 2 (10.0.1.1)", 2),
        (Place(1, 3), "between hop 1 (10.0.0.1) and hop 3 (10.0.2.1)", 1),
        (Place(0, 1), "before hop 1 (10.0.0.1)", None),
        (Place(0, None), f"before the host ({TARGET})", None),
        (Place(3, None), "after hop 3 (10.0.2.1)", 3),
        (Place(2, None), f"between hop 2 (10.0.1.1) and the host ({TARGET})", 2),
    ],
)
def test_a_hole_has_its_place(place: Place, where: str, hop: int | None) -> None:
    verdict = only(judged(sizes(hole=HOLE, place=place, passed=1400)))
    assert verdict.kind is Kind.MTU_HOLE
    assert verdict.sentence == f"Packets of more than 1400 bytes are lost {where}, and no router says so."
    assert (verdict.hop, verdict.certainty) == (hop, Certainty.CERTAIN)


def test_a_hole_has_its_evidence() -> None:
    verdict = only(judged(sizes(hole=HOLE, place=Place(2, 3), passed=1400)))
    counts = "up to 1400 bytes were answered 14 times, 1401 bytes and more 0 of 11 times"
    assert verdict.evidence == (
        f"At hop 3 and at the host {counts}; hop 2 answers both.",
        "Connections hang unless their MSS is 1360 or less.",
        "Packets of 1500 bytes come back.",
    )
    at_host = only(judged(sizes(hole=HOLE, place=Place(0, None), passed=1400, answers=None)))
    assert at_host.evidence == (
        "At the host up to 1400 bytes were answered 14 times, 1401 bytes and more 0 of 11 times.",
        "Connections hang unless their MSS is 1360 or less.",
    )


def test_where_routers_share_the_load_the_router_is_not_certain() -> None:
    verdict = only(judged(sizes(hole=HOLE, place=Place(2, 3)), "10.0.0.1 10.0.1.1|10.0.1.2 10.0.2.1 open"))
    assert "after hop 2 (10.0.1.1 or 10.0.1.2)" in verdict.sentence
    assert verdict.certainty is Certainty.LIKELY


def test_a_hole_on_the_way_back_has_no_place() -> None:
    verdict = only(judged(sizes(back_hole=Hole(1400, 1401, 1, 10), answers=None)))
    assert verdict.kind is Kind.MTU_HOLE_BACK
    assert verdict.sentence == (
        f"Packets of more than 1400 bytes do not come back from {TARGET}; where they are lost cannot be seen "
        "from here."
    )
    counts = "With an MSS of 1360 or less the host's answer came 1 time; with 1361 and more it was missing"
    assert verdict.evidence == (
        f"{counts} 10 times, but for what overtook a gap.",
        "Packets of 1500 bytes pass there.",
    )
    assert (verdict.hop, verdict.address) == (None, None)


@pytest.mark.parametrize(("back", "is_alike"), [(1400, True), (1380, False)])
def test_holes_of_one_size_both_ways_fit_each_other(back: int, *, is_alike: bool) -> None:
    found = sizes(hole=HOLE, place=Place(2, 3), back_hole=Hole(back, back + 1, 5, 5), answers=None)
    there, returning = judged(found)
    assert (there.kind, returning.kind) == (Kind.MTU_HOLE, Kind.MTU_HOLE_BACK)
    assert any("one link may be behind both" in fact for fact in returning.evidence) is is_alike


@pytest.mark.parametrize(
    ("told", "teller", "hop"),
    [
        (Told(1400, 2, 3), "Hop 2 (10.0.1.1)", 2),
        (Told(1400, 1, 3), "A router between hop 1 (10.0.0.1) and hop 3 (10.0.2.1)", None),
        (Told(1400, 0, 1), "A router between this machine and hop 1 (10.0.0.1)", None),
        (Told(1400, 2, 4), f"A router between hop 2 (10.0.1.1) and the host ({TARGET})", None),
    ],
)
def test_a_router_that_tells_is_named(told: Told, teller: str, hop: int | None) -> None:
    verdict = only(judged(sizes(told=(told,), passed=1400)))
    assert verdict.kind is Kind.MTU_TOLD
    assert verdict.sentence == f"{teller} allows packets of 1400 bytes only and says so: connections adapt."
    assert verdict.evidence == (
        "Packets of 1400 bytes pass there; the largest that came back had 1500 bytes.",
    )
    assert verdict.hop == hop


def test_a_hole_behind_a_router_that_tells_is_said_after_it() -> None:
    found = sizes(told=(Told(1450, 1, 2),), hole=HOLE, place=Place(2, 3), passed=1400)
    told, hole = judged(found)
    assert (told.kind, told.evidence, hole.kind) == (Kind.MTU_TOLD, (), Kind.MTU_HOLE)


def test_a_path_mtu_that_is_remembered_is_said() -> None:
    verdict = only(judged(sizes(remembered=1400, passed=1400, back_hole=None)))
    assert verdict.kind is Kind.MTU_TOLD
    assert verdict.sentence.startswith(f"This machine holds 1400 bytes for the path MTU to {TARGET}, ")
    back = judged(sizes(remembered=1400, passed=1400, back_hole=HOLE, answers=None))
    assert back[0].evidence == ("Packets of 1400 bytes pass there.",)


def test_a_small_mss_of_the_host_is_a_note() -> None:
    verdicts = judged(sizes(limit=1400, passed=1400))
    assert verdicts[-1].kind is Kind.MSS_LIMITED
    assert render_tests(verdicts, "# ") == (
        "# Verdict: Packets of 1400 bytes pass there; the largest that came back had 1500 bytes. [certain]\n"
        "# Note: The SYN-ACK allows an MSS of 1360: connections send packets of 1400 bytes at most, "
        "and larger ones were not tried. [certain]\n"
    )


def test_a_kernel_that_begins_small_is_said_to_do_so() -> None:
    note = judged(sizes(limit=1076, passed=1076, is_own_limit=True))[-1]
    assert note.kind is Kind.MSS_LIMITED
    assert note.sentence.startswith(
        "This machine's kernel begins small (tcp_mtu_probing is 2): packets of more "
    )


@pytest.mark.parametrize(
    ("found", "path", "why"),
    [
        (None, "10.0.0.1 closed", "port 80 takes no connection"),
        (None, "10.0.0.1 *", "port 80 takes no connection"),
        (
            SizesFound(is_connected=False),
            PATH,
            "port 80 takes connections, but what is said to it gets no answer",
        ),
    ],
)
def test_without_a_connection_nothing_is_said_of_sizes(found: SizesFound | None, path: str, why: str) -> None:
    verdict = only(judged(found, path))
    assert verdict.kind is Kind.MTU_UNKNOWN
    assert verdict.sentence == f"Nothing can be said about packet sizes: {why}."


@pytest.mark.parametrize(
    ("field", "why"),
    [
        ("is_contradictory", "the same size was lost and passed"),
        ("is_cut_short", "more connections than one run"),
    ],
)
def test_a_search_without_an_end_concludes_nothing(field: str, why: str) -> None:
    verdict = only(judged(sizes(hole=HOLE, **{field: True})))
    assert verdict.kind is Kind.MTU_UNKNOWN
    assert why in verdict.sentence


@pytest.mark.parametrize("main", [Kind.PROXY, Kind.FORGED])
def test_behind_somebody_nearer_only_the_way_up_to_there_was_tested(main: Kind) -> None:
    verdict = only(judged(sizes(), main=main))
    assert verdict.evidence == (
        "Somebody nearer than the host answers this port: only the way up to there was tested.",
    )


def test_ipv6_has_larger_headers() -> None:
    evidence = trace("fd00::1 fd00::2 open")
    values = {name: getattr(evidence, name) for name in ("port", "outcome", "hops", "records", "start_hop")}
    six = Evidence(**values, last_ttl=30, destination="2001:db8::9")
    hole = only(judge_sizes(six, sizes(hole=HOLE, place=Place(1, 2)), Kind.OPEN))
    assert "MSS is 1340 or less" in hole.evidence[1]
