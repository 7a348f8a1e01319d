"""How many probes of a scan may be in the network at once.

Counts and durations in seconds; knows no probe. The window grows while answers come back promptly and
shrinks when they queue: waiting time, not loss, is the signal, because a silent port and a lost probe
look the same, and because random loss says nothing of the path's rate. Only loss that was proven (a
later probe of the same port was answered) counts, and only when it is heavy.
"""

from __future__ import annotations

FIRST_WINDOW = 48
"""Probes in flight before the host has answered anything."""
SMALLEST_WINDOW = 16
LARGEST_WINDOW = 4096
"""Replies to this many probes fit in the receive buffer (832 bytes each)."""
QUEUEING = 0.004
"""Seconds by which answers may be late before a queue must be building up: 40 packets at 10,000 a second."""
QUEUEING_SHARE = 0.5
"""The same as a share of the shortest RTT, where that is longer."""
BACK_OFF = 0.8
"""The window is cut to this share, at most once an RTT: the queue drains while the path stays full."""
GROWTH = 0.1
"""Growth in an RTT, as a share of the window, once the first queue was seen."""
HEAVY_LOSS = 0.1
"""Proven losses among the answers of one window from which on it is cut without any sign of a queue."""


class CongestionWindow:
    """The number of probes that may be in flight, driven by the answers."""

    __slots__ = ("_answers", "_cut_at", "_is_slow_start", "_losses", "_size", "shortest")

    def __init__(self) -> None:
        self._size = float(FIRST_WINDOW)
        self._is_slow_start = True
        self._cut_at = float("-inf")
        self._answers = 0
        self._losses = 0
        self.shortest = float("inf")

    @property
    def size(self) -> int:
        """Probes that may be in flight."""
        return int(self._size)

    def answered(self, rtt: float, now: float) -> None:
        """Count an answer that took ``rtt``."""
        if rtt < self.shortest:
            self.shortest = rtt
        self._answers += 1
        if rtt - self.shortest > max(QUEUEING, QUEUEING_SHARE * self.shortest):
            self._cut(rtt, now)
        elif self._size < LARGEST_WINDOW:
            self._size += 1.0 if self._is_slow_start else GROWTH

    def loss_proven(self, now: float) -> None:
        """Count a probe whose port answered a later one."""
        self._losses += 1
        if self._losses > HEAVY_LOSS * max(self._answers, self._size):
            self._cut(max(self.shortest, QUEUEING), now)

    def _cut(self, rtt: float, now: float) -> None:
        if now - self._cut_at < rtt:
            return
        self._cut_at = now
        self._is_slow_start = False
        self._answers = self._losses = 0
        self._size = max(float(SMALLEST_WINDOW), self._size * BACK_OFF)
