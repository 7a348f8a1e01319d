"""The spacing of probes, told by hand what was lost and answered."""

from math import inf

import pytest

from tracetcp.engine.scan.pacer import (
    BURST_SECONDS,
    DECREASE_FACTOR,
    GRANTED_SHARE,
    INCREASE_FACTOR,
    INCREASE_PERIOD,
    MINIMUM_RATE,
    RECOVERY_FACTOR,
    SendRate,
)


def paced(rate: float) -> SendRate:
    send_rate = SendRate()
    assert send_rate.decrease(rate / GRANTED_SHARE, 0.0)
    return send_rate


def test_the_answers_set_the_rate() -> None:
    assert SendRate().per_second == inf
    assert paced(200).per_second == pytest.approx(200)


def test_it_falls_with_every_loss_and_never_below_the_slowest() -> None:
    send_rate = paced(200)
    assert send_rate.decrease(1000, 1.0)
    assert send_rate.per_second == pytest.approx(DECREASE_FACTOR * 200)
    assert send_rate.decrease(10, 2.0)
    assert send_rate.per_second == MINIMUM_RATE


def test_loss_at_the_slowest_is_the_paths_own_and_the_rate_doubles_from_there() -> None:
    send_rate = paced(MINIMUM_RATE)
    assert not send_rate.decrease(30, 1.0)
    assert send_rate.increase(1.0 + INCREASE_PERIOD)
    assert send_rate.per_second == pytest.approx(RECOVERY_FACTOR * MINIMUM_RATE)
    assert send_rate.decrease(1000, 2.0), "it is not slow any more"


def test_it_rises_once_a_period() -> None:
    send_rate = paced(200)
    assert not send_rate.increase(INCREASE_PERIOD / 2)
    assert send_rate.increase(INCREASE_PERIOD)
    assert not send_rate.increase(1.5 * INCREASE_PERIOD)
    assert send_rate.per_second == pytest.approx(INCREASE_FACTOR * 200)


def test_probes_are_spaced_and_a_wait_saves_up_a_few() -> None:
    send_rate = paced(1000)
    assert send_rate.room(0.0) == 1
    send_rate.on_sent(1, 0.0)
    assert send_rate.room(0.0) == 0
    assert send_rate.next_send_at == pytest.approx(0.001)
    assert send_rate.room(0.0035) == 3
    assert send_rate.room(9.0) == 1 + BURST_SECONDS * 1000
    send_rate.on_sent(11, 9.0)
    assert send_rate.room(9.0) == 0
