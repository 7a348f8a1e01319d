"""The figures of one row. Pure; durations in seconds."""

from __future__ import annotations

from collections import deque

SHOWN = 40
"""RTTs kept for the spark line."""
JITTER_GAIN = 1 / 16
"""RFC 3550 section 6.4.1, of successive RTTs instead of transit times."""


class Figures:
    """What came of the decided probes of one row."""

    def __init__(self) -> None:
        self.asked = self.answered = 0
        self.last: float | None = None
        self.best: float | None = None
        self.worst: float | None = None
        self.jitter: float | None = None
        self.history: deque[float | None] = deque(maxlen=SHOWN)
        self._total = 0.0

    @property
    def average(self) -> float | None:
        """The mean RTT, None before the first."""
        return self._total / self.answered if self.answered else None

    def add(self, rtt: float | None) -> None:
        """Take a decided probe into account: its RTT, None for one that nothing answered."""
        self.asked += 1
        self.history.append(rtt)
        if rtt is None:
            return
        self.answered += 1
        self._total += rtt
        if self.last is not None:
            apart = abs(rtt - self.last)
            self.jitter = apart if self.jitter is None else self.jitter + JITTER_GAIN * (apart - self.jitter)
        self.last = rtt
        self.best = rtt if self.best is None else min(self.best, rtt)
        self.worst = rtt if self.worst is None else max(self.worst, rtt)
