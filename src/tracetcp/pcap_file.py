"""The file of ``--pcap``: opens it, keeps it whole, and gives it up with a sentence.

Opened with the rights of this process, so after those of root are gone. It is not cut before it is known not
to be where the rows go. Every packet is one write, so what is in the file is whole whenever the run ends. A
file that takes no more is cut behind its last packet, and the trace goes on.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from tracetcp.errors import ProberError, UsageError
from tracetcp.wire.pcap import PcapWriter

if TYPE_CHECKING:
    from collections.abc import Callable

STANDARD_OUTPUT = "-"
_FLAGS = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOCTTY", 0)
_AT_ONCE = getattr(os, "O_NONBLOCK", 0)
"""Without it, opening a FIFO waits for its reader."""
_REMEDIES = {
    errno.EACCES: "its place must let the user write who calls tracetcp, through sudo too",
    errno.ENOENT: "make its directory first",
    errno.ENOTDIR: "make its directory first",
    errno.EISDIR: "name a file in it",
}


class PcapFile:
    """The file at ``path``, or standard output for ``-``.

    ``warn`` is told in a sentence what keeps packets out of it. Raises ``ProberError`` where it cannot be
    opened, and ``UsageError`` where it is standard output by another name.
    """

    def __init__(self, path: str, warn: Callable[[str], None]) -> None:
        self._is_stdout = path == STANDARD_OUTPUT
        self._name = "standard output" if self._is_stdout else f"file {path!r}"
        self._warn = warn
        self._number: int | None = None
        self._number = os.dup(1) if self._is_stdout else self._open(path)
        self._end: int | None = None
        self.tap = PcapWriter(self).write
        if self._number is not None:
            with suppress(OSError):  # a pipe has no place to go back to
                self._end = os.lseek(self._number, 0, os.SEEK_CUR)

    def write(self, data: bytes) -> int:
        """Add ``data`` as a whole, or, from the first failure on, nothing; returns its length."""
        if self._number is None:
            return len(data)
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(self._number, left) :]
            if self._end is not None:
                self._end += len(data)
        except BrokenPipeError:
            if self._is_stdout:
                raise
            self._give_up("its reader is gone")
        except OSError as error:
            self._give_up(os.strerror(error.errno or 0))
        return len(data)

    def close(self) -> None:
        """Give the descriptor back; may be repeated."""
        number, self._number = self._number, None
        if number is not None:
            os.close(number)

    def _open(self, path: str) -> int:
        try:
            number = self._open_at_once(path)
            os.set_blocking(number, True)
        except OSError as error:
            remedy = _REMEDIES.get(error.errno or 0, "name another one")
            reason = os.strerror(error.errno or 0)
            raise ProberError(f"{self._name} cannot be written: {reason}: {remedy}") from error
        found = os.fstat(number)
        if number != 1 and _is_where_rows_go(found):
            os.close(number)
            raise UsageError(f"{self._name} is standard output, where the rows go: use '--pcap -'")
        if stat.S_ISREG(found.st_mode):
            os.truncate(number, 0)
        return number

    def _open_at_once(self, path: str) -> int:
        try:
            return os.open(path, _FLAGS | _AT_ONCE, 0o666)
        except OSError as error:
            if error.errno != errno.ENXIO or not stat.S_ISFIFO(os.stat(path).st_mode):  # noqa: PTH116
                raise
        self._warn(f"{self._name} is a FIFO that nobody reads: waiting for its reader")
        return os.open(path, _FLAGS)

    def _give_up(self, reason: str) -> None:
        """Leave what is whole, and say why there is no more."""
        assert self._number is not None
        if self._end is not None:
            with suppress(OSError):  # no file to cut
                os.ftruncate(self._number, self._end)
        self.close()
        self._warn(f"{self._name} takes no more packets ({reason}): the trace goes on without")


def _is_where_rows_go(found: os.stat_result) -> bool:
    """Whether ``found`` is the file or pipe that standard output is; a device may well be both."""
    try:
        rows = os.fstat(1)
    except OSError:
        return False
    return os.path.samestat(found, rows) and (stat.S_ISREG(rows.st_mode) or stat.S_ISFIFO(rows.st_mode))
