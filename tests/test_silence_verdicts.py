"""Verdicts on silent connections: the sentence for each finding, its place and how sure it is."""

from __future__ import annotations

import pytest

from notation import TARGET, trace
from tracetcp.formatters.conclusions import render_tests
from tracetcp.model.silence import Closed, Lost, Origin, Sign, SilenceFound
from tracetcp.model.verdict import Certainty, Kind, Verdict
from tracetcp.verdicts.silence import judge_silence

PATH = "10.0.0.1 10.0.1.1 10.0.2.1 open"
SHARED = "10.0.0.1 10.0.1.1|10.0.1.2 10.0.2.1 open"
LIVES = "One silent for 60 s lives."


def judged(found: SilenceFound | None, path: str = PATH, main: Kind = Kind.OPEN, **more: object) -> Verdict:
    (verdict,) = judge_silence(trace(path, **more), found, main)  # type: ignore[arg-type]
    return verdict


def silence(**fields: object) -> SilenceFound:
    values: dict[str, object] = {"is_connected": True, "opened": 6, "lived": (60,)}
    return SilenceFound(**(values | fields))  # type: ignore[arg-type]


def lost(**fields: object) -> SilenceFound:
    values: dict[str, object] = {"age": 350, "sign": Sign.SILENCE, "connections": 3, "is_placed": True}
    return silence(lost=Lost(**(values | fields)))  # type: ignore[arg-type]


# What lives


def test_what_lives_is_said_with_the_shorter_ages() -> None:
    verdict = judged(silence(lived=(60, 350)))
    assert (verdict.kind, verdict.certainty) == (Kind.REMEMBERED, Certainty.CERTAIN)
    assert verdict.sentence == "A connection silent for 350 s still works."
    assert verdict.evidence == ("So do those silent for 60 s.",)
    assert judged(silence(lived=(2, 60, 350))).evidence == ("So do those silent for 2 and 60 s.",)
    assert judged(silence()).evidence == ()


def test_who_keeps_it_alive_is_said() -> None:
    (fact,) = judged(silence(segments=5)).evidence
    assert fact == (
        f"It was not left alone: 5 segments came over it meanwhile, as of TCP keepalive at {TARGET}."
    )


@pytest.mark.parametrize(
    ("fields", "fact"),
    [
        ({}, "The test ended before 350 and 900 s had gone by."),
        ({"is_out_of_sight": True}, "After 350 s a new connection did not work either."),
        (
            {"is_contradictory": True},
            "Of connections silent for 350 s one worked and another did not.",
        ),
    ],
)
def test_of_ages_that_were_not_come_to_nothing_is_said(fields: dict[str, bool], fact: str) -> None:
    verdict = judged(silence(unasked=(350, 900), **fields))
    assert (verdict.kind, verdict.evidence) == (Kind.REMEMBERED, (fact,))


# What is forgotten


@pytest.mark.parametrize(
    ("after", "before", "where", "hop"),
    [
        (2, 3, "after hop 2 (10.0.1.1)", 2),
        (1, 3, "between hop 1 (10.0.0.1) and hop 3 (10.0.2.1)", 1),
        (3, None, "after hop 3 (10.0.2.1)", 3),
        (2, None, f"between hop 2 (10.0.1.1) and the host ({TARGET})", 2),
        (0, 1, "before hop 1 (10.0.0.1)", None),
    ],
)
def test_what_is_forgotten_has_its_place(after: int, before: int | None, where: str, hop: int | None) -> None:
    verdict = judged(lost(after=after, before=before))
    assert verdict.kind is Kind.FORGOTTEN
    assert verdict.sentence == (
        f"A connection silent for 350 s is forgotten {where}: what is said then is dropped. {LIVES}"
    )
    assert (verdict.hop, verdict.certainty) == (hop, Certainty.CERTAIN)


