"""The search for a forgotten connection on the virtual clock: a network in a line, what is found below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hunting import silences
from internet import network
from internet.sessions import VirtualSessions
from tracetcp.dialogue import converse
from tracetcp.engine.run_state import RunState
from tracetcp.engine.session.answer_ttl import AnswerTtl
from tracetcp.engine.session.place_search import PlaceSearch, pick, reach
from tracetcp.engine.session.silence import SilenceSearch
from tracetcp.engine.session.waves import AT_ONCE, IN_A_RUN, Fate, Result, Trial, WaveEngine
from tracetcp.model import FailureKind
from tracetcp.model.connection import FULL_TTL, Connect, Heed, Speak
from tracetcp.model.silence import Closed, Lost, Origin, Sign, SilenceFound
from tracetcp.wire.words import words_for

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from typing import TypeVar

    from tracetcp.model.connection import Order

    Found = TypeVar("Found")

PATH = "1 5 10 15 | rtt 20 | open 22,80,443,5432"
LONG = " ".join(["1"] * 29) + " | rtt 30 | open 5432"
BOTH = pytest.mark.parametrize("family", [4, 6])
AGES = (2, 5)


def search(
    prober: VirtualSessions,
    ages: Sequence[int] = AGES,
    port: int = 5432,
    silent: tuple[int, ...] = (),
    reply_ttl: int | None = None,
    distance: int | None = None,
) -> SilenceFound:
    """Search over ``prober``'s path, of which every router but ``silent`` ones answered the trace."""
    distance = distance or len(prober._routers) + 1
    hops = [ttl for ttl in range(1, distance) if ttl not in silent]
    words = words_for(port, "www.example.com")
    plan = SilenceSearch(ages, hops, distance, reply_ttl=reply_ttl, has_opening=bool(words.opening()))
    engine = WaveEngine(plan.plan(), words, RunState(b"a secret of 16 b").routers, 4.0)
    converse(engine, prober, prober.wait)
    assert prober.opened <= IN_A_RUN
    assert prober.most_open <= AT_ONCE
    assert not prober.still_open
    return engine.found


def found(
    notation: str = PATH,
    family: int = 4,
    ages: Sequence[int] = AGES,
    port: int = 5432,
    silent: tuple[int, ...] = (),
    seed: int = 0,
    boxes: Mapping[int, object] | None = None,
    **table: object,
) -> SilenceFound:
    table |= {f"hop_{hop}": box for hop, box in (boxes or {}).items()}
    prober = VirtualSessions(network(notation, **table), family, port=port, seed=seed)
    return search(prober, ages, port, silent)


def box(how: str = "drop", forgets: float = 3) -> dict[str, object]:
    return {"forgets": forgets, "forgotten": how}


# What lives


@BOTH
def test_on_a_clean_path_every_age_lives(family: int) -> None:
    told = found(family=family, ages=(5, 2, 5))
    assert told == SilenceFound(is_connected=True, opened=6, lived=(2, 5))


def test_ages_of_hours_take_no_time_here() -> None:
    told = found(ages=(60, 3600, 86_400), hop_2=box(forgets=7200))
    assert told.lived == (60, 3600)
    assert told.lost == Lost(86_400, Sign.SILENCE, 4, True, 2, 3)


@pytest.mark.parametrize("seed", range(200))
def test_loss_is_no_forgetting(seed: int) -> None:
    told = found(loss=0.05, seed=seed)
    assert told.lost is None
    assert told.closed is None


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("how", ["drop", "rst"])
def test_a_place_is_right_in_spite_of_loss(seed: int, how: str) -> None:
    lost = found(loss=0.03, seed=seed, hop_2=box(how)).lost
    if lost is not None and lost.connections > 1:
        assert (lost.age, lost.after) == (5, 2)
        assert lost.before in (3, 4, None)


CLEAN = [
    PATH,
    "1 5 10~9 15 | rtt 20 | open 5432",
    "1 5:3 10:2 15 | rtt 20 | open 5432",
    "1! 5! 10! 15! | rtt 20 | open 5432",
    "1 * * 15 | rtt 20 | open 5432",
    "* * * * | rtt 20 | open 5432",
    "200 300 500 | rtt 700 | open 5432",
    LONG,
    "| rtt 6 | open 5432",
    "0.1 0.1 | rtt 0.2 | open 5432 | ttl 128",
]


