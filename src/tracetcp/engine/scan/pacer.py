"""How many probes a second a host gets that answers only so many (many send 200 RSTs a second, no more).

Knows rates and instants only. Where the RTT is short, even the smallest congestion window asks such a host
too fast; then the probes are spaced. The rate comes from the answers: what is answered while much is lost is
what the host grants. Loss that stays at the slowest rate is the path's own, and is borne from then on.
"""

from __future__ import annotations

from math import inf

SLOWEST = 40.0
"""Probes a second to which loss can slow a scan down: slower than any host's limit that is known."""
SLOW = 1.5
"""Multiple of ``SLOWEST`` below which heavy loss is the path's own."""
LESS = 0.8
"""Share of the rate left, at most, when loss was heavy once more."""
GRANTED = 0.9
"""Share of the answers' rate that is asked: room for attempts whose ports are silent."""
MORE = 1.05
"""Growth in a ``PERIOD`` without heavy loss: a limit that was met is there to stay."""
RISING = 2.0
"""The same after loss was found to be the path's own: back to where it began."""
PERIOD = 0.25
"""Seconds: a little more than a loss takes to be proven."""
BURST = 0.01
"""Seconds' worth of probes that may leave at once, after a wait."""


class Pace:
    """The spacing of probes; none at first."""

    __slots__ = ("_changed_at", "_growth", "opens_at", "rate")

    def __init__(self) -> None:
        self.rate = inf
        """Probes a second."""
        self._growth = MORE
        self._changed_at = -inf
        self.opens_at = -inf
        """The instant from which the next probe may leave."""

    def room(self, now: float) -> int:
        """Probes that may leave at ``now``; only for a pace that is set."""
        if now < self.opens_at:
            return 0
        return 1 + int(min(now - self.opens_at, BURST) * self.rate)

    def sent(self, count: int, now: float) -> None:
        """Count probes that leave at ``now``."""
        self.opens_at = max(self.opens_at, now - BURST) + count / self.rate

    def slow_down(self, answers_per_second: float, now: float) -> bool:
        """Lower the rate after heavy loss; False if it cannot be any lower: the loss is the path's own."""
        self._changed_at = now
        if self.rate < SLOW * SLOWEST:
            self._growth = RISING
            return False
        self.rate = max(SLOWEST, min(LESS * self.rate, GRANTED * answers_per_second))
        self._growth = MORE
        self.opens_at = max(self.opens_at, now)
        return True

    def speed_up(self, now: float) -> bool:
        """Raise the rate if it has held for a ``PERIOD``; whether it did."""
        if now - self._changed_at < PERIOD:
            return False
        self.rate *= self._growth
        self._changed_at = now
        return True
