"""How long the port was up, down, or nobody knows what. Pure; instants and durations in seconds."""

from __future__ import annotations

from math import inf
from typing import NamedTuple


class Spent(NamedTuple):
    """Time by what was known then, and the outages in it."""

    up: float
    down: float
    unknown: float
    longest_outage: float
    outages: int


class Times:
    """The ledger of a watch that begins at ``started_at``, with nothing known."""

    def __init__(self, started_at: float) -> None:
        self._is_up: bool | None = None
        self._since = started_at
        self._spent: dict[bool | None, float] = {True: 0.0, False: 0.0, None: 0.0}
        self._outages = 0
        self._outage_began_at: float | None = None
        self._last_outage = (inf, -inf)
        """When the last one began and ended."""
        self._longest = 0.0

    def begin(self, at: float) -> None:
        """Count from ``at``."""
        self._since = at

    def turn(self, is_up: bool | None, at: float) -> None:
        """Since ``at`` the port is up, or down, or (None) nothing is known of it.

        An outage lasts until the port is up again, whatever is known in between.
        """
        at = max(at, self._since)
        self._spent[self._is_up] += at - self._since
        self._since, self._is_up = at, is_up
        if is_up is False and self._outage_began_at is None:
            self._outages += 1
            self._outage_began_at = at
        elif is_up and self._outage_began_at is not None:
            self._longest = max(self._longest, at - self._outage_began_at)
            self._last_outage = self._outage_began_at, at
            self._outage_began_at = None

    @property
    def down_since(self) -> float | None:
        """When the outage began that lasts, None where none does."""
        return self._outage_began_at

    def is_in_last_outage(self, at: float) -> bool:
        """Whether ``at`` is in the last outage that is over."""
        began_at, ended_at = self._last_outage
        return began_at <= at <= ended_at

    def spent(self, now: float) -> Spent:
        """The sums up to ``now``; an outage that lasts counts as long as it has lasted."""
        spent = dict(self._spent)
        spent[self._is_up] += max(0.0, now - self._since)
        lasting = 0.0 if self._outage_began_at is None else max(0.0, now - self._outage_began_at)
        return Spent(spent[True], spent[False], spent[None], max(self._longest, lasting), self._outages)
