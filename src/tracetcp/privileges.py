"""Gives up what the process no longer needs, once its sockets are open.

Nothing from the network has been parsed by then. Linux capabilities belong to a thread: call this before
any thread is started.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from tracetcp import errors

if TYPE_CHECKING:
    from collections.abc import Callable

CAPABILITY_VERSION = 0x20080522
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
LAST_CAPABILITY = 63


def drop_privileges() -> None:
    """Become the user who called sudo, if there was one, and give up every capability for good.

    Root without sudo stays uid 0, without its powers: there is no telling which user could still read the
    interpreter's modules. Sockets that are open stay usable. Raises nothing: a step that the system
    refuses, in a container say, is a step that had nothing to take away.
    """
    is_linux = sys.platform == "linux"
    if is_linux:
        _empty_bounding_set()
    if hasattr(os, "geteuid") and os.geteuid() == 0 and (invoker := _sudo_invoker()):
        _become(*invoker)
    if is_linux:
        _empty_other_sets()


def unprivileged(work: Callable[[], str]) -> str:
    """The result of ``work``, done where no privilege is left: in a child process, if this one has any.

    For what must read from the network before the sockets can be opened: the target's name. Raises what
    ``work`` raises of ``TracetcpError``.
    """
    if not hasattr(os, "fork") or os.geteuid() != 0:
        return work()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - runs in the child, which coverage does not follow
        os.close(reader)
        _answer(writer, work)
    os.close(writer)
    try:
        with os.fdopen(reader, encoding="utf-8") as answer:
            kind, _, text = answer.read().partition("\n")
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        os.waitpid(child, 0)
    if kind == "":
        return text
    raise getattr(errors, kind, errors.TracetcpError)(text)


def _answer(writer: int, work: Callable[[], str]) -> NoReturn:  # pragma: no cover - runs in the child
    """Do ``work`` without privileges, tell the parent what came of it, and end without tidying up."""
    try:
        drop_privileges()
        kind, text = "", work()
    except errors.TracetcpError as error:
        kind, text = type(error).__name__, str(error)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the parent must be told
        kind, text = "TracetcpError", f"looking up the host failed: {error}"
    os.write(writer, f"{kind}\n{text}".encode())
    os._exit(0)


def _sudo_invoker() -> tuple[int, int] | None:
    """The uid and gid of the user who called sudo, None where there was none or it was root."""
    uid, gid = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
    return (int(uid), int(gid)) if uid.isdecimal() and gid.isdecimal() and int(uid) else None


def _become(uid: int, gid: int) -> None:
    """Groups first: they cannot be changed any more once root is gone."""
    import pwd

    try:
        os.initgroups(pwd.getpwuid(uid).pw_name, gid)
    except KeyError:
        os.setgroups([gid])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def _empty_bounding_set() -> None:
    """What no program started from here can get back; first of all, for it takes a capability itself."""
    libc = ctypes.CDLL(None)
    for capability in range(LAST_CAPABILITY + 1):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def _empty_other_sets() -> None:
    """What this thread may do, and could take or hand on."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    libc.capset(header, (ctypes.c_uint32 * 6)())
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
