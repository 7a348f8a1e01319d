"""The search for packet sizes on the virtual clock: a network in a line, what is found below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from internet import network
from internet.sessions import VirtualSessions
from tracetcp.dialogue import converse
from tracetcp.engine.run_state import RunState
from tracetcp.engine.session.size_search import SizeSearch
from tracetcp.engine.session.waves import AT_ONCE, IN_A_RUN, Fate, Result, WaveEngine
from tracetcp.engine.session.way_back import WayBack
from tracetcp.errors import NoRoute, ProberError
from tracetcp.model import FailureKind
from tracetcp.model.connection import FULL_TTL, Close, Connect, Report, Speak, State
from tracetcp.model.sizes import Answers, Place, SizesFound, Told
from tracetcp.wire.words import words_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetcp.model.connection import Order

PATH = "1 5 10 15 | rtt 20"
QUIET = {"mtu": 1400, "quiet": True}


def search(prober: VirtualSessions, port: int = 80, silent: tuple[int, ...] = ()) -> SizesFound:
    """Search over ``prober``'s path, of which every router but ``silent`` ones answered the trace."""
    distance = len(prober._routers) + 1
    hops = [ttl for ttl in range(1, distance) if ttl not in silent]
    plan = SizeSearch(prober.family, prober.link_mtu, hops, distance).plan()
    engine = WaveEngine(plan, words_for(port, "www.example.com"), RunState(b"a secret of 16 b").routers, 4.0)
    converse(engine, prober, prober.wait)
    assert prober.opened <= IN_A_RUN
    assert prober.most_open <= AT_ONCE
    assert not prober.still_open
    return engine.found


def found(notation: str, family: int = 4, silent: tuple[int, ...] = (), **table: object) -> SizesFound:
    return search(VirtualSessions(network(notation, **table), family), silent=silent)


BOTH = pytest.mark.parametrize("family", [4, 6])


@BOTH
def test_a_clean_path_passes_full_packets_both_ways(family: int) -> None:
    told = found(PATH, family)
    assert (told.passed, told.hole, told.back_hole, told.told) == (1500, None, None, ())
    assert told.answers == Answers(5000, 1500, 1500)
    assert (told.remembered, told.limit) == (None, None)


@BOTH
def test_a_quiet_hole_has_its_size_and_its_place(family: int) -> None:
    told = found(PATH, family, hop_2=QUIET)
    assert told.hole is not None
    assert (told.hole.passed, told.hole.lost, told.place) == (1400, 1401, Place(2, 3))
    assert told.hole.losses >= 3
    assert told.back_hole is None


@BOTH
def test_a_hole_on_the_way_back_has_its_size(family: int) -> None:
    told = found(PATH, family, hop_3={"mtu_back": 1380})
    assert told.back_hole is not None
    assert (told.back_hole.passed, told.back_hole.lost) == (1380, 1381)
    assert (told.hole, told.answers, told.passed) == (None, None, 1500)


@BOTH
def test_holes_both_ways_are_told_apart(family: int) -> None:
    told = found(PATH, family, hop_3={"mtu_back": 1420}, hop_1={"mtu": 1300, "quiet": True})
    assert told.hole is not None
    assert told.back_hole is not None
    assert (told.hole.passed, told.place, told.back_hole.passed) == (1300, Place(1, 2), 1420)


@BOTH
def test_a_router_that_tells_is_found(family: int) -> None:
    told = found(PATH, family, hop_3={"mtu": 1400})
    assert (told.told, told.passed, told.hole) == ((Told(1400, 3, 4),), 1400, None)


def test_routers_that_tell_of_ever_smaller_sizes_are_all_found() -> None:
    told = found(PATH, hop_1={"mtu": 1450}, hop_3={"mtu": 1380})
    assert (told.told, told.passed) == ((Told(1450, 1, 2), Told(1380, 3, 4)), 1380)


def test_a_hole_behind_the_last_router_ends_at_the_host() -> None:
    assert found(PATH, hop_4=QUIET).place == Place(4, None)


def test_a_silent_hop_widens_the_place() -> None:
    told = found("1 5 * 15 20 | rtt 25", silent=(3,), hop_2=QUIET)
    assert told.place == Place(2, 4)


def test_a_router_that_falls_silent_proves_nothing() -> None:
    """It answered the trace; now it answers neither size."""
    assert found("1 5 * 15 20 | rtt 25", hop_2=QUIET).place == Place(2, 4)


def test_hops_that_all_fell_silent_are_no_hole() -> None:
    prober = VirtualSessions(network("* * * * * * * | rtt 25"))
    told = search(prober)
    assert (told.passed, told.hole) == (1500, None)


def test_a_place_is_found_though_routers_were_out_of_errors_at_first() -> None:
    """The size that is lost is answered at hop 2 after all, once the router may speak again."""
    told = found("1 5 5 | rtt 25", hop_2={"limit": {"burst": 1, "per_second": 0.4}}, hop_3=QUIET)
    assert told.hole is not None
    assert told.place in (Place(3, None), Place(2, None))


