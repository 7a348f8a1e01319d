"""Where a trace ends on branches of different lengths: what is asked, question by question."""

from __future__ import annotations

from tracetcp.engine.trace.flight import Flight, Purpose
from tracetcp.engine.trace.flows import Flows
from tracetcp.engine.trace.hops import HopState
from tracetcp.engine.trace.last_link import LastLink, Wanted
from tracetcp.engine.trace.losses import SuspectedLosses
from tracetcp.engine.trace.reach import Reach
from tracetcp.engine.trace.routers import Routers
from tracetcp.engine.trace.uneven import Question, UnevenBranches
from tracetcp.model import Probe, Reply, ReplyKind

HOST = "203.0.113.80"
OTHER = 7
"""A flow that is no column's."""


class Branches:
    """A path of one column, whose probes and answers are told one by one."""

    def __init__(self) -> None:
        self.hops = {ttl: HopState(ttl, 1) for ttl in range(1, 12)}
        self.flights: list[Flight] = []
        self.reach = Reach()
        flows = Flows(1, are_shared=True)
        self.losses = SuspectedLosses(self.hops, Routers(), asks_again=True)
        link = LastLink(self.hops, self.flights, flows, self.losses)
        self.uneven = UnevenBranches(self.hops, self.flights, flows, self.losses, link, self.reach)

    def sent(self, ttl: int, flow: int = 0, *, is_lost: bool = False) -> Flight:
        """A probe left."""
        flight = Flight(Probe(len(self.flights) + 1, 80, ttl, 1, flow), Purpose.PRESENCE, is_alone=False)
        flight.sent_at, flight.is_lost = float(len(self.flights)), is_lost
        self.flights.append(flight)
        self.hops[ttl].flights.append(flight)
        return flight

    def met_router(self, ttl: int, flow: int = 0, router: str = "10.5.1.1") -> None:
        """A probe expired there."""
        flight = self.sent(ttl, flow)
        flight.replies.append(Reply(flight.probe.token, ReplyKind.TIME_EXCEEDED, router, flight.sent_at))
        self.reach.met_router(flight, router)

    def met_host(self, ttl: int, flow: int) -> None:
        """The destination answered a probe."""
        flight = self.sent(ttl, flow)
        flight.replies.append(Reply(flight.probe.token, ReplyKind.SYN_ACK, HOST, flight.sent_at))
        self.reach.met_host(flight)


def answered_on_another_flow() -> Branches:
    path = Branches()
    path.met_router(5)
    path.met_host(6, OTHER)
    return path


def test_a_column_that_meets_silence_is_asked_at_the_next_ttls_and_then_no_more() -> None:
    path = answered_on_another_flow()
    for ttl in (6, 7, 8):
        assert path.uneven.longest_column(6) == Question(Wanted(ttl, 0), is_in_flight=False)
        asked = path.sent(ttl)
        assert path.uneven.longest_column(6) == Question(Wanted(ttl, 0), is_in_flight=True)
        asked.is_lost = True
    assert path.uneven.longest_column(6) is None


def test_it_is_asked_no_farther_than_where_the_destination_answered_it() -> None:
    path = answered_on_another_flow()
    path.met_host(7, 0)
    path.sent(6, is_lost=True)
    assert path.uneven.longest_column(6) is None


def test_on_a_path_that_loses_packets_it_is_asked_several_times() -> None:
    path = answered_on_another_flow()
    path.losses.is_path_lossy = True
    for _ in range(4):
        assert path.uneven.longest_column(6) == Question(Wanted(6, 0), is_in_flight=False)
        path.sent(6, is_lost=True)
    assert path.uneven.longest_column(6) == Question(Wanted(7, 0), is_in_flight=False)


def test_silence_before_the_end_is_asked_once_more() -> None:
    path = Branches()
    path.sent(5, is_lost=True)
    path.met_host(6, 0)
    assert path.uneven.silence_before(6) == Question(Wanted(5, 0), is_in_flight=False)
    path.sent(5, is_lost=True)
    assert path.uneven.silence_before(6) is None


def test_silence_after_the_answer_tells_nothing() -> None:
    path = Branches()
    path.met_host(6, 0)
    path.sent(5, is_lost=True)
    assert path.uneven.silence_before(6) is None


def test_the_end_is_right_behind_a_router_rather_than_nearer_behind_nothing() -> None:
    path = Branches()
    path.met_host(6, OTHER)
    path.met_router(6)
    path.met_host(7, 0)
    assert path.uneven.surest([6, 7]) == 7


def test_branches_show_by_a_router_that_two_flows_meet_with_different_ttls() -> None:
    path = Branches()
    path.met_router(4)
    path.met_router(5)
    assert not path.uneven.are_seen(6, 6)
    path.met_router(5, OTHER)
    assert path.uneven.are_seen(6, 6)
