"""The search for who stops words, on the virtual clock: a network in a line, what is found below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from internet import network
from internet.sessions import VirtualSessions
from tracetcp.dialogue import converse
from tracetcp.engine.run_state import RunState
from tracetcp.engine.session.waves import AT_ONCE, IN_A_RUN, Fate, Trial, WaveEngine
from tracetcp.engine.session.word_search import ENOUGH_LOST, WordSearch
from tracetcp.model import FailureKind
from tracetcp.model.connection import FULL_TTL, Connect, Speak
from tracetcp.model.speech import Protocol, Sign, Signs, WordsFound
from tracetcp.wire.words import script_for, words_for

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tracetcp.engine.session.waves import Result
    from tracetcp.model.connection import Order

PATH = "1 5 10 15 | rtt 20"
BLOCKED = "blocked.example"
BOTH = pytest.mark.parametrize("family", [4, 6])
NAMES = {Protocol.TLS: BLOCKED, Protocol.HTTP: BLOCKED, Protocol.FILE: "words.bin"}


def search(
    prober: VirtualSessions,
    protocol: Protocol = Protocol.HTTP,
    *,
    silent: tuple[int, ...] = (),
    is_near: bool = False,
    hellos: tuple[bytes, ...] = (),
    port: int = 80,
) -> WordsFound:
    """Search over ``prober``'s path, of which every router but ``silent`` ones answered the trace."""
    distance = len(prober._routers) + 1
    hops = [ttl for ttl in range(1, distance) if ttl not in silent]
    script = script_for(protocol, NAMES[protocol], "example.com", b"the blocked words")
    plan = WordSearch(script, hops, distance, is_near=is_near, hellos=lambda: hellos).plan()
    engine = WaveEngine(plan, words_for(port, "host"), RunState(b"a secret of 16 b").routers, 4.0)
    converse(engine, prober, prober.wait)
    assert prober.opened <= IN_A_RUN
    assert prober.most_open <= AT_ONCE
    assert not prober.still_open
    return engine.found


def found(notation: str = PATH, family: int = 4, **table: object) -> WordsFound:
    return search(VirtualSessions(network(notation, **table), family))


def device(**keys: object) -> dict[str, object]:
    return {"words": {"text": "blocked", **keys}}


def place(signs: Signs) -> tuple[int, int | None]:
    return signs.after, signs.before


# What passes


@BOTH
@pytest.mark.parametrize("protocol", list(Protocol))
def test_on_a_clean_path_every_word_is_taken(family: int, protocol: Protocol) -> None:
    prober = VirtualSessions(network(PATH), family)
    told = search(prober, protocol)
    assert told.neutral.is_taken
    assert told.asked.is_taken
    assert not told.asked.nearer
    assert told.again is None
    assert (told.copies, told.is_cut_short) == (None, False)
    assert told.control.is_taken == (protocol is not Protocol.FILE)
    assert told.segments.is_taken == (protocol is Protocol.TLS)


def test_controls_come_first_and_the_asked_word_in_order_of_ttl() -> None:
    prober = VirtualSessions(network(PATH))
    search(prober)
    asked = [at for at, (_, order) in enumerate(prober.spoken) if BLOCKED.encode() in order.data]
    ttls = [order.ttl for _, order in prober.spoken[asked[0] :]]
    assert asked == list(range(asked[0], len(prober.spoken)))
    assert ttls == [1, 2, 3, 4, FULL_TTL]


def test_a_long_path_is_searched_with_the_connections_of_one_run() -> None:
    told = found(" ".join(["1"] * 28) + " | rtt 30")
    assert not told.is_cut_short
    assert told.asked.is_taken


def test_a_search_that_takes_too_many_connections_says_so() -> None:
    told = found(" ".join(["1"] * 40) + " | rtt 30")
    assert told.is_cut_short


def test_a_host_behind_more_hops_than_a_connection_reaches_is_no_trouble() -> None:
    assert not found(" ".join(["1"] * 70) + " | rtt 30").is_connected


