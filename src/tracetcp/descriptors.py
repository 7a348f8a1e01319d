"""How many files and sockets this process may open; raises its soft limit where that is allowed."""

from __future__ import annotations

import os

RESERVED_DESCRIPTORS = 48
"""Descriptors that a prober leaves to the rest of the program: sockets of look-ups, files being imported."""


def room_for(wanted: int, reserve: int = RESERVED_DESCRIPTORS) -> int:
    """How many of ``wanted`` descriptors can be open at once with ``reserve`` more; may be none.

    The soft limit is raised as far as needed and allowed. Raises ``OSError`` where there is not one left.
    """
    try:
        import resource
    except ImportError:  # not POSIX, where nothing of this kind is limited
        return wanted
    used = _lowest_free()
    needed = used + reserve + wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    room = wanted if soft == resource.RLIM_INFINITY else soft - used - reserve
    return max(0, min(wanted, room))


def _lowest_free() -> int:
    """The lowest free descriptor: as many as that are open, for the system hands out the lowest first."""
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    return lowest
