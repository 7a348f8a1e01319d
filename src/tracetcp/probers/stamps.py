"""Kernel receive stamps (SO_TIMESTAMPNS, wall clock) on the prober's monotonic clock."""

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
