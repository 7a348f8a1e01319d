"""Counts the packets that a network saw, so that tests can check the pacing.

Pure: instants are arguments (seconds on any clock).
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

BURST_GAP = 0.010
"""SYNs that follow each other within less than this many seconds are one burst."""


class Meter:
    """The SYNs that one place saw: how many, and how close together."""

    __slots__ = ("_burst", "_short", "_window", "in_1_s", "in_100_ms", "longest_burst", "syns")

    def __init__(self) -> None:
        self.syns = self.in_100_ms = self.in_1_s = self.longest_burst = 0
        self._burst = 0
        self._short: deque[float] = deque()
        self._window: deque[float] = deque()

    def add(self, at: float) -> None:
        """Count a SYN; instants never go backwards."""
        short, window = self._short, self._window
        self._burst = self._burst + 1 if window and at - window[-1] < BURST_GAP else 1
        if self._burst > self.longest_burst:  # not max(), which would slow down the simulator
            self.longest_burst = self._burst
        self.syns += 1
        short.append(at)
        window.append(at)
        while short[0] <= at - 0.1:
            short.popleft()
        while window[0] <= at - 1.0:
            window.popleft()
        if len(short) > self.in_100_ms:
            self.in_100_ms = len(short)
        if len(window) > self.in_1_s:
            self.in_1_s = len(window)

    def as_table(self) -> dict[str, int]:
        """The figures by name."""
        names = ("syns", "in_100_ms", "in_1_s", "longest_burst")
        return {name: getattr(self, name) for name in names}


class Counts:
    """What a network saw and sent.

    ``ttl`` meters every SYN by its original TTL; ``router`` meters, by address, the SYNs whose TTL ended at a
    router; ``destination`` counts, by port, the SYNs that reached the destination, ``arrived`` by source port
    and port. ``answers`` counts packets
    sent in answer, ``limited`` errors not sent because of a rate limit, ``queue_losses`` SYNs lost at the
    bottleneck, ``resets`` RSTs of the client.
    """

    def __init__(self) -> None:
        self.ttl: dict[int, Meter] = {}
        self.router: dict[str, Meter] = {}
        self.destination: Counter[int] = Counter()
        self.arrived: Counter[tuple[int, int]] = Counter()
        self.answers = self.limited = self.queue_losses = self.resets = 0

    @property
    def syns(self) -> int:
        """All SYNs."""
        return sum(meter.syns for meter in self.ttl.values())

    def sent(self, at: float, ttl: int) -> None:
        """A SYN left the client."""
        meter = self.ttl.get(ttl)
        if meter is None:
            meter = self.ttl[ttl] = Meter()
        meter.add(at)

    def expired(self, at: float, address: str) -> None:
        """The TTL of a SYN ended at the router with ``address``."""
        meter = self.router.get(address)
        if meter is None:
            meter = self.router[address] = Meter()
        meter.add(at)

    def as_table(self) -> dict[str, Any]:
        """All figures, ready for JSON; keys are strings."""
        return {
            "syns": self.syns,
            "last_ttl": max(self.ttl, default=0),
            "ttl": {str(ttl): meter.as_table() for ttl, meter in sorted(self.ttl.items())},
            "router": {address: meter.as_table() for address, meter in self.router.items()},
            "destination": {str(port): count for port, count in sorted(self.destination.items())},
            "destination_syns": sum(self.destination.values()),
            "answers": self.answers,
            "limited": self.limited,
            "queue_losses": self.queue_losses,
            "resets": self.resets,
        }


def most_within(instants: Iterable[float], seconds: float) -> int:
    """The largest number of ``instants`` (ascending) within any period of less than ``seconds``."""
    recent: deque[float] = deque()
    most = 0
    for at in instants:
        recent.append(at)
        while recent[0] <= at - seconds:
            recent.popleft()
        most = max(most, len(recent))
    return most