# What is stopped


@BOTH
@pytest.mark.parametrize("protocol", list(Protocol))
@pytest.mark.parametrize(("early", "after"), [(False, 2), (True, 1)])
def test_a_word_that_is_dropped_has_its_place(
    family: int, protocol: Protocol, after: int, *, early: bool
) -> None:
    prober = VirtualSessions(network(PATH, hop_2=device(early=early)), family)
    told = search(prober, protocol)
    assert place(told.asked) == (after, after + 1)
    assert told.asked.transmissions_lost >= ENOUGH_LOST
    assert not told.asked.is_taken
    assert told.again is not None
    assert told.again.is_taken


@BOTH
def test_a_word_that_is_reset_in_the_path_has_its_place(family: int) -> None:
    told = found(PATH, family, hop_2=device(does="rst"))
    assert place(told.asked) == (2, 3)
    assert told.copies is False
    assert not any(sign.is_expired for sign in told.asked.nearer)


@BOTH
@pytest.mark.parametrize("delay", [0, 2])
def test_who_listens_only_is_betrayed_by_a_router_that_is_quicker(family: int, delay: int) -> None:
    """Once a RST has come, the kernel takes no ICMP error about the connection any more."""
    told = found(PATH, family, hop_3=device(does="rst", listens=True, delay=delay))
    assert place(told.asked) == (2, 3)
    assert any(sign.is_expired and sign.is_reset for sign in told.asked.nearer) == (delay > 0)
    assert told.copies is False


@BOTH
@pytest.mark.parametrize(("hop", "first"), [(1, 1), (2, 3), (3, 5), (4, 7)])
def test_who_copies_the_ttl_is_half_as_far_as_he_looks(family: int, hop: int, first: int) -> None:
    table: dict[str, object] = {f"hop_{hop}": device(does="rst", listens=True, copies=True)}
    told = search(VirtualSessions(network("1 5 10 15 | rtt 40", **table), family))
    assert told.copies is True
    assert min(sign.ttl for sign in told.asked.signs if sign.is_reset) == first


@pytest.mark.parametrize("hop", [5, 6, 7, 8])
def test_who_copies_is_found_in_the_far_half_of_a_path_of_any_length(hop: int) -> None:
    table: dict[str, object] = {f"hop_{hop}": device(does="rst", listens=True, copies=True)}
    told = search(VirtualSessions(network("1 2 3 4 5 6 7 8 | rtt 40", **table)))
    assert told.copies is True
    assert min(sign.ttl for sign in told.asked.signs if sign.is_reset) == 2 * hop - 1


def test_a_rst_of_a_far_host_may_have_any_low_ttl() -> None:
    """From so far away its TTL tells nothing."""
    told = found(" ".join(["1"] * 34) + " | rtt 60", hop_2=device(does="rst"))
    assert told.copies is None


@BOTH
@pytest.mark.parametrize("does", ["page", "record"])
@pytest.mark.parametrize(("listens", "after"), [(False, 2), (True, 1)])
def test_an_answer_from_nearer_is_heard(family: int, does: str, after: int, *, listens: bool) -> None:
    told = found(PATH, family, hop_2=device(does=does, listens=listens))
    assert place(told.asked) == (after, after + 1)
    assert {bool(sign.heard) for sign in told.asked.nearer} == {True}
    assert any(sign.is_expired for sign in told.asked.nearer) == listens


@BOTH
def test_whoever_answers_from_nearer_is_asked_who_he_is(family: int) -> None:
    table = {"hop_2": {"words": {"text": "\x16", "does": "record"}}}
    prober = VirtualSessions(network(PATH, **table), family)
    told = search(prober, Protocol.TLS, hellos=(b"\x16a", b"\x16b"))
    assert len(told.identified) == 2
    assert all(told.identified)
    said = {order.ttl for _, order in prober.spoken if order.data in (b"\x16a", b"\x16b")}
    assert said == {3}


