"""Pacing per TTL: each TTL is one router, and routers limit the ICMP errors they send.

Knows instants only; one Gate a TTL.
"""

from __future__ import annotations

from collections import deque

BURST = 3
"""Probes that may reach one router within ``BURST_SPAN``: the pings of one default trace."""
BURST_SPAN = 0.105
"""Seconds; a little over a tenth, so that a late clock reading cannot squeeze a fourth in."""
SUSTAINED = 20
"""Probes that may reach one router within ``SUSTAINED_SPAN``."""
SUSTAINED_SPAN = 1.01
SLOW_INTERVAL = 1.05
"""Seconds between probes to a limited router: Linux earns one ICMP error a second (icmp_ratelimit)."""


class Gate:
    """Says when the next probe may leave for one TTL."""

    __slots__ = ("_sent", "is_limited")

    def __init__(self) -> None:
        self._sent: deque[float] = deque(maxlen=SUSTAINED)
        self.is_limited = False

    @property
    def last_sent_at(self) -> float:
        """When the last probe passed, minus infinity before the first."""
        return self._sent[-1] if self._sent else float("-inf")

    def passed(self, now: float) -> None:
        """Count a probe sent at ``now``."""
        self._sent.append(now)

    def opens_at(self, burst: int = 1) -> float:
        """The instant from which ``burst`` probes may be sent back to back (``burst`` <= BURST)."""
        if self.is_limited:
            return self.last_sent_at + SLOW_INTERVAL
        opens_at = float("-inf")
        if len(self._sent) > BURST - burst:
            opens_at = self._sent[burst - BURST - 1] + BURST_SPAN
        if len(self._sent) > SUSTAINED - burst:
            opens_at = max(opens_at, self._sent[burst - SUSTAINED - 1] + SUSTAINED_SPAN)
        return opens_at
