"""How long a missing reply is worth waiting for, from the RTTs seen so far (RFC 6298 in spirit).

Pure arithmetic on durations in seconds; knows no probe and no hop but its TTL.
"""

from __future__ import annotations

from tracetcp.engine.rtt import SMOOTHING, VARIATION_FACTOR, VARIATION_SMOOTHING

FLOOR = 0.25
"""Never give a probe up sooner: routers make ICMP errors in their slow path, often 100 ms late."""
RTT_FACTOR = 1.25
"""A reply slower than its peers by more than a quarter needs jitter to explain it."""


class Patience:
    """The RTTs of a whole run by TTL, and the wait that they justify.

    The jitter of a path is learnt wherever a TTL is sampled twice, and then holds for all its TTLs: a hop
    that answered once need not be granted RFC 6298's three RTTs.
    """

    def __init__(self) -> None:
        self._smoothed: dict[int, float] = {}
        self._variation: float | None = None
        self._bounds: dict[int, float] = {}

    def add(self, ttl: int, rtt: float) -> None:
        """Take the RTT of an answer to a probe sent with ``ttl`` into account."""
        self._bounds.clear()
        known = self._smoothed.get(ttl)
        if known is None:
            self._smoothed[ttl] = rtt
            return
        deviation = abs(rtt - known)
        before = deviation if self._variation is None else self._variation
        self._variation = before + VARIATION_SMOOTHING * (deviation - before)
        self._smoothed[ttl] = known + SMOOTHING * (rtt - known)

    @property
    def longest(self) -> float | None:
        """The longest smoothed RTT of any TTL, None before the first answer."""
        return max(self._smoothed.values(), default=None)

    def bound(self, ttl: int) -> float:
        """The wait for a reply to a probe of ``ttl`` once probes that went as far have answered."""
        if ttl not in self._bounds:
            rtt = max((rtt for seen, rtt in self._smoothed.items() if seen >= ttl), default=0.0)
            variation = rtt / 2 if self._variation is None else self._variation
            self._bounds[ttl] = max(FLOOR, RTT_FACTOR * rtt + VARIATION_FACTOR * variation)
        return self._bounds[ttl]