@BOTH
@pytest.mark.parametrize("does", ["drop", "rst"])
def test_a_path_that_lets_no_data_pass_is_told_nothing_but_neutral_bytes_and_the_control(
    family: int, does: str
) -> None:
    prober = VirtualSessions(network(PATH, hop_2=device(text="", does=does)), family)
    told = search(prober)
    assert place(told.neutral) == (2, 3)
    assert not told.neutral.is_taken
    assert told.asked == Signs(distance=5)
    assert not any(BLOCKED.encode() in order.data for _, order in prober.spoken)


@BOTH
def test_a_control_that_is_stopped_has_its_place_and_the_asked_word_is_said_once(family: int) -> None:
    prober = VirtualSessions(network(PATH, hop_3=device(text="Host")), family)
    told = search(prober)
    assert told.neutral.is_taken
    assert place(told.control) == (3, 4)
    assert [sign.ttl for sign in told.asked.signs] == [FULL_TTL]
    assert told.asked.signs[0].is_silent


@BOTH
@pytest.mark.parametrize("text", ["\x16\x03\x01\x06", "\x00" * 760])
def test_a_hello_of_two_segments_is_told_apart(family: int, text: str) -> None:
    """Its first segment is dropped, or the second one."""
    prober = VirtualSessions(network(PATH, hop_2=device(text=text)), family)
    told = search(prober, Protocol.TLS)
    assert not told.segments.is_taken
    assert told.asked.is_taken
    assert place(told.segments) == (2, 3)


# Who else is on the way


def test_routers_that_limit_their_errors_move_no_place() -> None:
    told = found("1! 5! 10! 15! | rtt 20", hop_2=device())
    assert place(told.asked) == (2, 3)
    assert found("1! 5! 10! 15! | rtt 20").asked.is_taken


def test_a_silent_hop_widens_the_place() -> None:
    scenario = network("1 5 * 15 20 | rtt 25", hop_2=device())
    assert place(search(VirtualSessions(scenario), silent=(3,)).asked) == (2, 4)
    assert place(search(VirtualSessions(scenario)).asked) == (2, 4)


def test_hops_that_fell_silent_since_the_trace_are_not_asked_for_ever() -> None:
    told = search(VirtualSessions(network("1 * * * * 6 7 | rtt 25", hop_1=device())))
    after, before = place(told.asked)
    assert after == 1
    assert before in (6, 7)


def test_a_filter_in_front_of_the_host_is_behind_the_last_hop() -> None:
    told = found(PATH, hop_4=device())
    assert place(told.asked) == (4, None)
    assert told.asked.transmissions_lost >= ENOUGH_LOST


def test_a_path_that_remembers_is_no_worse_placed() -> None:
    told = found(PATH, hop_2=device(remembers=20_000))
    assert place(told.asked) == (2, 3)
    assert told.again is not None
    assert not told.again.is_taken
    reset = found(PATH, hop_2=device(does="rst", remembers=20_000))
    assert place(reset.asked) == (2, 3)
    assert reset.again is not None
    assert not reset.again.was_said


def test_a_hop_whose_answer_was_lost_is_asked_again_and_the_search_goes_on() -> None:
    """The routers 3 and 4 are out of errors when the asked word comes; the filter is behind them."""
    limited = {"limit": {"burst": 1, "per_second": 5}}
    told = found("1 5 10 10 15 15 | rtt 20", hop_3=limited, hop_4=limited, hop_6=device())
    assert place(told.asked)[0] >= 4


def test_an_icmp_error_comes_from_beyond_every_hop() -> None:
    told = found(PATH, hop_2=device(does="reject"))
    last = told.asked.last
    assert last is not None
    assert last.is_expired


