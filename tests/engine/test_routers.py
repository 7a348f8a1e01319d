"""What a run knows of routers: whom a probe counts for, and when the next may leave."""

from __future__ import annotations

from math import inf

from tracetcp.engine.trace.flight import Flight, Purpose
from tracetcp.engine.trace.pacer import BURST_SECONDS, LIMITED_INTERVAL
from tracetcp.engine.trace.routers import REMEMBERED_PORTS, Routers
from tracetcp.model import Probe, Reply, ReplyKind

EXCEEDED, UNREACHABLE = ReplyKind.TIME_EXCEEDED, ReplyKind.UNREACHABLE


def hear(
    routers: Routers, ttl: int, sender: str, kind: ReplyKind = EXCEEDED, *, port: int = 80, flow: int = 0
) -> None:
    flight = Flight(Probe(1, port, ttl, 1, flow), Purpose.CELL, is_alone=False)
    routers.on_reply(flight, Reply(1, kind, sender, 0.0))


def send(routers: Routers, ttl: int, *instants: float) -> None:
    for instant in instants:
        routers.on_sent(ttl, instant)


def test_two_ttls_of_one_router_share_its_pacing_once_it_is_known() -> None:
    routers = Routers()
    send(routers, 3, 1.0, 1.0)
    send(routers, 5, 1.01)
    assert routers.next_send_at(3) == routers.next_send_at(5) == -inf
    hear(routers, 3, "10.0.0.1")
    hear(routers, 5, "10.0.0.1")
    assert routers.next_send_at(3) == routers.next_send_at(5) == 1.0 + BURST_SECONDS


def test_a_loop_is_paced_ahead_where_nobody_answered_yet() -> None:
    routers = Routers()
    for ttl in (4, 6):
        send(routers, ttl, 1.0)
        hear(routers, ttl, "10.0.0.1")
    send(routers, 8, 1.0)
    assert routers.next_send_at(10) == 1.0 + BURST_SECONDS
    assert routers.next_send_at(9) == -inf
    hear(routers, 10, "10.0.0.9")
    assert routers.next_send_at(10) == -inf


def test_a_router_that_limits_its_answers_does_so_at_every_ttl() -> None:
    routers = Routers()
    send(routers, 4, 1.0)
    routers.at(4).is_limited = True
    hear(routers, 4, "10.0.0.1")
    assert routers.at(4).is_limited
    hear(routers, 6, "10.0.0.1")
    assert routers.next_send_at(6) == 1.0 + LIMITED_INTERVAL
    routers.at(6).is_limited = False
    assert not routers.at(4).is_limited


def test_routers_that_share_a_ttl_are_each_spared() -> None:
    routers = Routers()
    send(routers, 4, 1.0, 1.0, 1.0)
    hear(routers, 4, "10.0.0.1")
    hear(routers, 4, "10.0.0.2")
    hear(routers, 5, "10.0.0.2")
    assert routers.next_send_at(5) == 1.0 + BURST_SECONDS


def test_a_report_makes_no_hop() -> None:
    routers = Routers()
    hear(routers, 4, "10.0.0.1", UNREACHABLE)
    assert routers.answers_at(4)
    assert not routers.has_router_at(4)
    hear(routers, 5, "10.0.0.9", ReplyKind.RST)
    assert not routers.answers_at(5)


def test_the_router_that_rejects_is_the_one_that_answered_a_hop_before() -> None:
    routers = Routers()
    send(routers, 4, 1.0)
    hear(routers, 4, "10.0.0.1")
    send(routers, 5, 2.0)
    hear(routers, 5, "10.0.0.1", UNREACHABLE)
    assert routers.next_retry_at(4) == 2.0 + LIMITED_INTERVAL
    assert routers.next_retry_at(9) == -inf


def test_a_control_is_a_port_that_passes_and_none_of_those_asked_about() -> None:
    routers = Routers()
    assert routers.at(3).control(()) is None
    hear(routers, 3, "10.0.0.1", port=80, flow=2)
    hear(routers, 3, "10.0.0.1", port=443)
    assert routers.at(3).control({443}) == (80, 2)
    assert routers.at(3).control({80, 443}) is None
    hear(routers, 3, "10.0.0.2", port=22)
    assert routers.at(3).control({443}) is None


def test_few_ports_are_remembered() -> None:
    routers = Routers()
    for port in range(REMEMBERED_PORTS + 1):
        hear(routers, 3, "10.0.0.1", port=port)
    assert 0 not in routers.at(3).passing
