"""Address to name, in the background: the hosts file first, then DNS through dnspython.

The worker thread imports dnspython, so that probing never waits for it. Text from the network leaves this
package escaped.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from itertools import islice
from math import inf
from queue import SimpleQueue
from types import MappingProxyType
from typing import TYPE_CHECKING

from tracetcp.addresses import without_scope
from tracetcp.memory import has_room
from tracetcp.names import hosts
from tracetcp.names.escape import printable, printable_domain
from tracetcp.names.resolver import system_resolver
from tracetcp.names.wakeup import Wakeup

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dns.resolver import Resolver

LOOKUP_TIME = 3.0
"""Seconds for a look-up in the background. Later rows can still use a text that comes late."""
ROW_WAIT = 1.0
"""Seconds, from the query's start, for which a row waits for its name."""
MOST_WORKERS = 16
"""Look-ups of one kind under way at once, each with a socket: the hops of most paths."""
WORKER_MEMORY = 40 << 20
"""Bytes that must be left for a worker: its stack, dnspython, and what the trace may need meanwhile."""
MOST_QUEUED = 4096
"""Addresses that may wait for a worker; any more go without a name."""
MOST_REMEMBERED = 8192
"""Addresses remembered: a run over many targets meets ever new ones, and those of long ago seldom again."""


# Address to text, in the background ------------------------------------------------------------------------


class AddressLookup:
    """Looks up addresses in worker threads.

    The caller never waits: ``waits_until`` says how long a row should wait, and ``fileno`` becomes readable
    when a text was found or given up. Workers are daemon threads: they never keep the process alive.
    """

    def __init__(
        self, open_resolver: Callable[[float], Resolver] = system_resolver, workers: int = MOST_WORKERS
    ) -> None:
        self._most_workers = workers
        self._found: dict[str, str] = {}
        self._snapshot: Mapping[str, str] = MappingProxyType({})
        self._open_resolver = open_resolver
        self._asked_at: dict[str, float] = {}
        self._settled: set[str] = set()
        self._queue: SimpleQueue[str | None] = SimpleQueue()
        self._workers = 0
        self._wakeup = Wakeup()
        self._lock = threading.Lock()
        self._is_closed = False

    def ask(self, address: str) -> None:
        """Start to look up ``address``. Never blocks; a repeated call does nothing."""
        if address in self._asked_at or len(self._asked_at) - len(self._settled) >= MOST_QUEUED:
            return
        if len(self._asked_at) >= MOST_REMEMBERED:
            self._forget()
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
        if not self._workers:
            self._settled.add(address)

    def _forget(self) -> None:
        """Forget the older half of the addresses, but for those that are being looked up."""
        oldest = islice(tuple(self._asked_at), MOST_REMEMBERED // 2)
        for address in [address for address in oldest if address in self._settled]:
            del self._asked_at[address]
            self._settled.discard(address)
            self._found.pop(address, None)
        self._snapshot = MappingProxyType(self._found.copy())

    @property
    def found(self) -> Mapping[str, str]:
        """The text of each address that has one: a snapshot, replaced when more are found."""
        if len(self._snapshot) != len(self._found):  # a text never changes once found
            self._snapshot = MappingProxyType(self._found.copy())
        return self._snapshot

    def waits_until(self, address: str) -> float:
        """The instant until which a row should wait for ``address``; minus infinity once it is settled."""
        if address in self._settled or address not in self._asked_at:
            return -inf
        return self._asked_at[address] + ROW_WAIT

    def fileno(self) -> int:
        """A descriptor that becomes readable when an address is settled."""
        return self._wakeup.fileno()

    def acknowledge(self) -> None:
        """Make ``fileno`` unreadable until the next address is settled."""
        self._wakeup.acknowledge()

    def close(self) -> None:
        """Stop asking and close the descriptors; a query in progress ends by itself. Safe to call twice."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        self._wakeup.close()
        self._queue.put(None)

    def _hire(self) -> None:
        """Start another worker, unless there are enough or the system allows no more threads or memory."""
        with self._lock:
            if self._is_closed or self._workers >= self._most_workers or not has_room(WORKER_MEMORY):
                return
            with suppress(RuntimeError, MemoryError):
                threading.Thread(target=self._work, name="tracetcp-dns", daemon=True).start()
                self._workers += 1

    def _work(self) -> None:
        """Look up the addresses in the queue.

        The first worker imports dnspython before any other worker exists that would do so at the same time.
        Each worker starts the next, so that the caller never pays for more than the start of one thread.
        """
        with suppress(Exception):  # every look-up will fail the same way, and say nothing
            import dns.resolver
            import dns.reversename  # noqa: F401 - imported early because it is slow
        while (address := self._queue.get()) is not None and not self._is_closed:
            self._hire()
            self._settle(address, self._text(address))
        self._queue.put(None)  # ends the next worker

    def _text(self, address: str) -> str | None:
        try:
            return self._look_up(self._open_resolver(LOOKUP_TIME), address)
        except Exception:  # noqa: BLE001 - whatever the network sent, or a machine without memory: no name
            return None

    def _settle(self, address: str, text: str | None) -> None:
        if text:
            self._found[address] = text
        self._settled.add(address)
        self._wakeup.tell()

    def _known_at_once(self, address: str) -> str | None:
        """The text of ``address`` if it is known without a query."""
        raise NotImplementedError

    def _is_worth_asking(self, address: str) -> bool:  # noqa: ARG002 - subclasses use it
        return True

    def _look_up(self, resolver: Resolver, address: str) -> str | None:
        """The text of ``address``; runs in a worker, and may raise anything."""
        raise NotImplementedError


class ReverseNames(AddressLookup):
    """Names of addresses: the first name in the hosts file, else the PTR record."""

    def __init__(
        self, open_resolver: Callable[[float], Resolver] = system_resolver, workers: int = MOST_WORKERS
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
