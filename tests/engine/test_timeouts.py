"""How long a missing reply is waited for."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tracetcp.engine.rtt import RttEstimator
from tracetcp.engine.trace.timeouts import MINIMUM_TIMEOUT, ProbeTimeouts


def test_nothing_is_given_up_before_the_minimum() -> None:
    timeouts = ProbeTimeouts()
    timeouts.add(3, 0.001)
    assert timeouts.timeout(1) == MINIMUM_TIMEOUT
    assert timeouts.timeout(9) == MINIMUM_TIMEOUT


def test_a_lone_rtt_gets_room_for_unknown_jitter_and_less_once_the_jitter_is_known() -> None:
    timeouts = ProbeTimeouts()
    timeouts.add(5, 0.4)
    unknown = timeouts.timeout(5)
    timeouts.add(5, 0.4)
    assert unknown > timeouts.timeout(5) >= 0.4


def test_the_wait_for_a_near_hop_covers_the_farther_ones_that_answered() -> None:
    timeouts = ProbeTimeouts()
    for _ in range(2):
        timeouts.add(1, 0.01)
        timeouts.add(9, 1.0)
    assert timeouts.timeout(1) == timeouts.timeout(9) > 1.0
    assert timeouts.timeout(10) < 1.0


def test_jitter_seen_anywhere_widens_the_wait_everywhere() -> None:
    calm, jittery = ProbeTimeouts(), ProbeTimeouts()
    for timeouts, other in ((calm, 0.3), (jittery, 0.6)):
        timeouts.add(1, 0.3)
        timeouts.add(1, other)
        timeouts.add(2, 0.3)
    assert jittery.timeout(2) > calm.timeout(2)


def test_the_longest_rtt_is_none_before_the_first_answer() -> None:
    timeouts = ProbeTimeouts()
    assert timeouts.longest_srtt is None
    timeouts.add(1, 0.02)
    timeouts.add(2, 0.01)
    assert timeouts.longest_srtt == 0.02


@given(st.lists(st.tuples(st.integers(1, 255), st.floats(0, 10)), min_size=1, max_size=50))
def test_the_wait_is_finite_and_never_shorter_for_a_nearer_ttl(samples: list[tuple[int, float]]) -> None:
    timeouts = ProbeTimeouts()
    for ttl, rtt in samples:
        timeouts.add(ttl, rtt)
    waits = [timeouts.timeout(ttl) for ttl in range(1, 256)]
    assert all(MINIMUM_TIMEOUT <= wait < 100 for wait in waits)
    assert all(near >= far - 1e-12 for near, far in pairwise(waits))


def test_the_estimator_follows_rfc_6298() -> None:
    estimator = RttEstimator()
    assert estimator.srtt is None
    trail = []
    for sample in (0.1, 0.2):
        estimator.add(sample)
        trail.append((round(estimator.srtt or 0.0, 6), round(estimator.rttvar, 6)))
    assert trail == [(0.1, 0.05), (0.1125, 0.0625)]
