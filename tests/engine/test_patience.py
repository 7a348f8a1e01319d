"""How long a missing reply is waited for."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tracetcp.engine.rtt import RttEstimator
from tracetcp.engine.trace.timeouts import FLOOR, Patience


def test_nothing_is_given_up_before_the_floor() -> None:
    patience = Patience()
    patience.add(3, 0.001)
    assert patience.bound(1) == FLOOR
    assert patience.bound(9) == FLOOR


def test_a_lone_rtt_gets_room_for_unknown_jitter_and_less_once_the_jitter_is_known() -> None:
    patience = Patience()
    patience.add(5, 0.4)
    unknown = patience.bound(5)
    patience.add(5, 0.4)
    assert unknown > patience.bound(5) >= 0.4


def test_the_wait_for_a_near_hop_covers_the_farther_ones_that_answered() -> None:
    patience = Patience()
    for _ in range(2):
        patience.add(1, 0.01)
        patience.add(9, 1.0)
    assert patience.bound(1) == patience.bound(9) > 1.0
    assert patience.bound(10) < 1.0


def test_jitter_seen_anywhere_widens_the_wait_everywhere() -> None:
    calm, jittery = Patience(), Patience()
    for patience, other in ((calm, 0.3), (jittery, 0.6)):
        patience.add(1, 0.3)
        patience.add(1, other)
        patience.add(2, 0.3)
    assert jittery.bound(2) > calm.bound(2)


def test_the_longest_rtt_is_none_before_the_first_answer() -> None:
    patience = Patience()
    assert patience.longest is None
    patience.add(1, 0.02)
    patience.add(2, 0.01)
    assert patience.longest == 0.02


@given(st.lists(st.tuples(st.integers(1, 255), st.floats(0, 10)), min_size=1, max_size=50))
def test_the_bound_is_finite_and_never_shorter_for_a_nearer_ttl(samples: list[tuple[int, float]]) -> None:
    patience = Patience()
    for ttl, rtt in samples:
        patience.add(ttl, rtt)
    bounds = [patience.bound(ttl) for ttl in range(1, 256)]
    assert all(FLOOR <= bound < 100 for bound in bounds)
    assert all(near >= far - 1e-12 for near, far in pairwise(bounds))


def test_the_estimator_follows_rfc_6298() -> None:
    estimator = RttEstimator()
    assert estimator.srtt is None
    trail = []
    for sample in (0.1, 0.2):
        estimator.add(sample)
        trail.append((round(estimator.srtt or 0.0, 6), round(estimator.rttvar, 6)))
    assert trail == [(0.1, 0.05), (0.1125, 0.0625)]
