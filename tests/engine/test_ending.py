"""The end of a path, where no network of SYNs would show a rule for sure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.engine.trace.ending import Ending
from tracetcp.engine.trace.flight import Flight, Purpose
from tracetcp.engine.trace.hops import HopState
from tracetcp.model import OUTCOMES, Outcome, Probe, ProbeKind, Reply, ReplyKind

if TYPE_CHECKING:
    import pytest


def test_an_answer_that_is_not_terminal_for_its_kind_of_probe_ends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hops, flight = {1: HopState(1, 1)}, Flight(Probe(1, 80, 1, 1, 0), Purpose.CELL, is_alone=False)
    hops[1].flights.append(flight)
    flight.replies.append(Reply(1, ReplyKind.RST, "203.0.113.80", 0.1))
    known = Ending(hops, [flight], 1)
    known.on_reply(flight, flight.replies[0])
    assert known.find(1) == 0
    assert (known.ttl, known.outcome) == (1, Outcome.CLOSED)
    monkeypatch.setitem(OUTCOMES, ProbeKind.SYN, {ReplyKind.SYN_ACK: Outcome.OPEN})
    unknown = Ending(hops, [flight], 1)
    unknown.on_reply(flight, flight.replies[0])
    assert unknown.find(1) == 0
    assert unknown.ttl is None
