"""When the next interval of a watch begins, and how many there are. Pure; instants are arguments.

An interval that was slept through is not made up for: the next one begins a whole number of intervals later.
"""

from __future__ import annotations

from math import inf


class Intervals:
    """Intervals of ``length`` seconds, ``count`` of them, or without end."""

    def __init__(self, length: float, count: int | None) -> None:
        self.length = length
        self._count = count
        self._begun = 0
        self.next_at = inf
        """When the next one begins, infinity while none is to come."""
        self.are_over = False
        """Whether the last one is over."""

    @property
    def is_first(self) -> bool:
        """Whether none has begun."""
        return self._begun == 0

    def begin_at(self, at: float) -> None:
        """The next one begins at ``at``, unless the last one is over."""
        if not self.are_over:
            self.next_at = at

    def begin_by(self, at: float) -> None:
        """The next one begins at ``at`` at the latest."""
        self.begin_at(min(self.next_at, at))

    def stop(self) -> None:
        """None begins until ``begin_at``."""
        self.next_at = inf

    def begin(self, now: float) -> bool:
        """The next one begins ``now``; whether there was one left."""
        if self._begun == self._count:
            self.are_over, self.next_at = True, inf
            return False
        self._begun += 1
        missed = int((now - self.next_at) // self.length)
        self.next_at += self.length * (missed + 1)
        return True
