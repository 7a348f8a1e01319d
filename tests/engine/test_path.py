"""Single rules of one path, where no network would show them for sure."""

from __future__ import annotations

from tracetcp.config import TraceConfig
from tracetcp.engine.run_state import RunState
from tracetcp.engine.trace.flight import Purpose, Want
from tracetcp.engine.trace.path import Path
from tracetcp.model import FLOWS, Probe, Reply, ReplyKind


def test_a_router_that_answers_off_its_column_after_the_cell_was_asked_again_changes_nothing() -> None:
    path = Path(80, TraceConfig(host="h", max_hops=3, pings=2), RunState(b"secret of a test"), 0.0)
    stray = path.sent(Want(2, 2, 7, Purpose.CELL, is_alone=True), Probe(1, 80, 2, 2, 7), 0.0)
    path.lost(stray)
    column = path.sent(Want(2, 2, 1, Purpose.CELL), Probe(2, 80, 2, 2, 1), 1.0)
    path.received(stray, Reply(1, ReplyKind.TIME_EXCEEDED, "10.0.2.9", 1.1))
    path.received(column, Reply(2, ReplyKind.TIME_EXCEEDED, "10.0.2.1", 1.2))
    assert path._hops[2].cells[1].ping().reply == column.replies[0]


def test_fresh_flows_are_used_again_after_the_last() -> None:
    path = Path(80, TraceConfig(host="h", pings=3), RunState(b"secret of a test"), 0.0)
    path._flows.fresh = FLOWS - 1
    path.sent(Want(5, 2, FLOWS - 1, Purpose.CELL), Probe(1, 80, 5, 2, FLOWS - 1), 0.0)
    assert path._flows.fresh == 3


def test_a_cell_that_a_late_reply_filled_is_not_lost_with_its_second_try() -> None:
    path = Path(80, TraceConfig(host="h", max_hops=3), RunState(b"secret of a test"), 0.0)
    first = path.sent(Want(2, 1, 0, Purpose.CELL), Probe(1, 80, 2, 1, 0), 0.0)
    path.lost(first)
    second = path.sent(Want(2, 1, 0, Purpose.CELL), Probe(2, 80, 2, 1, 0), 1.0)
    path.received(first, Reply(1, ReplyKind.TIME_EXCEEDED, "10.0.2.1", 1.1))
    path.lost(second)
    assert path._hops[2].cells[0].ping().reply == first.replies[0]
