"""Verdicts: a path in one line, the verdict below it; and many paths that must raise none."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notation import (
    LINUX,
    MSS,
    OPTIONS,
    SACK,
    TARGET,
    places,
    quote,
    reply_at,
    trace,
)
from tracetcp.explain.bisection import Bisection
from tracetcp.explain.control_plan import Known, plan_controls
from tracetcp.formatters.conclusions import render_verdicts
from tracetcp.formatters.json import verdict_as_json
from tracetcp.model import Outcome, Probe, ProbeRecord, Quote, Reply, ReplyKind, TcpAnswer
from tracetcp.model.tcp_options import option_kinds
from tracetcp.model.verdict import Certainty, Kind, Verdict
from tracetcp.verdicts import ended, judge, judge_main
from tracetcp.verdicts.nearness import initial_ttl, return_distance

if TYPE_CHECKING:
    from tracetcp.model.evidence import Evidence

HARMLESS = {
    Kind.OPEN,
    Kind.CLOSED,
    Kind.PATH_GOES_ON,
    Kind.NO_ANSWER,
    Kind.INCONCLUSIVE,
    Kind.SILENT_ROUTER,
    Kind.LIMITED_ROUTER,
}
A, B, C, D, E, F, G, H = (f"10.0.{number}.1" for number in range(1, 9))
LONG = f"{A} {B} {C} {D} {E} {F} {G} {H}"
FAR = f"{LONG} open"
PROXY_DOUBT = "A proxy on the way may be answering."
FIREWALL_DOUBT = "A firewall on the way may be answering."


def kinds(evidence: Evidence) -> list[Kind]:
    return [verdict.kind for verdict in judge(evidence)]


def record(
    ttl: int,
    *replies: Reply,
    flow: int = 0,
    sent_at: float = 50.0,
    port: int = 80,
    is_control: bool = False,
) -> ProbeRecord:
    return ProbeRecord(Probe(9, port, ttl, 9, flow), sent_at, replies, is_control)


def tcp(kind: ReplyKind, ttl: int | None = 60, answer: TcpAnswer = LINUX) -> Reply:
    return Reply(9, kind, TARGET, 50.1, ttl, answer=answer)


def expired(sender: str, quoted: Quote | None = None) -> Reply:
    return Reply(9, ReplyKind.TIME_EXCEEDED, sender, 50.1, 60, 11, 0, quoted)


# Open and closed ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "kind", "sentence"),
    [
        (f"{A} {B} open", Kind.OPEN, f"Port 80 is open at hop 3 ({TARGET}, www.example)."),
        (f"{A} {B} closed", Kind.CLOSED, f"Port 80 is closed at hop 3 ({TARGET}, www.example)."),
    ],
)
def test_an_answer_says_open_or_closed_and_where(path: str, kind: Kind, sentence: str) -> None:
    verdict = judge_main(trace(path, names={TARGET: "www.example"}))
    assert (verdict.kind, verdict.sentence) == (kind, sentence)
    assert (verdict.hop, verdict.address, verdict.certainty) == (3, TARGET, Certainty.LIKELY)
    assert verdict.evidence[0].endswith(f"came from {TARGET} with TTL 62.")


SAME_HOP = "Port 443 answers from the same hop."
PERHAPS_A_PROXY = "No other port was refused at that hop, so a proxy could be answering."
PERHAPS_A_FIREWALL = "No other port was open at that hop, so a firewall could be answering."


@pytest.mark.parametrize(
    ("end", "controls", "certainty", "facts"),
    [
        ("open", [f"{A} {B} closed"], Certainty.CERTAIN, [SAME_HOP]),
        ("closed", [f"{A} {B} open"], Certainty.CERTAIN, [SAME_HOP]),
        (
            "open",
            [f"{A} {B} open", f"{A} {B} closed"],
            Certainty.CERTAIN,
            ["Ports 443 and 444 answer from the same hop."],
        ),
        ("open", [f"{A} {B} open"], Certainty.LIKELY, [SAME_HOP, PERHAPS_A_PROXY]),
        ("closed", [f"{A} {B} closed"], Certainty.LIKELY, [SAME_HOP, PERHAPS_A_FIREWALL]),
        ("open", [f"{LONG} *"], Certainty.POSSIBLE, ["Port 443 passes hop 8.", PROXY_DOUBT]),
        ("closed", [f"{A} {B} {C} *"], Certainty.LIKELY, ["Port 443 passes hop 3."]),
        ("closed", [f"* x4 {E} *"], Certainty.POSSIBLE, ["Port 443 passes hop 5.", FIREWALL_DOUBT]),
        ("closed", [f"{A} {B} {C} open"], Certainty.LIKELY, ["Port 443 answers from hop 4 with TTL 61."]),
        (
            "closed",
            ["* x4 open"],  # two hops farther, there and back
            Certainty.POSSIBLE,
            ["Port 443 answers from hop 5 with TTL 60.", FIREWALL_DOUBT],
        ),
        (
            "open",
            [f"{A} {B} closed", f"{A} {B} {C} open"],
            Certainty.LIKELY,
            ["Port 444 answers from hop 4 with TTL 61.", SAME_HOP],
        ),
        ("open", ["* * *"], Certainty.LIKELY, [PERHAPS_A_PROXY]),
    ],
)
def test_what_controls_meet_makes_an_answer_certain_or_doubtful(
    end: str, controls: list[str], certainty: Certainty, facts: list[str]
) -> None:
    others = tuple(trace(path, 443 + number) for number, path in enumerate(controls))
    verdict = ended.judge(trace(f"{A} {B} {end}", controls=others))
    assert verdict is not None
    assert (verdict.certainty, [*verdict.evidence[1:]]) == (certainty, facts)


def test_a_control_that_may_be_nearer_makes_nothing_certain() -> None:
    nearer = trace("closed", 443, start=3, back=9)
    assert judge_main(trace(f"{A} {B} open", controls=(nearer,))).certainty is Certainty.LIKELY
    same_way_back = trace("closed", 443, start=3)
    assert judge_main(trace(f"{A} {B} open", controls=(same_way_back,))).certainty is Certainty.CERTAIN
    silent_before = trace("* closed", 443, start=2, back=9)
    assert judge_main(trace(f"{A} {B} open", controls=(silent_before,))).certainty is Certainty.LIKELY
    long_path = trace(f"{LONG} {LONG} open", controls=(trace("* closed", 443, start=16, back=9),))
    assert judge_main(long_path).certainty is Certainty.CERTAIN


def test_a_host_next_door_is_certain_too() -> None:
    assert judge_main(trace("open", controls=(trace("closed", 443),))).certainty is Certainty.CERTAIN


def test_no_reply_ttl_no_word_of_it() -> None:
    farther = unknown_ttl(trace(f"{A} {B} {C} closed", 443))
    verdict = judge_main(unknown_ttl(trace(f"{A} {B} open", controls=(farther,))))
    assert verdict.evidence == (f"A SYN-ACK came from {TARGET}.", "Port 443 answers from hop 4.")


# Proxy and forged by nearness ---------------------------------------------------------------------------

NEAR = f"{A} {B} {C} open"
REFUSED = f"{A} {B} {C} closed"
ELSEWHERE = "10.9.1.1 10.9.2.1 10.9.3.1 10.9.4.1 10.9.5.1 10.9.6.1 10.9.7.1 10.9.8.1 open"


def with_answer(evidence: Evidence, answer: TcpAnswer) -> Evidence:
    """The same trace, answered by another stack."""
    end = evidence.hops[-1]
    pings = tuple(
        ping._replace(reply=ping.reply._replace(answer=answer)) if ping.reply else ping for ping in end.pings
    )
    return replace(evidence, hops=(*evidence.hops[:-1], end._replace(pings=pings)))


def reached_at(ttl: int, evidence: Evidence) -> Evidence:
    """The same trace, answered by the destination at ``ttl`` on another flow."""
    answered = record(ttl, tcp(ReplyKind.SYN_ACK), flow=7, port=evidence.port)
    return replace(evidence, records=(*evidence.records, answered))


@pytest.mark.parametrize(
    ("near", "control", "sign"),
    [
        (trace(NEAR), trace(FAR, 443), f"Both ports pass hop 3 ({C}) just before the answer."),
        (
            trace(f"{A} {B} * open"),
            trace(FAR, 443),
            f"Both ports pass hop 2 ({B}) just before the answer.",
        ),
        (trace("open"), trace(FAR, 443), "The answer came in place of the first hop."),
        (
            trace(NEAR),
            trace(ELSEWHERE, 443),
            "Its TTL 61 means 4 hops back; TTL 56 of port 443 means 9.",
        ),
        (
            trace(NEAR),
            trace(ELSEWHERE, 443, initial=128, back=4),
            "Its TTL 61 and TTL 125 of port 443 are from different systems.",
        ),
        (
            trace(NEAR),
            with_answer(trace(ELSEWHERE, 443, back=4), TcpAnswer(1, 1400, OPTIONS)),
            "Its MSS is 1460; that of port 443 is 1400.",
        ),
        (
            trace(NEAR),
            with_answer(trace(ELSEWHERE, 443, back=4), TcpAnswer(1, 1460, MSS + SACK)),
            "Its TCP options differ from those of port 443.",
        ),
        (trace(NEAR), trace(f"{LONG} * *", 443), f"Both ports pass hop 3 ({C}) just before the answer."),
    ],
)
def test_answered_nearer_with_a_second_sign_is_a_proxy(near: Evidence, control: Evidence, sign: str) -> None:
    verdict = judge_main(replace(near, controls=(control,)))
    assert (verdict.kind, verdict.hop, verdict.certainty) == (Kind.PROXY, near.distance, Certainty.LIKELY)
    assert verdict.evidence[0] == "Port 443 passes routers as far as hop 8."
    assert sign in verdict.evidence[1:]


def test_the_control_with_most_signs_is_told() -> None:
    controls = (trace(ELSEWHERE, 443), trace(FAR, 8081))
    assert "Port 8081" in judge_main(trace(NEAR, controls=controls)).evidence[0]


def test_refused_nearer_is_forged() -> None:
    verdict = judge_main(trace(REFUSED, controls=(trace(FAR, 443),)))
    assert (verdict.kind, verdict.hop) == (Kind.FORGED, 4)
    assert verdict.sentence == (
        f"The answer from port 80 is forged: a device after hop 3 ({C}) sends a RST in the name of {TARGET}."
    )


@pytest.mark.parametrize(
    ("near", "control"),
    [
        (NEAR, trace(f"{A} {B} {C} {D} {E} open", 443)),  # two hops farther: branches differ so much
        (NEAR, trace(ELSEWHERE, 443, back=4)),  # farther, but on another branch and by the same stack
        (NEAR, trace(ELSEWHERE, 443, back=7)),  # three hops farther both ways: so is another branch
        (NEAR, reached_at(5, trace(FAR, 443))),  # another flow of the control finds the host as near
        (
            NEAR,
            trace(f"{A} {B} {C} * * * * open", 443, back=4),
        ),  # only the answer is farther: lost ones do that
        (NEAR, trace(f"{A} {B} {C} * * * {TARGET} *", 443)),  # the host itself said that a TTL ran out
        (NEAR, trace("*", 443)),
        (  # the flow that shares a router ends early, another one goes on
            NEAR,
            trace(
                f"{A} {B}|10.9.2.1 {C}|10.9.3.1 {D} {E} {F} {G} *",
                443,
                is_lost=lambda ttl, flow: ttl > 3 and flow != 1,
            ),
        ),
        (NEAR, trace(ELSEWHERE.replace("open", "closed"), 443, initial=255, back=4)),  # a RST differs anyway
        (REFUSED, trace(ELSEWHERE.replace("open", "closed"), 443, back=4)),
        (f"{A} {B} {C} closed", trace(ELSEWHERE, 443, initial=255, back=4)),
    ],
)
def test_one_sign_alone_is_no_proxy_and_no_forger(near: str, control: Evidence) -> None:
    assert judge_main(trace(near, controls=(control,))).kind in (Kind.OPEN, Kind.CLOSED)


def test_an_answer_without_traits_is_compared_by_none() -> None:
    near = trace(NEAR, controls=(unknown_ttl(trace(ELSEWHERE, 443, back=4)),))
    assert judge_main(near).kind is Kind.OPEN
    assert judge_main(unknown_ttl(near)).kind is Kind.OPEN
    bare = trace(ELSEWHERE, 443, back=4)
    ping = bare.hops[-1].pings[-1]
    assert ping.reply is not None
    end = bare.hops[-1]._replace(pings=(ping._replace(reply=ping.reply._replace(answer=None)),))
    assert judge_main(replace(near, controls=(replace(bare, hops=(*bare.hops[:-1], end)),))).kind is Kind.OPEN


def unknown_ttl(evidence: Evidence) -> Evidence:
    end = evidence.hops[-1]
    pings = tuple(p._replace(reply=p.reply._replace(reply_ttl=None)) if p.reply else p for p in end.pings)
    return replace(evidence, hops=(*evidence.hops[:-1], end._replace(pings=pings)))


@pytest.mark.parametrize(
    ("reply_ttl", "initial", "distance"),
    [(64, 64, 1), (50, 64, 15), (65, 128, 64), (128, 128, 1), (129, 255, 127), (255, 255, 1), (1, 64, 64)],
)
def test_return_distance(reply_ttl: int, initial: int, distance: int) -> None:
    assert (initial_ttl(reply_ttl), return_distance(reply_ttl)) == (initial, distance)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (OPTIONS, (2, 3, 4)),
        (b"", ()),
        (b"\x01\x01", ()),
        (MSS + b"\0\x08", (2,)),
        (b"\x08", (8,)),
        (b"\x08\x01", (8,)),
    ],
)
def test_option_kinds(options: bytes, expected: tuple[int, ...]) -> None:
    assert option_kinds(options) == expected


# Forged by contradiction --------------------------------------------------------------------------------


def test_probes_answered_after_their_death_are_certainly_forged() -> None:
    extra = tuple(record(ttl, expired(C), tcp(ReplyKind.RST)) for ttl in (3, 4))
    verdict = judge_main(trace(FAR, extra=extra))
    assert (verdict.kind, verdict.hop, verdict.certainty) == (Kind.FORGED, 3, Certainty.CERTAIN)
    assert "sends a RST in the name" in verdict.sentence


def test_a_single_doubled_packet_is_no_forgery() -> None:
    assert judge_main(trace(FAR, extra=(record(8, expired(H), tcp(ReplyKind.SYN_ACK)),))).kind is Kind.OPEN


def test_a_destination_that_says_its_own_ttl_ran_out_is_no_forger() -> None:
    extra = tuple(record(9, expired(TARGET), tcp(ReplyKind.SYN_ACK), flow=flow) for flow in (0, 1))
    assert judge_main(trace(FAR, extra=extra)).kind is Kind.OPEN


def test_routers_beyond_an_answer_of_the_same_flow_prove_it_forged() -> None:
    verdict = judge_main(trace(FAR, extra=(record(3, tcp(ReplyKind.SYN_ACK)),)))
    assert (verdict.kind, verdict.hop, verdict.certainty) == (Kind.FORGED, 3, Certainty.LIKELY)
    assert verdict.evidence == (f"Probes of the same flow with higher TTLs went on to hop 8 ({H}).",)
    assert "sends a SYN-ACK in the name" in verdict.sentence


@pytest.mark.parametrize(
    "early",
    [
        record(5, tcp(ReplyKind.SYN_ACK)),  # one router three hops beyond: a route may have changed
        record(3, tcp(ReplyKind.SYN_ACK), flow=7),  # another flow: branches of different length
        record(3, tcp(ReplyKind.SYN_ACK), port=443, is_control=True),
    ],
)
def test_little_beyond_an_answer_proves_nothing(early: ProbeRecord) -> None:
    path = f"{A} {B} {C} {D} {E} {F} {G} * open" if early.probe.ttl == 5 else FAR
    assert judge_main(trace(path, extra=(early,))).kind is Kind.OPEN


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        (tcp(ReplyKind.SYN_ACK, 56), tcp(ReplyKind.RST, 61), Kind.FORGED),
        (tcp(ReplyKind.RST, 61), tcp(ReplyKind.SYN_ACK, 120), Kind.FORGED),
        (tcp(ReplyKind.SYN_ACK, 56), tcp(ReplyKind.RST, 247), Kind.OPEN),  # both nine hops away
        (tcp(ReplyKind.SYN_ACK, 56), tcp(ReplyKind.RST, 58), Kind.OPEN),
        (tcp(ReplyKind.SYN_ACK, 56), tcp(ReplyKind.SYN_ACK, 61), Kind.OPEN),
        (tcp(ReplyKind.SYN_ACK, None), tcp(ReplyKind.RST, 61), Kind.OPEN),
        (tcp(ReplyKind.SYN_ACK, 56), tcp(ReplyKind.RST, None), Kind.OPEN),
    ],
)
def test_two_machines_that_answer_one_probe(first: Reply, second: Reply, kind: Kind) -> None:
    verdict = judge_main(trace(FAR, extra=(record(9, first, second, flow=8),)))
    assert verdict.kind is kind
    if kind is Kind.FORGED:
        assert "sends a SYN-ACK or a RST" in verdict.sentence


# No TCP answer ------------------------------------------------------------------------------------------

PROHIBITED = "Communication with destination host administratively prohibited"
SILENCE = f"{A} {B} * x10"


def test_a_control_that_passes_shows_the_block() -> None:
    verdict = judge_main(trace(SILENCE, names={B: "fw.example"}, controls=(trace(FAR, 443),)))
    assert verdict.sentence == f"Port 80 is blocked after hop 2 ({B}, fw.example): SYNs are silently dropped."
    assert (verdict.kind, verdict.hop, verdict.address) == (Kind.BLOCKED, 2, B)
    assert verdict.certainty is Certainty.CERTAIN
    assert verdict.evidence == (
        "Port 443 is answered at 7 TTLs from 3 to 9; 30 probes that went as far were not.",
    )


def test_a_block_on_another_branch_is_only_likely() -> None:
    verdict = judge_main(trace(SILENCE, controls=(trace(ELSEWHERE, 443),)))
    assert (verdict.kind, verdict.certainty) == (Kind.BLOCKED, Certainty.LIKELY)


def test_one_flow_in_silence_is_only_likely() -> None:
    verdict = judge_main(trace(SILENCE, pings=1, controls=(trace(FAR, 443),)))
    assert (verdict.kind, verdict.certainty) == (Kind.BLOCKED, Certainty.LIKELY)


def test_a_host_that_drops_the_port_itself_is_named_as_a_suspect() -> None:
    verdict = judge_main(trace(SILENCE, controls=(trace(f"{A} {B} open", 443),)))
    assert verdict.kind is Kind.BLOCKED
    assert verdict.evidence == (
        "Port 443 is answered at TTL 3; 30 probes that went as far were not.",
        "The destination itself answers there, so it may be what drops port 80.",
    )


def test_a_range_over_one_hop_finds_the_ports_that_do_not_pass() -> None:
    controls = tuple(trace(C, port, start=3, last=3, pings=1) for port in range(130, 134))
    verdict = judge_main(trace("*", 135, start=3, last=3, controls=controls))
    assert verdict.sentence == f"Port 135 is blocked before hop 3 ({C}): SYNs are silently dropped."
    assert (verdict.hop, verdict.address) == (None, None)


def test_a_scan_says_dropped_but_not_where() -> None:
    control = trace("open", 443, start=128, last=128)
    verdict = judge_main(trace("*", 22, start=128, last=128, controls=(control,)))
    assert (
        verdict.sentence == "Port 22 is blocked on the way or by the destination: SYNs are silently dropped."
    )


@pytest.mark.parametrize(
    ("path", "control", "why"),
    [
        (SILENCE, trace(SILENCE, 443), "the control gets no farther"),
        (f"{A} {B} *", trace(f"{A} {B} open", 443, pings=1), "one answer may be luck where three were lost"),
        (SILENCE, trace("open", 443, start=2), "answered nearer than the last hop: a proxy's answer"),
        (
            SILENCE,
            trace(f"10.9.1.1 10.9.2.1 10.9.3.1 {B} *", 443),
            "a branch two hops longer to a silent host",
        ),
        (SILENCE, trace(f"{A} {B} {C} *", 443), "a branch that answers, to a silent host"),
        (
            SILENCE,
            trace(f"{A} {B}|10.9.2.1 {C}", 443, is_lost=lambda ttl, flow: ttl == 3 and flow != 1),
            "the flow that went on met another router",
        ),
    ],
)
def test_silence_without_a_passing_control_is_not_called_a_block(
    path: str, control: Evidence, why: str
) -> None:
    assert judge_main(trace(path, controls=(control,))).kind is Kind.NO_ANSWER, why


def test_a_control_that_goes_on_past_the_shared_router_shows_the_block() -> None:
    verdict = judge_main(trace(SILENCE, controls=(trace(f"{A} {B} {C}", 443),)))
    assert (verdict.kind, verdict.hop) == (Kind.BLOCKED, 2)


def test_two_lost_probes_are_never_a_block() -> None:
    controls = tuple(trace(FAR, port) for port in range(1000, 1040))
    assert judge_main(trace(f"{A} {B} *", pings=2, controls=controls)).kind is Kind.NO_ANSWER


def test_a_router_that_answers_the_control_now_and_then_is_not_a_block() -> None:
    control = trace(f"{A} {B} {C} *", 443, is_lost=lambda ttl, flow: ttl == 3 and flow > 0)
    assert judge_main(trace(SILENCE, controls=(control,))).kind is Kind.NO_ANSWER


def test_silence_says_what_it_may_be() -> None:
    verdict = judge_main(trace(SILENCE, controls=(trace(SILENCE, 443), trace(SILENCE, 22))))
    assert verdict.sentence == (
        f"Inconclusive: port 80 got no answer after hop 2 ({B}). It is blocked there, or the destination is "
        "silent."
    )
    assert verdict.evidence == ("Ports 443 and 22 got no answer from beyond it either.",)


def test_no_hop_at_all() -> None:
    verdict = judge_main(trace("* x30"))
    assert (verdict.kind, verdict.sentence) == (
        Kind.INCONCLUSIVE,
        "Inconclusive: no hop answered port 80.",
    )


def test_who_rejects_what_it_forwards_is_named_by_its_own_hop() -> None:
    verdict = judge_main(trace(f"{A} {B} {B}!3/13"))
    assert (verdict.hop, verdict.address) == (2, B)
    assert verdict.evidence == ("A probe with TTL 3 got ICMP type 3 code 13.",)


def test_a_forger_at_the_first_hop_has_no_hop_before_it() -> None:
    verdict = judge_main(trace("closed", controls=(trace(FAR, 443),)))
    assert "forged: a device at hop 1 sends" in verdict.sentence


def test_out_of_hops() -> None:
    verdict = judge_main(trace(f"{A} {B} {C}"))
    assert (verdict.kind, verdict.hop, verdict.address) == (Kind.PATH_GOES_ON, 3, C)
    assert verdict.sentence == f"Port 80 reaches hop 3 ({C}), the last hop probed."


@pytest.mark.parametrize(
    ("end", "kind", "sentence"),
    [
        (
            f"{B}!3/13",
            Kind.REJECTED,
            f"Hop 2 ({B}) rejects port 80: Communication administratively prohibited.",
        ),
        (f"{B}!3/3", Kind.REJECTED, f"Hop 2 ({B}) rejects port 80: Port unreachable."),
        (
            f"{TARGET}!3/10",
            Kind.REJECTED,
            f"The destination itself, hop 2 ({TARGET}), rejects port 80: {PROHIBITED}.",
        ),
        (
            f"{B}!3/1",
            Kind.UNREACHABLE,
            f"Hop 2 ({B}) cannot reach the destination: Host unreachable.",
        ),
    ],
)
def test_unreachable_says_who_and_in_which_words(end: str, kind: Kind, sentence: str) -> None:
    verdict = judge_main(trace(f"{A} {end}"))
    assert (verdict.kind, verdict.sentence, verdict.hop) == (kind, sentence, 2)
    assert verdict.certainty is Certainty.CERTAIN


@pytest.mark.parametrize("outcome", [Outcome.OPEN, Outcome.CLOSED, Outcome.UNREACHABLE])
def test_an_outcome_without_its_row_is_not_conclusive(outcome: Outcome) -> None:
    evidence = replace(trace(f"{A} {B}"), outcome=outcome)
    assert judge_main(evidence).sentence == "Inconclusive: the trace of port 80 does not say how it ended."


# Routers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "hop"),
    [
        (f"{A} " + f"{B} {C} " * 5, 2),
        (f"{A} {D} " + f"{B} {C} {E} " * 4, 3),
        (f"{A} {B} {C} * {C} {B} {C} {B} {C}", 2),
        (f"{A} " + f"{B} {C} {B} {D} " * 3, 2),
    ],
)
def test_the_same_routers_in_turn_are_a_loop(path: str, hop: int) -> None:
    verdict = judge_main(trace(path))
    assert (verdict.kind, verdict.hop, verdict.address) == (Kind.LOOP, hop, path.split()[hop - 1])


@pytest.mark.parametrize(
    "path",
    [
        f"{A} {B} {B} {C}",  # a router that forwards packets whose TTL has run out
        f"{A} {B} x8",  # a NAT that gives all behind it one address
        f"{A} {B} {C} {B} {C}",  # twice: a route that changed
        f"{A} {B} * {B} * {B} *",  # one address only
        f"{A} {B} {C} {B} {C} {B} {C} {D} *",  # it went on in the end
    ],
)
def test_repeated_addresses_that_are_no_loop(path: str) -> None:
    assert judge_main(trace(path, last=30)).kind is Kind.NO_ANSWER


def test_what_is_reached_does_not_loop() -> None:
    assert Kind.LOOP not in kinds(trace(f"{A} {B} " * 5 + "open"))


def test_a_silent_router_is_named() -> None:
    verdict = judge(trace(f"{A} {B} {C} * {E} open"))[1]
    assert (verdict.kind, verdict.hop) == (Kind.SILENT_ROUTER, 4)
    assert (
        verdict.sentence
        == "Hop 4 did not answer, but later hops did: it is silent, or it limits its answers."
    )


def test_several_silent_routers_are_one_line() -> None:
    verdict = judge(trace(f"{A} * {C} * {E} {F} {G} {H} open"))[1]
    assert (
        verdict.sentence
        == "Hops 2 and 4 did not answer, but later hops did: they are silent, or they limit their answers."
    )


@pytest.mark.parametrize(
    "evidence",
    [
        trace(f"{A} {B} {C} {D} * open", pings=1),  # one star is any loss
        trace(SILENCE),  # nothing answers beyond
        trace(  # a silent destination at hop 4, and a longer branch to it
            f"{A} {B} {C} * {E} *", is_lost=lambda ttl, flow: ttl == 5 and flow != 2
        ),
        trace(
            f"{A} {B} {C} * {E} open", is_lost=lambda ttl, flow: ttl < 4 and flow == ttl - 1
        ),  # a lossy path
    ],
)
def test_silence_that_may_be_loss_is_no_silent_router(evidence: Evidence) -> None:
    assert Kind.SILENT_ROUTER not in kinds(evidence)


def test_a_silent_router_before_a_silent_destination() -> None:
    verdict = judge(trace(f"{A} {B} * {D} * *"))[1]
    assert (verdict.kind, verdict.hop) == (Kind.SILENT_ROUTER, 3)


def bucket(*asked: tuple[float, bool], ttl: int = 2) -> tuple[ProbeRecord, ...]:
    return tuple(
        record(ttl, *([expired(B)] if answered else []), sent_at=at, flow=flow)
        for flow, (at, answered) in enumerate(asked)
    )


LIMITED = bucket((100.0, True), (100.1, False), (100.2, False), (100.3, False), (101.1, True), (102.2, True))
BEYOND = f"{A} * {C} {D} {E} open"


def limited(records: tuple[ProbeRecord, ...], path: str = BEYOND) -> list[Verdict]:
    evidence = trace(path)
    kept = tuple(r for r in evidence.records if r.probe.ttl != 2)
    whole = replace(evidence, records=(*kept, *records))
    return [verdict for verdict in judge(whole) if verdict.kind is Kind.LIMITED_ROUTER]


def test_a_bucket_that_fills_once_a_second_limits_answers() -> None:
    (verdict,) = limited(LIMITED)
    assert (verdict.hop, verdict.address, verdict.certainty) == (2, B, Certainty.LIKELY)
    assert verdict.evidence == ("It answered 3 of 6 probes: about one a second from the first loss on.",)


def test_what_is_left_in_the_bucket_shortens_the_first_pause() -> None:
    answers = [(100.7, True), (101.8, True), (102.9, True)]
    asked = [(100.0, True), (100.1, False), (100.2, False), (100.3, False), *answers]
    assert len(limited(bucket(*asked))) == 1
    assert limited(bucket(*asked, (103.0, True))) == []


def test_probes_of_other_ports_show_the_bucket_too() -> None:
    own = tuple(r._replace(probe=r.probe._replace(port=80 + n)) for n, r in enumerate(LIMITED))
    evidence = trace(BEYOND)
    kept = tuple(r for r in evidence.records if r.probe.ttl != 2)
    mine, others = own[:1], own[1:]
    control = replace(trace("*", 443), records=others)
    assert Kind.LIMITED_ROUTER in kinds(replace(evidence, records=(*kept, *mine), controls=(control,)))


@pytest.mark.parametrize(
    ("records", "path"),
    [
        (bucket((100.0, False), (100.1, True)), BEYOND),  # lost before any answer
        (LIMITED[:5], BEYOND),  # one answer after a pause
        ((*LIMITED[:1], *LIMITED[2:3], *LIMITED[4:]), BEYOND),  # one loss
        (bucket((100.0, True), (100.1, False), (100.2, True), (100.3, False), (100.4, False)), BEYOND),
        (bucket((100.0, True), (105.0, False), (105.1, False), (105.2, False), (106.3, True)), BEYOND),
        (LIMITED, f"{A} * {C} open"),  # too little beyond to know the path's loss
    ],
)
def test_no_bucket_no_limit(records: tuple[ProbeRecord, ...], path: str) -> None:
    assert limited(records, path) == []


def test_a_path_that_loses_as_much_beyond_has_no_limited_router() -> None:
    lossy = tuple(record(4, flow=flow) for flow in range(4))
    assert limited((*LIMITED, *lossy)) == []


# Rewriting ----------------------------------------------------------------------------------------------

LOST_OPTIONS = "window scale and SACK permitted"
NATTED = quote(("source address", "source port"), source="203.0.113.5")


@pytest.mark.parametrize(
    ("quotes", "kind", "sentence"),
    [
        (
            {3: NATTED, 4: NATTED},
            Kind.NAT,
            f"NAT between hop 2 and hop 3 ({C}): the source address becomes 203.0.113.5.",
        ),
        (
            {3: quote(("source port",)), 4: quote(("source port",))},
            Kind.NAT,
            f"NAT between hop 2 and hop 3 ({C}): the source port changes (to 40000 in one probe).",
        ),
        (
            {3: quote(("destination address",)), 4: quote(("destination address",))},
            Kind.NAT,
            f"NAT between hop 2 and hop 3 ({C}): the destination becomes {TARGET}.",
        ),
        (
            {3: quote(("destination port",)), 4: quote(("destination port",))},
            Kind.NAT,
            f"NAT between hop 2 and hop 3 ({C}): the destination port becomes 80.",
        ),
        (
            dict.fromkeys((3, 4), quote(("mss", "options"), options=b"\x02\x04\x05\x78" + OPTIONS[4:])),
            Kind.MSS_REWRITTEN,
            f"MSS rewritten between hop 2 and hop 3 ({C}): our SYN's MSS becomes 1400.",
        ),
        (
            dict.fromkeys((3, 4), quote(("options",), options=MSS)),
            Kind.OPTIONS_STRIPPED,
            f"TCP options stripped between hop 2 and hop 3 ({C}): our SYN loses {LOST_OPTIONS}.",
        ),
        (
            dict.fromkeys((3, 4), quote(("options",), options=MSS + b"\x01\x03\x03\x02" + SACK)),
            Kind.OPTIONS_REWRITTEN,
            f"TCP options rewritten between hop 2 and hop 3 ({C}): they are no longer those that we sent.",
        ),
        (
            dict.fromkeys((3, 4), quote(("tos",), tos=0x28)),
            Kind.DSCP_REWRITTEN,
            f"DSCP rewritten between hop 2 and hop 3 ({C}): our SYN is marked DSCP 10.",
        ),
        (
            dict.fromkeys((3, 4), quote(("tos",), tos=1)),
            Kind.ECN_REWRITTEN,
            f"ECN bits rewritten between hop 2 and hop 3 ({C}): our SYN is marked ECN 1.",
        ),
    ],
)
def test_a_change_that_stays_is_told_with_its_place(
    quotes: Mapping[int, Quote], kind: Kind, sentence: str
) -> None:
    verdict = judge(trace(f"{A} {B} {C} {D} open", quotes=quotes))[1]
    assert (verdict.kind, verdict.sentence, verdict.certainty) == (kind, sentence, Certainty.CERTAIN)
    assert (verdict.hop, verdict.address) == (3, C)
    assert len(kinds(trace(f"{A} {B} {C} {D} open", quotes=quotes))) == 2


@pytest.mark.parametrize(
    ("sent", "seen", "kind", "head", "tail"),
    [
        (184, 0, Kind.DSCP_REWRITTEN, "DSCP rewritten", "our SYN, sent with 46, is marked DSCP 0."),
        (184, 40, Kind.DSCP_REWRITTEN, "DSCP rewritten", "our SYN, sent with 46, is marked DSCP 10."),
        (2, 0, Kind.ECN_REWRITTEN, "ECN bits rewritten", "our SYN, sent with 2, is marked ECN 0."),
        (184, 187, Kind.ECN_REWRITTEN, "ECN bits rewritten", "our SYN is marked ECN 3."),
        (2, 186, Kind.DSCP_REWRITTEN, "DSCP rewritten", "our SYN is marked DSCP 46."),
    ],
)
def test_a_tos_byte_of_our_own_is_what_changes(
    sent: int, seen: int, kind: Kind, head: str, tail: str
) -> None:
    quotes = {1: quote((), tos=sent), 2: quote((), tos=sent)}
    quotes |= dict.fromkeys((3, 4), quote(("tos",), tos=seen))
    evidence = replace(trace(f"{A} {B} {C} {D} open", quotes=quotes), tos=sent)
    _, verdict = judge(evidence)
    assert (verdict.kind, verdict.hop) == (kind, 3)
    assert verdict.sentence == f"{head} between hop 2 and hop 3 ({C}): {tail}"


def test_a_change_before_the_first_quote_is_only_likely() -> None:
    verdict = judge(trace(f"{A} {B} open", quotes={1: NATTED, 2: NATTED}))[1]
    assert verdict.sentence.startswith(f"NAT before hop 1 ({A}): ")
    assert verdict.certainty is Certainty.LIKELY


def test_a_change_that_only_the_last_quote_shows_is_possible() -> None:
    verdict = judge(trace(f"{A} {B} {C} open", quotes={3: NATTED}))[1]
    assert verdict.sentence.startswith(f"NAT between hop 2 and hop 3 ({C}): ")
    assert verdict.certainty is Certainty.POSSIBLE
    assert verdict.evidence == ("Only hop 3, the last one to quote our SYN, shows it.",)


STRIPPED = quote(("options",), options=b"")


@pytest.mark.parametrize(
    "quotes",
    [
        {3: NATTED, 4: quote()},  # one router may quote wrongly
        {2: NATTED, 3: NATTED},  # undone farther on
        {2: quote(("tos",), tos=8), 3: quote(("tos",), tos=8)},  # a mark that is taken off again
        {3: quote(("ip id",)), 4: quote(("ip id",))},
        dict.fromkeys((1, 2, 3, 4), quote(options=None)),  # quotes of 8 bytes
    ],
)
def test_changes_that_do_not_stay_are_no_finding(quotes: Mapping[int, Quote]) -> None:
    assert kinds(trace(f"{A} {B} {C} {D} open", quotes=quotes)) == [Kind.OPEN]


def test_the_only_router_that_quotes_proves_no_change() -> None:
    assert kinds(trace(f"* x3 {D} open", quotes={4: NATTED})) == [Kind.OPEN, Kind.SILENT_ROUTER]


def test_stripped_options_are_told_against_the_usual_ones_without_an_intact_quote() -> None:
    quotes = {1: quote(options=None), 2: quote(options=None), 3: STRIPPED, 4: STRIPPED}
    found = judge(trace(f"{A} {B} {C} {D} open", quotes=quotes))[1:]
    assert [verdict.kind for verdict in found] == [Kind.OPTIONS_STRIPPED]
    assert "loses MSS and window scale and SACK permitted" in found[0].sentence


def test_an_option_without_a_name_is_told_by_number() -> None:
    quotes = {1: quote(options=MSS + b"\xfd\x02"), 3: STRIPPED, 4: STRIPPED, 2: quote(options=None)}
    assert "loses MSS and option 253." in judge(trace(f"{A} {B} {C} {D} open", quotes=quotes))[1].sentence


def test_replies_without_a_quote_change_nothing() -> None:
    extra = (record(3, expired(C, None)), record(4, expired(D, None)))
    assert kinds(trace(f"{A} {B} {C} {D} open", extra=extra)) == [Kind.OPEN]


# Paths that must raise nothing --------------------------------------------------------------------------

ECMP = f"{A} 10.1.1.1|10.1.1.2 10.1.2.1|10.1.2.2|10.1.2.3 {D} open"


def limit_of_one(ttl: int, flow: int) -> bool:
    return ttl == 2 and flow > 0


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        pytest.param(trace(f"{A} {B} {C} open"), Kind.OPEN, id="plain"),
        pytest.param(
            trace(FAR, is_lost=lambda ttl, flow: (ttl * 7 + flow * 5) % 9 == 0), Kind.OPEN, id="lossy"
        ),
        pytest.param(trace(FAR, is_lost=limit_of_one), Kind.OPEN, id="rate-limited"),
        pytest.param(trace(ECMP), Kind.OPEN, id="load-balanced"),
        pytest.param(
            trace(FAR, controls=(trace(f"{LONG} 10.0.9.1 10.0.10.1 open", 443),)),
            Kind.OPEN,
            id="unequal branches",
        ),
        pytest.param(trace(FAR, back=19, controls=(trace(FAR, 443, back=17),)), Kind.OPEN, id="asymmetric"),
        pytest.param(trace(FAR, names={}), Kind.OPEN, id="slow dns"),
        pytest.param(trace(f"{LONG} {LONG} open"), Kind.OPEN, id="long rtt"),
        pytest.param(trace(f"{LONG} closed", controls=(trace(FAR, 443),)), Kind.CLOSED, id="closed port"),
        pytest.param(trace(f"{A} * {C} {D} {E} open"), Kind.OPEN, id="silent router"),
        pytest.param(
            trace(f"{LONG} * x22", controls=(trace(f"{LONG} * x10", 443),)), Kind.NO_ANSWER, id="silent host"
        ),
    ],
)
def test_clean_paths_raise_no_fault(evidence: Evidence, expected: Kind) -> None:
    found = kinds(evidence)
    assert found[0] is expected
    assert set(found) <= HARMLESS


@st.composite
def clean_paths(draw: st.DrawFn) -> Evidence:
    """A target and its controls over one load-balanced, silent in places, lossy, asymmetric network.

    A trunk, then a diamond whose branches differ by up to two hops, then the router before the host. Loss
    leaves each hop and the host one answer of three, as the engine's retries do.
    """
    trunk = [
        draw(st.sampled_from([f"10.{ttl}.0.1", f"10.{ttl}.0.1|10.{ttl}.0.2|10.{ttl}.0.3", "*"]))
        for ttl in range(1, draw(st.integers(1, 9)) + 1)
    ]
    silent_branches = draw(st.booleans())
    edge = draw(st.sampled_from(["10.200.0.1", "*"]))
    host = draw(st.sampled_from(["open", "closed", "*"]))

    def path(end: str) -> str:
        length = draw(st.integers(1, 3))
        branch = ["*" if silent_branches else f"10.100.{length}.{ttl}" for ttl in range(1, length + 1)]
        return " ".join([*trunk, *branch, edge, end, *(["* x5"] if end == "*" else [])])

    def traced(port: int, end: str) -> Evidence:
        losses = draw(st.dictionaries(st.integers(1, 15), st.sets(st.integers(0, 2), max_size=2)))
        return trace(
            path(end),
            port,
            back=draw(st.integers(1, 25)),
            is_lost=lambda ttl, flow: flow in losses.get(ttl, ()),
        )

    other = "*" if host == "*" else draw(st.sampled_from(["open", "closed"]))
    controls = tuple(traced(port, other) for port in (443, 46_137))
    return replace(traced(80, host), controls=controls)


@given(clean_paths())
def test_no_clean_path_raises_a_fault(evidence: Evidence) -> None:
    found = judge(evidence)
    assert {verdict.kind for verdict in found} <= HARMLESS
    assert found[0].kind in (Kind.OPEN, Kind.CLOSED, Kind.NO_ANSWER, Kind.INCONCLUSIVE, Kind.PATH_GOES_ON)
    assert all(verdict.sentence.isascii() for verdict in found)


# What controls are wanted -------------------------------------------------------------------------------

Wanted = Mapping[int, str]


def wanted(evidence: Evidence, traced: Collection[int] = (), *, is_over: bool = True) -> Wanted:
    """By port: the TTLs of the next probes in a line; those of a trace in brackets."""
    steps: dict[int, str] = {}
    for step in plan_controls(evidence, Known(traced, is_over=is_over)):
        ttls = " ".join(map(str, step.ttls))
        steps[step.port] = f"{steps.get(step.port, '')} {f'[{ttls}]' if step.is_trace else ttls}".strip()
    return steps


def asked(path: str, port: int, start: int, *, back: int | None = None) -> Evidence:
    """A control that was asked once at each TTL from ``start`` on."""
    return trace(path, port, start=start, pings=1, back=back)


def several(port: int, *parts: Evidence) -> Evidence:
    """A control that was asked now here, now there."""
    reached = [part for part in parts if part.outcome is not Outcome.NOT_REACHED]
    last = min(reached, key=lambda part: part.distance or 0, default=parts[-1])
    return replace(last, port=port, records=tuple(record for part in parts for record in part.records))


@pytest.mark.parametrize(
    ("evidence", "steps"),
    [
        (trace(SILENCE, last=30), {443: "2 3", 46_137: "2 3"}),
        (trace(SILENCE, 443, last=8), {80: "2 3", 46_137: "2 3"}),
        (trace("* x30"), {443: "1", 46_137: "1"}),
        (trace("* x3", start=5, last=7), {443: "5", 46_137: "5"}),
        (trace("* x3", 22, start=5, last=5), {443: "[5]", 46_137: "[5]", 80: "[5]"}),
        (trace(NEAR), {443: "4", 46_137: "4 6"}),
        (trace(REFUSED, 46_137), {443: "4", 80: "4"}),
        (trace("open"), {443: "1", 46_137: "1 3"}),
        (trace(NEAR, last=5), {443: "4", 46_137: "4"}),  # no room for what would prove a proxy
        (trace(f"{A} {B}!3/13"), {}),
        (trace(f"{A} {B} {C}"), {}),  # the path goes on
        (trace(f"{A} " + f"{B} {C} " * 6), {}),  # it loops
        (trace(FAR, extra=(record(3, tcp(ReplyKind.SYN_ACK)),)), {}),  # forged already
        (trace(NEAR, controls=(trace(FAR, 443),)), {}),  # a proxy already
        (trace(SILENCE, last=30, controls=(trace(FAR, 443),)), {}),  # blocked already
        (replace(trace(f"{A} {B}"), outcome=Outcome.CLOSED, last_ttl=30), {}),
    ],
)
def test_controls_are_asked_only_where_they_can_change_the_verdict(evidence: Evidence, steps: Wanted) -> None:
    assert wanted(evidence) == steps


WEB = asked("open", 443, 4)
"""Port 443, answered as far away as the host of ``NEAR``."""


@pytest.mark.parametrize(
    ("controls", "steps"),
    [
        ((WEB, asked("closed", 46_137, 4)), {}),
        ((WEB, asked("closed", 46_137, 4, back=7)), {46_137: "3"}),  # another way back: is it nearer?
        ((WEB, several(46_137, asked("closed", 46_137, 4, back=7), asked("*", 46_137, 3))), {46_137: "3"}),
        ((WEB, asked(f"{C} closed", 46_137, 3, back=7)), {}),
        ((WEB, asked("*", 46_137, 4)), {46_137: "6"}),  # silent: lost, dropped, or farther
        ((WEB, several(46_137, asked("*", 46_137, 4), asked("*", 46_137, 6))), {}),  # no more SYNs
        ((WEB, several(46_137, asked("*", 46_137, 4), asked("closed", 46_137, 6))), {}),
        ((WEB, several(46_137, asked(D, 46_137, 4), asked("closed", 46_137, 6))), {46_137: "5"}),
        ((asked(D, 443, 4), several(46_137, asked(D, 46_137, 4), asked(F, 46_137, 6))), {46_137: "2 3 7 8"}),
        ((asked(D, 443, 4), asked("*", 46_137, 4)), {443: "6"}),
    ],
)
def test_an_answer_is_doubted_with_few_syns(controls: tuple[Evidence, ...], steps: Wanted) -> None:
    assert wanted(trace(NEAR, controls=controls)) == steps


# Text and JSON ------------------------------------------------------------------------------------------


def test_lines_of_a_trace() -> None:
    evidence = trace(f"{A} * {C} {D} open", quotes={3: NATTED, 4: NATTED})
    assert render_verdicts(judge(evidence), "# ") == (
        f"# Verdict: Port 80 is open at hop 5 ({TARGET}). [likely]\n"
        f"# Evidence: A SYN-ACK came from {TARGET} with TTL 60.\n"
        "# Note: Hop 2 did not answer, but later hops did: it is silent, or it limits its answers. [likely]\n"
        f"# Note: NAT between hop 1 and hop 3 ({C}): the source address becomes 203.0.113.5. [certain]\n"
    )


def test_a_verdict_without_evidence_is_one_line() -> None:
    verdict = Verdict(kind=Kind.INCONCLUSIVE, sentence="Nothing.", certainty=Certainty.CERTAIN)
    assert render_verdicts([verdict]) == "Verdict: Nothing. [certain]\n"
    assert render_verdicts([]) == ""


def test_a_verdict_as_json() -> None:
    assert verdict_as_json(judge_main(trace(f"{A} open"))) == {
        "kind": "open",
        "sentence": f"Port 80 is open at hop 2 ({TARGET}).",
        "certainty": "likely",
        "evidence": [f"A SYN-ACK came from {TARGET} with TTL 63."],
        "hop": 2,
        "address": TARGET,
    }


# Bisection ----------------------------------------------------------------------------------------------


@given(st.sets(st.integers(1, 255), min_size=1), st.sets(st.integers(1, 255)), st.integers(0, 256))
def test_bisection_asks_both_sides_of_the_border_with_few_probes(
    ttls: set[int], silent: set[int], last_passed: int
) -> None:
    search = Bisection(ttls)
    passed, blocked = set(), set()
    while (ttl := search.next_ttl) is not None:
        if ttl in silent:
            search.leave_out(ttl)
        elif ttl <= last_passed:
            search.passes(ttl)
            passed.add(ttl)
        else:
            search.is_silent_at(ttl)
            blocked.add(ttl)
    telling = ttls - silent
    assert max(passed, default=None) == max((ttl for ttl in telling if ttl <= last_passed), default=None)
    assert min(blocked, default=None) == min((ttl for ttl in telling if ttl > last_passed), default=None)
    assert len(passed | blocked) <= len(ttls).bit_length()


def test_a_hop_without_an_address_is_a_number() -> None:
    assert trace(f"{A} *").place(2) == "hop 2"


def test_the_notation_repeats_places() -> None:
    assert places(f"{A} * x3") == [A, "*", "*", "*"]
    assert reply_at("open", 0, 1.0, 60, None).kind is ReplyKind.SYN_ACK


# Errors that were left out ------------------------------------------------------------------------------


def stray(ttl: int, port: int = 80) -> ProbeRecord:
    changed = quote(("destination address",))
    reply = Reply(0, ReplyKind.TIME_EXCEEDED, "192.0.2.66", 0.1, 60, 11, 0, changed)
    return ProbeRecord(Probe(9000 + ttl, port, ttl, 1, 0), 0.0, (), unsupported=(reply,))


def test_an_error_that_was_left_out_is_a_note_that_says_why() -> None:
    evidence = trace("10.0.0.1 * 10.0.0.3 open", extra=(stray(2),))
    note = next(verdict for verdict in judge(evidence) if verdict.kind is Kind.STRAY_QUOTE)
    assert note.sentence == (
        "An ICMP error about hop 2 was left out: it quotes a SYN that nothing else shows."
    )
    assert note.evidence == (
        "192.0.2.66 quotes another destination address than was sent to hop 2; it may be forged.",
    )
    assert (note.hop, note.address, note.certainty) == (2, "192.0.2.66", Certainty.LIKELY)


def test_a_flood_of_them_is_one_note() -> None:
    evidence = trace("10.0.0.1 * * * * * open", extra=tuple(map(stray, range(2, 7))))
    sentences = [v.sentence for v in judge(evidence) if v.kind is Kind.STRAY_QUOTE]
    assert sentences == [
        "An ICMP error about hops 2, 3, 4 and more was left out: it quotes a SYN that nothing else shows."
    ]


def test_an_error_about_a_probe_that_was_answered_or_of_a_control_is_no_note() -> None:
    answered = stray(2)._replace(replies=stray(2).unsupported)
    for extra in (answered, stray(2, port=443)):
        kinds = [verdict.kind for verdict in judge(trace("10.0.0.1 * open", extra=(extra,)))]
        assert Kind.STRAY_QUOTE not in kinds
