"""Finds the hop after which a port is blocked with few probes: bisection over TTLs. Pure.

Instead of asking every hop about every port, which exhausts routers that limit their answers, only the
middle of what is still open is asked.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

CONFIRMATIONS = 3
"""Probes of one TTL that must stay unanswered before it counts as silent: single ones are lost at times."""


class Border(NamedTuple):
    """The port passes ``passed`` and is silent at ``silent``; None where no TTL asked did so."""

    passed: int | None
    silent: int | None


class Bisection:
    """The search for one port among ``ttls``, those at which a control port is answered.

    A port that is answered at one TTL passes all nearer ones, so each answer or confirmed silence halves
    what is left. Ask ``next_ttl()``, tell what came of it with ``tell()``, until there is none.
    """

    def __init__(self, ttls: Iterable[int]) -> None:
        self._ttls = sorted(set(ttls))
        self._low, self._high = 0, len(self._ttls)
        self._silences = 0

    def next_ttl(self) -> int | None:
        """The TTL to ask next; None when ``border`` is found."""
        if self._low == self._high:
            return None
        return self._ttls[(self._low + self._high) // 2]

    def tell(self, ttl: int, answered: bool) -> None:
        """Tell that a probe of ``ttl`` was answered or lost; late answers to earlier ones are welcome."""
        if answered:
            self._low = max(self._low, bisect_right(self._ttls, ttl))
            self._high = max(self._high, self._low)
            self._silences = 0
        elif ttl == self.next_ttl():
            self._silences += 1
            if self._silences == CONFIRMATIONS:
                self._high = bisect_left(self._ttls, ttl)
                self._silences = 0

    @property
    def border(self) -> Border:
        """The farthest TTL passed and the nearest one silent, as far as is known."""
        passed = self._ttls[self._low - 1] if self._low else None
        return Border(passed, self._ttls[self._high] if self._high < len(self._ttls) else None)