@pytest.mark.parametrize("notation", CLEAN)
@pytest.mark.parametrize("loss", [0, 0.05])
def test_nothing_is_alarming_on_clean_paths(notation: str, loss: float) -> None:
    for seed in range(5):
        told = found(notation, ages=(3, 60, 7200), loss=loss, seed=seed)
        assert (told.lived, told.lost, told.closed) == ((3, 60, 7200), None, None), seed


@pytest.mark.parametrize("service", [{"ack_delay": 190}, {"ends": True}, {"greeting": 100}, {"mss": 300}])
def test_nor_do_hosts_of_any_kind_alarm(service: dict[str, object]) -> None:
    for port in (80, 443, 5432):
        assert found(port=port, destination=service).lived == (2, 5)


def test_somebody_may_keep_it_alive() -> None:
    told = found(hop_2=box(), destination={"keepalive": 2})
    assert (told.lived, told.segments) == ((2, 5), 2)


# What does not


@BOTH
@pytest.mark.parametrize("hop", [1, 2, 3])
def test_a_router_that_drops_what_it_forgot_is_found(hop: int, family: int) -> None:
    told = found(family=family, boxes={hop: box()})
    assert told.lived == (2,)
    assert told.lost is not None
    assert told.lost[:3] == (5, Sign.SILENCE, told.lost.connections)
    assert (told.lost.after, told.lost.before) == (hop, hop + 1)
    assert told.lost.connections >= 2


def test_behind_the_last_router_a_second_connection_must_agree() -> None:
    assert found(hop_4=box()).lost == Lost(5, Sign.SILENCE, 2, True, 4, None)


def test_the_shortest_age_may_be_too_long() -> None:
    told = found(ages=(5,), hop_2=box())
    assert (told.lived, told.unasked) == ((), ())
    assert told.lost == Lost(5, Sign.SILENCE, 4, True, 2, 3)


def test_longer_ages_than_the_lost_one_are_not_waited_for() -> None:
    prober = VirtualSessions(network(PATH, hop_2=box()))
    told = search(prober, (2, 5, 3600))
    assert told.unasked == (3600,)
    assert prober.clock() < 10


@pytest.mark.parametrize("hop", [1, 2, 3])
def test_a_router_that_resets_is_found_and_is_not_the_host(hop: int) -> None:
    told = found(boxes={hop: box("rst")})
    assert told.lost is not None
    assert (told.lost.sign, told.lost.after, told.lost.before) == (Sign.RESET, hop, hop + 1)


def test_right_before_the_host_the_ttl_of_the_reset_tells() -> None:
    assert found(hop_4=box("rst")).lost == Lost(5, Sign.RESET, 2, True, 4, None, Origin.NEARER)
    assert found(hop_2=box("nat")).lost == Lost(5, Sign.RESET, 2, True, 4, None, Origin.HOST)


def test_who_rejects_by_icmp_is_not_told() -> None:
    assert found(hop_2=box("unreachable")).lost == Lost(5, Sign.REJECTION, 2)


@BOTH
@pytest.mark.parametrize("hop", range(1, 29))
@pytest.mark.parametrize("how", ["drop", "rst"])
def test_every_place_of_a_long_path_is_found(hop: int, how: str, family: int) -> None:
    lost = found(LONG, family, boxes={hop: box(how)}).lost
    assert lost is not None
    assert (lost.after, lost.before) == (hop, hop + 1)


@pytest.mark.parametrize("hop", [3, 12, 27])
def test_with_few_connections_left_a_place_may_be_wide_and_is_never_wrong(hop: int) -> None:
    lost = found(LONG, ages=(1, 2, 3, 9), boxes={hop: box(forgets=5)}).lost
    assert lost is not None
    assert lost.after <= hop < (lost.before or 30)


def test_a_silent_hop_widens_the_place() -> None:
    told = found("1 5 * 15 | rtt 20 | open 5432", silent=(3,), hop_2=box())
    assert told.lost == Lost(5, Sign.SILENCE, 3, True, 2, 4)


def test_a_hop_that_fell_silent_proves_nothing() -> None:
    """It answered the trace; now it says nothing to anybody."""
    told = found("1 5 * 15 | rtt 20 | open 5432", hop_2=box())
    assert told.lost is not None
    assert (told.lost.after, told.lost.before) == (2, 4)


def test_errors_that_do_not_come_back_leave_the_place_open() -> None:
    told = found(hop_2=box() | {"unrelated": True})
    assert told.lost == Lost(5, Sign.SILENCE, 2, True, 2, None)