def test_what_is_forgotten_has_its_evidence() -> None:
    (fact,) = judged(lost(after=2, before=3)).evidence
    assert fact == (
        "At hop 2 what is said expires as ever; beyond it 3 connections lost it in each of three "
        "transmissions."
    )
    alone = judged(lost(after=2, before=None, connections=1))
    assert "beyond it one connection lost it" in alone.evidence[0]
    assert alone.certainty is Certainty.LIKELY
    assert judged(lost(before=1)).evidence == ()


def test_the_control_of_the_shortest_age_is_a_new_connection() -> None:
    found = lost(after=2, before=3)._replace(lived=())
    assert judged(found).sentence.endswith("what is said then is dropped. A new one lives.")


def test_whose_icmp_error_rejects_it_is_not_told() -> None:
    verdict = judged(lost(sign=Sign.REJECTION, is_placed=False))
    assert verdict.sentence == (
        f"A connection silent for 350 s is forgotten on the way: what is said then is rejected. {LIVES}"
    )
    assert verdict.evidence == ("An ICMP error says so; whose it is the system does not tell.",)
    assert verdict.hop is None


def test_where_routers_share_the_load_the_router_is_not_certain() -> None:
    verdict = judged(lost(after=2, before=3), SHARED)
    assert "after hop 2 (10.0.1.1 or 10.0.1.2)" in verdict.sentence
    assert verdict.certainty is Certainty.LIKELY
    assert judged(lost(after=3, before=None), SHARED).certainty is Certainty.CERTAIN


# What is reset


def test_a_reset_of_what_cannot_reach_the_host_is_not_the_hosts() -> None:
    verdict = judged(lost(sign=Sign.RESET, after=2, before=3))
    assert verdict.kind is Kind.RESET_AFTER_IDLE
    assert verdict.sentence == (
        f"After 350 s of silence somebody after hop 2 (10.0.1.1) resets the connection; it is not {TARGET}. "
        f"{LIVES}"
    )
    assert verdict.evidence == (
        "What can reach hop 3 at most is reset.",
        "What is said to hop 2 expires as ever.",
    )
    assert (verdict.hop, verdict.address, verdict.certainty) == (2, "10.0.1.1", Certainty.CERTAIN)


@pytest.mark.parametrize(
    ("origin", "sentence", "hop"),
    [
        (
            Origin.NEARER,
            f"somebody after hop 3 (10.0.2.1) resets the connection; its TTL shows that it is not {TARGET}.",
            3,
        ),
        (
            Origin.HOST,
            (
                f"{TARGET} itself resets the connection: it does not know it any more, or a NAT on the way "
                "gave it another address."
            ),
            4,
        ),
        (
            Origin.UNKNOWN,
            f"the connection is reset, by {TARGET} or by somebody after hop 3 (10.0.2.1).",
            3,
        ),
    ],
)
def test_of_a_reset_that_only_the_host_could_send_the_ttl_tells(
    origin: Origin, sentence: str, hop: int
) -> None:
    found = lost(sign=Sign.RESET, after=3, origin=origin)
    verdict = judged(found)
    assert verdict.sentence == f"After 350 s of silence {sentence} {LIVES}"
    assert (verdict.hop, verdict.certainty) == (hop, Certainty.CERTAIN)
    differing = Certainty.CERTAIN if origin is Origin.UNKNOWN else Certainty.LIKELY
    assert judged(found, SHARED).certainty is differing


def test_a_reset_before_the_first_hop_has_no_hop() -> None:
    verdict = judged(lost(sign=Sign.RESET, before=1))
    assert "somebody before hop 1 (10.0.0.1) resets the connection" in verdict.sentence
    assert (verdict.hop, verdict.evidence) == (None, ("What can reach hop 1 at most is reset.",))


# What is closed


@pytest.mark.parametrize(
    ("earliest", "latest", "after"),
    [(3.02, 3.04, "3"), (3.44, 3.5, "3.4"), (60.1, 60.2, "60"), (58.1, 61.2, "58 to 61")],
)
def test_a_host_that_closes_is_named_with_its_time(earliest: float, latest: float, after: str) -> None:
    verdict = judged(silence(closed=Closed(5, earliest, latest, False, Origin.HOST)))
    assert verdict.kind is Kind.CLOSED_BY_HOST
    assert verdict.sentence == f"{TARGET} itself closes silent connections, after {after} s."
    assert verdict.evidence == (
        "5 of 6 connections heard it before anything was said.",
        "Those silent for 60 s worked.",
    )
    assert (verdict.hop, verdict.address, verdict.certainty) == (4, TARGET, Certainty.CERTAIN)


