"""Host to address, address to name, address to origin AS: /etc/hosts first, then DNS through dnspython.

The only file that knows DNS. dnspython is imported when a query needs it, for look-ups in the background
by the worker that asks, so that probing never waits for it.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from ipaddress import IPv6Address, ip_address, ip_network
from math import inf
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from tracetcp.errors import FamilyMismatch, NameNotFound
from tracetcp.escape import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from ipaddress import IPv4Network, IPv6Network

    from dns.name import Name
    from dns.resolver import Resolver

HOSTS = Path("/etc/hosts")
RESOLVE_TIME = 5.0
"""Seconds for finding the target's address, all servers and retries together."""
LOOKUP_TIME = 3.0
"""Seconds for a look-up in the background; later rows may still use what comes late."""
ROW_WAIT = 1.0
"""Seconds, from the query's start, for which a row waits for its name."""
WORKERS = 16
"""Look-ups under way at once: more than the hops of most paths, few enough for any server."""
LONGEST_QUEUE = 4096
"""Addresses that may wait for a worker; any more go without a name."""
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
RECORDS = {4: "A", 6: "AAAA"}
ORIGIN_ZONES = {4: "origin.asn.cymru.com", 6: "origin6.asn.cymru.com"}
MOST_ORIGINS = 4
"""Origin ASes shown for one prefix; more is a mistake or a prank."""


# Host to address ----------------------------------------------------------------------------------------


def resolve(host: str, family: int | None = None) -> str:
    """The address of ``host``: of ``family`` (4 or 6), else of the first one a resolver would return.

    Numeric addresses come back as they are, with their scope. Names are looked for in /etc/hosts, then in
    DNS. Without a ``family``, IPv6 comes first where this machine has a route for it (RFC 6724, rule 1).
    Raises ``NameNotFound`` and ``FamilyMismatch``.
    """
    numeric = _numeric_family(host)
    if numeric is not None:
        if family not in (None, numeric):
            raise FamilyMismatch(f"{host} is an IPv{numeric} address: leave out -{family}")
        return host
    families = (family,) if family else _preferred_families()
    found = list(_addresses_in_hosts(host))
    for wanted in (*families, None):
        for address in found:
            if wanted is None or _numeric_family(address) == wanted:
                return _checked_family(host, address, family)
    return _resolve_by_dns(host, families, family)


def is_numeric(host: str) -> bool:
    """Whether ``host`` is an address already."""
    return _numeric_family(host) is not None


def _checked_family(host: str, address: str, family: int | None) -> str:
    if family is not None and _numeric_family(address) != family:
        other = 10 - family
        raise FamilyMismatch(
            f"{host} has no IPv{family} address, only {address}: use -{other} or leave -{family} out"
        )
    return address


def _numeric_family(host: str) -> int | None:
    for family, number in FAMILIES.items():
        try:
            socket.inet_pton(number, host.partition("%")[0] if family == 6 else host)
        except (OSError, ValueError):
            continue
        return family
    return None