def test_limited_routers_move_no_place() -> None:
    told = found("1! 5! 10! 15! | rtt 20 | open 5432", hop_2=box())
    assert told.lost is not None
    assert (told.lost.after, told.lost.before) == (2, 3)


@pytest.mark.parametrize("distance", [4, 7])
def test_of_ways_that_differ_nothing_is_concluded(distance: int) -> None:
    """One of seven routers forgets. The trace may have gone a longer way than the connections."""
    ways = [{"rtt": 5, "forgets": 3 if number == 2 else 999} for number in range(7)]
    scenario = network("1 5 10 | rtt 20 | open 5432", hop_2={"router": ways})
    told = search(VirtualSessions(scenario, port=5432), reply_ttl=61, distance=distance)
    assert (told.lived, told.lost, told.is_contradictory) == ((2,), None, True)


@pytest.mark.parametrize("hop", range(1, 9))
@pytest.mark.parametrize("ages", [(5,), (2, 3, 4, 20)])
def test_over_long_ways_a_place_may_be_wide_and_is_never_wrong(hop: int, ages: tuple[int, ...]) -> None:
    slow = "1000 1500 2000 2500 2600 2700 2800 2900 | rtt 3000 | open 5432"
    lost = found(slow, ages=ages, boxes={hop: box(forgets=4.5)}).lost
    assert lost is not None
    assert lost.after <= hop < (lost.before or 9)


# What is closed


def test_a_host_that_closes_is_told_by_what_the_deaf_one_does_not_hear() -> None:
    told = found(destination={"closes": 3})
    assert (told.lived, told.is_early, told.unasked) == ((2,), False, ())
    assert told.closed is not None
    times = (told.closed.earliest, told.closed.latest)
    assert times == pytest.approx((3, 3), abs=0.1)
    assert told.closed == Closed(4, *times, False, Origin.HOST)
    reset = found(destination={"aborts": 3}).closed
    assert reset is not None
    assert (reset.is_reset, reset.origin) == (True, Origin.HOST)


@pytest.mark.parametrize("hop", [1, 4])
def test_a_router_that_ends_a_connection_by_itself_is_nearer(hop: int) -> None:
    closed = found(boxes={hop: box("close")}).closed
    assert closed is not None
    assert (closed.is_reset, closed.origin, closed.connections) == (True, Origin.NEARER, 5)


def test_a_reply_ttl_that_is_known_is_not_looked_for() -> None:
    prober = VirtualSessions(network(PATH, destination={"closes": 3}))
    told = search(prober, reply_ttl=60)
    assert told.closed is not None
    assert told.closed.origin is Origin.HOST
    assert prober.opened == 7


def test_a_reply_ttl_that_does_not_hold_any_more_proves_nothing() -> None:
    """Our SYNs meet answers of a larger TTL than was found: what the deaf one hears may be the host's."""
    told = search(VirtualSessions(network(PATH, destination={"closes": 3})), reply_ttl=50)
    assert told.closed is not None
    assert told.closed.origin is Origin.UNKNOWN
    lost = search(VirtualSessions(network(PATH, hop_2=box("nat"))), reply_ttl=50).lost
    assert lost is not None
    assert lost.origin is Origin.UNKNOWN


def test_the_largest_ttl_leaves_nobody_nearer() -> None:
    told = search(VirtualSessions(network(PATH, destination={"closes": 3, "ttl": 255})), reply_ttl=255)
    assert told.closed is not None
    assert told.closed.origin is Origin.UNKNOWN
    lost = search(VirtualSessions(network(PATH, hop_2=box("nat"))), reply_ttl=255).lost
    assert lost is not None
    assert lost.origin is Origin.UNKNOWN


@pytest.mark.parametrize("ttl", [40, 64, 128, 200, 255])
def test_the_ttl_of_the_answers_is_found(ttl: int) -> None:
    prober = VirtualSessions(network(PATH, destination={"ttl": ttl, "closes": 3}))
    told = search(prober)
    assert told.closed is not None
    assert told.closed.origin is Origin.HOST


def test_what_was_closed_is_said_though_all_ages_before_lived() -> None:
    told = found(ages=(60, 100, 200, 400), destination={"closes": 300})
    assert told.lived == (60, 100, 200)
    assert told.closed is not None
    assert told.closed.connections == 2
    assert not told.is_early