def test_a_request_before_the_silence_is_said() -> None:
    found = silence(closed=Closed(5, 3, 3, True, Origin.HOST), was_used=True, lived=())
    verdict = judged(found)
    assert verdict.sentence == f"{TARGET} itself resets silent connections, after 3 s."
    assert verdict.evidence[1:] == ("A request had been answered before the silence.",)
    assert judged(found, SHARED).certainty is Certainty.LIKELY


def test_who_is_nearer_is_not_the_host() -> None:
    verdict = judged(silence(closed=Closed(5, 60, 60, True, Origin.NEARER)))
    assert verdict.kind is Kind.RESET_AFTER_IDLE
    assert verdict.sentence == (
        f"Somebody on the way resets silent connections, after 60 s; the TTL shows that it is not {TARGET}."
    )
    assert verdict.certainty is Certainty.CERTAIN


@pytest.mark.parametrize(("is_reset", "word"), [(False, "closed"), (True, "reset")])
def test_where_the_ttl_is_not_known_it_is_likely_the_host(word: str, *, is_reset: bool) -> None:
    verdict = judged(silence(closed=Closed(1, 60, 60, is_reset)))
    assert verdict.kind is Kind.CLOSED_BY_HOST
    assert verdict.sentence == f"Silent connections are {word} by {TARGET}, after 60 s."
    assert verdict.certainty is Certainty.LIKELY


def test_connections_that_ended_though_others_lived_are_a_fact() -> None:
    verdict = judged(silence(closed=Closed(2, 10, 30, False), is_early=True))
    assert verdict.kind is Kind.REMEMBERED
    assert verdict.evidence == ("2 of 6 connections had ended before, after 10 to 30 s.",)


# What is not known


@pytest.mark.parametrize(
    ("found", "path", "why"),
    [
        (None, "10.0.0.1 closed", "port 80 takes no connection"),
        (
            SilenceFound(is_connected=False),
            PATH,
            "port 80 takes connections, but what is said to it gets no answer",
        ),
        (
            SilenceFound(is_connected=False, ends_at_once=True),
            PATH,
            f"{TARGET} ends connections to port 80 at once",
        ),
        (
            silence(lived=(), closed=Closed(5, 0.01, 0.02, False)),
            PATH,
            f"{TARGET} ends connections to port 80 at once",
        ),
        (
            silence(lived=(), unasked=(60,), is_out_of_sight=True),
            PATH,
            "after 60 s a new connection did not work either",
        ),
        (
            silence(lived=(), unasked=(60,), is_contradictory=True),
            PATH,
            "after 60 s one worked and another did not, as if they went different ways",
        ),
        (
            silence(lived=(), unasked=(60,), opened=0),
            PATH,
            "the connections that were to be silent could not be opened",
        ),
        (silence(lived=(), unasked=(60, 350)), PATH, "the test ended before 60 s had gone by"),
    ],
)
def test_what_is_not_known_is_said_with_its_reason(found: SilenceFound | None, path: str, why: str) -> None:
    verdict = judged(found, path)
    assert (verdict.kind, verdict.certainty) == (Kind.IDLE_UNKNOWN, Certainty.CERTAIN)
    assert verdict.sentence == f"Nothing can be said about silent connections: {why}."
    assert render_tests((verdict,), "# ") == f"# Verdict: {verdict.sentence} [certain]\n"


@pytest.mark.parametrize("main", [Kind.PROXY, Kind.FORGED])
def test_behind_somebody_nearer_nothing_was_tested(main: Kind) -> None:
    fact = "Somebody nearer than the host answers this port: only the way up to there was tested."
    assert judged(silence(), main=main).evidence == (fact,)
