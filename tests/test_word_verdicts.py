"""Verdicts on words: the sentence for each finding, its place and how sure it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from notation import TARGET, trace
from tracetcp.formatters.conclusions import render_tests
from tracetcp.model import answers
from tracetcp.model.connection import FULL_TTL, State
from tracetcp.model.speech import Certificate, Protocol, Script, Sign, Signs, WordsFound
from tracetcp.model.verdict import Certainty, Kind, Verdict
from tracetcp.verdicts.words import judge_words
from tracetcp.wire.words import script_for

if TYPE_CHECKING:
    from tracetcp.model.evidence import Evidence

PATH = "10.0.0.1 10.0.1.1 10.0.2.1 open"
DISTANCE = 4
TLS = script_for(Protocol.TLS, "blocked.example", "allowed.example")
HTTP = script_for(Protocol.HTTP, "blocked.example", "allowed.example")
FILE = script_for(Protocol.FILE, "words.bin", "", b"x" * 120)
HELLO = b"\x16\x03\x03\x00\x7a\x02"
ALERT = b"\x15\x03\x03\x00\x02\x02\x70"
OK = b"HTTP/1.1 200 OK\r\n\r\nyes"
FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\n\r\n"
HOPS = frozenset({1, 2, 3})


def expired(*ttls: int) -> tuple[Sign, ...]:
    return tuple(Sign(ttl, is_expired=True) for ttl in ttls)


def lost(*ttls: int, sent: int = 3) -> tuple[Sign, ...]:
    return tuple(Sign(ttl, sent=sent) for ttl in ttls)


def reset(*ttls: int, **more: object) -> tuple[Sign, ...]:
    return tuple(Sign(ttl, end=State.RESET, **more) for ttl in ttls)  # type: ignore[arg-type]


def heard(ttl: int = FULL_TTL, data: bytes = HELLO, **more: object) -> tuple[Sign, ...]:
    return (Sign(ttl, is_acknowledged=True, heard=data, **more),)  # type: ignore[arg-type]


def _proven(several: tuple[Sign, ...]) -> frozenset[int]:
    return frozenset(sign.ttl for sign in several if sign.is_silent and sign.ttl < FULL_TTL)


def signs(*several: Sign) -> Signs:
    return Signs(several, HOPS, _proven(several), DISTANCE)


LONG_PATH = "10.0.0.1 10.0.1.1 10.0.2.1 10.0.3.1 10.0.4.1 10.0.5.1 open"
FAR = 7


def far(*several: Sign) -> Signs:
    """Those of a host at the end of ``LONG_PATH``."""
    return Signs(several, frozenset(range(1, FAR)), _proven(several), FAR)


TAKEN = (Sign(FULL_TTL, is_acknowledged=True),)
PASSED = signs(*heard(), *expired(1, 2, 3))
CLOSED = (Sign(FULL_TTL, end=State.FINISHED),)
AGAIN = heard()[0]


def found(several: tuple[Sign, ...] = (), **fields: object) -> WordsFound:
    values: dict[str, object] = {
        "is_connected": True,
        "distance": DISTANCE,
        "neutral": signs(*TAKEN),
        "control": PASSED,
        "asked": signs(*several),
    }
    return WordsFound(**(values | fields))  # type: ignore[arg-type]


def judged(
    what: WordsFound | None,
    script: Script = TLS,
    path: str = PATH,
    main: Kind = Kind.OPEN,
    certificate: Certificate | None = None,
    controls: tuple[Evidence, ...] = (),
) -> tuple[Verdict, ...]:
    return judge_words(trace(path, 443, controls=controls), script, what, main, certificate)


def only(verdicts: tuple[Verdict, ...]) -> Verdict:
    (verdict,) = verdicts
    return verdict


def test_what_takes_no_connection_is_told() -> None:
    verdict = only(judged(None, path="10.0.0.1 closed"))
    assert verdict.kind is Kind.WORD_UNKNOWN
    assert verdict.sentence == "Nothing can be said about words: port 443 takes no connection."
    silent = only(judged(WordsFound(is_connected=False)))
    assert silent.sentence.endswith("port 443 takes connections, but ends them before anything is said.")


# What passes


def test_words_for_both_names_pass() -> None:
    verdict = only(judged(found((*expired(1, 2, 3), *heard()))))
    assert (verdict.kind, verdict.certainty) == (Kind.WORD_PASSES, Certainty.CERTAIN)
    assert verdict.sentence == f"TLS hellos for both names are answered by {TARGET} at hop 4."
    assert verdict.evidence == ("The answers are a TLS handshake and a TLS handshake.",)
    assert (verdict.hop, verdict.address) == (4, TARGET)


@pytest.mark.parametrize(
    ("script", "what"),
    [
        (TLS, "A TLS hello for blocked.example"),
        (HTTP, "An HTTP request for blocked.example"),
        (FILE, "What words.bin holds (120 bytes)"),
        (script_for(Protocol.TLS, "192.0.2.1", "allowed.example"), "A TLS hello without a name"),
    ],
)
def test_words_that_are_not_answered_arrive(script: Script, what: str) -> None:
    verdict = only(judged(found(TAKEN, control=signs(*TAKEN)), script))
    assert (verdict.kind, verdict.evidence) == (Kind.WORD_PASSES, ())
    assert verdict.sentence == f"{what} arrives at {TARGET} at hop 4, which says nothing to it."


def test_the_answer_to_a_file_stands_alone() -> None:
    verdict = only(judged(found(heard(data=OK), control=Signs()), FILE))
    assert verdict.sentence == f"What words.bin holds (120 bytes) is answered by {TARGET} at hop 4."
    assert verdict.evidence == ('The answer is "HTTP/1.1 200 OK".',)


# What the host refuses


@pytest.mark.parametrize(
    ("script", "asked", "control", "sentence", "certainty"),
    [
        (
            TLS,
            heard(data=ALERT),
            HELLO,
            "itself refuses {}: alert 112, unrecognized name.",
            Certainty.CERTAIN,
        ),
        (HTTP, heard(data=FORBIDDEN), OK, 'itself refuses {}: "HTTP/1.1 403 Forbidden".', Certainty.LIKELY),
        (TLS, CLOSED, HELLO, "itself closes the connection upon {}.", Certainty.LIKELY),
        (TLS, TAKEN, HELLO, "acknowledges {}, and says nothing.", Certainty.POSSIBLE),
    ],
)
def test_the_host_itself_refuses(
    script: Script, asked: tuple[Sign, ...], control: bytes, sentence: str, certainty: Certainty
) -> None:
    told = found((*expired(1, 2, 3), *asked), control=signs(*heard(data=control)))
    verdict = only(judged(told, script))
    assert (verdict.kind, verdict.certainty) == (Kind.REFUSED_BY_HOST, certainty)
    what = "a TLS hello" if script.protocol is Protocol.TLS else "an HTTP request"
    assert verdict.sentence == f"{TARGET} {sentence.format(f'{what} for blocked.example')}"
    assert (verdict.hop, verdict.address) == (4, TARGET)
    assert verdict.evidence[0].startswith(f"{_other(script)} is answered with ")


def _other(script: Script) -> str:
    return f"{'A TLS hello' if script.protocol is Protocol.TLS else 'An HTTP request'} for allowed.example"


@pytest.mark.parametrize("same", [ALERT, FORBIDDEN, OK])
def test_what_the_control_is_told_as_well_is_no_refusal(same: bytes) -> None:
    told = found(heard(data=same), control=signs(*heard(data=same)))
    assert only(judged(told, HTTP)).kind is Kind.WORD_PASSES


@pytest.mark.parametrize(
    ("ttls", "kind", "certainty"),
    [
        ((None, None), Kind.REFUSED_BY_HOST, Certainty.LIKELY),
        ((61, 61), Kind.REFUSED_BY_HOST, Certainty.CERTAIN),
        ((62, 61), Kind.WORD_RESET, Certainty.CERTAIN),
        ((255, 61), Kind.REFUSED_BY_HOST, Certainty.POSSIBLE),
        ((60, 61), Kind.REFUSED_BY_HOST, Certainty.POSSIBLE),
    ],
)
def test_only_the_ttl_of_a_rst_tells_whether_it_is_the_hosts(
    ttls: tuple[int | None, int | None], kind: Kind, certainty: Certainty
) -> None:
    last = reset(FULL_TTL, FULL_TTL, end_ttl=ttls[0], host_ttl=ttls[1])
    verdict = only(judged(found((*expired(1, 2, 3), *last), again=AGAIN)))
    assert (verdict.kind, verdict.certainty) == (kind, certainty)
    if kind is Kind.WORD_RESET:
        assert verdict.sentence.startswith("After hop 3 (10.0.2.1) somebody answers a TLS hello for blocked")
        assert "The RST came with TTL 62, the host's SYN-ACK with TTL 61." in verdict.evidence
    else:
        assert verdict.sentence == f"{TARGET} itself resets a TLS hello for blocked.example."


# What is stopped


def test_a_word_that_is_dropped_has_its_place_and_its_evidence() -> None:
    verdict = only(judged(found((*expired(1, 2), *lost(3, FULL_TTL)), again=AGAIN)))
    assert (verdict.kind, verdict.certainty) == (Kind.WORD_DROPPED, Certainty.CERTAIN)
    assert verdict.sentence == "A TLS hello for blocked.example is dropped after hop 2 (10.0.1.1)."
    before = "A TLS hello for allowed.example was answered at hop 3 and by the host before"
    assert verdict.evidence == (
        "Hop 2 answers; beyond it 6 times nothing came back.",
        f"{before}, and by the host once more afterwards.",
    )
    assert (verdict.hop, verdict.address) == (2, "10.0.1.1")


@pytest.mark.parametrize(
    ("asked", "where", "hop"),
    [
        (lost(1, 2, 3, FULL_TTL), "before hop 1 (10.0.0.1)", None),
        ((*expired(1), *lost(2, FULL_TTL)), "after hop 1 (10.0.0.1)", 1),
        ((*expired(1), *lost(3, FULL_TTL)), "between hop 1 (10.0.0.1) and hop 3 (10.0.2.1)", 1),
        ((*expired(1, 2, 3), *lost(FULL_TTL, FULL_TTL)), "after hop 3 (10.0.2.1)", 3),
    ],
)
def test_a_drop_has_its_place(asked: tuple[Sign, ...], where: str, hop: int | None) -> None:
    verdict = only(judged(found(asked, again=AGAIN)))
    assert verdict.sentence == f"A TLS hello for blocked.example is dropped {where}."
    assert verdict.hop == hop


def test_of_a_file_the_neutral_bytes_are_the_control() -> None:
    asked = (*expired(1, 2), *lost(3, FULL_TTL))
    verdict = only(judged(found(asked, again=AGAIN, control=Signs()), FILE))
    assert verdict.sentence == "What words.bin holds (120 bytes) is dropped after hop 2 (10.0.1.1)."
    assert verdict.evidence[1] == "120 neutral bytes pass."


def test_too_few_losses_prove_nothing() -> None:
    verdict = only(judged(found((*expired(1, 2), *lost(FULL_TTL, sent=2)), again=AGAIN)))
    assert verdict.kind is Kind.WORD_UNKNOWN
    assert verdict.sentence.startswith("Nothing conclusive about words: the connections failed in ways")
    cut = only(judged(found((*expired(1, 2), *lost(FULL_TTL, sent=2)), is_cut_short=True)))
    assert cut.sentence.endswith("it would take more connections than one run may open.")


def test_a_path_that_remembers_is_noted_and_the_verdict_less_sure() -> None:
    blocked, note = judged(found((*expired(1, 2), *lost(3, FULL_TTL)), again=lost(FULL_TTL)[0]))
    assert (blocked.kind, blocked.certainty) == (Kind.WORD_DROPPED, Certainty.LIKELY)
    assert (note.kind, note.certainty) == (Kind.RESIDUAL, Certainty.LIKELY)
    assert note.sentence == (
        "After the test the control name is dropped too: the path blocks for a while. Wait some minutes."
    )
    assert render_tests((note,)) == f"Note: {note.sentence} [likely]\n"


@pytest.mark.parametrize(
    ("again", "script", "words"),
    [
        (reset(FULL_TTL)[0], TLS, "the control name is reset too"),
        (Sign(FULL_TTL, was_said=False), TLS, "the control name is refused a connection too"),
        (reset(FULL_TTL)[0], FILE, "neutral bytes are reset too"),
    ],
)
def test_how_a_path_remembers_is_told(again: Sign, script: Script, words: str) -> None:
    asked = (*expired(1, 2), *lost(3, FULL_TTL), Sign(FULL_TTL, was_said=False))
    _, note = judged(found(asked, again=again), script)
    assert words in note.sentence


def test_a_path_that_takes_no_connection_any_more_has_dropped_the_word() -> None:
    """Nothing could be said to the host after the hops."""
    asked = (*expired(1, 2), *lost(3, sent=1), Sign(FULL_TTL, was_said=False))
    verdict, _ = judged(found(asked, again=Sign(FULL_TTL, was_said=False)))
    assert (verdict.kind, verdict.certainty, verdict.hop) == (Kind.WORD_DROPPED, Certainty.LIKELY, 2)


def test_where_routers_share_the_load_the_router_is_not_certain() -> None:
    asked = (*expired(1, 2), *lost(3, FULL_TTL))
    verdict = only(judged(found(asked, again=AGAIN), path="10.0.0.1 10.0.1.1|10.0.1.2 10.0.2.1 open"))
    assert "after hop 2 (10.0.1.1 or 10.0.1.2)" in verdict.sentence
    assert verdict.certainty is Certainty.LIKELY


def test_a_rst_from_nearer_has_its_place() -> None:
    asked = far(*expired(1, 2), *reset(3, FULL_TTL))
    told = found(asked=asked, distance=FAR, again=AGAIN, copies=False)
    verdict = only(judged(told, path=LONG_PATH))
    assert (verdict.kind, verdict.certainty, verdict.hop) == (Kind.WORD_RESET, Certainty.CERTAIN, 2)
    assert verdict.sentence == (
        "After hop 2 (10.0.1.1) somebody answers a TLS hello for blocked.example with a RST in the name of "
        f"{TARGET}."
    )
    assert verdict.evidence[0] == "Words that could reach hop 3 at most were reset."


def test_who_listens_only_is_told_by_a_router() -> None:
    asked = (*expired(1), *reset(2, 3, FULL_TTL), *reset(3, is_expired=True))
    verdict = only(judged(found(asked, again=AGAIN, copies=False)))
    assert verdict.sentence.startswith("After hop 1 (10.0.0.1) somebody who listens only answers a TLS hello")
    assert "Hop 3 (10.0.2.1) reports the same words as passed on." in verdict.evidence


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        ((*expired(1, 2), *reset(3, FULL_TTL, is_expired=True)), "After hop 1 (10.0.0.1)"),
        ((*expired(1, 2, 3), *reset(FULL_TTL), *heard(4), *reset(5)), "After hop 2 (10.0.1.1)"),
        (
            (*expired(1, 2, 3), *reset(FULL_TTL), *heard(4), *heard(5)),
            "Between hop 1 (10.0.0.1) and the host",
        ),
    ],
)
def test_who_copies_the_ttl_is_likely_half_as_far(asked: tuple[Sign, ...], where: str) -> None:
    verdict = only(judged(found(asked, again=AGAIN, copies=True)))
    assert (verdict.kind, verdict.certainty) == (Kind.WORD_RESET, Certainty.LIKELY)
    assert verdict.sentence.startswith(f"{where}")
    assert "somebody who listens only answers" in verdict.sentence
    assert "half as far away" in verdict.evidence[0]


@pytest.mark.parametrize(
    ("sender", "who", "hop"), [("10.0.1.1", "Hop 2 (10.0.1.1)", 2), ("10.9.9.9", "10.9.9.9", None)]
)
def test_raw_sockets_know_the_sender_of_an_icmp_error(sender: str, who: str, hop: int | None) -> None:
    last = Sign(FULL_TTL, is_expired=True, refusal=(3, 13, sender))
    verdict = only(judged(found((*expired(1, 2, 3), last), again=AGAIN)))
    assert (verdict.kind, verdict.hop, verdict.address) == (Kind.WORD_DROPPED, hop, sender)
    assert verdict.sentence == (
        f"{who} refuses a TLS hello for blocked.example: Communication administratively prohibited."
    )


def test_an_icmp_error_is_told_without_a_place() -> None:
    asked = (*expired(1, 2, 3), *expired(FULL_TTL))
    verdict = only(judged(found(asked, again=AGAIN)))
    assert (verdict.kind, verdict.hop) == (Kind.WORD_DROPPED, None)
    assert verdict.sentence == (
        "A TLS hello for blocked.example is refused on the way with an ICMP error; "
        "by whom cannot be seen from here."
    )


# Who answers from nearer


@pytest.mark.parametrize("is_trusted", [True, False, None])
def test_an_answer_from_nearer_is_told_with_its_certificate(*, is_trusted: bool | None) -> None:
    asked, control = far(*expired(1), *heard(2), *heard()), far(*heard(), *heard(2))
    told = found(asked=asked, control=control, distance=FAR, again=AGAIN)
    verdict = only(judged(told, path=LONG_PATH, certificate=Certificate("Corp CA", is_trusted)))
    assert (verdict.kind, verdict.hop, verdict.certainty) == (Kind.WORD_ANSWERED, 1, Certainty.CERTAIN)
    assert verdict.sentence == (
        f"After hop 1 (10.0.0.1) somebody answers a TLS hello for blocked.example in place of {TARGET}, "
        "which is 7 hops away."
    )
    distrust = ", which this machine does not trust" if is_trusted is False else ""
    assert verdict.evidence == (
        "Words that could reach hop 2 at most were answered.",
        "The answer is a TLS handshake.",
        f'Its certificate is issued by "Corp CA"{distrust}.',
        "A TLS hello for allowed.example is answered from there too.",
    )


@pytest.mark.parametrize("at", [2, 3])
def test_an_answer_a_hop_or_two_before_the_host_may_be_its_own(at: int) -> None:
    """Each connection has a source port, and branches of load sharing may be shorter."""
    told = found((*expired(1), *heard(at), *heard()), again=AGAIN)
    assert only(judged(told)).kind is Kind.WORD_PASSES
    cut = found((*expired(1), *heard(at), *lost(FULL_TTL)), again=AGAIN)
    assert only(judged(cut)).kind is Kind.WORD_UNKNOWN


@pytest.mark.parametrize(
    ("path", "kind"),
    [(PATH, Kind.WORD_ANSWERED), ("10.0.0.1 10.0.1.1|10.0.1.2 10.0.2.1 open", Kind.REFUSED_BY_HOST)],
)
def test_another_answer_a_hop_or_two_before_the_host_is_likely_somebodys(path: str, kind: Kind) -> None:
    told = found(
        (*expired(1, 2), *heard(3, FORBIDDEN), *heard(data=FORBIDDEN)),
        control=signs(*heard(data=OK)),
        again=AGAIN,
    )
    verdict = only(judged(told, HTTP, path))
    assert (verdict.kind, verdict.certainty) == (kind, Certainty.LIKELY)


@pytest.mark.parametrize(
    ("path", "kind"),
    [(PATH, Kind.WORD_RESET), ("10.0.0.1 10.0.1.1|10.0.1.2 10.0.2.1 open", Kind.REFUSED_BY_HOST)],
)
def test_a_rst_a_hop_or_two_before_the_host_is_likely_no_more(path: str, kind: Kind) -> None:
    verdict = only(judged(found((*expired(1, 2), *reset(3, FULL_TTL)), again=AGAIN, copies=False), path=path))
    assert (verdict.kind, verdict.certainty) == (kind, Certainty.LIKELY)


def test_a_block_page_beside_the_path_is_told_by_a_router() -> None:
    answers = (*heard(2, FORBIDDEN, is_expired=True), *heard(3, FORBIDDEN, is_expired=True))
    verdict = only(judged(found((*expired(1), *answers, *heard()), again=AGAIN), HTTP))
    assert "somebody who listens only answers an HTTP request for blocked.example" in verdict.sentence
    assert verdict.evidence == (
        "Words that could reach hop 2 at most were answered.",
        'The answer is "HTTP/1.1 403 Forbidden".',
        "Hop 3 (10.0.2.1) reports the same words as passed on.",
    )
    in_path = (*expired(1), *heard(2, FORBIDDEN, is_expired=True), *heard(3, FORBIDDEN), *heard())
    assert "(10.0.0.1) somebody answers" in only(judged(found(in_path, again=AGAIN), HTTP)).sentence


def test_whoever_closes_from_nearer_has_answered() -> None:
    asked = far(*expired(1), Sign(2, end=State.FINISHED), *heard())
    verdict = only(judged(found(asked=asked, distance=FAR, again=AGAIN), path=LONG_PATH))
    assert verdict.kind is Kind.WORD_ANSWERED
    assert verdict.evidence[1] == "It ends the connection."


def test_a_proxy_that_the_trace_found_is_one_for_words_too() -> None:
    control = trace("10.0.0.1 x8 *", 46137)
    told = found((*expired(1, 2, 3), *heard()))
    verdict = only(judged(told, main=Kind.PROXY, controls=(control,)))
    assert (verdict.kind, verdict.hop, verdict.certainty) == (Kind.WORD_ANSWERED, 4, Certainty.LIKELY)
    assert verdict.sentence.startswith(
        "A proxy at hop 4 answers a TLS hello for blocked.example in place of "
    )
    assert verdict.evidence[-1] == "Other ports go on to hop 8 at least."
    alone = only(judged(found((*expired(1, 2, 3), *TAKEN)), main=Kind.PROXY))
    assert alone.evidence == ("It says nothing more.",)


# What is stopped besides


@pytest.mark.parametrize(
    ("neutral", "what"),
    [
        ((*expired(1, 2), *lost(3, FULL_TTL)), "after hop 2 (10.0.1.1) any data is dropped"),
        ((*expired(1, 2), *reset(3, FULL_TTL)), "after hop 2 (10.0.1.1) any data is answered with a RST"),
    ],
)
def test_a_path_that_lets_no_data_pass_is_told(neutral: tuple[Sign, ...], what: str) -> None:
    told = found(neutral=signs(*neutral), control=signs(*lost(FULL_TTL)))
    verdict = only(judged(told))
    assert (verdict.kind, verdict.hop) == (Kind.ANY_WORD, 2)
    assert verdict.sentence == f"Port 443 is open for SYNs only: {what}, 517 neutral bytes too."


def test_a_host_that_resets_whatever_is_said_is_no_path() -> None:
    told = found(
        neutral=signs(*expired(1, 2, 3), *reset(FULL_TTL, FULL_TTL)), control=signs(*reset(FULL_TTL))
    )
    verdict = only(judged(told))
    assert (verdict.kind, verdict.certainty) == (Kind.REFUSED_BY_HOST, Certainty.LIKELY)
    assert "resets the connection whatever is said to port 443" in verdict.sentence


def test_a_control_that_is_stopped_is_about_the_protocol_or_about_its_name() -> None:
    stopped = signs(*expired(1, 2), *lost(3, FULL_TTL))
    verdict = only(judged(found(lost(FULL_TTL), control=stopped)))
    assert verdict.sentence == ("A TLS hello is dropped after hop 2 (10.0.1.1), whatever name it asks for.")
    assert verdict.evidence[1] == "517 neutral bytes pass."
    passes, other = judged(found(heard(), control=stopped))
    assert passes.sentence == f"A TLS hello for blocked.example is answered by {TARGET} at hop 4."
    assert other.sentence == "A TLS hello for allowed.example is dropped after hop 2 (10.0.1.1)."
    assert other.hop == 2


def test_a_host_that_resets_neutral_bytes_does_not_hide_a_filter() -> None:
    stopped = signs(*expired(1, 2), *lost(3, FULL_TTL))
    garbage = signs(*expired(1, 2, 3), *reset(FULL_TTL))
    verdict = only(judged(found(lost(FULL_TTL), control=stopped, neutral=garbage)))
    assert (verdict.kind, verdict.hop) == (Kind.WORD_DROPPED, 2)
    assert verdict.evidence[1] == f"517 neutral bytes arrive at {TARGET}, which resets them."
    asked = found((*expired(1, 2), *lost(3, FULL_TTL)), control=Signs(), neutral=garbage)
    file = only(judged(asked._replace(again=reset(FULL_TTL)[0]), FILE))
    assert (file.kind, file.certainty) == (Kind.WORD_DROPPED, Certainty.CERTAIN)


@pytest.mark.parametrize("which", ["neutral", "control", "segments"])
def test_controls_that_failed_too_seldom_prove_nothing(which: str) -> None:
    few = signs(*expired(1, 2), *lost(FULL_TTL, sent=2))
    more = {"control": few} if which == "neutral" else {}
    asked = () if which == "neutral" else heard()
    verdict = judged(found(asked, **({which: few} | more)))
    assert Kind.WORD_UNKNOWN in [each.kind for each in verdict]


def test_a_long_hello_that_is_dropped_is_told_beside_the_rest() -> None:
    told = found((*expired(1, 2, 3), *heard()), segments=signs(*expired(1, 2), *lost(3, FULL_TTL)))
    long, passes = judged(told)
    assert (long.kind, long.hop) == (Kind.WORD_DROPPED, 2)
    assert long.sentence == (
        "A hello of two segments (1760 bytes) is dropped after hop 2 (10.0.1.1); one of 517 bytes passes."
    )
    assert passes.kind is Kind.WORD_PASSES


# Answers in words


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (HELLO, "a TLS handshake"),
        (ALERT, "alert 112, unrecognized name"),
        (b"\x15\x03\x01\x00\x02\x02\xff", "alert 255"),
        (b"\x15\x03\x01", "3 bytes that are neither TLS nor HTTP"),
        (OK, '"HTTP/1.1 200 OK"'),
        (b'HTTP/1.0 451 "\x1b[31m\xff"\r\n', '"HTTP/1.0 451 ??[31m??"'),
        (b"HTTP/1.1 200 " + b"x" * 300, f'"HTTP/1.1 200 {"x" * 47}"'),
        (b"", "0 bytes that are neither TLS nor HTTP"),
        (b"220 mail", "8 bytes that are neither TLS nor HTTP"),
    ],
)
def test_an_answer_is_told_in_plain_words(data: bytes, words: str) -> None:
    assert answers.words_of(data) == words
