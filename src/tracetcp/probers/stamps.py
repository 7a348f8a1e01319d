"""Converts the kernel's receive stamps (SO_TIMESTAMPNS) from the wall clock to our clock, the monotonic one.

The wall clock may be set at any time. Stamps from before are then invalid, and the instant of reading counts
instead. Reads clocks; knows no socket.
"""

from __future__ import annotations

import struct
import time

SO_TIMESTAMPNS = 35
LONGEST_CLOCK_STEP = 0.05
"""If the wall clock moves against ours by more than this many seconds, it was set: its stamps are invalid."""

TIMESPEC = struct.Struct("@ll")
"""A ``struct timespec``: seconds and nanoseconds."""


def clocks_apart() -> float:
    """The wall clock minus the monotonic clock, in seconds."""
    return time.time() - time.monotonic()


def stamp_in(data: bytes, at: int = 0) -> float:
    """The ``struct timespec`` at offset ``at`` of ``data``, in seconds."""
    seconds, nanoseconds = TIMESPEC.unpack_from(data, at)
    return float(seconds + nanoseconds * 1e-9)


def received_at(stamp: float | None, earliest: float, now: float) -> float:
    """``stamp`` on our clock; ``now`` if it is None or does not lie between ``earliest`` and ``now``."""
    if stamp is None:
        return now
    instant = stamp - clocks_apart()
    return instant if earliest <= instant <= now else now


class WallClock:
    """How far the wall clock is ahead of ours, for reading many stamps at a time.

    ``apart`` is the difference in seconds at the last look.
    """

    def __init__(self) -> None:
        self.apart = clocks_apart()

    def look(self) -> float | None:
        """The seconds to subtract from stamps read now; None if the clock was set since the last look."""
        before, self.apart = self.apart, clocks_apart()
        return self.apart if abs(self.apart - before) < LONGEST_CLOCK_STEP else None
