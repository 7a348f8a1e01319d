"""Targets on their way into a run: read from a list, their names looked up, a bounded number ahead.

One thread reads, since a pipe may bring the next line late, and others look up names, each with what that
takes. Knows no socket.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

from tracetcp.errors import TracetcpError
from tracetcp.memory import has_room
from tracetcp.names.lookups import WORKER_MEMORY
from tracetcp.names.wakeup import Wakeup
from tracetcp.shortages import shortage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MOST_AHEAD = 64
"""Targets that were read and are not under way yet: enough that slow names delay nobody."""
MOST_RESOLVERS = 16
READER_MEMORY = 16 << 20
"""Bytes that must be left for the thread that reads: its stack, and what the trace may need meanwhile."""


class Entry(NamedTuple):
    """A target as it is listed: ``where`` it stands, for messages; its host, and the ports to trace."""

    where: str
    host: str
    ports: Sequence[int]


class Arrival(NamedTuple):
    """A target with its ``addresses``, or with the ``error`` for which it has none."""

    entry: Entry
    addresses: tuple[str, ...]
    error: TracetcpError | None = None


class Arrivals:
    """The targets in ``entries``, as they are found by ``resolve``; ``numeric`` is quick and tries first.

    ``start`` begins to read. Names found late are overtaken by others.
    """

    def __init__(
        self,
        entries: Iterable[Entry],
        numeric: Callable[[str], str | None],
        resolve: Callable[[str], Sequence[str]],
        resolvers: int = MOST_RESOLVERS,
    ) -> None:
        self._entries = iter(entries)
        self._numeric = numeric
        self._resolve = resolve
        self._ready: deque[Arrival] = deque()
        self._to_resolve: SimpleQueue[Entry | None] = SimpleQueue()
        self._room = threading.Semaphore(MOST_AHEAD)
        self._lock = threading.Lock()
        self._on_the_way = 0
        """Targets that were read and did not arrive yet."""
        self._has_read_all = False
        self._resolvers = 0
        self._most_resolvers = resolvers
        self._failure: Exception | None = None
        self._wakeup = Wakeup()
        self._is_closed = False

    def start(self) -> None:
        """Begin to read, in a thread; raises ``MemoryError`` where it might not come so far as to say why."""
        if not has_room(READER_MEMORY):
            raise MemoryError
        threading.Thread(target=self._read, name="tracetcp-targets", daemon=True).start()

    @property
    def is_over(self) -> bool:
        """Whether everything has been taken; never so while ``take`` has a failure to raise."""
        with self._lock:
            return self._has_read_all and self._failure is None and not self._on_the_way and not self._ready

    def take(self) -> Arrival | None:
        """The next target; None if none is there now. Raises what reading the list has raised."""
        with self._lock:
            if self._failure is not None:
                raise self._failure
            if not self._ready:
                return None
            arrival = self._ready.popleft()
        self._room.release()
        return arrival

    def fileno(self) -> int:
        """A descriptor that becomes readable when something is new."""
        return self._wakeup.fileno()

    def acknowledge(self) -> None:
        """Make ``fileno`` unreadable until something is new again."""
        self._wakeup.acknowledge()

    def close(self) -> None:
        """Stop; a look-up or a read under way ends by itself. Safe to call twice."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        self._wakeup.close()
        self._room.release()
        self._to_resolve.put(None)

    def _read(self) -> None:
        try:
            for entry in self._entries:
                self._room.acquire()
                if self._is_closed:
                    return
                with self._lock:
                    self._on_the_way += 1
                self._begin(entry)
        except Exception as error:  # noqa: BLE001 - the thread that takes the targets raises it
            with self._lock:
                self._failure = error
        with self._lock:
            self._has_read_all = True
        self._wakeup.tell()

    def _begin(self, entry: Entry) -> None:
        """Let ``entry`` arrive at once if its host is an address, else have it looked up."""
        try:
            address = self._numeric(entry.host)
        except TracetcpError as error:
            self._arrive(Arrival(entry, (), error))
            return
        if address is not None:
            self._arrive(Arrival(entry, (address,)))
            return
        is_roomy = has_room(WORKER_MEMORY)
        if self._resolvers < self._most_resolvers and is_roomy:
            with suppress(RuntimeError, MemoryError):  # the system allows no more threads
                threading.Thread(target=self._look_up, name="tracetcp-dns", daemon=True).start()
                self._resolvers += 1
        if self._resolvers:
            self._to_resolve.put(entry)
        elif is_roomy:
            self._settle(entry)
        else:
            self._fail(entry, MemoryError())

    def _look_up(self) -> None:
        while (entry := self._to_resolve.get()) is not None and not self._is_closed:
            self._settle(entry)
        self._to_resolve.put(None)  # ends the next one

    def _settle(self, entry: Entry) -> None:
        try:
            addresses = tuple(self._resolve(entry.host))
        except TracetcpError as error:
            self._arrive(Arrival(entry, (), error))
        except Exception as error:  # noqa: BLE001 - whatever a name server sent: the others go on
            self._fail(entry, error)
        else:
            self._arrive(Arrival(entry, addresses))

    def _fail(self, entry: Entry, error: Exception) -> None:
        sentence = shortage(error) or f"looking up the host failed: {error}"
        self._arrive(Arrival(entry, (), TracetcpError(sentence)))

    def _arrive(self, arrival: Arrival) -> None:
        with self._lock:
            self._ready.append(arrival)
            self._on_the_way -= 1
        self._wakeup.tell()