# How connections are used


def test_a_port_that_takes_no_connection_leaves_nothing_to_say() -> None:
    prober = VirtualSessions(network("1 5 | rtt 20 | closed 5432"))
    told = search(prober)
    assert told == SilenceFound(is_connected=False, unasked=(2, 5))
    assert prober.clock() < 1


def test_a_request_comes_first_where_http_is_spoken() -> None:
    told = found(port=80, hop_2=box())
    assert told.was_used
    assert told.lost is not None
    assert (told.lost.after, told.lost.before) == (2, 3)


def test_a_server_that_ends_what_it_has_answered_is_left_in_peace() -> None:
    told = found(port=80, destination={"ends": True})
    assert (told.was_used, told.lived, told.opened) == (False, (2, 5), 6)


def test_servers_that_speak_first_are_waited_for() -> None:
    told = found(port=22, ages=(60, 350), destination={"greeting": 40, "closes": 120})
    assert told.lived == (60,)
    assert told.closed is not None
    assert round(told.closed.earliest) == 120
    assert not found(port=22).is_connected


def test_all_connections_are_silent_together_and_speak_once() -> None:
    prober = VirtualSessions(network(PATH))
    search(prober, (2, 5))
    first, *ages = [(round(at, 1), order.ttl) for at, order in prober.spoken]
    begun = prober.spoken[0][0]
    assert first[1] == FULL_TTL
    assert [ttl for _, ttl in ages] == [FULL_TTL, FULL_TTL]
    gaps = [at - begun for at, _ in prober.spoken[1:]]
    assert gaps[1] - gaps[0] == pytest.approx(3, abs=0.01)


# Systems and hosts that fail


def failing(kind: type[Order], *connections: int) -> Callable[[Order], FailureKind | None]:
    lost = FailureKind.PROBE_LOST
    return lambda order: lost if isinstance(order, kind) and order.connection in connections else None


@pytest.mark.parametrize("kind", [Connect, Speak, Heed])
@pytest.mark.parametrize("connection", range(14))
@pytest.mark.parametrize("hop", [2, 4])
def test_a_connection_that_fails_costs_no_more_than_itself(
    kind: type[Order], connection: int, hop: int
) -> None:
    scenario = network(PATH, **{f"hop_{hop}": box()})
    prober = VirtualSessions(scenario, port=5432, failing=failing(kind, connection))
    told = search(prober, reply_ttl=60)
    assert told.lost is not None, connection
    assert told.lost.after <= hop < (told.lost.before or 5)


def test_a_connection_that_cannot_be_made_deaf_leaves_open_who_closes() -> None:
    prober = VirtualSessions(network(PATH, destination={"closes": 3}), failing=failing(Heed, *range(64)))
    told = search(prober, (5,), reply_ttl=60)
    assert told.closed is not None
    assert (told.closed.connections, told.closed.origin) == (5, Origin.UNKNOWN)


def test_too_few_answered_requests_are_no_pool() -> None:
    prober = VirtualSessions(network(PATH), port=80, failing=failing(Connect, 1, 2, 3, 4))
    told = search(prober, port=80, reply_ttl=60)
    assert (told.opened, told.was_used, told.lived) == (6, False, (2, 5))


@pytest.mark.parametrize("kind", [Connect, Speak])
def test_where_no_connection_can_be_used_nothing_is_said(kind: type[Order]) -> None:
    prober = VirtualSessions(network(PATH), failing=failing(kind, *range(64)))
    assert not search(prober, reply_ttl=60).is_connected


def test_connections_that_cannot_be_opened_to_be_silent_are_told() -> None:
    prober = VirtualSessions(network(PATH), failing=failing(Connect, *range(1, 64)))
    told = search(prober, reply_ttl=60)
    assert (told.is_connected, told.opened, told.unasked) == (True, 0, (2, 5))


def test_where_new_connections_fail_as_well_it_is_not_age() -> None:
    """The path breaks while the connections are silent."""
    prober = VirtualSessions(network(PATH, hop_2=box()), failing=failing(Connect, *range(7, 64)))
    told = search(prober, reply_ttl=60)
    assert (told.lived, told.lost, told.is_out_of_sight) == ((2,), None, True)


def test_a_search_that_runs_out_of_connections_says_what_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracetcp.engine.session.waves.IN_A_RUN", 8)
    prober = VirtualSessions(network(PATH, hop_2=box()))
    told = search(prober, reply_ttl=60)
    assert told.lost is not None
    assert told.lost.before is None


