"""Which TTL to ask next to find the hop after which a port is blocked: bisection. Pure.

Instead of asking every hop about every port, which exhausts routers that limit their answers, only the
middle of what is still open is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Bisection:
    """The search for one port among ``ttls``. A port that passes one of them passes all nearer ones."""

    def __init__(self, ttls: Iterable[int]) -> None:
        self._open = sorted(set(ttls))

    @property
    def next_ttl(self) -> int | None:
        """The TTL to ask next; None when there is nothing left to find out."""
        return self._open[len(self._open) // 2] if self._open else None

    def passes(self, ttl: int) -> None:
        """A router at ``ttl`` answered the port."""
        self._open = [each for each in self._open if each > ttl]

    def is_silent_at(self, ttl: int) -> None:
        """The port was not answered at ``ttl``, where another port was."""
        self._open = [each for each in self._open if each < ttl]

    def leave_out(self, ttl: int) -> None:
        """Nothing is answered at ``ttl``: it tells nothing."""
        self._open.remove(ttl)
