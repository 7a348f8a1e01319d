"""Address to name, in the background: the hosts file first, then DNS through dnspython.

dnspython is imported by the worker that asks, so that probing never waits for it. Text from the network
leaves this package escaped.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from math import inf
from queue import SimpleQueue
from types import MappingProxyType
from typing import TYPE_CHECKING

from tracetcp.addresses import without_scope
from tracetcp.names import hosts
from tracetcp.names.escape import printable, printable_domain
from tracetcp.names.resolver import system_resolver

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dns.resolver import Resolver
LOOKUP_TIME = 3.0
"""Seconds for a look-up in the background; later rows may still use what comes late."""
ROW_WAIT = 1.0
"""Seconds, from the query's start, for which a row waits for its name."""
WORKERS = 16
"""Look-ups of one kind under way at once, each with a socket: the hops of most paths."""
LONGEST_QUEUE = 4096
"""Addresses that may wait for a worker; any more go without a name."""


# Address to text, in the background ------------------------------------------------------------------------


class AddressLookup:
    """Looks addresses up in worker threads.

    The caller never waits: ``waits_until`` says how long a row should, and ``fileno`` becomes readable
    when something was found or given up. Workers are daemons: they never keep the process alive.
    """

    def __init__(
        self, open_resolver: Callable[[float], Resolver] = system_resolver, workers: int = WORKERS
    ) -> None:
        self._most_workers = workers
        self._found: dict[str, str] = {}
        self._snapshot: Mapping[str, str] = MappingProxyType({})
        self._open_resolver = open_resolver
        self._asked_at: dict[str, float] = {}
        self._settled: set[str] = set()
        self._queue: SimpleQueue[str | None] = SimpleQueue()
        self._workers = 0
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._lock = threading.Lock()
        self._is_closed = False

    def ask(self, address: str) -> None:
        """Start looking ``address`` up; never blocks, and does nothing when it was asked before."""
        if address in self._asked_at or len(self._asked_at) - len(self._settled) >= LONGEST_QUEUE:
            return
        self._asked_at[address] = time.monotonic()
        known = self._known_at_once(address)
        if known is not None:
            self._found[address] = known
        if known is not None or not self._is_worth_asking(address):
            self._settled.add(address)
            return
        self._queue.put(address)
        if not self._workers:
            self._hire()

    @property
    def found(self) -> Mapping[str, str]:
        """The addresses that have a text, with it: a snapshot, taken anew once more were found."""
        if len(self._snapshot) != len(self._found):  # a text, once found, stays
            self._snapshot = MappingProxyType(self._found.copy())
        return self._snapshot

    def waits_until(self, address: str) -> float:
        """When a row stops waiting for ``address``; minus infinity once it is settled."""
        if address in self._settled or address not in self._asked_at:
            return -inf
        return self._asked_at[address] + ROW_WAIT

    def fileno(self) -> int:
        """A descriptor that becomes readable when an address was settled."""
        return self._reader.fileno()

    def acknowledge(self) -> None:
        """Make ``fileno`` unreadable until the next address is settled."""
        with suppress(BlockingIOError):
            while True:
                self._reader.recv(4096)

    def close(self) -> None:
        """Ask nothing more and give the descriptors back; a query under way ends alone. May be repeated."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            self._reader.close()
            self._writer.close()
        self._queue.put(None)

    def _hire(self) -> None:
        """Start one more worker, unless there are enough or the system allows no more threads."""
        with self._lock:
            if self._is_closed or self._workers >= self._most_workers:
                return
            with suppress(RuntimeError, MemoryError):
                threading.Thread(target=self._work, name="tracetcp-dns", daemon=True).start()
                self._workers += 1

    def _work(self) -> None:
        """Answer the queue's addresses.

        The first worker imports dnspython, before there are any others that would do so at the same time.
        Each hires its successor, so that the caller never pays for more than the start of one thread.
        """
        with suppress(Exception):  # every look-up will fail the same way, and say nothing
            import dns.resolver
            import dns.reversename  # noqa: F401 - for its cost only
        while (address := self._queue.get()) is not None and not self._is_closed:
            self._hire()
            self._settle(address, self._text(address))
        self._queue.put(None)  # for the next one to end

    def _text(self, address: str) -> str | None:
        try:
            return self._look_up(self._open_resolver(LOOKUP_TIME), address)
        except Exception:  # noqa: BLE001 - whatever the network sent, or a machine without memory: no name
            return None

    def _settle(self, address: str, text: str | None) -> None:
        if text:
            self._found[address] = text
        self._settled.add(address)
        with self._lock:
            if not self._is_closed:
                with suppress(BlockingIOError):  # a full buffer is readable already
                    self._writer.send(b"!")

    def _known_at_once(self, address: str) -> str | None:
        """The text of ``address`` if it takes no query."""
        raise NotImplementedError

    def _is_worth_asking(self, address: str) -> bool:  # noqa: ARG002 - for those that must not ask for all
        return True

    def _look_up(self, resolver: Resolver, address: str) -> str | None:
        """The text of ``address``; runs in a worker, and may raise anything."""
        raise NotImplementedError


class ReverseNames(AddressLookup):
    """Names of addresses: the first name in the hosts file, else the PTR record."""

    def __init__(
        self, open_resolver: Callable[[float], Resolver] = system_resolver, workers: int = WORKERS
    ) -> None:
        super().__init__(open_resolver, workers)
        self._hosts = hosts.names_of_addresses()

    def _known_at_once(self, address: str) -> str | None:
        name = self._hosts.get(address) or self._hosts.get(address.partition("%")[0])
        return None if name is None else printable(name.encode("utf-8", "surrogateescape"))

    def _look_up(self, resolver: Resolver, address: str) -> str | None:
        import dns.reversename

        name = dns.reversename.from_address(str(without_scope(address)))
        return printable_domain(resolver.resolve(name, "PTR")[0].target.labels)