# Anything


@pytest.mark.parametrize("seed", range(160))
def test_on_random_paths_nothing_wrong_is_said(seed: int) -> None:
    given = silences.case(seed)
    assert not silences.judge(given, *silences.run(given, seed)).startswith("WRONG")


# What chance does


def tell(plan: Generator[list[Trial], list[Result], Found], *fates: tuple[Fate, ...]) -> Found:
    """What a plan returns if the trials of its waves have these fates."""
    asked = next(plan)
    for wave in fates[:-1]:
        asked = plan.send([Result(trial, fate, 128, None) for trial, fate in zip(asked, wave, strict=True)])
    with pytest.raises(StopIteration) as end:
        plan.send([Result(trial, fate, 128, None) for trial, fate in zip(asked, fates[-1], strict=True)])
    value: Found = end.value.value
    return value


def found_place(*fates: tuple[Fate, ...]) -> Lost:
    """What is concluded of two hops, with four connections, if what is said has these fates."""
    search = PlaceSearch(5, [1, 2], Sign.SILENCE, [0, 1, 2, 3], lambda _: False, AnswerTtl(60, 3))
    tell(search.plan(), *fates)
    return search.lost


LOST = (Fate.SILENT, Fate.EXPIRED)
EXPIRES = (Fate.EXPIRED, Fate.EXPIRED)
MUTE = (Fate.SILENT, Fate.SILENT)
RESET = (Fate.ARRIVED, Fate.EXPIRED)
DISCARDED = (Fate.OPEN,)


def test_a_hop_that_was_silent_by_chance_is_passed_by() -> None:
    """A second connection's words expire where those of the first were lost three times."""
    told = found_place(LOST, EXPIRES, DISCARDED, EXPIRES, DISCARDED, (Fate.SILENT,))
    assert told == Lost(5, Sign.SILENCE, 2, True, 2, None)


def test_a_reset_comes_instead_of_silence() -> None:
    told = found_place(LOST, RESET)
    assert (told.sign, told.after, told.before) == (Sign.RESET, 0, 1)
    told = found_place(MUTE, MUTE, (Fate.ARRIVED,))
    assert (told.sign, told.after, told.before) == (Sign.RESET, 0, None)


def test_where_a_reset_was_seen_silence_proves_nothing() -> None:
    told = found_place(RESET, LOST, EXPIRES, DISCARDED)
    assert (told.sign, told.after, told.before) == (Sign.RESET, 1, 2)


def test_a_router_that_is_out_of_errors_moves_no_place() -> None:
    """Somebody else uses up what it may send: what it answers comes to what is sent again."""
    for seed in range(20):
        table = {"limit": {"burst": 1, "per_second": 0.6}}
        told = found("1 5 5 5 | rtt 20 | open 5432", boxes={4: box()}, hop_2=table, hop_3=table, seed=seed)
        assert told.lost is not None
        assert told.lost.after in (0, 1, 2, 3, 4)
        assert told.lost.before is None


def test_whoever_answers_nobody_any_more_shows_nobody_nearer() -> None:
    silent, opens = (Fate.UNSENT,), (Fate.OPEN,)
    assert tell(AnswerTtl(60, 3).origin(), *[silent] * 6) is Origin.UNKNOWN
    assert tell(AnswerTtl(60, 3).origin(), *[silent] * 4, opens) is Origin.NEARER
    assert tell(AnswerTtl(60, 3).origin(), silent, opens) is Origin.UNKNOWN


# The choice of hops


def test_so_many_questions_and_connections_reach_so_many_hops() -> None:
    assert [reach(questions, 1) for questions in range(4)] == [0, 1, 2, 3]
    assert reach(5, 5) == 31
    assert reach(4, 2) == 10


@pytest.mark.parametrize("count", range(1, 40))
@pytest.mark.parametrize("connections", range(1, 7))
def test_the_worst_case_takes_no_more_than_was_promised(count: int, connections: int) -> None:
    promised = next(questions for questions in range(count + 1) if reach(questions, connections) >= count)

    def worst(left: int, usable: int) -> int:
        if not left:
            return 0
        assert usable, "every connection is used up before the place is known"
        place = pick(left, usable)
        return 1 + max(worst(place, usable - 1), worst(left - place - 1, usable))

    assert worst(count, connections) <= promised
