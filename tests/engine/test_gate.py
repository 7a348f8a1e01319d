"""Pacing per TTL, on instants alone."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from tracetcp.engine.trace.pacer import BURST, BURST_SPAN, SLOW_INTERVAL, SUSTAINED, SUSTAINED_SPAN, Gate


def passed(*instants: float) -> Gate:
    gate = Gate()
    for instant in instants:
        gate.passed(instant)
    return gate


def test_the_pings_of_one_hop_may_leave_at_once_and_the_fourth_probe_waits() -> None:
    assert passed().opens_at() == -inf
    assert passed(1.0, 1.0).opens_at() == -inf
    assert passed(1.0, 1.0, 1.0).opens_at() == 1.0 + BURST_SPAN


def test_a_burst_waits_until_all_of_it_fits() -> None:
    assert passed().opens_at(BURST) == -inf
    assert passed(1.0).opens_at(BURST) == 1.0 + BURST_SPAN
    assert passed(1.0, 1.05).opens_at(2) == 1.0 + BURST_SPAN


def test_a_limited_router_is_left_alone_for_a_second_after_every_probe() -> None:
    gate = passed(1.0)
    gate.is_limited = True
    assert gate.opens_at() == 1.0 + SLOW_INTERVAL


@given(st.lists(st.sampled_from([1, 2, 3]), min_size=1, max_size=60))
def test_whatever_is_sent_no_router_gets_a_fourth_probe_in_a_tenth_or_a_21st_in_a_second(
    bursts: list[int],
) -> None:
    gate, now, sent = Gate(), 0.0, list[float]()
    for burst in bursts:
        now = max(now, gate.opens_at(burst))
        for _ in range(burst):
            gate.passed(now)
            sent.append(now)
    slack = 1e-9
    for earlier, later in zip(sent, sent[BURST:], strict=False):
        assert later - earlier >= BURST_SPAN - slack
    for earlier, later in zip(sent, sent[SUSTAINED:], strict=False):
        assert later - earlier >= SUSTAINED_SPAN - slack
