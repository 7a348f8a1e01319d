"""The list of targets as it lies in a file or comes from standard input (``-f``); opens and reads it."""

from __future__ import annotations

import os
import sys
from typing import IO, TYPE_CHECKING

from tracetcp.cli.target_list import LONGEST_LINE, BadLine, ListedTarget, parse_line
from tracetcp.errors import UsageError
from tracetcp.targets.arrivals import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

STANDARD_INPUT = "-"
MOST_OF_A_LINE = 1 << 20
"""Bytes without a line end after which the file is no list, but a device or an image of something."""


class Listing:
    """The targets listed in ``path``, ``-`` for standard input; ``tell`` is told of each bad line.

    A file that can be read twice is looked through at once, so that bad lines are told before anything is
    sent, and the ``total`` is known (else None). ``ports``, if given, win over those in the list. Raises
    ``UsageError`` if the file cannot be read.
    """

    def __init__(self, path: str, tell: Callable[[str], None], ports: Sequence[int] | None = None) -> None:
        self.total: int | None = None
        self.is_any_bad = False
        """Whether a line was no target."""
        self._name = "standard input" if path == STANDARD_INPUT else path
        self._tell = tell
        self._ports = ports
        self._file = self._open(path)
        if self._file.seekable():
            self.total = self._count()

    def _count(self) -> int:
        try:
            count = sum(isinstance(each, ListedTarget) for each in self._look_through())
            self._file.seek(0)
        except (UsageError, OSError):
            self.close()
            raise
        return count

    def _open(self, path: str) -> IO[bytes]:
        if path == STANDARD_INPUT:
            if sys.stdin is None:
                raise UsageError("-f - reads standard input, which is closed: name a file")
            return os.fdopen(os.dup(sys.stdin.fileno()), "rb")
        try:
            file = open(path, "rb")  # noqa: PTH123, SIM115 - closed by close()
        except OSError as error:
            raise self._unreadable(os.strerror(error.errno or 0)) from error
        return file

    def _unreadable(self, reason: str) -> UsageError:
        return UsageError(f"-f cannot read {self._name} ({reason}): name a file with one target a line")

    def __iter__(self) -> Iterator[Entry]:
        """The targets, from the first line on; raises ``UsageError`` if reading fails."""
        was_looked_through = self.total is not None
        for parsed in self._lines() if was_looked_through else self._look_through():
            if isinstance(parsed, ListedTarget):
                where = f"{self._name}, line {parsed.number}"
                yield Entry(where, parsed.host, parsed.ports if self._ports is None else self._ports)

    def _look_through(self) -> Iterator[ListedTarget | BadLine]:
        """What the lines say; bad ones are told."""
        for parsed in self._lines():
            if isinstance(parsed, BadLine):
                self.is_any_bad = True
                self._tell(f"{self._name}, line {parsed.number}: {parsed.reason}")
            yield parsed

    def _lines(self) -> Iterator[ListedTarget | BadLine]:
        number = length = 0
        try:
            while line := self._file.readline(LONGEST_LINE):
                if not length:
                    number += 1
                    if (parsed := parse_line(number, line)) is not None:
                        yield parsed
                length = 0 if line.endswith(b"\n") else length + len(line)
                if length > MOST_OF_A_LINE:
                    raise self._unreadable(f"line {number} is longer than {MOST_OF_A_LINE >> 20} MB")
        except OSError as error:
            raise self._unreadable(os.strerror(error.errno or 0)) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()
