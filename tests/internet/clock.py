"""A clock that jumps: a wait of four seconds takes no time, and every run is repeatable."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class VirtualClock:
    """A ``runner.Wait`` whose time passes only in a wait. Probers that share one can run side by side.

    At ``interrupt_at`` it raises ``KeyboardInterrupt``, as Ctrl-C does.
    """

    def __init__(self, now: float = 0.0, interrupt_at: float = inf) -> None:
        self.now = now
        self._interrupt_at = interrupt_at

    def __call__(self, _descriptors: Sequence[int], until: float) -> tuple[int, ...]:
        """Jump to ``until``: nothing outside can end this wait earlier."""
        assert until < inf, "the engine waits for ever: nothing is in flight and no instant was given"
        if until >= self._interrupt_at:
            self.now, self._interrupt_at = max(self.now, self._interrupt_at), inf
            raise KeyboardInterrupt
        self.now = max(self.now, until)
        return ()

    def close(self) -> None:
        """Do nothing; ``SelectorWait`` has this method, and this class replaces it."""
