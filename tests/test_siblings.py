"""Ports of one run that are controls of each other: how long an end is held, and what the others tell."""

from __future__ import annotations

from math import inf

import pytest

from tracetcp.config import TraceConfig
from tracetcp.engine.run_state import RunState
from tracetcp.explain.siblings import MOST_SIBLINGS, Siblings
from tracetcp.model import Hop, Outcome, Ping, Probe, ProbeRecord, Reply, ReplyKind
from tracetcp.model.evidence import TracedPort

HOST = "192.0.2.9"
TIMEOUT = 2.0


@pytest.fixture
def state() -> RunState:
    return RunState(b"repeatable runs.")


def siblings(state: RunState, *, may_hold: bool = True) -> Siblings:
    config = TraceConfig(host="target", ports=(80, 81), timeout=TIMEOUT)
    return Siblings(config, HOST, state, may_hold=may_hold)


def asked(ports: Siblings, port: int, *ttls: int) -> None:
    for ttl in ttls:
        ports.sent(Probe(100 * port + ttl, port, ttl, 1, 0), 0.0)


def answered(ports: Siblings, port: int, ttl: int, kind: ReplyKind, at: float = 0.1) -> None:
    sender = f"10.{ttl}.1.1" if kind is ReplyKind.TIME_EXCEEDED else HOST
    ports.received(Reply(100 * port + ttl, kind, sender, at))


def test_an_end_is_held_until_the_other_port_is_answered(state: RunState) -> None:
    ports = siblings(state)
    asked(ports, 80, 1, 2, 3)
    asked(ports, 81, 1, 2, 3)
    answered(ports, 80, 2, ReplyKind.SYN_ACK)
    ports.advance(0.1)
    assert state.held_ports == {80}
    answered(ports, 81, 3, ReplyKind.RST)
    ports.advance(0.2)
    assert state.held_ports == set()


def test_or_until_that_met_silence(state: RunState) -> None:
    ports = siblings(state)
    asked(ports, 80, 1)
    asked(ports, 81, *range(1, 9))
    answered(ports, 80, 1, ReplyKind.SYN_ACK)
    ports.advance(0.1)
    assert state.held_ports == {80}
    asked(ports, 81, 9)
    ports.advance(0.2)
    assert state.held_ports == set()


def test_but_no_longer_than_a_probe_waits_for_its_answer(state: RunState) -> None:
    ports = siblings(state)
    asked(ports, 80, 1)
    asked(ports, 81, 1)
    answered(ports, 80, 1, ReplyKind.SYN_ACK)
    assert ports.wake_at() == 0.1 + TIMEOUT
    ports.advance(0.1 + TIMEOUT)
    assert state.held_ports == set()
    assert ports.wake_at() == inf


def test_a_port_is_asked_as_far_as_the_other_met_a_router(state: RunState) -> None:
    ports = siblings(state)
    asked(ports, 80, 1, 2)
    asked(ports, 81, 1, 2, 3, 4)
    answered(ports, 80, 2, ReplyKind.SYN_ACK)
    answered(ports, 81, 4, ReplyKind.TIME_EXCEEDED)
    ports.advance(0.2)
    assert state.routers_of_controls == {80: 4}


def test_one_under_way_that_went_farther_is_a_control_with_what_was_answered(state: RunState) -> None:
    ports = siblings(state)
    asked(ports, 81, 1, 2, 3, 4)
    answered(ports, 81, 3, ReplyKind.TIME_EXCEEDED)
    (control,) = ports.controls_of(ended(80, 2, Outcome.OPEN))
    assert (control.port, [record.probe.ttl for record in control.records]) == (81, [3])
    assert ports.controls_of(ended(80, 4, Outcome.OPEN)) == []
    assert ports.controls_of(ended(80, 4, Outcome.NOT_REACHED)) == []


def test_of_those_that_ended_the_farthest_are_kept(state: RunState) -> None:
    ports = siblings(state)
    for port in range(100, 100 + 2 * MOST_SIBLINGS):
        ports.on_ended(ended(port, port - 98, Outcome.CLOSED))
    kept = [each.port for each in ports.ended]
    assert kept == list(range(99 + 2 * MOST_SIBLINGS, 99 + MOST_SIBLINGS, -1))


def test_a_port_alone_is_not_held(state: RunState) -> None:
    ports = siblings(state, may_hold=False)
    asked(ports, 80, 1)
    answered(ports, 80, 1, ReplyKind.SYN_ACK)
    ports.advance(0.1)
    assert state.held_ports == set()
    assert state.routers_of_controls == {}


def ended(port: int, distance: int, outcome: Outcome) -> TracedPort:
    """A port that met a router at every TTL before ``distance``, and there its ``outcome``."""
    records, hops = [], []
    for ttl in range(1, distance + 1):
        is_end = ttl == distance and outcome is not Outcome.NOT_REACHED
        kind = ReplyKind.SYN_ACK if is_end else ReplyKind.TIME_EXCEEDED
        probe = Probe(1000 * port + ttl, port, ttl, 1, 0)
        reply = Reply(probe.token, kind, HOST if is_end else f"10.{ttl}.1.1", 0.1)
        records.append(ProbeRecord(probe, 0.0, (reply,)))
        hops.append(Hop(ttl, (Ping(1, 0.1, reply),), outcome if is_end else None))
    return TracedPort(port=port, outcome=outcome, hops=tuple(hops), records=tuple(records))
