"""From the kernel's receive stamps (SO_TIMESTAMPNS), on the wall clock, to our clock, the monotonic one.

The wall clock may be set at any time. What it stamped before is void then: the instant of the look counts.
"""

from __future__ import annotations

import struct
import time

SO_TIMESTAMPNS = 35
LONGEST_CLOCK_STEP = 0.05
"""A wall clock that moved by more than this many seconds against ours was set: its stamps are void."""

TIMESPEC = struct.Struct("@ll")
"""A ``struct timespec``: seconds and nanoseconds."""


def clocks_apart() -> float:
    """Seconds from the monotonic clock to the wall clock."""
    return time.time() - time.monotonic()


def stamp_in(data: bytes, at: int = 0) -> float:
    """The ``struct timespec`` at offset ``at`` of ``data``, in seconds."""
    seconds, nanoseconds = TIMESPEC.unpack_from(data, at)
    return float(seconds + nanoseconds * 1e-9)


def received_at(stamp: float | None, earliest: float, now: float) -> float:
    """``stamp`` (None without one) on our clock; ``now`` unless it lies between ``earliest`` and that."""
    if stamp is None:
        return now
    instant = stamp - clocks_apart()
    return instant if earliest <= instant <= now else now


class WallClock:
    """How far the wall clock is ahead of ours, for whoever reads many stamps at a time.

    ``apart`` is that in seconds, as of the last look.
    """

    def __init__(self) -> None:
        self.apart = clocks_apart()

    def look(self) -> float | None:
        """What to take off the stamps that are read now; None if the clock was set since the last look."""
        before, self.apart = self.apart, clocks_apart()
        return self.apart if abs(self.apart - before) < LONGEST_CLOCK_STEP else None