def _preferred_families() -> tuple[int, int]:
    """6 before 4 where there is a route to the global IPv6 Internet; asking the kernel sends nothing."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("2000::1", 9))
        except OSError:
            return (4, 6)
    return (6, 4)


def hosts_lines(text: str) -> Iterator[tuple[str, list[str]]]:
    """The address and the names of each line of a hosts file."""
    for line in text.splitlines():
        fields = line.partition("#")[0].split()
        if len(fields) > 1:
            yield fields[0], fields[1:]


def _read_hosts() -> str:
    try:
        return HOSTS.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _addresses_in_hosts(host: str) -> Iterator[str]:
    wanted = host.rstrip(".").lower()
    for address, names in hosts_lines(_read_hosts()):
        if wanted in (name.lower() for name in names) and _numeric_family(address) is not None:
            yield address


def _resolve_by_dns(host: str, families: tuple[int, ...], forced: int | None) -> str:
    import dns.exception
    import dns.resolver

    ends_at = time.monotonic() + RESOLVE_TIME
    try:
        resolver = system_resolver()
        missing = 0
        for family in families:
            try:
                lifetime = max(0.1, ends_at - time.monotonic())
                return str(
                    resolver.resolve(host, RECORDS[family], search=True, lifetime=lifetime)[0].to_text()
                )
            except dns.resolver.NoAnswer:
                continue
            except dns.resolver.NXDOMAIN:  # some servers say so of one record type only
                missing += 1
        if missing == len(families):
            raise NameNotFound(f"{_shown(host)} does not exist in DNS: check the spelling")
    except dns.resolver.NoResolverConfiguration:
        raise NameNotFound(f"{_shown(host)} cannot be looked up: /etc/resolv.conf names no server") from None
    except dns.exception.Timeout:
        raise NameNotFound(
            f"no DNS server answered for {_shown(host)} within {RESOLVE_TIME:g} s: check /etc/resolv.conf"
        ) from None
    except dns.resolver.NoNameservers:
        raise NameNotFound(
            f"the DNS servers could not answer for {_shown(host)}: try again, or give an address"
        ) from None
    except (dns.exception.DNSException, UnicodeError, ValueError, OSError):
        raise NameNotFound(
            f"{_shown(host)} is not a host name: labels have 1 to 63 letters, 253 in all"
        ) from None
    if forced is not None:
        raise FamilyMismatch(f"{_shown(host)} has no IPv{forced} address: leave out -{forced}")
    raise NameNotFound(f"{_shown(host)} has no address in DNS: check the name")


def system_resolver(lifetime: float = RESOLVE_TIME) -> Resolver:
    """A resolver as /etc/resolv.conf says, that answers or fails within ``lifetime`` seconds."""
    import dns.resolver

    resolver = dns.resolver.Resolver()
    resolver.lifetime = lifetime
    return resolver


def _shown(host: str) -> str:
    return printable(host.encode("utf-8", "surrogateescape"))


# Address to text, in the background ------------------------------------------------------------------------


class AddressLookup:
    """Looks addresses up in worker threads; ``found`` maps those that have one to their text.

    The caller never waits: ``waits_until`` says how long a row should, and ``fileno`` becomes readable
    when something was found or given up. Workers are daemons: they never keep the process alive.
    """

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
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
            self.found[address] = known
            self._settled.add(address)
            return
        if not self._is_worth_asking(address):
            self._settled.add(address)
            return
        self._queue.put(address)
        if self._workers < WORKERS:
            self._workers += 1
            threading.Thread(target=self._work, name="tracetcp-dns", daemon=True).start()

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
        """Let the workers end after their query and give the descriptors back; safe to call twice."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            self._reader.close()
            self._writer.close()
        for _ in range(self._workers):
            self._queue.put(None)

    def _work(self) -> None:
        import dns.exception

        while (address := self._queue.get()) is not None:
            try:
                text = self._look_up(system_resolver(LOOKUP_TIME), address)
            except (dns.exception.DNSException, OSError, ValueError):
                text = None
            self._settle(address, text)

    def _settle(self, address: str, text: str | None) -> None:
        if text:
            self.found[address] = text
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
        """The text of ``address``; runs in a worker, and may raise DNS errors."""
        raise NotImplementedError


class ReverseNames(AddressLookup):
    """Names of addresses: the first name in /etc/hosts, else the PTR record."""

    def __init__(self) -> None:
        super().__init__()
        self._hosts = {address: names[0] for address, names in reversed(list(hosts_lines(_read_hosts())))}

    def _known_at_once(self, address: str) -> str | None:
        name = self._hosts.get(address)
        return None if name is None else printable(name.encode())

    def _look_up(self, resolver: Resolver, address: str) -> str | None:
        import dns.reversename

        name = dns.reversename.from_address(address.partition("%")[0])
        return domain_text(resolver.resolve(name, "PTR")[0].target)


class OriginNames(AddressLookup):
    """The AS that announces an address (``AS64500``), from Team Cymru's DNS, asked once a prefix."""

    def __init__(self, is_public: Callable[[str], bool] | None = None) -> None:
        super().__init__()
        self._is_public = is_public or is_global
        self._prefixes: dict[IPv4Network | IPv6Network, str] = {}

    def _known_at_once(self, address: str) -> str | None:
        plain = ip_address(address.partition("%")[0])
        return next((text for prefix, text in list(self._prefixes.items()) if plain in prefix), None)

    def _is_worth_asking(self, address: str) -> bool:
        return self._is_public(address)

    def _look_up(self, resolver: Resolver, address: str) -> str | None:
        answer = resolver.resolve(origin_question(address), "TXT")
        for record in answer:
            origin = parse_origin(b"".join(record.strings))
            if origin is not None:
                text, prefix = origin
                self._prefixes[prefix] = text
                return text
        return None


def is_global(address: str) -> bool:
    """Whether ``address`` is one of the public Internet: no other is ever asked for its origin."""
    return ip_address(address.partition("%")[0]).is_global


def origin_question(address: str) -> str:
    """The name whose TXT record holds the origin of ``address``."""
    plain = ip_address(address.partition("%")[0])
    labels = plain.reverse_pointer.split(".")[:-2]
    return ".".join(labels) + "." + ORIGIN_ZONES[6 if isinstance(plain, IPv6Address) else 4]


def parse_origin(text: bytes) -> tuple[str, IPv4Network | IPv6Network] | None:
    """``64500 64501 | 192.0.2.0/24 | ...`` as (``AS64500 AS64501``, network); None if it is anything else."""
    fields = text.decode("ascii", "replace").split("|")
    if len(fields) < 2:
        return None
    numbers = fields[0].split()[:MOST_ORIGINS]
    if not numbers or not all(
        number.isascii() and number.isdigit() and len(number) <= 10 for number in numbers
    ):
        return None
    try:
        return " ".join(f"AS{number}" for number in numbers), ip_network(fields[1].strip())
    except ValueError:
        return None


def domain_text(name: Name) -> str:
    """A name from the network, safe to print: labels joined by dots, without the root's."""
    return ".".join(printable(label).replace(".", "\\046") for label in name.labels if label)
