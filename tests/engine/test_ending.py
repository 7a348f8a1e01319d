"""The end of a path, where no network of SYNs would show a rule for sure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.engine.trace.ending import Ending
from tracetcp.engine.trace.flight import Flight, Purpose
from tracetcp.engine.trace.flows import Flows
from tracetcp.engine.trace.hops import HopState
from tracetcp.engine.trace.last_link import LastLink
from tracetcp.engine.trace.losses import SuspectedLosses
from tracetcp.engine.trace.routers import Routers
from tracetcp.model import OUTCOMES, Outcome, Probe, ProbeKind, Reply, ReplyKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pytest


def ending_of(hops: Mapping[int, HopState], flights: Sequence[Flight]) -> Ending:
    flows = Flows(1, are_shared=True)
    losses = SuspectedLosses(hops, Routers(), asks_again=True)
    return Ending(hops, flights, flows, losses, LastLink(hops, flights, flows, losses), 1)


def test_an_answer_that_is_not_terminal_for_its_kind_of_probe_ends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hops, flight = {1: HopState(1, 1)}, Flight(Probe(1, 80, 1, 1, 0), Purpose.CELL, is_alone=False)
    hops[1].flights.append(flight)
    flight.replies.append(Reply(1, ReplyKind.RST, "203.0.113.80", 0.1))
    known = ending_of(hops, [flight])
    known.on_reply(flight, flight.replies[0])
    assert known.find(1) == 0
    assert (known.ttl, known.outcome) == (1, Outcome.CLOSED)
    monkeypatch.setitem(OUTCOMES, ProbeKind.SYN, {ReplyKind.SYN_ACK: Outcome.OPEN})
    unknown = ending_of(hops, [flight])
    unknown.on_reply(flight, flight.replies[0])
    assert unknown.find(1) == 0
    assert unknown.ttl is None


def test_a_router_beyond_a_report_of_a_router_shows_that_it_is_no_end() -> None:
    hops = {ttl: HopState(ttl, 1) for ttl in (1, 2)}
    flights = [Flight(Probe(ttl, 80, ttl, 1, 0), Purpose.CELL, is_alone=False) for ttl in hops]
    ending = ending_of(hops, flights)
    for flight, kind in zip(flights, (ReplyKind.UNREACHABLE, ReplyKind.TIME_EXCEEDED), strict=True):
        hops[flight.probe.ttl].flights.append(flight)
        flight.replies.append(Reply(flight.probe.token, kind, "10.0.0.1", 0.1))
        ending.on_reply(flight, flight.replies[0])
    assert ending.find(1) == 2
    assert ending.ttl is None
