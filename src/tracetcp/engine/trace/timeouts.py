"""How long a missing reply is waited for, from the RTTs seen so far (after RFC 6298).

Pure arithmetic on durations in seconds; knows no probe and no hop but its TTL.

R1. The timeout of a TTL is ``RTT_FACTOR`` times the longest smoothed RTT of the TTLs at least as far,
    plus ``VARIATION_FACTOR`` times the variation, and ``MINIMUM_TIMEOUT`` at least.
R2. The variation is learnt wherever a TTL is sampled twice and holds for all TTLs: a hop that answered once
    need not be granted RFC 6298's three RTTs. Before that it is half the RTT.
"""

from __future__ import annotations

from tracetcp.engine.rtt import SMOOTHING, VARIATION_FACTOR, VARIATION_SMOOTHING

MINIMUM_TIMEOUT = 0.25
"""Never give a probe up sooner: routers make ICMP errors in their slow path, often 100 ms late."""
RTT_FACTOR = 1.25
"""A reply slower than its peers by more than a quarter needs jitter to explain it."""


class ProbeTimeouts:
    """The smoothed RTTs of a run by TTL, and the timeouts that they justify."""

    def __init__(self) -> None:
        self._srtt: dict[int, float] = {}
        self._rttvar: float | None = None
        self._timeouts: dict[int, float] = {}

    def add(self, ttl: int, rtt: float) -> None:
        """Take the RTT of an answer to a probe sent with ``ttl`` into account."""
        self._timeouts.clear()
        known = self._srtt.get(ttl)
        if known is None:
            self._srtt[ttl] = rtt
            return
        deviation = abs(rtt - known)
        before = deviation if self._rttvar is None else self._rttvar
        self._rttvar = before + VARIATION_SMOOTHING * (deviation - before)  # R2
        self._srtt[ttl] = known + SMOOTHING * (rtt - known)

    @property
    def longest_srtt(self) -> float | None:
        """The longest smoothed RTT of any TTL, None before the first answer."""
        return max(self._srtt.values(), default=None)

    def timeout(self, ttl: int) -> float:
        """The timeout of a probe of ``ttl`` once probes that went as far have answered."""
        if ttl not in self._timeouts:
            rtt = max((rtt for seen, rtt in self._srtt.items() if seen >= ttl), default=0.0)
            rttvar = rtt / 2 if self._rttvar is None else self._rttvar
            timeout = RTT_FACTOR * rtt + VARIATION_FACTOR * rttvar
            self._timeouts[ttl] = max(MINIMUM_TIMEOUT, timeout)  # R1
        return self._timeouts[ttl]
