"""The smoothed RTT and its variation (RFC 6298, section 2). Pure arithmetic on durations in seconds."""

from __future__ import annotations

VARIATION_FACTOR = 4.0
"""RFC 6298, section 2: four mean deviations."""
SMOOTHING = 0.125
"""RFC 6298, section 2.3: alpha."""
VARIATION_SMOOTHING = 0.25
"""RFC 6298, section 2.3: beta."""


class RttEstimator:
    """SRTT and RTTVAR over the RTTs of one place (RFC 6298, section 2); ``srtt`` is None before the first."""

    __slots__ = ("rttvar", "srtt")

    def __init__(self) -> None:
        self.srtt: float | None = None
        self.rttvar = 0.0

    def add(self, rtt: float) -> None:
        """Take one RTT into account."""
        if self.srtt is None:
            self.srtt = rtt
            self.rttvar = rtt / 2
            return
        deviation = abs(rtt - self.srtt)
        self.rttvar += VARIATION_SMOOTHING * (deviation - self.rttvar)
        self.srtt += SMOOTHING * (rtt - self.srtt)