def test_a_hole_on_the_first_link_is_before_every_hop() -> None:
    told = search(VirtualSessions(network("1 5 | rtt 20", hop_1=QUIET)), silent=(1, 2))
    assert told.place == Place(0, None)


def test_routers_that_limit_their_errors_move_no_hole() -> None:
    told = found("1! 5! 10! 15! | rtt 20", hop_2=QUIET)
    assert told.place == Place(2, 3)


@pytest.mark.parametrize("seed", range(200))
def test_loss_is_no_hole(seed: int) -> None:
    told = search(VirtualSessions(network("1 5 10 15 | rtt 20", loss=0.05), seed=seed))
    assert (told.hole, told.back_hole, told.told) == (None, None, ())


@pytest.mark.parametrize("seed", range(40))
def test_a_hole_is_found_in_spite_of_loss(seed: int) -> None:
    told = search(VirtualSessions(network(PATH, loss=0.03, hop_2=QUIET), seed=seed))
    assert told.hole is None or (told.hole.passed, told.hole.lost) == (1400, 1401)


def test_acknowledgements_that_come_late_are_waited_for() -> None:
    told = found(PATH, destination={"ack_delay": 190})
    assert (told.passed, told.hole) == (1500, None)
    hole = found(PATH, destination={"ack_delay": 190}, hop_2=QUIET).hole
    assert hole is not None
    assert hole.passed == 1400


@pytest.mark.parametrize("answer", [300, 1200])
def test_of_a_short_answer_nothing_is_concluded(answer: int) -> None:
    told = found(PATH, destination={"answer": answer}, hop_3={"mtu_back": 1300})
    assert told.back_hole is None
    assert told.answers is not None
    assert told.answers.length == answer


def test_a_host_that_ends_the_connection_has_answered() -> None:
    told = found(PATH, destination={"answer": 1000, "ends": True})
    assert told.answers == Answers(1000, 1052, 1500)


def test_a_small_mss_of_the_host_is_the_limit() -> None:
    told = found(PATH + " | mss 1360", hop_2=QUIET)
    assert (told.limit, told.passed, told.hole) == (1400, 1400, None)


def test_a_path_mtu_that_the_system_remembers_is_told() -> None:
    told = search(VirtualSessions(network(PATH, hop_2=QUIET), remembered=1400))
    assert (told.remembered, told.passed, told.hole) == (1400, 1400, None)


def test_a_system_that_cuts_after_silence_does_not_hide_the_hole() -> None:
    hole = search(VirtualSessions(network(PATH, hop_2=QUIET), gives_up_after=2)).hole
    assert hole is not None
    assert (hole.passed, hole.lost) == (1400, 1401)


@pytest.mark.parametrize("port", [81, 82])
def test_a_port_that_takes_no_connection_is_no_size(port: int) -> None:
    prober = VirtualSessions(network("1 5 | rtt 20 | open 80 | silent 82"), port=port)
    assert not search(prober).is_connected


def test_a_simulated_router_forgets_what_was_silent_for_long() -> None:
    prober = VirtualSessions(network("1 5 | rtt 20", hop_1={"forgets": 1}))
    for connection, spoken_at in enumerate([0.5, 2.0]):
        prober.act(Connect(connection))
        prober.wait((), prober.clock() + spoken_at)
        prober.drain()
        prober.act(Speak(connection, FULL_TTL, b"hello"))
        prober.wait((), prober.clock() + 0.1)
        told = {report.connection: report.is_acknowledged for report in prober.drain()}
        assert told[connection] is (spoken_at < 1)


def test_a_greeting_is_waited_for() -> None:
    scenario = network("1 5 | rtt 20", destination={"greeting": 60})
    prober = VirtualSessions(scenario)
    told = search(prober, port=25)
    assert told.passed == 1500
    assert min(at for at, _ in prober.spoken) >= 0.02
    assert not search(VirtualSessions(network("1 5 | rtt 20")), port=25).is_connected


def test_handshakes_come_first_and_ttls_ascend() -> None:
    prober = VirtualSessions(network(PATH))
    search(prober)
    ttls = [order.ttl for _, order in prober.spoken if order.ttl < FULL_TTL]
    assert ttls == sorted(ttls) == [1, 2, 3, 4]


def test_a_long_path_leaves_enough_connections_for_both_ways() -> None:
    path = " ".join(["1"] * 29) + " | rtt 30"
    assert found(path).passed == 1500
    told = found(path, hop_20={"mtu": 1400, "quiet": True, "mtu_back": 1450})
    assert told.hole is not None
    assert told.back_hole is not None
    assert (told.hole.passed, told.place, told.back_hole.passed) == (1400, Place(20, 21), 1450)


def test_a_search_that_takes_too_many_connections_concludes_nothing() -> None:
    path = " ".join(["1"] * 50) + " | rtt 30"
    told = found(path, hop_48={"mtu": 1400, "quiet": True, "mtu_back": 1450})
    assert told.is_cut_short
    assert (told.hole, told.back_hole) == (None, None)


def test_a_router_that_tells_in_front_of_the_host_is_found() -> None:
    assert found(PATH, hop_4={"mtu": 1400}).told == (Told(1400, 4, 5),)


