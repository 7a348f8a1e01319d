"""The parts of a watch by themselves, each with hand-made answers and instants."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from tracetcp.model import Outcome, Probe, Reply, ReplyKind
from tracetcp.model.verdict import Certainty, Kind
from tracetcp.model.watching import PortState
from tracetcp.watch.doubts import FORGIVEN_AFTER, MOST_AGAIN, ONCE, Doubts
from tracetcp.watch.figures import SHOWN, Figures
from tracetcp.watch.hop_addresses import HopAddresses
from tracetcp.watch.intervals import Intervals
from tracetcp.watch.loss import LossTest, Tally, first_lossy_hop, is_limited, limited_hops
from tracetcp.watch.path import DESTINATION, WatchedPath
from tracetcp.watch.questions import FLOWS_IN_TURN, RESTING_FLOWS, Question, Role
from tracetcp.watch.recovery import LOOK_PAUSE, SAME_ANSWERS, Recovery, Step
from tracetcp.watch.rounds import MOST_ROUNDS, QUICK, QUICK_ROUNDS, STEADY, Rounds
from tracetcp.watch.rows import SILENT_AFTER, rows
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


def test_a_hop_that_answered_once_is_not_called_silent_after_the_figures_began_anew() -> None:
    path = WatchedPath(1, 30)
    path.expect(2)
    path.answered(1, "A", 0.01, is_in_round=False)
    path.begin_figures_anew()
    for hop in (1, 2):
        for _ in range(SILENT_AFTER):
            path.lost(hop, is_in_round=False)
    assert [row.is_silent for row in rows(path, Figures(), None, "192.0.2.1")] == [False, True]


# doubts ---------------------------------------------------------------------------------------------------


def asked(sent_at: float, flow: int = FLOWS_IN_TURN[0], role: Role = Role.DESTINATION) -> Question:
    return Question(role, Probe(0, 80, 30, 1, flow), 0.25, 4.0, sent_at=sent_at)


def asked_again(doubts: Doubts, sent_at: float) -> Question:
    """The next question of the doubt left."""
    assert doubts.current is not None
    assert doubts.current.wants_question
    doubts.current.asking = asked(sent_at, RESTING_FLOWS[0], Role.AGAIN)
    return doubts.current.asking


def test_one_question_bears_a_doubt_out_and_after_looks_in_vain_it_takes_more() -> None:
    doubts, needed = Doubts(), []
    for at in (0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 50.0 + FORGIVEN_AFTER):
        doubts.begin(asked(at), at)
        count = 1
        while not doubts.bear_out(asked_again(doubts, at), is_as_before=False):
            count += 1
        needed.append(count)
        doubts.drop()
        doubts.looked_in_vain(at)
    assert needed == [1, 2, 3, MOST_AGAIN, MOST_AGAIN, MOST_AGAIN, 1]


def test_a_doubt_began_with_the_first_question_that_met_it() -> None:
    doubts = Doubts()
    doubts.begin(asked(7.0), 7.3)
    doubts.begin(asked(8.0), 8.3)
    assert doubts.current is not None
    assert doubts.current.began_at == 7.0


@pytest.mark.parametrize(("sent_at", "ends"), [(6.0, False), (7.0, True), (8.0, True)])
def test_an_answer_ends_a_doubt_unless_it_was_asked_for_before(sent_at: float, ends: bool) -> None:
    doubts = Doubts()
    doubts.begin(asked(7.0), 7.3)
    late = asked_again(doubts, 7.3)
    doubts.refute(asked(sent_at))
    assert (doubts.current is None) is ends
    assert doubts.bear_out(late, is_as_before=False) is not ends


def test_a_destination_answers_once_if_only_rested_flows_are_answered_in_a_row() -> None:
    doubts = Doubts()
    for count in range(2 * ONCE):
        assert doubts.answers_once is (count >= ONCE)
        doubts.begin(asked(count), count)
        assert not doubts.bear_out(asked_again(doubts, count), is_as_before=True)
        assert doubts.current is None
        doubts.refute(asked(count, RESTING_FLOWS[1]))
    doubts.refute(asked(99))
    assert not doubts.answers_once


# recovery -------------------------------------------------------------------------------------------------


def state(kind: Kind, hop: int = 4, outcome: Outcome = Outcome.NOT_REACHED) -> PortState:
    return PortState(outcome, kind, Certainty.CERTAIN, "", hop, None)


BLOCKED, REJECTED = state(Kind.BLOCKED), state(Kind.REJECTED)
FORGED = state(Kind.FORGED, outcome=Outcome.CLOSED)
ANSWER = Reply(0, ReplyKind.SYN_ACK, "192.0.2.1", 0.0)
UNREACHABLE = Reply(0, ReplyKind.UNREACHABLE, "10.4.1.1", 0.0)


def test_a_port_that_answers_is_looked_at_and_believed_if_it_goes_on() -> None:
    recovery = Recovery()
    assert recovery.meet(BLOCKED, None, None, 1.0) is Step.WAIT
    steps = [recovery.meet(BLOCKED, ANSWER, Outcome.OPEN, at) for at in (2.0, 3.0, 4.0)]
    assert steps == [Step.LOOK, Step.LOOK, Step.BELIEVE]
    assert recovery.began_at == 2.0
    recovery.meet(BLOCKED, None, None, 5.0)
    assert recovery.began_at is None
    assert recovery.meet(BLOCKED, ANSWER, Outcome.CLOSED, 6.0) is Step.LOOK
    assert recovery.began_at == 6.0


def test_a_rst_in_place_of_forged_ones_is_none_and_anything_else_is_never_believed_without_a_look() -> None:
    recovery = Recovery()
    assert recovery.meet(FORGED, ANSWER, Outcome.CLOSED, 1.0) is Step.WAIT
    assert [recovery.meet(FORGED, ANSWER, Outcome.OPEN, 2.0) for _ in range(5)] == [Step.LOOK_IN_TIME] * 5
    assert recovery.began_at == 2.0


def test_other_answers_have_to_come_in_a_row() -> None:
    recovery = Recovery()
    answers = [None, UNREACHABLE, UNREACHABLE, None, *[UNREACHABLE] * (SAME_ANSWERS + 2), None]
    steps = [recovery.meet(BLOCKED, answer, None, 1.0) for answer in answers]
    assert [step is Step.LOOK_IN_TIME for step in steps].index(True) == 4 + SAME_ANSWERS - 1
    assert steps.count(Step.WAIT) == len(steps) - 1


def test_looks_get_rarer_until_something_is_new() -> None:
    recovery = Recovery()
    recovery.begin(0.0)

    def instants(until: float) -> list[float]:
        return [float(at) for at in range(int(until)) if recovery.may_look(at)]

    assert instants(500) == [30, 60, 120, 240, 480]
    recovery.begin(0.0)
    assert instants(61) == [LOOK_PAUSE, 2 * LOOK_PAUSE]


def test_what_is_told_of_a_port_that_stays_down_was_found_twice() -> None:
    recovery = Recovery()
    assert recovery.is_sure(BLOCKED, state(Kind.BLOCKED)) is False
    assert recovery.is_sure(BLOCKED, REJECTED) is None
    assert recovery.is_sure(BLOCKED, state(Kind.BLOCKED, hop=7)) is None
    assert recovery.is_sure(BLOCKED, REJECTED) is None
    assert recovery.is_sure(BLOCKED, REJECTED) is True
    assert recovery.is_sure(BLOCKED, state(Kind.OPEN, outcome=Outcome.OPEN)) is True


def test_what_was_told_before_a_look_had_ended_gives_way_to_what_it_finds() -> None:
    recovery, silence = Recovery(), state(Kind.NO_ANSWER)
    recovery.expect(silence)
    assert recovery.is_sure(silence, BLOCKED) is True


# intervals ------------------------------------------------------------------------------------------------


def test_an_interval_that_was_missed_is_not_made_up_for() -> None:
    intervals = Intervals(10.0, 3)
    intervals.begin_at(5.0)
    begun = [intervals.begin(at) for at in (5.0, 42.0, 45.0, 55.0)]
    assert begun == [True, True, True, False]
    assert intervals.are_over
    intervals.begin_at(60.0)
    assert intervals.next_at > 60.0


def test_no_interval_begins_in_a_pause_whatever_is_said() -> None:
    intervals = Intervals(10.0, None)
    intervals.begin_at(5.0)
    intervals.pause()
    intervals.begin_by(7.0)
    assert intervals.next_at > 7.0
    intervals.go_on()
    intervals.begin_by(7.0)
    intervals.begin_by(9.0)
    assert intervals.next_at == 7.0


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
