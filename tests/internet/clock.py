"""A clock that jumps: four seconds of waiting cost nothing, and every run is repeatable."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class VirtualClock:
    """A ``runner.Wait``: time passes only while somebody waits. Probers that share one may run side by side.

    At ``interrupt_at`` Ctrl-C is pressed.
    """

    def __init__(self, now: float = 0.0, interrupt_at: float = inf) -> None:
        self.now = now
        self._interrupt_at = interrupt_at

    def __call__(self, _descriptors: Sequence[int], until: float) -> tuple[int, ...]:
        """Jump to ``until``, for nothing outside wakes this clock."""
        assert until < inf, "the engine waits for ever: nothing is in flight and no instant was given"
        if until >= self._interrupt_at:
            self.now, self._interrupt_at = max(self.now, self._interrupt_at), inf
            raise KeyboardInterrupt
        self.now = max(self.now, until)
        return ()

    def close(self) -> None:
        """There is nothing to close: for who puts this in the place of a ``SelectorWait``."""
