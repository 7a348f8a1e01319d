"""Many targets behind routers that they share: each row is that of a trace alone, and routers are spared."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from internet import network
from internet.counts import most_within
from internet.crowd import Crowd, Spot
from internet.report import trace
from tracetcp.config import TraceConfig
from tracetcp.engine.trace.flight import Flight, Purpose
from tracetcp.engine.trace.pacer import LIMITED_INTERVAL
from tracetcp.engine.trace.routers import Routers
from tracetcp.engine.trace.shared_routers import (
    ANSWERS_TO_CALM,
    ANSWERS_TO_SPEED_UP,
    FREQUENT_LOSSES,
    LIMIT_PROOFS,
    REMEMBERED_ASKS,
    REMEMBERED_ROUTERS,
    SEEN_ROUTERS,
    UNHEARD_PROBES,
    SharedRouter,
    SharedRouters,
    Votes,
)
from tracetcp.model import Probe, Reply, ReplyKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from internet.scenario import Scenario

NEAR = ("10.1.1.1", "10.2.1.1", "10.3.1.1")
KNOWN_AFTER = 15.0
"""Seconds after which a run has found out who limits its answers: a few bursts and as many calm ones."""


def place(number: int) -> str:
    return f"{number & 255}.{1 + (number >> 8)}"


def host(number: int, tail: str, near: str = "1! 2! 3!", *, own: Sequence[int] = (4, 5)) -> Scenario:
    """A host behind three routers that all have, and others of its own."""
    hops = {f"hop_{ttl}": {"address": f"10.{ttl}.{place(number)}"} for ttl in own}
    return network(f"{near} {tail}", destination={"address": f"203.0.{place(number)}"}, **hops)


def crowd_of(
    scenarios: Sequence[Scenario],
    config: TraceConfig | None = None,
    *,
    rate: int = 100,
    most: int = 16,
    family: int = 4,
    shares_flows: bool = True,
) -> Crowd:
    """A whole run; each target's rows are those of a trace alone."""
    config = config or TraceConfig(host="h")
    spots = [Spot(each, replace(config, host=f"h{n}"), family) for n, each in enumerate(scenarios)]
    crowd = Crowd(spots, rate=rate, most=most, shares_flows=shares_flows)
    crowd.run()
    assert crowd.errors == {}
    different = {
        spot.config.host: crowd.rows[spot.config.host]
        for spot in spots
        if crowd.rows[spot.config.host]
        != trace(spot.scenario, spot.config, family, shares_flows=shares_flows).lines()
    }
    assert different == {}
    assert most_within(sorted(crowd.sent), 1.0) <= rate
    return crowd


@pytest.mark.parametrize(("rate", "pings"), [(100, 3), (2000, 1)])
def test_limited_routers_are_asked_once_a_second_for_all_targets_and_called_silent_for_none(
    rate: int, pings: int
) -> None:
    hosts = [host(number, "8 10 | open 80 | rtt 20") for number in range(40)]
    crowd = crowd_of(hosts, TraceConfig(host="h", pings=pings), rate=rate)
    for router in NEAR:
        late = [at for at in crowd.asked_at(router) if at > KNOWN_AFTER]
        assert len(late) > 10
        assert most_within(late, 1.0) == 1
        assert len(crowd.asked_at(router)) <= 40 * pings + 15


@pytest.mark.slow
def test_a_thousand_targets_behind_three_limited_routers() -> None:
    hosts = [host(number, "8 10 | open 80 | rtt 20") for number in range(1000)]
    crowd = crowd_of(hosts, TraceConfig(host="h", pings=3))
    for router in NEAR:
        late = [at for at in crowd.asked_at(router) if at > KNOWN_AFTER]
        assert most_within(late, 1.0) == 1
        assert len(crowd.asked_at(router)) <= 3020


