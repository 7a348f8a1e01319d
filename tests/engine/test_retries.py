"""Retries, where no network would bring two engines of a run together for sure."""

from __future__ import annotations

from math import inf

from tracetcp.config import TraceConfig
from tracetcp.engine import open_engine
from tracetcp.engine.run_state import RunState
from tracetcp.engine.trace.flight import Flight, Purpose, Want
from tracetcp.engine.trace.path import Path
from tracetcp.engine.trace.retries import Choice, Retries
from tracetcp.model import Probe, Reply, ReplyKind

TTL, CONTROL = 2, 443
LATER = 10.0
"""Seconds: long after the router was last asked."""


def run_with_a_control() -> RunState:
    """A run in which the router at ``TTL`` answered the port ``CONTROL``."""
    state = RunState(b"secret of a test")
    heard = Flight(Probe(1, CONTROL, TTL, 1, 0), Purpose.CELL, is_alone=False)
    state.routers.on_reply(heard, Reply(1, ReplyKind.TIME_EXCEEDED, "10.2.1.1", 0.1))
    return state


def path_with_a_loss(state: RunState, port: int) -> Path:
    """A path of ``port`` whose first attempt at ``TTL`` was lost."""
    path = Path(port, TraceConfig(host="h", max_hops=3, pings=1), state, 0.0)
    path.lost(path.sent(Want(TTL, 1, 0, Purpose.CELL), Probe(port, port, TTL, 1, 0), 0.0))
    assert path.suspects_loss_at(TTL)
    return path


def leave(choice: Choice | None, at: float = LATER) -> Flight:
    """Send ``choice`` as a scheduler does."""
    assert choice is not None
    assert choice.retry is not None
    flight = choice.path.sent(choice.want, Probe(9, choice.port, TTL, 1, 0), at)
    if choice.want.purpose is Purpose.CONTROL:
        choice.retry.control = flight
    else:
        choice.retry.asked.append((choice.path, flight))
    return flight


def test_while_one_engine_asks_again_at_a_router_another_waits() -> None:
    state = run_with_a_control()
    ours, theirs = path_with_a_loss(state, 80), path_with_a_loss(state, 81)
    retries, others = Retries(state.routers), Retries(state.routers)
    asked = leave(retries.choose([ours], LATER))
    assert state.routers.at(TTL).is_reserved
    assert others.choose([theirs], LATER) is None
    control = leave(retries.choose([ours], LATER))
    assert not state.routers.at(TTL).is_reserved
    assert others.choose([theirs], LATER) is None
    assert not others.may_begin
    for flight in (asked, control):
        flight.is_lost = True
    assert others.may_begin
    assert others.choose([theirs], LATER) is not None


class PendingRetry:
    """Stands for the retry of another engine."""

    def __init__(self) -> None:
        self.to_send = ["a probe"]
        self.is_over = False


def test_a_probe_lets_the_pending_retry_of_another_engine_go_first() -> None:
    state, retry = RunState(b"secret of a test"), PendingRetry()
    state.routers.at(1).retry = retry
    engine = open_engine(TraceConfig(host="h"), state)
    assert engine.next_probes(0.0, 1) == ()
    assert engine.wake_at() > 0.0
    retry.to_send.clear()
    assert engine.wake_at() == -inf
    assert [probe.ttl for probe in engine.next_probes(0.0, 1)] == [1]


def test_nothing_follows_from_a_retry_one_of_whose_paths_ended_before_its_probes_left() -> None:
    state = run_with_a_control()
    staying, ending = path_with_a_loss(state, 80), path_with_a_loss(state, 81)
    retries = Retries(state.routers)
    asked = leave(retries.choose([staying, ending], LATER))
    retries.forget(ending)
    assert not state.routers.at(TTL).is_reserved
    staying.lost(asked)
    assert retries.is_any_over
    retries.judge()
    assert staying.suspects_loss_at(TTL)
    assert retries.choose([staying], 2 * LATER) is not None


def test_a_path_that_ends_leaves_the_retries_of_others_alone() -> None:
    state = run_with_a_control()
    staying, ending = path_with_a_loss(state, 80), path_with_a_loss(state, 81)
    retries = Retries(state.routers)
    leave(retries.choose([staying], LATER))
    retries.forget(ending)
    assert state.routers.at(TTL).is_reserved
