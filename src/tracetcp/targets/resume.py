"""What an earlier run has already done (``--resume``), read from the NDJSON that it wrote.

There is no state file: a trace with a whole record is done, any other is not. Nor is one of which the record
says that it could not be traced: a name may exist by now. The last line may be cut, for the program may have
been killed while it wrote.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from tracetcp.errors import UsageError
from tracetcp.model.saved_trace import NOT_TRACED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LONGEST_RECORD = 1 << 26
"""Bytes of a line: no record of 255 hops and 100 pings is as long."""


class Done(NamedTuple):
    """One trace: the host as it was given, the port, and the address that was traced."""

    host: str
    port: int
    address: str


class _Record(NamedTuple):
    """A record, and the trace that it holds; None where its target could not be traced."""

    done: Done | None


class Earlier:
    """The traces that earlier runs have done, each as often as it was; memory for each that is left.

    ``by_address`` where every address of a host is a target of its own.
    """

    def __init__(self, done: Iterable[Done] = (), *, by_address: bool = False) -> None:
        self._by_address = by_address
        self._left = Counter(self._key(*each) for each in done)

    def take(self, host: str, port: int, address: str = "") -> bool:
        """Whether this trace is done; each counts once, for a list may name a target twice."""
        key = self._key(host, port, address)
        if not self._left[key]:
            del self._left[key]
            return False
        self._left[key] -= 1
        if not self._left[key]:
            del self._left[key]
        return True

    def _key(self, host: str, port: int, address: str) -> str:
        return f"{port} {address if self._by_address else ''} {host}"


def read_done(path: str, warn: Callable[[str], None], appended_by: int | None = None) -> list[Done]:
    """The traces with a record in the file ``path``; ``warn`` is told of lines that are none.

    A cut last line counts for nothing. If ``appended_by``, a descriptor, writes to that very file, the cut
    line is removed, or the line end that is missing is added, so that records stay whole. Raises
    ``UsageError`` if the file cannot be read.
    """
    done: list[Done] = []
    whole = 0
    line, record = b"\n", None
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - like the other files named on the command line
            for number in count(1):
                if not (following := file.readline(LONGEST_RECORD)):
                    break
                if len(following) == LONGEST_RECORD and not following.endswith(b"\n"):
                    raise _unreadable(path, f"line {number} is longer than {LONGEST_RECORD >> 20} MB")
                line, record = following, _read(following)
                if record is not None:
                    done += [record.done] if record.done is not None else []
                elif line.endswith(b"\n"):
                    warn(f"{path}, line {number}: this is no record of a trace, and counts for none")
                whole += len(line) if line.endswith(b"\n") else 0
            is_own = appended_by is not None and os.path.samestat(
                os.fstat(file.fileno()), os.fstat(appended_by)
            )
        if is_own and appended_by is not None:
            _make_whole(appended_by, line, whole, is_record=record is not None)
    except OSError as error:
        raise _unreadable(path, os.strerror(error.errno or 0)) from error
    if not line.endswith(b"\n") and record is None and not is_own:
        warn(f"{path} ends in a cut line, which counts for none: with '>> {path}' it would be removed")
    return done


def _unreadable(path: str, reason: str) -> UsageError:
    return UsageError(f"--resume cannot read {path} ({reason}): name the file that --json was written to")


def _make_whole(appended_by: int, last: bytes, whole: int, *, is_record: bool) -> None:
    """Let the file that ``appended_by`` writes to end with a line end, and write behind it."""
    if not last.endswith(b"\n") and not is_record:
        os.ftruncate(appended_by, whole)
    os.lseek(appended_by, 0, os.SEEK_END)
    if not last.endswith(b"\n") and is_record:
        os.write(appended_by, b"\n")


def _read(line: bytes) -> _Record | None:
    """The record that ``line`` is; None if it is none."""
    try:
        record = json.loads(line)
        host, port, address = record["target"]["host"], record["port"], record["target"]["address"]
        is_traced = record.get("outcome") != NOT_TRACED
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not (isinstance(host, str) and isinstance(port, int)):
        return None
    if not is_traced:
        return _Record(None)
    return _Record(Done(host, port, address)) if isinstance(address, str) else None
