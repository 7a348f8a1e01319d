"""The spacing of probes, told by hand what was lost and answered."""

from math import inf

import pytest

from tracetcp.engine.scan.pacer import BURST, GRANTED, LESS, MORE, PERIOD, RISING, SLOWEST, Pace


def paced(rate: float) -> Pace:
    pace = Pace()
    assert pace.slow_down(rate / GRANTED, 0.0)
    return pace


def test_the_answers_set_the_rate() -> None:
    assert Pace().rate == inf
    assert paced(200).rate == pytest.approx(200)


def test_it_falls_with_every_loss_and_never_below_the_slowest() -> None:
    pace = paced(200)
    assert pace.slow_down(1000, 1.0)
    assert pace.rate == pytest.approx(LESS * 200)
    assert pace.slow_down(10, 2.0)
    assert pace.rate == SLOWEST


def test_loss_at_the_slowest_is_the_paths_own_and_the_rate_doubles_from_there() -> None:
    pace = paced(SLOWEST)
    assert not pace.slow_down(30, 1.0)
    assert pace.speed_up(1.0 + PERIOD)
    assert pace.rate == pytest.approx(RISING * SLOWEST)
    assert pace.slow_down(1000, 2.0), "it is not slow any more"


def test_it_rises_once_a_period() -> None:
    pace = paced(200)
    assert not pace.speed_up(PERIOD / 2)
    assert pace.speed_up(PERIOD)
    assert not pace.speed_up(1.5 * PERIOD)
    assert pace.rate == pytest.approx(MORE * 200)


def test_probes_are_spaced_and_a_wait_saves_up_a_few() -> None:
    pace = paced(1000)
    assert pace.room(0.0) == 1
    pace.sent(1, 0.0)
    assert pace.room(0.0) == 0
    assert pace.opens_at == pytest.approx(0.001)
    assert pace.room(0.0035) == 3
    assert pace.room(9.0) == 1 + BURST * 1000
    pace.sent(11, 9.0)
    assert pace.room(9.0) == 0
