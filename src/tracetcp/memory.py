"""How much more memory this process may map (``ulimit -v``)."""

from __future__ import annotations

from pathlib import Path


def has_room(needed: int) -> bool:
    """Whether this process may map ``needed`` bytes more; True where nothing limits it, or nothing tells.

    Worth asking before a thread imports a package: CPython 3.11 may spin for ever, with its lock held, in a
    thread whose import runs out of memory.
    """
    try:
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit == resource.RLIM_INFINITY:
            return True
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (ImportError, OSError, ValueError, IndexError):  # not POSIX; not Linux
        return True
    return limit - pages * resource.getpagesize() >= needed
