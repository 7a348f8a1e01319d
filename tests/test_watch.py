"""The watch on the virtual clock: what is told and when, what is not, and how little is sent for it."""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from internet import VirtualProber, network
from internet.report import SECRET
from soaking import AWKWARD, paths
from tracetcp.config import TraceConfig, Watch
from tracetcp.engine import open_engine
from tracetcp.engine.run_state import RunState
from tracetcp.model import FailureKind, Probe, Reply, ReplyKind, SendFailure
from tracetcp.model.verdict import Certainty, Kind
from tracetcp.model.watching import (
    Cause,
    Heartbeat,
    LocalCause,
    LocalTrouble,
    LossChanged,
    PathChanged,
    RttChanged,
    StateChanged,
    TargetMoved,
    WatchEnded,
)
from tracetcp.watch import QuietMachine
from tracetcp.watch.engine import WatchEngine
from tracetcp.watch.local_causes import LocalCauses
from tracetcp.watch.news import News
from tracetcp.watch.path import REST
from tracetcp.watch.questions import FLOWS_IN_TURN, RESTING_FLOWS
from watching import SETTLED, Watched, begin_figures_anew, end, in_turn, pause

if TYPE_CHECKING:
    from internet import Scenario
    from watching import Key

LOSING = re.compile(r"^loss|^load-balancing-dead$")
"""Scenarios that lose a fifth and more, or one of the watch's source ports: there loss is true, and told."""
PROBERS = {"shared flows": True, "one probe a flow": False}
BROKEN_AT, MENDED_AT = 60.5, 120.5
FAR = " | rtt 20"
WHOLE = network("9x10" + FAR)


def broken(rule: str) -> Scenario:
    return network(f"3x10 10{rule} 5x10" + FAR)


def told(watched: Watched, kind: type) -> list[object]:
    return [event for event in watched.events if isinstance(event, kind)]


def is_quiet(watched: Watched) -> bool:
    """Whether nothing was told but the first state."""
    return [type(event) for event in watched.events] == [StateChanged]


# Healthy but awkward --------------------------------------------------------------------------------------


@pytest.mark.repeats
@pytest.mark.parametrize("shares_flows", PROBERS.values(), ids=PROBERS)
@pytest.mark.parametrize("notation", AWKWARD.values(), ids=AWKWARD)
@pytest.mark.parametrize("loss", [0.0, 0.01])
def test_an_awkward_path_is_no_news(notation: str, loss: float, shares_flows: bool) -> None:
    """Loss of 1 % each way."""
    assert is_quiet(Watched(network(notation, loss=loss, seed=3), count=900, shares_flows=shares_flows))


@pytest.mark.slow
@pytest.mark.parametrize("shares_flows", PROBERS.values(), ids=PROBERS)
@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("notation", AWKWARD.values(), ids=AWKWARD)
def test_ten_hours_of_an_awkward_path_are_no_news(notation: str, family: int, shares_flows: bool) -> None:
    """At ten seconds; ``tests/soak`` asks every second."""
    scenario = network(notation, loss=0.01, seed=family)
    assert is_quiet(Watched(scenario, interval=10, count=3600, family=family, shares_flows=shares_flows))


SCENARIOS = {name: (scenario, config) for name, scenario, config in paths() if name not in AWKWARD}


