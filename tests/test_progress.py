"""The progress line: its text, when it appears, and that it is removed."""

import pytest

from tracetcp.formatters.progress import (
    ERASE_LINE,
    FIRST_LINE_AFTER,
    LINE_INTERVAL,
    ProgressLine,
    progress_text,
)


@pytest.mark.parametrize(
    ("done", "total", "seconds", "text"),
    [
        (0, 10, 2.0, "0 of 10 ports"),
        (500, 1000, 5.0, "500 of 1000 ports, 100 a second, 5 s left"),
        (100, 60_100, 10.0, "100 of 60100 ports, 10 a second, 100 min left"),
    ],
)
def test_it_tells_ports_rate_and_time_left(done: int, total: int, seconds: float, text: str) -> None:
    assert progress_text(done, total, seconds) == text


def test_it_appears_after_a_second_not_too_often_and_erases_itself() -> None:
    line = ProgressLine(100, started_at=10.0)
    assert line.update(5, 10.0 + FIRST_LINE_AFTER / 2) == ""
    assert line.erase() == ""
    assert line.update(20, 12.0) == f"{ERASE_LINE}20 of 100 ports, 10 a second, 8 s left"
    assert line.update(21, 12.0 + LINE_INTERVAL / 2) == ""
    assert line.erase() == ERASE_LINE
    assert line.erase() == ""


def test_nobody_who_watches_means_no_line() -> None:
    line = ProgressLine(100, started_at=10.0, is_watched=False)
    assert line.update(20, 100.0) == ""
    assert line.erase() == ""


@pytest.mark.parametrize(
    ("done", "total", "seconds", "text"),
    [
        (0, None, 5.0, "0 targets"),
        (0, 40, 5.0, "0 of 40 targets"),
        (10, 40, 5.0, "10 of 40 targets, 2 a second, 15 s left"),
        (10, 40, 20.0, "10 of 40 targets, 30 a minute, 60 s left"),
        (10, None, 5.0, "10 targets, 2 a second"),
    ],
)
def test_targets_are_told_with_what_is_known(done: int, total: int | None, seconds: float, text: str) -> None:
    assert progress_text(done, total, seconds, "targets") == text
