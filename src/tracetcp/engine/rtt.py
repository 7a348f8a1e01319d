"""A smoothed RTT and its mean deviation (RFC 6298, section 2). Pure arithmetic on durations in seconds."""

from __future__ import annotations

VARIATION_FACTOR = 4.0
"""RFC 6298, section 2: four mean deviations."""
SMOOTHING = 0.125
"""RFC 6298, section 2.3: alpha."""
VARIATION_SMOOTHING = 0.25
"""RFC 6298, section 2.3: beta."""


class RttEstimator:
    """Smoothed RTT and its mean deviation over the samples of one place (RFC 6298, section 2)."""

    __slots__ = ("smoothed", "variation")

    def __init__(self) -> None:
        self.smoothed: float | None = None
        self.variation = 0.0

    def add(self, rtt: float) -> None:
        """Take one sample into account."""
        if self.smoothed is None:
            self.smoothed = rtt
            self.variation = rtt / 2
            return
        deviation = abs(rtt - self.smoothed)
        self.variation += VARIATION_SMOOTHING * (deviation - self.variation)
        self.smoothed += SMOOTHING * (rtt - self.smoothed)
