"""When something is due that is due at intervals, and how often. Pure; instants are arguments.

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
        self.are_paused = False
        """Whether none begins, whatever is said, until ``go_on``."""

    @property
    def are_running(self) -> bool:
        """Whether one may begin."""
        return not self.are_over and not self.are_paused

    @property
    def is_first(self) -> bool:
        """Whether none has begun."""
        return self._begun == 0

    def begin_at(self, at: float) -> None:
        """The next one begins at ``at``, if one may begin."""
        if self.are_running:
            self.next_at = at

    def begin_by(self, at: float) -> None:
        """The next one begins at ``at`` at the latest."""
        self.begin_at(min(self.next_at, at))

    def stop(self) -> None:
        """None begins until ``begin_at``."""
        self.next_at = inf

    def pause(self) -> None:
        """None begins until ``go_on``."""
        self.are_paused, self.next_at = True, inf

    def go_on(self) -> None:
        """They may begin again, when it is said."""
        self.are_paused = False

    def begin(self, now: float) -> bool:
        """The next one begins ``now``; whether there was one left."""
        if self._begun == self._count:
            self.are_over, self.next_at = True, inf
            return False
        self._begun += 1
        missed = int((now - self.next_at) // self.length)
        self.next_at += self.length * (missed + 1)
        return True