@pytest.mark.parametrize(
    ("refusal", "heard"), [("alert", b"\x15\x03\x03\x00\x02\x02\x70"), ("close", b""), ("reset", b"")]
)
def test_the_host_itself_may_refuse(refusal: str, heard: bytes) -> None:
    told = found(PATH, destination={"refuses": BLOCKED, "refusal": refusal, "says": "HTTP/1.1 200 OK\r\n"})
    last = told.asked.last
    assert last is not None
    assert (last.heard, last.is_answered) == (heard, True)
    assert not told.asked.nearer
    assert told.copies is (False if refusal == "reset" else None)


def test_a_rst_upon_an_answer_that_would_have_gone_on_counts() -> None:
    """It is slower than the host, and the control is not reset."""
    slow = device(does="rst", listens=True, delay=30)
    told = found("1 1 1 | rtt 4", hop_2=slow, destination={"says": "HTTP/1.1 200 OK\r\n"})
    last = told.asked.last
    assert last is not None
    assert (last.is_cut, last.is_reset, last.is_taken) == (True, True, False)
    refused = found("1 1 1 | rtt 4", hop_2=slow, destination={"says": "HTTP/1.1 403 Forbidden\r\n"})
    assert refused.asked.is_taken


def test_a_host_that_speaks_first_has_not_answered() -> None:
    prober = VirtualSessions(network(PATH, hop_2=device(), destination={"greeting": 60}))
    told = search(prober)
    assert place(told.asked) == (2, 3)
    assert not told.asked.nearer
    by_port = VirtualSessions(network(PATH, hop_2=device(), destination={"greeting": 60}))
    assert place(search(by_port, port=25).asked) == (2, 3)


def test_a_host_that_says_nothing_takes_what_is_said() -> None:
    told = found(PATH, destination={"answer": 0})
    assert told.asked.is_taken
    assert not told.asked.last.is_answered  # type: ignore[union-attr]


# What raw sockets add


@BOTH
@pytest.mark.parametrize("delay", [0, 2])
def test_raw_sockets_hear_the_router_behind_a_rst(family: int, delay: int) -> None:
    table = device(does="rst", listens=True, delay=delay)
    told = search(VirtualSessions(network(PATH, hop_3=table), family, has_ears=True))
    assert place(told.asked) == (2, 3)
    assert any(sign.is_expired and sign.is_reset for sign in told.asked.nearer)
    assert {(sign.end_ttl, sign.host_ttl) for sign in told.asked.nearer} == {(62, 60)}


@BOTH
def test_raw_sockets_tell_the_rst_of_the_host_from_that_of_a_router(family: int) -> None:
    refusing_host = {"refuses": BLOCKED, "refusal": "reset"}
    told = search(VirtualSessions(network(PATH, destination=refusing_host), family, has_ears=True))
    last = told.asked.last
    assert last is not None
    assert (last.end_ttl, last.host_ttl) == (60, 60)
    nearer = search(VirtualSessions(network(PATH, hop_4=device(does="rst")), family, has_ears=True))
    assert nearer.asked.last is not None
    assert (nearer.asked.last.end_ttl, nearer.asked.last.host_ttl) == (61, 60)


@BOTH
def test_raw_sockets_know_who_sent_an_icmp_error(family: int) -> None:
    scenario = network(PATH, hop_2=device(does="reject"))
    told = search(VirtualSessions(scenario, family, has_ears=True))
    last = told.asked.last
    assert last is not None
    assert last.refusal is not None
    assert last.refusal[2] == scenario.routes[0].hops[1][0].addresses[family]


@BOTH
def test_a_clean_path_is_no_other_with_raw_sockets(family: int) -> None:
    told = search(VirtualSessions(network(PATH), family, has_ears=True))
    assert told.asked.is_taken
    assert not told.asked.nearer


# Chance


@pytest.mark.parametrize("seed", range(200))
def test_loss_stops_no_word(seed: int) -> None:
    told = search(VirtualSessions(network("1 5 10 15 | rtt 20", loss=0.05), seed=seed))
    assert told.control.is_taken
    assert told.asked.is_taken
    assert not told.asked.nearer


