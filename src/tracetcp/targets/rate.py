"""The pace of a whole run: probes a second over all its targets. Knows instants only."""

from __future__ import annotations

from math import inf

BURSTS_PER_SECOND = 50
"""The loop wakes up about as often; a burst is what is due since it slept."""

ROUNDING = 1e-6
"""So much slower, lest sums of instants are rounded to less than a second."""


class RatePacer:
    """Lets ``per_second`` probes pass in any second, a fiftieth of that at once (a token bucket)."""

    def __init__(self, per_second: int) -> None:
        self._burst = max(1, per_second // BURSTS_PER_SECOND)
        self._interval = (1 + ROUNDING) / (per_second - self._burst + 1)
        self._paid_until = -inf
        """When the bucket is full again."""

    def allowance(self, now: float) -> int:
        """How many probes may leave at ``now``."""
        missing = max(0.0, self._paid_until - now) / self._interval
        return max(0, int(self._burst - missing + 1e-6))

    @property
    def next_at(self) -> float:
        """The instant from which half a burst may leave: it is not worth while to wake up for less."""
        return self._paid_until - self._burst // 2 * self._interval

    def on_sent(self, at: float) -> None:
        """A probe left at ``at``."""
        self._paid_until = max(self._paid_until, at) + self._interval
