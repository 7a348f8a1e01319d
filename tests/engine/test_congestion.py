"""The window of a scan, fed with answers by hand."""

import pytest

from tracetcp.engine.scan.congestion import (
    INITIAL_WINDOW,
    MAXIMUM_WINDOW,
    MINIMUM_WINDOW,
    QUEUEING_DELAY,
    REDUCTION,
    CongestionWindow,
)
from tracetcp.engine.scan.pacer import GRANTED_SHARE


def fed(*rtts: float) -> CongestionWindow:
    window = CongestionWindow()
    for tick, rtt in enumerate(rtts):
        window.answered(rtt, float(tick))
    return window


def test_the_window_doubles_with_every_window_of_prompt_answers() -> None:
    assert fed().size == INITIAL_WINDOW
    assert fed(*[0.01] * INITIAL_WINDOW).size == 2 * INITIAL_WINDOW


def test_it_never_grows_past_what_the_receive_buffer_holds() -> None:
    assert fed(*[0.01] * 2 * MAXIMUM_WINDOW).size == MAXIMUM_WINDOW


def test_answers_that_queue_shrink_it_once_an_rtt_and_end_the_doubling() -> None:
    window = fed(0.01)
    grown = window.size
    late = 0.01 + QUEUEING_DELAY + 0.002
    window.answered(late, 1.0)
    window.answered(late, 1.0 + late / 2)
    assert window.size == int(grown * REDUCTION)
    before = window.size
    for _ in range(10):
        window.answered(0.01, 2.0)
    assert window.size == before + 1


def test_random_loss_leaves_it_alone_and_heavy_loss_cuts_it() -> None:
    light, heavy = fed(*[0.01] * 100), fed(*[0.01] * 100)
    for _ in range(4):
        light.on_loss(199.0, 200.0)
    assert light.size == INITIAL_WINDOW + 100
    for _ in range(40):
        heavy.on_loss(199.0, 200.0)
    assert heavy.size < INITIAL_WINDOW + 100


def test_one_burst_of_losses_cuts_it_once() -> None:
    window = fed(*[0.01] * 100)
    for late in range(40):
        window.on_loss(199.0, 200.0 + late)
    assert window.size == int((INITIAL_WINDOW + 100) * REDUCTION)


def doubled(answers_in_a_round: int, *, expired: int) -> CongestionWindow:
    """A window after ten rounds of 10 ms that brought the same number of answers each."""
    window = CongestionWindow()
    for answer in range(10 * answers_in_a_round):
        window.answered(0.01, 1.0 + 0.01 * answer / answers_in_a_round)
        for _ in range(expired):
            window.expired()
    return window


def test_the_doubling_ends_where_it_brings_losses_instead_of_answers() -> None:
    assert doubled(200, expired=1).size in range(200, 220)


def test_it_goes_on_where_nothing_is_lost_since_then_the_rate_is_only_this_machines() -> None:
    assert doubled(200, expired=0).size == INITIAL_WINDOW + 2000


def test_after_a_loss_it_grows_no_faster_than_losses_are_proven() -> None:
    window = doubled(200, expired=1)
    before = window.size
    for answer in range(before * 21):
        window.answered(0.01, 2.0 + 0.01 * answer / before)
    assert window.size == pytest.approx(before * 1.1, rel=0.02), "a tenth in 0.21 s, which are 21 RTTs"


def test_it_never_shrinks_below_its_smallest() -> None:
    window = fed(0.001)
    for tick in range(1, 100):
        window.answered(1.0, 10.0 * tick)
    assert window.size == MINIMUM_WINDOW


def test_probes_are_spaced_while_few_answers_come_in_an_rtt() -> None:
    window = CongestionWindow()
    for tick in range(100):
        window.answered(0.01, tick / 100)
    for _ in range(60):
        window.on_loss(0.5, 1.0)
    assert window.send_rate is not None
    assert window.send_rate.per_second == pytest.approx(100 * GRANTED_SHARE, rel=0.02)
    window.pass_time(1.1)
    assert window.send_rate is not None
    for second in range(2, 100):
        window.pass_time(second)
    assert window.send_rate is None, "so long without a loss: the window is enough"


def test_the_share_of_losses_is_counted_anew_when_it_was_cut_for_them() -> None:
    window = fed(*[0.01] * 98)
    assert not window.has_loss
    window.on_loss(50.0, 99.0)
    assert window.has_loss
    assert window.loss_share == pytest.approx(2 / 101)
    for _ in range(40):
        window.on_loss(50.0, 99.0)
    assert window.recovery_started_at == 99.0
    assert window.loss_share == pytest.approx(1 / 10)
    window.on_loss(98.0, 100.0)
    assert window.loss_share == pytest.approx(1 / 10), "that probe left before the cut"
