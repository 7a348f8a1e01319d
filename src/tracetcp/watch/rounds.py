"""When every hop is asked once, and how often. Pure; instants are arguments.

R1. Rounds are ``STEADY`` seconds apart: Linux routers earn one answer a second (icmp_ratelimit).
R2. The first ``QUICK_ROUNDS`` of a doubt are ``QUICK`` seconds apart: routers have rested, and Linux's have
    six answers to spare.
R3. A doubt has ``MOST_ROUNDS``; it ends them when it is settled, but not those that are wanted for something
    else.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

QUICK, STEADY = 0.3, 1.05
QUICK_ROUNDS = 4
MOST_ROUNDS = 12


class Rounds:
    """The rounds to come, and what is left of the one under way."""

    def __init__(self) -> None:
        self._wanted = 0
        self._for_doubt = 0
        self._quick = 0
        self._left: deque[int] = deque()
        self._next_at = -inf

    @property
    def is_any(self) -> bool:
        """Whether a round is under way or to come."""
        return bool(self._left) or self._wanted > 0 or self._for_doubt > 0

    @property
    def next_at(self) -> float:
        """When the next question may be due, infinity for never."""
        if self._left:
            return -inf
        return self._next_at if self.is_any else inf

    def want(self, count: int) -> None:
        """There are ``count`` rounds to come, at least."""
        self._wanted = max(self._wanted, count)

    def doubt(self) -> None:
        """A hop is in doubt."""
        self._for_doubt, self._quick = MOST_ROUNDS, QUICK_ROUNDS  # R3
        self._next_at = -inf

    def settle(self) -> None:
        """No hop is in doubt any more."""
        self._for_doubt = 0

    def stop(self) -> None:
        """No round is wanted any more."""
        self._wanted = self._for_doubt = 0
        self._left.clear()

    def next(self, now: float, hops: Iterable[int]) -> int | None:
        """The hop to ask next, of ``hops`` for a new round; None for none now."""
        if not self._left and self.is_any and self._next_at <= now:
            self._left.extend(hops)
            self._wanted, self._for_doubt = max(0, self._wanted - 1), max(0, self._for_doubt - 1)
            self._next_at = now + (QUICK if self._quick and self._for_doubt else STEADY)  # R1, R2
            self._quick = max(0, self._quick - 1)
        return self._left[0] if self._left else None

    def asked(self, hop: int) -> None:
        """``hop`` was asked."""
        self._left.remove(hop)
