"""Gives up what the process no longer needs, once its sockets are open.

Nothing from the network has been parsed by then. Linux capabilities belong to a thread: call this before
any thread is started. Reads who called sudo from the environment, as strictly as a file from a stranger.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import sys
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from tracetcp import errors

if TYPE_CHECKING:
    from collections.abc import Callable

CAPABILITY_VERSION = 0x20080522
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
LAST_CAPABILITY = 63
LAST_ID = 2**32 - 2
"""The highest uid and gid; one more is (uid_t)-1, which tells setresuid(2) to change nothing."""
SHORTAGES = {"MemoryError": MemoryError, "RuntimeError": RuntimeError}
"""What a child process raises that has no room, for a thread as well; this process raises it again."""


class Caller(NamedTuple):
    """The user who called sudo."""

    uid: int
    gid: int


def drop_privileges() -> None:
    """Become the user who called sudo, if there was one, and give up every capability for good."""
    become_caller()
    give_up_capabilities()


def become_caller() -> None:
    """Become the user who called sudo, if there was one; that user's rights to files hold from here on.

    Root without sudo stays uid 0. Raises ``ProberError`` where ``caller`` does, or the system refuses.
    """
    if sys.platform == "linux":
        _empty_bounding_set()
    if (user := caller()) is not None:
        _become(user)


def give_up_capabilities() -> None:
    """Give up every capability for good; sockets that are open stay usable.

    Raises nothing: a step that the system refuses, in a container say, had nothing to take away.
    """
    if sys.platform == "linux":
        _empty_other_sets()


def caller() -> Caller | None:
    """The user who called sudo; None where this process is not root, or was not started by another's sudo.

    sudo sets SUDO_UID and SUDO_GID. Raises ``ProberError`` where one is missing or no id: whose rights
    would be left is not known then.
    """
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return None
    if not (os.environ.get("SUDO_UID") or os.environ.get("SUDO_GID")):
        return None
    user = Caller(_id_of("SUDO_UID"), _id_of("SUDO_GID"))
    return user if user.uid else None


def _id_of(variable: str) -> int:
    text = os.environ.get(variable, "")
    if not re.fullmatch("[0-9]{1,10}", text) or int(text) > LAST_ID:
        raise errors.ProberError(
            f"{variable} is {text[:20]!a}, which is no id from 0 to {LAST_ID}, so nobody knows whose rights "
            "to keep: call sudo anew, or unset SUDO_UID and SUDO_GID"
        )
    return int(text)


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
    raise getattr(errors, kind, SHORTAGES.get(kind, errors.TracetcpError))(text)


def _answer(writer: int, work: Callable[[], str]) -> NoReturn:  # pragma: no cover - runs in the child
    """Do ``work`` without privileges, tell the parent what came of it, and end without tidying up."""
    try:
        drop_privileges()
        kind, text = "", work()
    except (errors.TracetcpError, MemoryError, RuntimeError) as error:
        kind, text = type(error).__name__, str(error)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the parent must be told
        kind, text = "TracetcpError", f"looking up the host failed: {error}"
    os.write(writer, f"{kind}\n{text}".encode())
    os._exit(0)


def _become(user: Caller) -> None:
    """Groups first: they cannot be changed any more once root is gone."""
    uid, gid = user
    try:
        os.setgroups(groups_of(user))
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    except OSError as error:
        raise errors.ProberError(
            f"the system does not let root become user {uid}, who called sudo ({error.strerror}): "
            "unset SUDO_UID and SUDO_GID to go on as root without its powers"
        ) from error


def groups_of(user: Caller) -> list[int]:
    """Every group that ``user`` is in; one that no user database knows is in its own alone."""
    import pwd

    try:
        return os.getgrouplist(pwd.getpwuid(user.uid).pw_name, user.gid)
    except KeyError:
        return [user.gid]


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