def awkward(number: int, near: str) -> Scenario:
    """One of eight kinds of path."""
    tails = {
        0: "8 10 | open 80 | rtt 20",
        1: "8 10[drop 80] 12 | open 443 | rtt 20",
        2: "* 10 12 | open 80 | rtt 20",
        4: "8! 10! 11! | closed 80 | rtt 20",
        5: "8 10 | silent 80 | rtt 20",
        6: "8! 9 10 * * * 14 | open 80 | rtt 25",
        7: "8! 9! | open 80 | rtt 25",
    }
    kind = number % 8
    if kind == 3:  # the last shared router rejects the port
        return host(number, "", near + "[unreachable 13 80] | rtt 20", own=())
    own = {0: (4, 5), 1: (4, 5), 2: (5,), 4: (4,), 5: (4, 5), 6: (), 7: ()}[kind]
    scenario = host(number, tails[kind], near, own=own)
    return scenario if kind != 7 else host(number, tails[7].replace("8!", "8!"), near, own=())


@pytest.mark.repeats
@pytest.mark.parametrize("near", ["1! 2! 3!", "1 2 3", "1 2! 3"])
@pytest.mark.parametrize(("rate", "pings", "most"), [(100, 3, 16), (2000, 1, 64), (2000, 3, 128)])
def test_on_awkward_paths_each_row_is_that_of_a_trace_alone(
    near: str, rate: int, pings: int, most: int
) -> None:
    hosts = [awkward(number, near) for number in range(48)]
    crowd_of(hosts, TraceConfig(host="h", pings=pings, timeout=1.0), rate=rate, most=most)


def test_and_so_it_is_without_raw_sockets() -> None:
    hosts = [awkward(number, "1! 2! 3!") for number in range(24)]
    crowd_of(hosts, TraceConfig(host="h", pings=2, timeout=1.0), rate=500, shares_flows=False)


def test_and_over_ipv6() -> None:
    hosts = [network("1! 2! 3! 8 | open 80 | rtt 20") for _ in range(12)]
    crowd_of(hosts, TraceConfig(host="h", pings=2), family=6)


@pytest.mark.repeats
def test_routers_without_a_limit_are_soon_sent_what_the_rate_allows() -> None:
    hosts = [host(number, "8 10 | open 80 | rtt 20", "1 2 3") for number in range(400)]
    crowd = crowd_of(hosts, TraceConfig(host="h", pings=1), rate=2000, most=128)
    assert crowd.wait.now < 3.5
    assert len(crowd.asked_at(NEAR[0])) == 400


@pytest.mark.repeats
@pytest.mark.parametrize("per_second", [5, 30, 60])
def test_a_router_that_answers_so_many_a_second_is_asked_no_faster_for_long(per_second: int) -> None:
    limit = {"limit": {"burst": 6, "per_second": per_second}}
    hosts = [
        network(
            "1 2 3 8 | open 80 | rtt 20",
            destination={"address": f"203.0.{place(number)}"},
            hop_1=limit,
            hop_4={"address": f"10.4.{place(number)}"},
        )
        for number in range(150)
    ]
    crowd = crowd_of(hosts, TraceConfig(host="h", pings=1), rate=2000, most=64)
    assert crowd.lost_to_limits <= 60


def test_a_path_that_loses_packets_does_not_slow_the_others_down() -> None:
    hosts = [
        network(
            "1 2 3 8 | open 80 | rtt 20",
            loss=0.02,
            seed=number,
            destination={"address": f"203.0.{place(number)}"},
            hop_4={"address": f"10.4.{place(number)}"},
        )
        for number in range(200)
    ]
    spots = [Spot(each, TraceConfig(host=f"h{n}", pings=1)) for n, each in enumerate(hosts)]
    crowd = Crowd(spots, rate=1000, most=64)
    crowd.run()
    complete = sum(
        [row.partition(" ")[2] for row in rows][:3] == ["1 10.1.1.1", "2 10.2.1.1", "3 10.3.1.1"]
        for rows in crowd.rows.values()
    )
    assert complete >= 190
    assert crowd.wait.now < 60


# One router ------------------------------------------------------------------------------------------------


def ask(router: SharedRouter, *instants: float, answered: bool) -> None:
    for at in instants:
        asked = router.on_sent(at)
        if answered:
            router.on_answered(asked)
        else:
            router.on_lost(asked)


