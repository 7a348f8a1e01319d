"""The progress line: ports done, rate, time left; shown after a second of work.

Turns numbers into text; ``app`` decides where it goes.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracetcp.model.silence import Waited

FIRST_LINE_AFTER = 1.0
"""Seconds of work before the line appears; a short run needs none."""
LINE_INTERVAL = 0.2
"""The least number of seconds between two updates."""
ERASE_LINE = "\r\x1b[K"
"""Returns to the start of the line and clears it (ECMA-48: EL)."""


def progress_text(done: int, total: int | None, seconds: float, unit: str = "ports") -> str:
    """The progress after ``seconds``: ``done`` of ``total`` units, the rate, and the time left.

    Where the ``total`` is not known, neither is the time left.
    """
    rate = done / seconds
    of_all = f"{done} of {total} {unit}" if total is not None else f"{done} {unit}"
    if not done:
        return of_all
    speed = f"{rate:.0f} a second" if rate >= 1 else f"{60 * rate:.0f} a minute"
    if total is None:
        return f"{of_all}, {speed}"
    left = (total - done) / rate
    shown = f"{left:.0f} s" if left < 120 else f"{left / 60:.0f} min"
    return f"{of_all}, {speed}, {shown} left"


def waiting_text(waited: Waited) -> str:
    """How long silent connections have been waited for."""
    return f"silent for {waited.seconds:.0f} of {waited.total} s"


class ProgressLine:
    """The text to write at each moment of a run that began at ``started_at`` (seconds).

    Without ``is_watched`` it is always empty.
    """

    def __init__(
        self, total: int | None, started_at: float, *, unit: str = "ports", is_watched: bool = True
    ) -> None:
        self.total = total
        """May be found out or corrected later."""
        self._unit = unit
        self._started_at = started_at
        self._next_at = started_at + FIRST_LINE_AFTER if is_watched else inf
        self._is_shown = False

    def update(self, done: int, now: float) -> str:
        """The text to write at ``now``; empty if it is not yet time for an update."""
        if now < self._next_at:
            return ""
        self._next_at = now + LINE_INTERVAL
        self._is_shown = True
        return ERASE_LINE + progress_text(done, self.total, now - self._started_at, self._unit)

    def wait(self, waited: Waited) -> str:
        """The text to write while connections are silent; it is for whoever calls to know who watches."""
        self._is_shown = True
        return ERASE_LINE + waiting_text(waited)

    def erase(self) -> str:
        """The text that removes the line; empty if no line is shown."""
        was_shown, self._is_shown = self._is_shown, False
        return ERASE_LINE if was_shown else ""
