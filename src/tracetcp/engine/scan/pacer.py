"""At which rate a scan may send to a host that answers only so many probes a second (many send 200 RSTs).

Knows rates and instants only. Where the RTT is short, even the smallest congestion window asks such a host
too fast; then its probes leave at a rate.

R1. There is no rate until loss is heavy. Then it is ``GRANTED_SHARE`` of the rate of the answers: what is
    answered while much is lost is what the host grants. Each heavy loss leaves ``DECREASE_FACTOR`` of the
    rate at most, and never less than ``MINIMUM_RATE``.
R2. Heavy loss below ``NEAR_MINIMUM_FACTOR`` times that minimum is the path's own: it lowers the rate no more.
R3. The rate rises by ``INCREASE_FACTOR`` in each ``INCREASE_PERIOD`` without heavy loss: a limit that was
    met is there to stay. After loss that was the path's own (R2) it rises by ``RECOVERY_FACTOR``, back to
    where it began.
R4. After a wait as many probes may leave at once as the rate gives in ``BURST_SECONDS``, and one.
"""

from __future__ import annotations

from math import inf

MINIMUM_RATE = 40.0
"""Probes a second: slower than any limit of a host that is known."""
NEAR_MINIMUM_FACTOR = 1.5
DECREASE_FACTOR = 0.8
GRANTED_SHARE = 0.9
"""Less than all: there must be room for attempts whose ports are silent."""
INCREASE_FACTOR = 1.05
RECOVERY_FACTOR = 2.0
INCREASE_PERIOD = 0.25
"""Seconds: a little more than it takes to prove a loss."""
BURST_SECONDS = 0.01


class SendRate:
    """The rate of a scan; none at first."""

    __slots__ = ("_changed_at", "_increase_factor", "next_send_at", "per_second")

    def __init__(self) -> None:
        self.per_second = inf
        """Probes a second."""
        self._increase_factor = INCREASE_FACTOR
        self._changed_at = -inf
        self.next_send_at = -inf
        """The instant from which the next probe may leave."""

    def room(self, now: float) -> int:
        """Probes that may leave at ``now``; only for a rate that is set."""
        if now < self.next_send_at:
            return 0
        return 1 + int(min(now - self.next_send_at, BURST_SECONDS) * self.per_second)  # R4

    def on_sent(self, count: int, now: float) -> None:
        """Count probes that leave at ``now``."""
        self.next_send_at = max(self.next_send_at, now - BURST_SECONDS) + count / self.per_second

    def decrease(self, answers_per_second: float, now: float) -> bool:
        """Lower the rate after heavy loss; False if it cannot be any lower: the loss is the path's own."""
        self._changed_at = now
        if self.per_second < NEAR_MINIMUM_FACTOR * MINIMUM_RATE:  # R2
            self._increase_factor = RECOVERY_FACTOR  # R3
            return False
        granted = GRANTED_SHARE * answers_per_second
        self.per_second = max(MINIMUM_RATE, min(DECREASE_FACTOR * self.per_second, granted))  # R1
        self._increase_factor = INCREASE_FACTOR
        self.next_send_at = max(self.next_send_at, now)
        return True

    def increase(self, now: float) -> bool:
        """Raise the rate if it has held for an ``INCREASE_PERIOD``; whether it did."""
        if now - self._changed_at < INCREASE_PERIOD:  # R3
            return False
        self.per_second *= self._increase_factor
        self._changed_at = now
        return True