def test_hasty_answers_double_the_speed_and_a_loss_takes_it_back() -> None:
    router = SharedRouter()
    ask(router, *(n * 0.05 for n in range(ANSWERS_TO_SPEED_UP + 1)), answered=True)
    fast = router.next_send_at(3) - ANSWERS_TO_SPEED_UP * 0.05
    assert 0.0 < fast < 0.06
    lost = router.on_sent(0.6)
    router.on_lost(lost)
    assert not lost.is_cleared
    assert not router.is_spared
    assert router.next_send_at(3) > 0.6 + 0.06
    router.prove(lost)
    assert not router.is_limited


def test_a_loss_between_answers_is_chance() -> None:
    router = SharedRouter()
    ask(router, 0.0, 0.05, answered=True)
    lost = router.on_sent(0.1)
    ask(router, 0.15, answered=True)
    void = router.on_sent(0.17)
    void.is_void = True
    ask(router, 0.2, answered=True)
    router.on_lost(lost)
    assert lost.is_cleared
    assert not router.is_spared


def test_a_loss_that_nothing_clears_begins_a_doubt_and_calm_answers_end_it() -> None:
    router = SharedRouter()
    ask(router, 0.0, answered=True)
    first, second = router.on_sent(0.05), router.on_sent(0.1)
    router.on_lost(first)
    assert router.is_spared
    assert router.next_send_at() == 0.1 + LIMITED_INTERVAL
    router.on_lost(second)
    ask(router, *(2.0 * n for n in range(1, ANSWERS_TO_CALM)), answered=True)
    assert router.is_spared
    ask(router, 20.0, answered=False)
    assert router.is_spared
    ask(router, 22.0, answered=True)
    assert not router.is_spared
    ask(router, 30.0, answered=False)
    assert not router.is_spared, "nobody was in its way"


def test_as_many_losses_prove_a_limit() -> None:
    router = SharedRouter()
    ask(router, 0.0, answered=True)
    lost = [router.on_sent(0.05 * n) for n in range(1, LIMIT_PROOFS + 1)]
    for each in lost:
        router.on_lost(each)
        router.prove(each)
    assert router.is_limited
    ask(router, *(2.0 * n for n in range(1, 20)), answered=True)
    assert router.is_spared


def test_the_oldest_probes_are_forgotten_and_clear_nothing() -> None:
    router = SharedRouter()
    ask(router, 0.0, answered=True)
    lost = router.on_sent(0.01)
    ask(router, *(0.02 + n * 0.001 for n in range(REMEMBERED_ASKS)), answered=True)
    router.on_lost(lost)
    assert not lost.is_cleared


def test_losses_that_each_look_like_chance_are_a_limit_if_there_are_many() -> None:
    router = SharedRouter()
    for number in range(FREQUENT_LOSSES):
        ask(router, 0.2 * number, 0.2 * number + 0.04, answered=True)
        lost = router.on_sent(0.2 * number + 0.08)
        ask(router, 0.2 * number + 0.12, 0.2 * number + 0.16, answered=True)
        router.on_lost(lost)
        assert lost.is_cleared
        assert not router.is_limited
        lost.speed = 1
        router.prove(lost)
    assert router.is_limited


def test_a_fast_router_that_loses_some_is_set_back_first() -> None:
    router = SharedRouter()
    ask(router, *(n * 0.05 for n in range(ANSWERS_TO_SPEED_UP + 1)), answered=True)
    for number in range(FREQUENT_LOSSES):
        lost = router.on_sent(1.0 + 0.02 * number)
        lost.is_cleared = True
        router.prove(lost)
    assert router.next_send_at(3) > 1.08 + 0.1
    assert not router.is_limited


# What is expected where ------------------------------------------------------------------------------------


def test_where_nobody_has_answered_the_ttl_stands_for_the_router_for_some_time() -> None:
    routers = SharedRouters()
    (unheard,) = routers.expected_at(3, None)
    assert list(routers.expected_at(3, None)) == [unheard]
    for number in range(UNHEARD_PROBES):
        unheard.on_sent(number)
    assert list(routers.expected_at(3, None)) == []
    assert routers.met("10.0.0.1", 3) is unheard
    assert routers.met("10.0.0.1", 4) is unheard