def test_a_second_router_may_tell_before_it_is_asked() -> None:
    """Its word comes at once, of the pieces that the first one's word caused."""
    told = found("0 0 0 0 | rtt 20", hop_1={"mtu": 1450}, hop_3={"mtu": 1380})
    assert told.passed == 1380
    assert told.told[0] == Told(1450, 1, 2) or told.told == (Told(1380, 1, 2),)


def not_opening(*connections: int) -> Callable[[Order], FailureKind | None]:
    """Has the system refuse these connections of a run."""
    lost = FailureKind.PROBE_LOST
    return lambda order: lost if isinstance(order, Connect) and order.connection in connections else None


def test_the_destination_is_asked_again_when_a_connection_fails() -> None:
    told = search(VirtualSessions(network(PATH), failing=not_opening(7)))
    assert (told.passed, told.hole) == (1500, None)
    assert not search(VirtualSessions(network(PATH), failing=not_opening(7, 9))).is_connected
    again = search(VirtualSessions(network(PATH), failing=not_opening(0)))
    assert again.passed == 1500


def test_a_connection_that_fails_costs_no_more_than_itself() -> None:
    back = search(VirtualSessions(network(PATH), failing=not_opening(1)))
    assert (back.passed, back.answers) == (1500, Answers(5000, 576, 576))
    for connection in range(3, 40):
        told = search(VirtualSessions(network(PATH, hop_2=QUIET), failing=not_opening(connection)))
        assert told.hole is not None, connection
        assert (told.hole.passed, told.hole.lost) == (1400, 1401)
        returning = network(PATH, hop_2={"mtu_back": 1400})
        told = search(VirtualSessions(returning, failing=not_opening(connection)))
        assert told.back_hole is not None, connection
        assert (told.back_hole.passed, told.back_hole.lost) == (1400, 1401)


def test_a_question_that_cannot_be_put_leaves_the_way_back_open() -> None:
    """A router has told of a smaller path MTU since, so our SYNs announce less."""
    way = WayBack(40, 536)
    whole = Report(0, 0.0, State.OPEN, packet=1500, payload=1448, allowed=1448, ahead=1)
    small = Report(1, 0.0, State.OPEN, packet=576, payload=524, allowed=524, received=5000, largest=524)
    asked = way.opening()
    way.begin(Result(asked[0], Fate.SILENT, 0, whole), Result(asked[1], Fate.ARRIVED, 0, small))
    assert way.span is not None
    way.weigh(Result(way.look(1500), Fate.UNSENT, 0, None))
    assert way.span is not None
    way.weigh(Result(way.look(1500), Fate.SILENT, 0, whole._replace(allowed=1348, packet=1400, payload=1348)))
    assert way.span is None
    assert way.answers is None
    assert way.questions() == []
    way.weigh(Result(way.look(1500), Fate.SILENT, 0, whole))
    assert way.learn(Result(way.look(1500), Fate.SILENT, 0, whole)) is None


def test_a_size_that_is_lost_and_passed_is_a_contradiction() -> None:
    """What passed when it was looked at is lost, thoroughly, when the edge is confirmed."""
    usual = VirtualSessions(network(PATH, hop_2=QUIET))
    search(usual)
    prober = VirtualSessions(network(PATH, hop_2=QUIET))
    prober.narrows_at = usual.opened - 4
    told = search(prober)
    assert told.is_contradictory
    assert told.hole is None


def test_what_concerns_no_connection_of_the_wave_is_ignored() -> None:
    plan = SizeSearch(4, 1500, [1], 2).plan()
    engine = WaveEngine(plan, words_for(80, "host"), RunState(b"a secret of 16 b").routers, 4.0)
    orders = list(engine.next_orders(0.0))
    engine.failed(Close(99))
    engine.receive(Report(99, 0.0, State.RESET))
    for order in orders:
        engine.done(order, 0.0)
    assert list(engine.next_orders(0.0)) == []
    assert engine.wake_at() == pytest.approx(3.3)


def refusing(kind: FailureKind, *kinds: type) -> Callable[[Order], FailureKind | None]:
    return lambda order: kind if isinstance(order, kinds) else None


@pytest.mark.parametrize("order", [Connect, Speak])
def test_orders_that_fail_leave_nothing_to_say(order: type) -> None:
    prober = VirtualSessions(network(PATH), failing=refusing(FailureKind.PROBE_LOST, order))
    plan = SizeSearch(4, 1500, [1, 2, 3, 4], 5).plan()
    engine = WaveEngine(plan, words_for(80, "host"), RunState(b"a secret of 16 b").routers, 4.0)
    converse(engine, prober, prober.wait)
    assert not engine.found.is_connected


@pytest.mark.parametrize(
    ("kind", "error"), [(FailureKind.NO_ROUTE, NoRoute), (FailureKind.PERMANENT, ProberError)]
)
def test_a_failure_for_good_ends_the_run(kind: FailureKind, error: type[Exception]) -> None:
    prober = VirtualSessions(network(PATH), failing=refusing(kind, Connect))
    with pytest.raises(error, match="as the test wants it"):
        search(prober)
