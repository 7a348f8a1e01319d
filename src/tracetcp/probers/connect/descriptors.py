"""How many sockets this process can open (POSIX). Raises its soft limit of open files where allowed."""

from __future__ import annotations

import os

RESERVED_DESCRIPTORS = 48
"""Descriptors left for the rest of the program: the resolver's sockets, files being imported."""


def room_for(wanted: int) -> int:
    """How many of ``wanted`` sockets can be open at once; at least 1.

    Raises the soft limit as far as needed and allowed.
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
    """The lowest free descriptor. It is also the number of open ones: the system assigns the lowest first."""
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    return lowest
