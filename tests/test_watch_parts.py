"""The parts of a watch by themselves: addresses of a hop, loss, RTTs, rounds, figures, times."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from tracetcp.watch.figures import SHOWN, Figures
from tracetcp.watch.hop_addresses import HopAddresses
from tracetcp.watch.loss import LossTest, Tally, first_lossy_hop, is_limited, limited_hops
from tracetcp.watch.path import DESTINATION, WatchedPath
from tracetcp.watch.rounds import MOST_ROUNDS, QUICK, QUICK_ROUNDS, STEADY, Rounds
from tracetcp.watch.rtt_change import RttTest, is_shifted
from tracetcp.watch.times import Times

# hop_addresses --------------------------------------------------------------------------------------------


def answers_until_a_change(before: str, after: str) -> int:
    """How many answers of ``after`` it takes after those of ``before``, a letter each."""
    hop = HopAddresses()
    assert [hop.add(address) for address in before] == [None] * len(before)
    for count, address in enumerate(after, 1):
        if hop.add(address) is not None:
            return count
    return 0


@pytest.mark.parametrize(("answers", "needed"), [(7, 7), (20, 5), (48, 4), (5000, 4)])
def test_the_longer_an_address_answered_the_sooner_another_has_its_place(answers: int, needed: int) -> None:
    assert answers_until_a_change("A" * answers, "B" * 40) == needed


def test_a_change_names_what_was_and_what_is() -> None:
    hop = HopAddresses()
    changes = [hop.add(address) for address in "A" * 48 + "B" * 4]
    assert changes[-1] == (("A",), ("B",))
    assert (hop.settled, hop.is_in_doubt) == (("B",), False)
    assert [hop.add(address) for address in "A" * 40].count(None) == 39


@pytest.mark.repeats
@pytest.mark.parametrize("routers", [2, 3, 4, 8])
def test_shared_load_is_no_change_however_the_dice_fall(routers: int) -> None:
    chance = Random(routers)
    changes = 0
    for _ in range(100):
        hop = HopAddresses()
        changes += sum(hop.add(chance.choice("ABCDEFGH"[:routers])) is not None for _ in range(500))
    assert changes == 0


def test_an_address_that_shares_the_load_and_goes_is_told_when_it_is_sure() -> None:
    assert 25 <= answers_until_a_change("AB" * 30, "B" * 60) <= 50


# loss -----------------------------------------------------------------------------------------------------


def alarms(share: float, probes: int, seed: int) -> int:
    chance, test = Random(seed), LossTest()
    return sum(test.add(is_lost=chance.random() < share) for _ in range(probes))


@pytest.mark.parametrize("share", [0.0, 0.02, 0.04])
def test_usual_loss_raises_no_alarm(share: float) -> None:
    assert sum(alarms(share, 36_000, seed) for seed in range(10)) == 0


@pytest.mark.parametrize("seed", range(20))
def test_a_loss_of_30_percent_is_found_within_a_hundred_probes_and_so_is_its_end(seed: int) -> None:
    chance, test = Random(seed), LossTest()
    found = next(n for n in range(1000) if test.add(is_lost=chance.random() < 0.3))
    assert found < 100
    assert test.is_lossy
    assert test.found.share > 0.15
    assert next(n for n in range(1000) if test.add(is_lost=chance.random() < 0.01)) < 250
    assert not test.is_lossy


def test_loss_is_suspected_before_it_is_told() -> None:
    test = LossTest()
    for _ in range(5):
        test.add(is_lost=True)
    assert test.is_suspicious
    test.begin_anew()
    assert not test.is_suspicious


LOSES, CLEAN = Tally(30, 9), Tally(30, 0)


@pytest.mark.parametrize("first", [1, 3, 6, None])
def test_loss_begins_at_the_first_hop_from_which_on_all_lose(first: int | None) -> None:
    hops = {ttl: LOSES if first is not None and ttl >= first else CLEAN for ttl in range(1, 7)}
    assert first_lossy_hop(Tally(40, 12), hops) == first
    assert limited_hops(Tally(40, 12), hops) == ()


def test_a_limited_router_loses_nothing() -> None:
    hops = {1: CLEAN, 2: Tally(30, 15), 3: CLEAN, 4: CLEAN, 5: LOSES, 6: Tally(30, 30)}
    assert first_lossy_hop(Tally(40, 12), hops) == 5
    assert limited_hops(Tally(40, 12), hops) == (2,)


@pytest.mark.parametrize(
    ("tally", "path_loss", "limited"),
    [
        (Tally(40, 2), 0.0, False),
        (Tally(40, 40), 0.0, False),
        (Tally(40, 8), 0.0, True),
        (Tally(40, 8), 0.2, False),
        (Tally(40, 30), 0.2, True),
    ],
)
def test_a_limit_must_not_be_loss_nor_silence(tally: Tally, path_loss: float, limited: bool) -> None:
    assert is_limited(tally, path_loss) is limited


def test_a_tally_of_nothing_has_no_loss() -> None:
    assert Tally(0, 0).share == 0.0


# rtt_change -----------------------------------------------------------------------------------------------


def noise(kind: str, chance: Random) -> float:
    if kind == "uniform":
        return 0.02 + chance.random() * 0.1
    if kind == "lognormal":
        return 0.02 + chance.lognormvariate(-6, 1)
    if kind == "spikes":
        return 0.02 + (0.3 if chance.random() < 0.1 else chance.random() * 0.001)
    return 0.02


@pytest.mark.parametrize("kind", ["uniform", "lognormal", "spikes", "constant"])
def test_jitter_is_no_change(kind: str) -> None:
    for seed in range(3):
        chance, test = Random(seed), RttTest()
        assert [test.add(noise(kind, chance)) for _ in range(12_000)].count(None) == 12_000


@pytest.mark.parametrize("kind", ["uniform", "lognormal", "spikes", "constant"])
def test_a_change_is_found_and_so_is_its_end(kind: str) -> None:
    chance, test = Random(1), RttTest()
    for _ in range(100):
        test.add(noise(kind, chance))
    there = [test.add(noise(kind, chance) + 0.3) for _ in range(15)]
    back = [test.add(noise(kind, chance)) for _ in range(15)]
    (slower,) = (shift for shift in there if shift)
    (faster,) = (shift for shift in back if shift)
    assert slower.after - slower.before == pytest.approx(0.3, abs=0.1)
    assert faster.after < faster.before


def test_a_change_that_lasts_becomes_what_is_usual() -> None:
    test = RttTest()
    for rtt in [0.02] * 100 + [0.09] * 200:
        test.add(rtt)
    found = [test.add(0.2) for _ in range(15)]
    (slower,) = (shift for shift in found if shift)
    assert slower.before == pytest.approx(0.09)
    test.begin_anew()
    assert [test.add(0.5) for _ in range(50)].count(None) == 50


def test_less_than_a_millisecond_is_no_change() -> None:
    assert not is_shifted([0.0100] * 60, [0.0108] * 10)
    assert is_shifted([0.0100] * 60, [0.0120] * 10)


# rounds and path ------------------------------------------------------------------------------------------


def round_instants(rounds: Rounds, until: float) -> list[float]:
    instants, now = [], 0.0
    while now < until:
        hop = rounds.next(now, [1])
        if hop is not None:
            rounds.asked(hop)
            instants.append(now)
        now = round(now + 0.05, 2)
    return instants


def test_rounds_of_a_doubt_begin_quickly_and_end() -> None:
    rounds = Rounds()
    assert not rounds.is_any
    rounds.doubt()
    instants = round_instants(rounds, 30)
    gaps = [later - at for at, later in pairwise(instants)]
    assert len(instants) == MOST_ROUNDS
    assert gaps[: QUICK_ROUNDS - 1] == pytest.approx([QUICK] * (QUICK_ROUNDS - 1))
    assert gaps[QUICK_ROUNDS:] == pytest.approx([STEADY] * (MOST_ROUNDS - QUICK_ROUNDS - 1))


def test_a_settled_doubt_ends_its_rounds_but_not_others() -> None:
    rounds = Rounds()
    rounds.want(3)
    rounds.doubt()
    rounds.settle()
    assert len(round_instants(rounds, 30)) == 3
    rounds.want(3)
    rounds.stop()
    assert round_instants(rounds, 10) == []


def test_the_path_ends_where_the_destination_answers() -> None:
    path = WatchedPath(1, 30)
    path.expect(3)
    for hop, address in ((1, "A"), (2, "B"), (3, "C")):
        path.answered(hop, address, 0.01, is_in_round=True)
    assert path.length == 4
    path.answered(4, DESTINATION, 0.01, is_in_round=True)
    path.answered(9, "far", 0.01, is_in_round=True)
    assert (path.length, path.met_at) == (4, 4)
    assert path.take_change() is None


def test_no_hop_is_asked_beyond_the_last_one_allowed() -> None:
    path = WatchedPath(1, 2)
    path.expect(2)
    path.answered(2, "B", 0.01, is_in_round=True)
    assert path.length == 2


# figures and times ----------------------------------------------------------------------------------------


def test_figures_are_of_decided_probes() -> None:
    figures = Figures()
    assert figures.average is None
    for rtt in (0.01, None, 0.03, 0.02):
        figures.add(rtt)
    assert (figures.asked, figures.answered) == (4, 3)
    assert (figures.last, figures.best, figures.worst) == (0.02, 0.01, 0.03)
    assert figures.average == pytest.approx(0.02)
    assert figures.jitter == pytest.approx(0.02 - 0.01 / 16)
    for _ in range(2 * SHOWN):
        figures.add(0.01)
    assert len(figures.history) == SHOWN


def test_time_is_up_down_or_unknown() -> None:
    times = Times(0.0)
    times.turn(True, 1.0)
    times.turn(False, 11.0)
    times.turn(None, 14.0)
    assert times.down_since == 11.0
    times.turn(True, 16.0)
    times.turn(False, 20.0)
    times.turn(True, 21.0)
    assert times.spent(30.0) == (10 + 4 + 9, 3 + 1, 1 + 2, 5, 2)


def test_an_outage_that_lasts_counts_as_long_as_it_has_lasted() -> None:
    times = Times(0.0)
    times.turn(False, 5.0)
    assert times.spent(12.0).longest_outage == 7.0
    assert times.spent(12.0).outages == 1
