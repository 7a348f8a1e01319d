"""The progress line: ports done, rate, time left. Makes text from numbers; the app decides where it goes.

Shown after a second of work.
"""

from __future__ import annotations

from math import inf

FIRST_LINE_AFTER = 1.0
"""Seconds of work before the line appears: short runs need none."""
LINE_INTERVAL = 0.2
"""Seconds between two lines, at least."""
ERASE_LINE = "\r\x1b[K"
"""Back to the start of the line, and clear it (ECMA-48: EL)."""


def progress_text(done: int, total: int, seconds: float) -> str:
    """How far ``done`` of ``total`` ports after ``seconds`` are, and how long the rest will take."""
    rate = done / seconds
    if not done:
        return f"0 of {total} ports"
    left = (total - done) / rate
    shown = f"{left:.0f} s" if left < 120 else f"{left / 60:.0f} min"
    return f"{done} of {total} ports, {rate:.0f} a second, {shown} left"


class ProgressLine:
    """Says what to write at each moment of a run that began at ``started_at`` (seconds).

    That is nothing unless ``is_watched``.
    """

    def __init__(self, total: int, started_at: float, *, is_watched: bool = True) -> None:
        self._total = total
        self._started_at = started_at
        self._next_at = started_at + FIRST_LINE_AFTER if is_watched else inf
        self._is_shown = False

    def update(self, done: int, now: float) -> str:
        """The line to write now, empty when it is not time for one."""
        if now < self._next_at:
            return ""
        self._next_at = now + LINE_INTERVAL
        self._is_shown = True
        return ERASE_LINE + progress_text(done, self._total, now - self._started_at)

    def erase(self) -> str:
        """What removes the line, empty if there is none."""
        was_shown, self._is_shown = self._is_shown, False
        return ERASE_LINE if was_shown else ""
