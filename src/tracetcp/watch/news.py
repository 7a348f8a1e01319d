"""What a watch has to tell, in order, and when it was decided. Knows no network and no clock."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracetcp.model import Event


class News:
    """The events that nobody took yet; ``now`` is the latest instant that was heard of."""

    def __init__(self) -> None:
        self.now = -inf
        self._events: list[Event] = []

    def __bool__(self) -> bool:
        return bool(self._events)

    def advance(self, now: float) -> None:
        """It is ``now``, or later."""
        self.now = max(self.now, now)

    def tell(self, *events: Event) -> None:
        """Have ``events`` told next."""
        self._events += events

    def take(self) -> list[Event]:
        """The events, which are told with that."""
        taken, self._events = self._events, []
        return taken