@pytest.mark.parametrize("seed", range(60))
def test_a_place_is_found_in_spite_of_loss(seed: int) -> None:
    told = search(VirtualSessions(network(PATH, loss=0.03, hop_2=device()), seed=seed))
    assert not told.asked.is_taken
    assert told.asked.after <= 2
    assert told.asked.before is None or told.asked.before >= 3


@pytest.mark.parametrize("protocol", [Protocol.HTTP, Protocol.FILE])
def test_a_host_that_resets_neutral_bytes_is_no_path_that_stops_everything(protocol: Protocol) -> None:
    host = {"refuses": "tracetcp tests", "refusal": "reset"}
    prober = VirtualSessions(network(PATH, hop_3=device(text="Host"), destination=host))
    told = search(prober, protocol)
    assert not told.neutral.is_taken
    assert told.neutral.is_received
    if protocol is Protocol.HTTP:
        assert place(told.control) == (3, 4)
    else:
        assert told.asked.is_taken


def test_a_host_that_resets_everything_is_told_no_name() -> None:
    prober = VirtualSessions(network(PATH, destination={"refuses": "e", "refusal": "reset"}))
    told = search(prober)
    assert told.asked.signs == ()
    assert told.neutral.is_received


def test_a_path_that_recovers_is_searched_after_all() -> None:
    """Nothing passed at first, neither neutral bytes nor the control."""
    told = found(PATH, hop_2=device(text="", until=900))
    assert told.neutral.is_taken
    assert told.control.is_taken
    assert told.asked.is_taken


def test_words_that_nobody_listens_to_are_decided_by_their_first_sign() -> None:
    request = b"GET / HTTP/1.1\r\n\r\n"

    def plan() -> Generator[list[Trial], list[Result], list[Result]]:
        return (yield [Trial(says=(b"x",)), Trial(says=(request,)), Trial(ttl=1, says=(b"x",))])

    prober = VirtualSessions(network(PATH))
    engine = WaveEngine(plan(), words_for(80, "host"), RunState(b"a secret of 16 b").routers, 4.0)
    converse(engine, prober, prober.wait)
    assert [result.fate for result in engine.found] == [Fate.ARRIVED, Fate.ARRIVED, Fate.EXPIRED]
    assert prober.clock() < 0.05


# What fails


def refusing(kind: FailureKind, is_meant: Callable[[Order], bool]) -> Callable[[Order], FailureKind | None]:
    return lambda order: kind if is_meant(order) else None


@pytest.mark.parametrize("kind", [Connect, Speak])
def test_orders_that_fail_leave_nothing_to_say(kind: type) -> None:
    failing = refusing(FailureKind.PROBE_LOST, lambda order: isinstance(order, kind))
    assert not search(VirtualSessions(network(PATH), failing=failing)).is_connected


def test_a_first_wave_that_fails_is_tried_once_more() -> None:
    failing = refusing(
        FailureKind.PROBE_LOST, lambda order: isinstance(order, Connect) and order.connection < 2
    )
    assert search(VirtualSessions(network(PATH), failing=failing)).asked.is_taken


@pytest.mark.parametrize("port", [81, 82])
def test_a_port_that_takes_no_connection_is_told(port: int) -> None:
    prober = VirtualSessions(network("1 5 | rtt 20 | open 80 | silent 82"), port=port)
    assert not search(prober).is_connected


def test_a_proxy_known_by_the_trace_is_asked_who_it_is_at_its_own_hop() -> None:
    prober = VirtualSessions(network("1 5 | rtt 20"))
    told = search(prober, Protocol.TLS, is_near=True, hellos=(b"\x16\x03\x01\x00\x01a",))
    assert len(told.identified) == 1
    http = search(VirtualSessions(network("1 5 | rtt 20")), is_near=True)
    assert http.identified == ()


def test_a_sign_of_a_rst_is_no_acknowledgement() -> None:
    told = found(PATH, hop_2=device(does="rst"))
    assert not any(sign.is_acknowledged for sign in told.asked.nearer)
    assert Sign(3).is_silent
