"""The window of a scan, fed with answers by hand."""

from tracetcp.engine.congestion import (
    BACK_OFF,
    FIRST_WINDOW,
    LARGEST_WINDOW,
    QUEUEING,
    SMALLEST_WINDOW,
    CongestionWindow,
)


def fed(*rtts: float) -> CongestionWindow:
    window = CongestionWindow()
    for tick, rtt in enumerate(rtts):
        window.answered(rtt, float(tick))
    return window


def test_the_window_doubles_with_every_window_of_prompt_answers() -> None:
    assert fed().size == FIRST_WINDOW
    assert fed(*[0.01] * FIRST_WINDOW).size == 2 * FIRST_WINDOW


def test_it_never_grows_past_what_the_receive_buffer_holds() -> None:
    assert fed(*[0.01] * 2 * LARGEST_WINDOW).size == LARGEST_WINDOW


def test_answers_that_queue_shrink_it_once_an_rtt_and_end_the_doubling() -> None:
    window = fed(0.01)
    grown = window.size
    late = 0.01 + QUEUEING + 0.002
    window.answered(late, 1.0)
    window.answered(late, 1.0 + late / 2)
    assert window.size == int(grown * BACK_OFF)
    before = window.size
    for _ in range(10):
        window.answered(0.01, 2.0)
    assert window.size == before + 1


def test_random_loss_leaves_it_alone_and_heavy_loss_cuts_it() -> None:
    light, heavy = fed(*[0.01] * 100), fed(*[0.01] * 100)
    for _ in range(4):
        light.loss_proven(200.0)
    assert light.size == FIRST_WINDOW + 100
    for _ in range(40):
        heavy.loss_proven(200.0)
    assert heavy.size < FIRST_WINDOW + 100


def test_it_never_shrinks_below_its_smallest() -> None:
    window = fed(0.001)
    for tick in range(1, 100):
        window.answered(1.0, 10.0 * tick)
    assert window.size == SMALLEST_WINDOW
