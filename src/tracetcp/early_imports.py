"""Imports early what a run imports late, where late would be too late.

A run imports much of itself once it is needed, and without privileges. A Python below a directory of mode
700 cannot be read any more by then. Whether that is so is read off the modes of directories, which costs
no identity to change and next to no time; an access list that forbids more is not seen.
"""

from __future__ import annotations

import os
import stat
from importlib import import_module
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING

from tracetcp.privileges import caller, groups_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

STANDARD_LIBRARY = (
    *("concurrent.futures.thread", "datetime", "fcntl", "ipaddress", "resource"),
    *("encodings.ascii", "encodings.idna", "encodings.latin_1"),
)
"""What functions of this package, or of the standard library, import for themselves."""
RUNNING = "tracetcp.__main__"
"""To import it is to run the program."""


def import_what_would_be_closed(*, look_ups: bool) -> None:
    """Import all that the rest of a run may take, ``look_ups`` too, if it could not be read any more.

    To be called while the privileges are still there. Raises what ``caller`` raises.
    """
    if os.name != "posix" or os.geteuid() != 0:  # what can be read now can be read later
        return
    user = caller()
    if user is None:
        uid, groups = os.geteuid(), [os.getegid(), *os.getgroups()]
    else:
        uid, groups = user.uid, groups_of(user)
    if is_open(_folders(), uid, groups):
        return
    from pkgutil import walk_packages

    import tracetcp
    from tracetcp.wire.scapy_start import LATE

    modules = (found.name for found in walk_packages(tracetcp.__path__, "tracetcp."))
    for name in (*STANDARD_LIBRARY, *LATE, *modules):
        if name != RUNNING:
            import_module(name)
    if look_ups:
        from tracetcp.names.resolver import import_dns

        import_dns()


def is_open(folders: Iterable[str], uid: int, groups: Collection[int]) -> bool:
    """Whether the user ``uid`` in ``groups`` can find and list all of ``folders``, by their modes."""
    seen: set[str] = set()
    for folder in folders:
        path = os.path.realpath(folder)
        if not _grants(path, stat.S_IROTH, uid, groups):
            return False
        while path not in seen:
            seen.add(path)
            if not _grants(path, stat.S_IXOTH, uid, groups):
                return False
            path = os.path.dirname(path)  # noqa: PTH120 - a hundred paths in the way of the first probe
    return True


def _grants(path: str, right: int, uid: int, groups: Collection[int]) -> bool:
    """Whether ``path`` grants ``right``, given as the bit for others; what is not there hinders nobody."""
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return True
    shift = 6 if found.st_uid == uid else 3 if found.st_gid in groups else 0
    return bool(found.st_mode >> shift & right)


def _folders() -> set[str]:
    """Where the standard library, this package and dnspython are."""
    files = [os.__file__, __file__]
    dns = PathFinder.find_spec("dns")
    if dns is not None and dns.origin is not None:
        files.append(dns.origin)
    return {os.path.dirname(file) for file in files}  # noqa: PTH120
