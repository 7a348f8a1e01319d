"""Reads two files of ``--json`` and pairs their traces: the only place where ``--diff`` touches a file.

A file is read twice, a line at a time: first to check every line and to note where each target's traces
stand, then to compare them. So memory holds a few numbers a target, not the traces. What cannot be read twice
(a pipe) is copied to a temporary file that no folder lists.
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import ExitStack
from hashlib import blake2b
from typing import IO, TYPE_CHECKING

from tracetcp.differences import compare
from tracetcp.differences.reading import NoTrace, read_trace
from tracetcp.errors import UnreadableRun

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

    from tracetcp.model.difference import Comparison
    from tracetcp.model.saved_trace import SavedTrace

STDIN = "-"
LONGEST_LINE = 64 * 1024 * 1024
"""Bytes: a trace of 255 hops with 100 pings each, explained, takes less."""
COPIED_AT_ONCE = 1024 * 1024


class SavedRun:
    """The traces in one file, by target. Raises ``UnreadableRun``, which names file, line and reason.

    A trace that follows another one of the same host, port and address takes its place. A host without an
    address takes the place of all its addresses, and they take its place.
    """

    def __init__(self, path: str, resources: ExitStack) -> None:
        self._path = "standard input" if path == STDIN else path
        try:
            self._file = resources.enter_context(_open(path))
            self._places = self._find()
        except OSError as error:
            why = os.strerror(error.errno or 0)
            raise UnreadableRun(
                f"{self._path} cannot be read ({why}): name a file that --json wrote"
            ) from error
        if not self._places:
            raise UnreadableRun(f"{self._path} holds no trace: write one with 'tracetcp --json'")

    def _find(self) -> dict[bytes, tuple[int, ...]]:
        """By target: where the lines of its addresses begin."""
        found: dict[bytes, dict[bytes, int]] = {}
        number = at = 0
        while line := self._file.readline(LONGEST_LINE):
            number += 1
            if not line.isspace():
                trace = self._read(line, number)
                places = found.setdefault(_key(trace), {})
                if not trace.address:
                    places.clear()
                places.pop(NO_ADDRESS, None)
                places[_digest(trace.address)] = at
            at += len(line)
        return {key: tuple(places.values()) for key, places in found.items()}

    def _read(self, line: bytes, number: int) -> SavedTrace:
        try:
            return read_trace(line)
        except NoTrace as error:
            raise UnreadableRun(f"{self._path}, line {number}: {error}") from None

    def targets(self) -> Iterator[bytes]:
        """The keys of its targets, in the order of their first lines."""
        return iter(self._places)

    def __contains__(self, target: bytes) -> bool:
        return target in self._places

    def traces(self, target: bytes) -> dict[str, SavedTrace]:
        """The traces of a target by address; none if it is not in the file."""
        found = {}
        for place in self._places.get(target, ()):
            self._file.seek(place)
            try:
                trace = read_trace(self._file.readline(LONGEST_LINE))
            except NoTrace:
                raise UnreadableRun(f"{self._path} changed while it was read: compare it again") from None
            found[trace.address] = trace
        return found


class SavedRuns:
    """Two files of traces; one of them may be ``-``, standard input. A context manager."""

    def __init__(self, old: str, new: str) -> None:
        with ExitStack() as resources:
            self._old = SavedRun(old, resources)
            self._new = SavedRun(new, resources)
            self._resources = resources.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    def comparisons(self) -> Iterator[Comparison]:
        """Target by target, in the order of the old file, then what only the new one holds."""
        for target in self._old.targets():
            yield from _compare_target(self._old.traces(target), self._new.traces(target))
        for target in self._new.targets():
            if target not in self._old:
                yield from _compare_target({}, self._new.traces(target))


def _compare_target(old: dict[str, SavedTrace], new: dict[str, SavedTrace]) -> Iterator[Comparison]:
    """Equal addresses with each other; of what is left, the only ones of a family with each other.

    A host without an address is compared with each address that it has in the other run.
    """
    if old and new and ("" in old or "" in new):
        yield from (compare(before, after) for before in old.values() for after in new.values())
        return
    for address in list(old):
        if address in new:
            yield compare(old.pop(address), new.pop(address))
    for is_ipv6 in (False, True):
        left, right = (
            [trace for address, trace in traces.items() if (":" in address) is is_ipv6]
            for traces in (old, new)
        )
        if len(left) == len(right) == 1:
            yield compare(left[0], right[0])
            continue
        for trace in left:
            yield compare(trace, None)
        for trace in right:
            yield compare(None, trace)


def _key(trace: SavedTrace) -> bytes:
    return _digest(f"{trace.port} {trace.host}")


def _digest(text: str) -> bytes:
    """Twelve bytes instead of a text of any length; two texts share them once in 2**48 at 2**24 targets."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).digest()


NO_ADDRESS = _digest("")


def _open(path: str) -> IO[bytes]:
    """``path`` for reading from any place."""
    if path == STDIN:
        if sys.stdin is None:
            raise UnreadableRun("standard input is closed: name a file")
        return _copy(sys.stdin.buffer)
    file = open(path, "rb")  # noqa: SIM115, PTH123 - the caller closes it; an error names the path as given
    if file.seekable():
        return file
    with file:
        return _copy(file)


def _copy(source: IO[bytes]) -> IO[bytes]:
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    while piece := source.read(COPIED_AT_ONCE):
        copy.write(piece)
    copy.seek(0)
    return copy