def test_what_others_met_is_expected_and_what_is_rare_only_after_a_loss_if_it_is_spared() -> None:
    routers = SharedRouters()
    usual, rare = routers.met("10.0.0.1", 3), routers.met("10.0.0.2", 3)
    routers.vote(3, rare)
    for _ in range(5):
        routers.vote(3, usual)
    assert list(routers.expected_at(3, None)) == [usual]
    assert routers.spared_at(3, None) is None
    ask(rare, 0.0, answered=True)
    ask(rare, 0.1, answered=False)
    assert routers.spared_at(3, None) is rare
    for _ in range(20):
        routers.vote(3, None)
    assert list(routers.expected_at(3, None)) == []
    assert routers.spared_at(9, None) is None
    usual.followers.add(rare)
    assert list(routers.expected_at(3, usual)) == [rare]


def test_memory_holds_so_many_routers() -> None:
    routers, votes = SharedRouters(), Votes()
    first = routers.met("first", 1)
    for number in range(REMEMBERED_ROUTERS):
        routers.met(f"{number}", 1)
    assert routers.met("first", 1) is not first
    for _ in range(SEEN_ROUTERS + 5):
        votes.add(SharedRouter())
    assert len(votes._seen) == SEEN_ROUTERS


def hear(routers: Routers, ttl: int, sender: str, token: int, kind: ReplyKind) -> None:
    flight = Flight(Probe(token, 80, ttl, 1, 0), Purpose.CELL, is_alone=False)
    routers.on_reply(flight, Reply(token, kind, sender, 0.0))


def test_what_left_for_a_router_before_it_was_known_counts_for_it() -> None:
    shared = SharedRouters()
    one, other = Routers(shared), Routers(shared)
    one.on_sent(3, 1.0, 1)
    hear(one, 3, "10.0.0.3", 1, ReplyKind.TIME_EXCEEDED)
    for at in (1.0, 1.0):
        other.on_sent(4, at, 2)
    hear(other, 4, "10.0.0.3", 2, ReplyKind.TIME_EXCEEDED)
    assert one.next_send_at(3) > 1.0
    assert other.next_send_at(4) > 1.0


def test_a_router_that_rejects_answers_for_all_that_is_beyond_it() -> None:
    shared = SharedRouters()
    one = Routers(shared)
    one.on_sent(3, 1.0, 1)
    hear(one, 3, "10.0.0.3", 1, ReplyKind.TIME_EXCEEDED)
    one.on_sent(4, 1.01, 2)
    hear(one, 4, "10.0.0.3", 2, ReplyKind.UNREACHABLE)
    hear(one, 5, "10.0.0.3", 3, ReplyKind.UNREACHABLE)
    for at in (1.02, 1.02, 1.02):
        one.on_sent(6, at, 4)
    assert one.next_send_at(3) > 1.02
    other = Routers(shared)
    other.on_sent(3, 5.0, 5)
    hear(other, 3, "10.0.0.3", 5, ReplyKind.TIME_EXCEEDED)
    other.on_sent(4, 5.0, 6)
    other.on_sent(4, 5.0, 7)
    assert other.next_send_at(4) > 5.0
    hear(other, 4, "10.0.0.9", 6, ReplyKind.UNREACHABLE)


def test_a_probe_whose_fate_nobody_tells_counts_all_the_same() -> None:
    shared = SharedRouters()
    one = Routers(shared)
    one.on_sent(3, 1.0, 1)
    hear(one, 3, "10.0.0.3", 1, ReplyKind.TIME_EXCEEDED)
    for _ in range(3):
        Routers(shared).on_sent(3, 2.0)
    assert one.next_send_at(3) > 2.0


def test_a_silent_place_is_told_to_the_others() -> None:
    shared = SharedRouters()
    known = Routers(shared)
    known.on_sent(3, 0.0, 1)
    hear(known, 3, "10.0.0.3", 1, ReplyKind.TIME_EXCEEDED)
    router = shared.met("10.0.0.3", 3)
    for number in range(2, 40):
        target = Routers(shared)
        for at in range(3):
            target.on_sent(3, 10.0 * number + 2.0 * at, 10 * number + at)
            target.on_lost(Probe(10 * number + at, 80, 3, 1, 0))
    assert router not in shared.expected_at(3, None)
    assert not Routers().may_owe_at(3)
    assert not known.may_owe_at(3)
