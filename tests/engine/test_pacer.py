"""The pacing of one router, on instants alone."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from tracetcp.engine.trace.pacer import (
    BURST_PROBES,
    BURST_SECONDS,
    LIMITED_INTERVAL,
    SUSTAINED_PROBES,
    SUSTAINED_SECONDS,
    next_send_at,
)


def test_the_pings_of_one_hop_may_leave_at_once_and_the_fourth_probe_waits() -> None:
    assert next_send_at([]) == -inf
    assert next_send_at([1.0, 1.0]) == -inf
    assert next_send_at([1.0, 1.0, 1.0]) == 1.0 + BURST_SECONDS


def test_a_burst_waits_until_all_of_it_fits() -> None:
    assert next_send_at([], BURST_PROBES) == -inf
    assert next_send_at([1.0], BURST_PROBES) == 1.0 + BURST_SECONDS
    assert next_send_at([1.0, 1.05], 2) == 1.0 + BURST_SECONDS


def test_a_limited_router_is_left_alone_for_a_second_after_every_probe() -> None:
    assert next_send_at([1.0], is_limited=True) == 1.0 + LIMITED_INTERVAL
    assert next_send_at([], is_limited=True) == -inf


@given(st.lists(st.sampled_from([1, 2, 3]), min_size=1, max_size=60))
def test_whatever_is_sent_no_router_gets_a_fourth_probe_in_a_tenth_or_a_21st_in_a_second(
    bursts: list[int],
) -> None:
    now, sent = 0.0, list[float]()
    for burst in bursts:
        now = max(now, next_send_at(sent, burst))
        sent += [now] * burst
    slack = 1e-9
    for earlier, later in zip(sent, sent[BURST_PROBES:], strict=False):
        assert later - earlier >= BURST_SECONDS - slack
    for earlier, later in zip(sent, sent[SUSTAINED_PROBES:], strict=False):
        assert later - earlier >= SUSTAINED_SECONDS - slack