@pytest.mark.repeats
@pytest.mark.parametrize("shares_flows", PROBERS.values(), ids=PROBERS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_no_scenario_is_news(name: str, shares_flows: bool) -> None:
    scenario, config = SCENARIOS[name]
    port = config.ports[0]
    watched = Watched(scenario, port, interval=5, count=240, config=config, shares_flows=shares_flows)
    first, *others = watched.events
    assert isinstance(first, StateChanged)
    assert all(isinstance(event, LossChanged) for event in others)
    assert not others or LOSING.match(name)


# Breaks ---------------------------------------------------------------------------------------------------


@pytest.mark.repeats
@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("shares_flows", PROBERS.values(), ids=PROBERS)
@pytest.mark.parametrize(
    ("rule", "kind", "certainty"),
    [
        ("[drop 80]", Kind.BLOCKED, Certainty.CERTAIN),
        ("[drop]", Kind.NO_ANSWER, Certainty.POSSIBLE),
        ("[unreachable 13 80]", Kind.REJECTED, Certainty.CERTAIN),
        ("[rst 80]", Kind.FORGED, Certainty.LIKELY),
    ],
)
def test_a_break_is_told_within_three_intervals_and_its_end_within_two(
    rule: str, kind: Kind, certainty: Certainty, family: int, shares_flows: bool
) -> None:
    if rule.startswith("[unreachable") and family == 6:
        rule = "[unreachable 1 80]"
    path = in_turn((0, WHOLE), (BROKEN_AT, broken(rule)), (MENDED_AT, WHOLE))
    watched = Watched(path, count=180, family=family, shares_flows=shares_flows)
    first, down, up = watched.events
    assert isinstance(first, StateChanged)
    assert isinstance(down, StateChanged)
    assert isinstance(up, StateChanged)
    assert (down.state.kind, down.state.certainty, down.state.hop) == (kind, certainty, 4)
    assert down.at <= BROKEN_AT + 3
    assert BROKEN_AT <= down.since <= BROKEN_AT + 1
    assert (up.state.kind, up.state.hop) == (Kind.OPEN, 10)
    assert up.at <= MENDED_AT + 2
    assert up.down == pytest.approx(60, abs=1)
    assert watched.summary is not None
    assert watched.summary.down == pytest.approx(60, abs=1)
    assert watched.summary.outages == 1
    assert watched.summary.longest_outage == pytest.approx(60, abs=1)


@pytest.mark.parametrize("shares_flows", PROBERS.values(), ids=PROBERS)
def test_a_service_that_stops_and_starts_is_told(shares_flows: bool) -> None:
    stopped = network("8x10 10[rst 80]" + FAR)
    path = in_turn((0, WHOLE), (BROKEN_AT, stopped), (MENDED_AT, WHOLE))
    states = told(Watched(path, count=180, shares_flows=shares_flows), StateChanged)
    assert len(states) == 3


def test_a_break_that_moves_is_told_once_it_is_sure() -> None:
    """The second time soon after the first, so that the next look has to wait."""
    farther, farthest = (network(f"{hops}x10 10[drop 80] {8 - hops}x10" + FAR) for hops in (6, 7))
    path = in_turn((0, broken("[drop 80]")), (BROKEN_AT, farther), (BROKEN_AT + 20, farthest))
    states = told(Watched(path, count=240), StateChanged)
    assert [state.state.hop for state in states if isinstance(state, StateChanged)] == [4, 7, 8]


@pytest.mark.parametrize(
    ("rule", "kinds"),
    [("[drop 80]", [Kind.NO_ANSWER, Kind.BLOCKED]), ("[unreachable 13 80]", [Kind.REJECTED])],
)
def test_at_short_intervals_silence_is_told_before_a_look_has_ended(rule: str, kinds: list[Kind]) -> None:
    """Where it waits for a silent router; what is no silence is told once the look has found what it is."""
    whole, stopped = (network(f"2x10 * 10{each} 5x10" + FAR) for each in ("", rule))
    path = in_turn((0, whole), (BROKEN_AT, stopped), (70.5, whole))
    states = told(Watched(path, interval=0.2, count=400), StateChanged)
    found = [each.state.kind for each in states if isinstance(each, StateChanged)]
    assert found == [Kind.OPEN, *kinds, Kind.OPEN]


def test_a_port_that_answers_is_up_again_though_no_look_finds_it() -> None:
    """It answers for a moment at each interval, and what a look asks next is dropped again."""
    first, blocked = 4.76, broken("[drop 80]")
    asked_at = [first + 5 * count for count in (4, 5, 6)]
    moments = [each for at in asked_at for each in ((at - 0.1, WHOLE), (at + 0.015, blocked))]
    path = in_turn((0, blocked), *moments[:-1])
    watched = Watched(path, interval=5.0, count=20)
    down, up = watched.events
    assert isinstance(down, StateChanged)
    assert isinstance(up, StateChanged)
    assert (up.state.kind, up.state.certainty) == (Kind.OPEN, Certainty.LIKELY)
    assert up.since == pytest.approx(asked_at[0], abs=0.1)


def test_a_path_on_which_nobody_answers_is_asked_once_an_interval() -> None:
    watched = Watched(network("4x* *[drop]" + FAR), count=60)
    (state,) = told(watched, StateChanged)
    assert isinstance(state, StateChanged)
    assert state.state.kind is Kind.INCONCLUSIVE
    assert watched.summary is not None
    assert (watched.summary.asked, watched.summary.answered) == (60, 0)


def test_a_break_that_comes_nearer_is_found_by_a_look_that_goes_less_far() -> None:
    """The first look met routers beyond the break, by controls; what it knew of them is asked no more."""
    nearer = network("2x10 10[rst 80] 6x10" + FAR)
    watched = Watched(in_turn((0, broken("[drop 80]")), (BROKEN_AT, nearer)), count=120)
    blocked, forged = watched.events
    assert isinstance(blocked, StateChanged)
    assert isinstance(forged, StateChanged)
    assert (blocked.state.kind, blocked.state.hop) == (Kind.BLOCKED, 4)
    assert (forged.state.kind, forged.state.hop) == (Kind.FORGED, 3)


def test_a_port_that_is_down_from_the_beginning_is_told_once() -> None:
    watched = Watched(broken("[drop 80]"), count=600)
    assert is_quiet(watched)
    assert watched.summary is not None
    assert watched.summary.up == 0
    assert watched.summary.outages == 1


# Other changes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("shares_flows", PROBERS.values(), ids=PROBERS)
def test_another_router_is_told_with_its_hop_and_so_is_the_way_back(shares_flows: bool, family: int) -> None:
    other = {"address": "10.5.7.1", "address6": "fd00:5:7::1"}
    changed = network("10 10 10 10 10 10 10 10 10" + FAR, hop_5=other)
    path = in_turn((0, WHOLE), (BROKEN_AT, changed), (180.5, WHOLE))
    watched = Watched(path, count=300, family=family, shares_flows=shares_flows)
    new, old = (other["address"], "10.5.1.1") if family == 4 else (other["address6"], "fd00:5:1::1")
    _, there, back = watched.events
    assert isinstance(there, PathChanged)
    assert isinstance(back, PathChanged)
    assert (there.first_hop, there.before, there.after) == (5, ((old,),), ((new,),))
    assert there.at <= BROKEN_AT + REST + 3
    assert (back.first_hop, back.before, back.after) == (5, ((new,),), ((old,),))
    assert watched.summary is not None
    assert watched.summary.path_changes == 2


@pytest.mark.parametrize("shares_flows", PROBERS.values(), ids=PROBERS)
def test_a_longer_path_and_a_shorter_one_are_told_with_their_lengths(shares_flows: bool) -> None:
    other = {"hop_5": {"address": "10.5.7.1"}, "hop_6": {"address": "10.6.7.1"}}
    longer = network("10 10 10 10 10 10 10 10 10 10" + FAR, **other)
    path = in_turn((0, WHOLE), (BROKEN_AT, longer), (180.5, WHOLE))
    there, back = told(Watched(path, count=300, shares_flows=shares_flows), PathChanged)
    assert isinstance(there, PathChanged)
    assert isinstance(back, PathChanged)
    assert (there.first_hop, there.length_before, there.length_after) == (5, 10, 11)
    assert (back.first_hop, back.length_before, back.length_after) == (5, 11, 10)
    assert there.after[0] == ("10.5.7.1",)
    assert back.after[0] == ("10.5.1.1",)


@pytest.mark.parametrize("shares_flows", PROBERS.values(), ids=PROBERS)
def test_loss_is_told_with_the_hop_from_which_on_and_so_is_its_end(shares_flows: bool) -> None:
    lossy = network("10 10 10 10 10! 10 10 10 10" + FAR, hop_6={"loss_out": 0.3})
    path = in_turn((0, WHOLE), (BROKEN_AT, lossy), (300.5, WHOLE))
    watched = Watched(path, count=600, shares_flows=shares_flows)
    begun, over = told(watched, LossChanged)
    assert isinstance(begun, LossChanged)
    assert isinstance(over, LossChanged)
    assert (begun.hop, begun.is_over) == (7, False)
    assert begun.share == pytest.approx(0.3, abs=0.12)
    assert begun.at <= BROKEN_AT + 120
    assert over.is_over
    assert over.at <= 300.5 + 100
    assert len(watched.events) == 3


@pytest.mark.parametrize("shares_flows", PROBERS.values(), ids=PROBERS)
@pytest.mark.parametrize("lasts", [20, 120])
def test_a_slower_path_is_told_with_the_hop_from_which_on_and_so_is_its_end(
    lasts: float, shares_flows: bool
) -> None:
    slow = network("10 10 10 10 10 10 * 10 10" + FAR, hop_5={"delay": 83})
    usual = network("6x10 * 2x10" + FAR)
    path = in_turn((0, usual), (BROKEN_AT, slow), (BROKEN_AT + lasts, usual))
    slower, faster = told(Watched(path, count=300, shares_flows=shares_flows), RttChanged)
    assert isinstance(slower, RttChanged)
    assert isinstance(faster, RttChanged)
    assert (slower.hop, round(slower.before, 3), round(slower.after, 3)) == (6, 0.02, 0.103)
    assert slower.at <= BROKEN_AT + 15
    assert (faster.hop, round(faster.before, 3), round(faster.after, 3)) == (6, 0.103, 0.02)
    assert faster.at <= BROKEN_AT + lasts + 15


# What is sent ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shares_flows", PROBERS.values(), ids=PROBERS)
def test_fifteen_hops_cost_two_probes_an_interval_and_no_router_gets_two_in_fifteen_seconds(
    shares_flows: bool,
) -> None:
    prober = VirtualProber(network("14x10" + FAR), shares_flows=shares_flows)
    Watched(network("14x10" + FAR), count=600, shares_flows=shares_flows, prober=prober)
    sent = [each for each in prober.sent if each.at > SETTLED]
    assert len(sent) <= 2 * (600 - SETTLED)
    by_ttl = defaultdict(list)
    for at, probe in sent:
        by_ttl[probe.ttl].append(at)
    last = TraceConfig(host="target").last_ttl
    gaps = [later - at for ttl, ats in by_ttl.items() if ttl != last for at, later in pairwise(ats)]
    assert min(gaps) > REST - 0.001
    assert max(gaps) < 3 * REST
    assert {probe.flow for _, probe in sent} == set(FLOWS_IN_TURN)
    assert {probe.flow for _, probe in sent if probe.ttl != last} == {FLOWS_IN_TURN[0]}


@pytest.mark.parametrize("shares_flows", PROBERS.values(), ids=PROBERS)
def test_a_host_that_answers_each_flow_once_is_asked_on_rested_flows(shares_flows: bool) -> None:
    prober = VirtualProber(network("1 2 3 | once | rtt 5"), shares_flows=shares_flows)
    watched = Watched(network("1 2 3 | once | rtt 5"), count=600, shares_flows=shares_flows, prober=prober)
    assert is_quiet(watched)
    late = [probe.flow for at, probe in prober.sent if at > SETTLED and probe.ttl == 30]
    assert set(late) <= set(RESTING_FLOWS)


@pytest.mark.repeats
def test_the_watch_knows_no_more_after_hours_than_after_minutes() -> None:
    watched = Watched(network("9x10" + FAR, loss=0.02), count=3000)
    engine = watched.engine
    assert engine._questions.under_way == {}
    assert engine._watched._tokens._owners == {}


# This machine ---------------------------------------------------------------------------------------------


class Machine(QuietMachine):
    """One with a trouble between two instants, a sleep, or a target that moves."""

    def __init__(
        self, prober: VirtualProber, *, between: tuple[float, float] = (0, 0), asleep_at: float = 0
    ) -> None:
        super().__init__(shares_flows=prober.shares_flows)
        self.prober = prober
        self.between = between
        self.asleep_at = asleep_at
        self.looked_up: list[float] = []
        self.moves_to: str | None = None

    def trouble(self) -> LocalCause | None:
        begins, ends = self.between
        if begins <= self.prober.clock() < ends:
            return LocalCause(Cause.NO_ROUTE, "no route to target")
        return None

    def seconds_asleep(self) -> float:
        if self.asleep_at and self.prober.clock() >= self.asleep_at:
            self.asleep_at = 0
            return 90.0
        return 0.0

    def look_up_again(self) -> None:
        self.looked_up.append(self.prober.clock())
        self.moves_to = "203.0.113.81" if len(self.looked_up) == 1 else None

    def new_destination(self) -> str | None:
        found, self.moves_to = self.moves_to, None
        return found


@pytest.mark.parametrize("shares_flows", PROBERS.values(), ids=PROBERS)
def test_a_local_cause_is_told_as_one_and_counts_as_neither_up_nor_down(shares_flows: bool) -> None:
    prober = VirtualProber(WHOLE, shares_flows=shares_flows)
    machine = Machine(prober, between=(30, 60))
    lost = SendFailure(101, "network is unreachable", FailureKind.PROBE_LOST)
    prober.failing = lambda _: lost if 30 <= prober.clock() < 60 else None
    watched = Watched(WHOLE, count=90, prober=prober, machine=machine, shares_flows=shares_flows)
    _, begun, over = watched.events
    assert isinstance(begun, LocalTrouble)
    assert isinstance(over, LocalTrouble)
    assert begun.cause.cause is Cause.NO_ROUTE
    assert (begun.is_over, over.is_over) == (False, True)
    assert over.at - over.since == pytest.approx(30, abs=1.5)
    assert watched.summary is not None
    assert watched.summary.down == 0
    assert watched.summary.unknown == pytest.approx(30, abs=1.5)


def test_silence_is_blamed_on_this_machine_where_it_has_a_cause() -> None:
    path = in_turn((0, WHOLE), (BROKEN_AT, broken("[drop]")), (90.5, WHOLE))
    prober = VirtualProber(path)
    watched = Watched(path, count=120, prober=prober, machine=Machine(prober, between=(BROKEN_AT, 90.5)))
    assert [type(event) for event in watched.events] == [StateChanged, LocalTrouble, LocalTrouble]


def test_probes_that_cannot_be_sent_are_told_even_if_nobody_knows_why() -> None:
    prober = VirtualProber(WHOLE)
    prober.failing = lambda _: SendFailure(1, "no") if 30 <= prober.clock() < 40 else None
    watched = Watched(WHOLE, count=60, prober=prober)
    causes = [event.cause.cause for event in watched.events if isinstance(event, LocalTrouble)]
    assert set(causes) == {Cause.CANNOT_SEND}


def test_a_single_probe_that_cannot_be_sent_is_over_with_the_next_answer() -> None:
    prober = VirtualProber(WHOLE)
    last = TraceConfig(host="target").last_ttl

    def fail(probe: Probe) -> SendFailure | None:
        return SendFailure(1, "no") if 30 <= prober.clock() < 31 and probe.ttl != last else None

    prober.failing = fail
    _, begun, over = Watched(WHOLE, count=60, prober=prober).events
    assert isinstance(begun, LocalTrouble)
    assert isinstance(over, LocalTrouble)
    assert over.at - begun.at == pytest.approx(0.02)


def test_a_machine_that_cannot_send_at_first_looks_once_it_can() -> None:
    prober = VirtualProber(WHOLE)
    prober.failing = lambda _: SendFailure(1, "no") if prober.clock() < 10 else None
    watched = Watched(WHOLE, count=60, prober=prober)
    assert isinstance(watched.events[0], LocalTrouble)
    (state,) = told(watched, StateChanged)
    assert isinstance(state, StateChanged)
    assert state.state.kind is Kind.OPEN
    assert watched.summary is not None
    assert watched.summary.unknown == pytest.approx(10, abs=2)


def test_a_cause_that_is_over_at_once_is_told_once_and_explains_the_silence() -> None:
    """As an address of this machine that changed: the questions from the old one are not answered."""

    class Moved(Machine):
        changed: LocalCause | None = LocalCause(Cause.ADDRESS_CHANGED, "changed", is_lasting=False)

        def trouble(self) -> LocalCause | None:
            found, self.changed = self.changed, None
            return found

    path = in_turn((0, WHOLE), (30.5, broken("[drop]")), (31.6, WHOLE))
    prober = VirtualProber(path)
    watched = Watched(path, count=60, prober=prober, machine=Moved(prober))
    _, changed = watched.events
    assert isinstance(changed, LocalTrouble)
    assert (changed.cause.cause, changed.since == changed.at) == (Cause.ADDRESS_CHANGED, True)
    assert watched.summary is not None
    assert (watched.summary.down, watched.summary.local) == (0, None)


def test_a_cause_that_another_one_takes_the_place_of_lasts_since_the_first() -> None:
    class TwiceWrong(Machine):
        def trouble(self) -> LocalCause | None:
            if self.prober.clock() >= 40:
                self.between = (40, 50)
                return super().trouble()
            return LocalCause(Cause.LINK_DOWN, "down") if self.prober.clock() >= 30 else None

    prober = VirtualProber(WHOLE)
    prober.failing = lambda _: SendFailure(1, "no") if 30 <= prober.clock() < 50 else None
    watched = Watched(WHOLE, count=60, prober=prober, machine=TwiceWrong(prober))
    causes = [event for event in watched.events if isinstance(event, LocalTrouble)]
    assert [(each.cause.cause, round(each.since), each.is_over) for each in causes] == [
        (Cause.LINK_DOWN, 30, False),
        (Cause.NO_ROUTE, 30, False),
        (Cause.NO_ROUTE, 30, True),
    ]


def test_a_sleep_is_told_and_what_was_under_way_counts_for_nothing() -> None:
    prober = VirtualProber(WHOLE)
    watched = Watched(WHOLE, count=60, prober=prober, machine=Machine(prober, asleep_at=30.5))
    _, slept = watched.events
    assert isinstance(slept, LocalTrouble)
    assert slept.cause.cause is Cause.ASLEEP
    assert slept.cause.sentence == "nothing was asked for 90 s: this machine slept"


def test_a_stop_before_the_engine_was_asked_how_long_to_wait_is_one_too() -> None:
    """As while it still sends: the loop does not ask it then."""
    engine, stopped_at = Watched(WHOLE, count=5).engine, 60.0
    engine.advance(stopped_at)
    engine.events()
    engine.advance(stopped_at + 7)
    (slept,) = engine.events()
    assert isinstance(slept, LocalTrouble)
    assert slept.cause.sentence == "nothing was asked for 7 s: this program stood still"


def test_a_stop_before_a_probe_leaves_is_one_too() -> None:
    news = News()
    causes = LocalCauses(QuietMachine(), news)
    causes.expect(60.0)
    assert not causes.has_slept(60.0, 5.0)
    causes.sent(67.0)
    causes.expect(67.25)
    assert causes.has_slept(67.2, 5.0)
    (slept,) = news.take()
    assert isinstance(slept, LocalTrouble)
    assert slept.cause.sentence == "nothing was asked for 7 s: this program stood still"
    causes.expect(68.0)
    assert not causes.has_slept(68.0, 5.0)


def test_a_target_that_moves_is_looked_up_after_ten_intervals_without_an_answer() -> None:
    path = in_turn((0, WHOLE), (BROKEN_AT, broken("[drop]")), (90.5, WHOLE))
    prober = VirtualProber(path)
    machine = Machine(prober)
    watched = Watched(path, count=150, prober=prober, machine=machine)
    (moved,) = told(watched, TargetMoved)
    assert isinstance(moved, TargetMoved)
    assert (moved.before, moved.after) == ("203.0.113.80", "203.0.113.81")
    assert machine.looked_up[0] == pytest.approx(BROKEN_AT + 10.5, abs=1)
    last = told(watched, StateChanged)[-1]
    assert isinstance(last, StateChanged)
    assert last.state.is_up
    assert last.down == pytest.approx(30, abs=2)


# What the user asks ---------------------------------------------------------------------------------------


def test_a_heartbeat_comes_when_it_is_asked_for() -> None:
    watched = Watched(WHOLE, count=60, heartbeat=20)
    beats = told(watched, Heartbeat)
    assert [round(beat.at) for beat in beats if isinstance(beat, Heartbeat)] == [20, 40, 60]


def test_the_count_is_that_of_intervals() -> None:
    watched = Watched(WHOLE, count=7, interval=10)
    assert watched.summary is not None
    assert (watched.summary.asked, watched.summary.answered) == (7, 7)
    assert watched.summary.at == pytest.approx(70, abs=1)


@pytest.mark.parametrize("at", [0.01, 2.0, 4.0, 30.2, 61.6, 63.1])
def test_nothing_is_asked_while_paused_whatever_was_under_way(at: float) -> None:
    """In the first look, between two questions, and while a doubt or a look at it is under way."""
    until = at + 50
    path = in_turn((0, WHOLE), (BROKEN_AT, broken("[drop 80]")))
    watched = Watched(path, count=100, keys=[(at, pause), (until, pause)])
    asked_at = [each.at for each in watched.prober.sent]
    assert [each for each in asked_at if at < each < until] == []
    assert max(asked_at) > until
    states = [event for event in watched.events if isinstance(event, StateChanged)]
    assert [each.at for each in states if at < each.at < until] == []
    assert [each.state.kind for each in states] == [Kind.OPEN, Kind.BLOCKED]
    assert watched.summary is not None
    assert watched.summary.unknown == pytest.approx(50, abs=5)


def test_a_pause_shows_in_what_is_known() -> None:
    watched = Watched(WHOLE, count=20, heartbeat=10, keys=[(15.0, pause), (35.0, pause)])
    beats = [beat.snapshot for beat in told(watched, Heartbeat) if isinstance(beat, Heartbeat)]
    assert [beat.is_paused for beat in beats] == [False, True, True, False]


def test_going_on_where_nothing_was_paused_is_nothing() -> None:
    keys = [(20.5, lambda engine, now: engine.pause(now, is_paused=False))]
    watched = Watched(WHOLE, count=60, keys=keys)
    assert is_quiet(watched)
    assert watched.summary is not None
    assert watched.summary.asked == 60


def stop(prober: VirtualProber, seconds: float) -> Key:
    """The whole program stands still: what arrives meanwhile is read afterwards."""

    def advance(_engine: object, now: float) -> None:
        prober.wait.now = now + seconds

    return advance


def test_a_stopped_watch_makes_up_for_neither_intervals_nor_heartbeats() -> None:
    prober = VirtualProber(WHOLE)
    watched = Watched(WHOLE, count=30, heartbeat=5, prober=prober, keys=[(12.5, stop(prober, 60))])
    beats = [round(beat.at) for beat in told(watched, Heartbeat) if isinstance(beat, Heartbeat)]
    assert beats == [5, 10, 72, 75, 80, 85]
    (slept,) = told(watched, LocalTrouble)
    assert isinstance(slept, LocalTrouble)
    assert (slept.since, slept.at) == pytest.approx((13.0, 72.5), abs=0.6)
    assert watched.summary is not None
    assert watched.summary.asked == 30


def test_a_sleep_in_a_pause_is_no_news() -> None:
    prober = VirtualProber(WHOLE)
    machine = Machine(prober, asleep_at=25.0)
    keys = [(20.0, pause), (30.0, stop(prober, 60)), (95.0, pause)]
    assert (
        told(Watched(WHOLE, count=60, heartbeat=7, prober=prober, machine=machine, keys=keys), LocalTrouble)
        == []
    )


def test_a_machine_that_sleeps_during_the_first_look_has_another_one_taken() -> None:
    """What was sent before it slept is answered to nobody, and that is no silence of the network."""
    path = in_turn((0, broken("[drop 80]")), (4.0, WHOLE))
    prober = VirtualProber(path)
    watched = Watched(path, count=30, prober=prober, machine=Machine(prober, asleep_at=4.0))
    slept, state = watched.events
    assert isinstance(slept, LocalTrouble)
    assert isinstance(state, StateChanged)
    assert state.state.kind is Kind.OPEN


def test_figures_begun_anew_count_from_zero() -> None:
    watched = Watched(WHOLE, count=60, keys=[(40.5, begin_figures_anew)])
    assert is_quiet(watched)
    summary = watched.summary
    assert summary is not None
    assert (summary.asked, summary.answered) == (19, 19)
    assert summary.up == pytest.approx(60, abs=2)
    assert max(len(row.history) for row in summary.hops) == 19


def test_a_pause_in_a_local_cause_goes_on_with_asking_this_machine() -> None:
    prober = VirtualProber(WHOLE)
    prober.failing = lambda _: SendFailure(1, "no") if prober.clock() < 20 else None
    machine = Machine(prober, between=(0, 20))
    watched = Watched(WHOLE, count=60, prober=prober, machine=machine, keys=[(5.5, pause), (10.5, pause)])
    begun, over, state = watched.events
    assert isinstance(begun, LocalTrouble)
    assert isinstance(over, LocalTrouble)
    assert over.is_over
    assert over.at == pytest.approx(20, abs=1.5)
    assert isinstance(state, StateChanged)
    assert state.state.kind is Kind.OPEN


def test_the_end_that_the_user_asks_for_is_the_end_and_sends_nothing_more() -> None:
    watched = Watched(WHOLE, count=60, keys=[(20.5, end), (20.5, end)])
    assert watched.summary is not None
    assert watched.summary.at == 20.5
    assert max(each.at for each in watched.prober.sent) < 20.5


def fresh_engine() -> WatchEngine:
    config = TraceConfig(host="target")
    return WatchEngine(config, Watch(1.0, None, None), "203.0.113.80", open_engine, RunState(SECRET))


def test_a_watch_that_ends_before_it_has_begun_knows_when_it_did() -> None:
    """Ctrl-C can come at once."""
    engine = fresh_engine()
    engine.end(1000.0)
    (ended,) = engine.events()
    assert isinstance(ended, WatchEnded)
    assert (ended.at, ended.snapshot.started_at, ended.snapshot.unknown) == (1000.0, 1000.0, 0.0)
    assert engine.is_done


def test_a_probe_of_a_look_that_was_forgotten_may_leave_late_or_not_at_all() -> None:
    """The system had no buffer for it, and the user paused and went on before it was tried again."""
    engine = fresh_engine()
    (probe,) = engine.next_probes(0.0, 1)
    engine.pause(0.01, is_paused=True)
    engine.pause(0.02, is_paused=False)
    engine.sent(probe, 0.03)
    engine.receive(Reply(probe.token, ReplyKind.TIME_EXCEEDED, "10.1.1.1", 0.04))
    assert engine.events() == []
