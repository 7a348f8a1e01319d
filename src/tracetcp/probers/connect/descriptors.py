"""How many sockets this process may open (POSIX); raises its soft limit where that is allowed."""

from __future__ import annotations

import os

RESERVED_DESCRIPTORS = 48
"""Descriptors left to the rest of the program: the resolver's sockets, files being imported."""


def room_for(wanted: int) -> int:
    """How many of ``wanted`` sockets can be open at once, 1 at least.

    The soft limit is raised as far as needed and allowed.
    """
    import resource

    used = _lowest_free()
    needed = used + RESERVED_DESCRIPTORS + wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    room = wanted if soft == resource.RLIM_INFINITY else soft - used - RESERVED_DESCRIPTORS
    return max(1, min(wanted, room))


def _lowest_free() -> int:
    """The lowest free descriptor: as many as that are open, for the system hands out the lowest first."""
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    return lowest
