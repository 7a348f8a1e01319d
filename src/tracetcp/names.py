"""Host to address, address to name, address to origin AS: the hosts file first, then DNS through dnspython.

The only file that knows DNS. dnspython is imported when a query needs it, for look-ups in the background
by the worker that asks, so that probing never waits for it. Text from the network leaves this file escaped.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from contextlib import suppress
from ipaddress import IPv6Address, IPv6Network, ip_address, ip_network
from math import inf
from queue import Empty, SimpleQueue
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from tracetcp import hosts
from tracetcp.errors import FamilyMismatch, NameNotFound
from tracetcp.escape import printable, printable_domain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from ipaddress import IPv4Address, IPv4Network

    from dns.resolver import NoNameservers, Resolver

RESOLVE_TIME = 5.0
"""Seconds for finding the target's address, all servers and retries together."""
OTHER_FAMILY_WAIT = 1.0
"""Seconds that an address of one family waits for the other's: some servers drop AAAA queries."""
LOOKUP_TIME = 3.0
"""Seconds for a look-up in the background; later rows may still use what comes late."""
ROW_WAIT = 1.0
"""Seconds, from the query's start, for which a row waits for its name."""
WORKERS = 16
"""Look-ups under way at once: the hops of most paths; the connect prober leaves that many descriptors."""
LONGEST_QUEUE = 4096
"""Addresses that may wait for a worker; any more go without a name."""
RECORDS = {4: "A", 6: "AAAA"}
ORIGIN_ZONES = {4: "origin.asn.cymru.com", 6: "origin6.asn.cymru.com"}
MOST_ORIGINS = 4
"""Origin ASes shown for one address; more is a mistake or a prank."""
LAST_AS_NUMBER = 2**32 - 1
SHORTEST_PREFIXES = {4: 8, 6: 16}
"""Nobody announces more in one route: a shorter prefix says nothing about any other address."""
UNIQUE_LOCAL = IPv6Network("fc00::/7")
_HOST_NAME = re.compile(r"[A-Za-z0-9._\-\u0080-\U0010ffff]+")


def system_resolver(lifetime: float) -> Resolver:
    """A resolver as /etc/resolv.conf says, that answers or fails within ``lifetime`` seconds."""
    import dns.resolver

    resolver = dns.resolver.Resolver()
    resolver.lifetime = lifetime
    return resolver


# Host to address ----------------------------------------------------------------------------------------


def resolve(
    host: str,
    family: int | None = None,
    open_resolver: Callable[[float], Resolver] = system_resolver,
) -> str:
    """The address of ``host``: of ``family`` (4 or 6), else the first one that the system would use.

    Addresses come back in their usual text, with their scope. Names are looked for in the hosts file, then in
    DNS, with the search list of resolv.conf. Without a ``family`` both are asked at once and IPv6 comes first
    where this machine has a route and a fitting source address for it (RFC 6724, rules 1, 2 and 5).
    International names go out as dnspython encodes them: IDNA 2003, or IDNA 2008 where ``idna`` is installed.
    Ends within ``RESOLVE_TIME`` seconds. Raises ``NameNotFound`` and ``FamilyMismatch``.
    """
    numeric = hosts.resolve_numeric(host, family)
    if numeric is not None:
        return numeric
    listed = hosts.addresses_of(host)
    found = _of_family(listed, family) or _ask_dns(host, family, listed, open_resolver)
    return _first_choice(found)


def _family(address: str) -> int:
    return 6 if ":" in address else 4


def _of_family(addresses: Iterable[str], family: int | None) -> list[str]:
    return [address for address in addresses if family in (None, _family(address))]


def _first_choice(addresses: list[str]) -> str:
    """The first usable address, IPv6 ahead of IPv4; where none is, IPv4, which more networks have."""
    usable = filter(_is_usable, sorted(addresses, key=_family, reverse=True))
    return next(usable, min(addresses, key=_family))


def _is_usable(address: str) -> bool:
    """Whether the kernel has a route to ``address`` and a source that fits it; sends nothing."""
    with suppress(OSError):
        found = socket.getaddrinfo(address, 9, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)
        family, *_, destination = found[0]
        with socket.socket(family, socket.SOCK_DGRAM) as route:
            route.connect(destination)
            source = route.getsockname()[0]
        return not _is_local_ipv6(source) or _is_local_ipv6(address)
    return False


def _is_local_ipv6(address: str) -> bool:
    plain = _without_scope(address)
    return isinstance(plain, IPv6Address) and (plain in UNIQUE_LOCAL or plain.is_link_local)


_Found: TypeAlias = "dict[int, list[str] | Exception]"
"""What came of asking: by family, the addresses or the reason why there are none."""


def _ask_dns(
    host: str, family: int | None, listed: list[str], open_resolver: Callable[[float], Resolver]
) -> list[str]:
    """The addresses that DNS gives ``host``; ``listed`` ones are only good to be named in a mismatch."""
    _check_host_name(host)
    resolver = _opened(host, open_resolver)
    ends_at = time.monotonic() + RESOLVE_TIME
    found = _ask_families(host, (family,) if family else (6, 4), resolver, ends_at)
    if addresses := _addresses(found):
        return addresses
    failure = _most_telling(host, found)
    if family is not None and (listed or _says_that_there_is_none(found)):
        other = 10 - family
        others = listed or _addresses(_ask_families(host, (other,), resolver, ends_at))
        if others:
            raise FamilyMismatch(
                f"{_shown(host)} has no IPv{family} address, only {others[0]}: "
                f"use -{other} or leave -{family} out"
            )
    raise failure


def _check_host_name(host: str) -> None:
    """Refuse what no server could answer, before anything is sent (RFC 1123, section 2.1)."""
    if re.fullmatch(r"[0-9][0-9.]*|.*:.*", host, re.DOTALL):
        raise NameNotFound(
            f"{_shown(host)} is no address: write it like 192.0.2.1, 2001:db8::1 or fe80::1%eth0"
        )
    if flaw := _flaw(host):
        raise NameNotFound(f"{_shown(host)} is not a host name: {flaw}")


def _flaw(host: str) -> str | None:
    """What keeps ``host`` from being a host name, None if nothing does."""
    import dns.exception
    import dns.name

    if not host.strip(".") or not _HOST_NAME.fullmatch(host):
        return "use letters, digits, hyphens and dots"
    try:
        dns.name.from_text(host)
    except dns.name.EmptyLabel:
        return "there is nothing between two of its dots"
    except dns.name.NameTooLong:
        return "it may have 253 characters at most"
    except dns.exception.DNSException as error:
        if host.isascii() and isinstance(error, dns.name.LabelTooLong):
            return "no part between dots may be longer than 63 characters"
        return "a part between its dots is too long, or holds a character that no name may have"
    return None


def _opened(host: str, open_resolver: Callable[[float], Resolver]) -> Resolver:
    import dns.exception

    try:
        return open_resolver(RESOLVE_TIME)
    except (dns.exception.DNSException, OSError, ValueError):
        raise NameNotFound(
            f"{_shown(host)} cannot be looked up, for /etc/resolv.conf names no usable server: "
            "add a line like 'nameserver ADDRESS', or give the host's address"
        ) from None


def _ask_families(host: str, families: Iterable[int], resolver: Resolver, ends_at: float) -> _Found:
    """Ask for ``families`` at once, in threads: the caller can be interrupted, the threads are daemons."""
    wanted = tuple(families)
    answers: SimpleQueue[tuple[int, list[str] | Exception]] = SimpleQueue()
    for family in wanted:
        arguments = (host, family, resolver, max(0.1, ends_at - time.monotonic()), answers)
        threading.Thread(target=_ask_family, args=arguments, name="tracetcp-dns", daemon=True).start()
    found: _Found = {family: TimeoutError() for family in wanted}
    with suppress(Empty):
        for _ in wanted:
            family, answer = answers.get(timeout=max(0.0, ends_at - time.monotonic()))
            found[family] = answer
            if not isinstance(answer, Exception):
                ends_at = min(ends_at, time.monotonic() + OTHER_FAMILY_WAIT)
    return found


def _ask_family(
    host: str,
    family: int,
    resolver: Resolver,
    lifetime: float,
    answers: SimpleQueue[tuple[int, list[str] | Exception]],
) -> None:
    import dns.name

    def ask(*, search: bool) -> list[str]:
        answer = resolver.resolve(host, RECORDS[family], search=search, lifetime=lifetime)
        return [record.to_text() for record in answer]

    try:
        try:
            answers.put((family, ask(search=True)))
        except dns.name.NameTooLong:  # only with a suffix of the search list: the host itself was checked
            answers.put((family, ask(search=False)))
    except Exception as error:  # noqa: BLE001 - a thread must tell whatever it was, not print it
        answers.put((family, error))


def _addresses(found: _Found) -> list[str]:
    return [address for answer in found.values() if not isinstance(answer, Exception) for address in answer]


def _says_that_there_is_none(found: _Found) -> bool:
    """Whether DNS answered, and denied; of a name that does exist some servers deny one type as NXDOMAIN."""
    import dns.resolver

    denials = (dns.resolver.NoAnswer, dns.resolver.NXDOMAIN)
    return all(isinstance(answer, denials) for answer in found.values())


def _most_telling(host: str, found: _Found) -> NameNotFound:
    """The error for a name without address: a failure before a denial, which may be half the truth."""
    import dns.resolver

    def first(kind: type[Exception]) -> Exception | None:
        return next((answer for answer in found.values() if isinstance(answer, kind)), None)

    name = _shown(host)
    if isinstance(failure := first(dns.resolver.NoNameservers), dns.resolver.NoNameservers):
        return _servers_failed(name, failure)
    if not _says_that_there_is_none(found):
        return NameNotFound(
            f"no DNS server answered for {name} within {RESOLVE_TIME:g} s: "
            "check the network and /etc/resolv.conf, or give an address"
        )
    if first(dns.resolver.NoAnswer):
        return NameNotFound(f"{name} has no address in DNS: check the name, or give an address")
    return NameNotFound(f"{name} does not exist in DNS: check the spelling")


def _servers_failed(name: str, failure: NoNameservers) -> NameNotFound:
    """The sentence for servers that were tried in vain, each given up for a reason of its own."""
    reasons = [error for _, _, _, error, _ in failure.kwargs["errors"]]
    if reasons and all(isinstance(reason, OSError) for reason in reasons):
        return NameNotFound(
            f"no DNS server can be reached for {name} ({reasons[0].strerror}): "
            "check the network and /etc/resolv.conf, or give an address"
        )
    words = {reason if isinstance(reason, str) else "unreadable answer" for reason in reasons}
    return NameNotFound(
        f"the DNS servers could not answer for {name} ({', '.join(sorted(words))}): "
        "try again later, or give an address"
    )


def _shown(host: str) -> str:
    return printable(host.encode("utf-8", "surrogatepass"))


# Address to text, in the background ------------------------------------------------------------------------


class AddressLookup:
    """Looks addresses up in worker threads; ``found`` maps those that have one to their text.

    The caller never waits: ``waits_until`` says how long a row should, and ``fileno`` becomes readable
    when something was found or given up. Workers are daemons: they never keep the process alive.
    """

    def __init__(self, open_resolver: Callable[[float], Resolver] = system_resolver) -> None:
        self._found: dict[str, str] = {}
        self.found: Mapping[str, str] = MappingProxyType(self._found)
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
            if self._is_closed or self._workers >= WORKERS:
                return
            with suppress(RuntimeError):
                threading.Thread(target=self._work, name="tracetcp-dns", daemon=True).start()
                self._workers += 1

    def _work(self) -> None:
        """Answer the queue's addresses.

        The first worker imports dnspython, before there are any others that would do so at the same time.
        Each hires its successor, so that the caller never pays for more than the start of one thread.
        """
        with suppress(ImportError):  # every look-up will fail the same way, and say nothing
            import dns.resolver
            import dns.reversename  # noqa: F401 - for its cost only
        while (address := self._queue.get()) is not None and not self._is_closed:
            self._hire()
            self._settle(address, self._text(address))
        self._queue.put(None)  # for the next one to end

    def _text(self, address: str) -> str | None:
        try:
            return self._look_up(self._open_resolver(LOOKUP_TIME), address)
        except Exception:  # noqa: BLE001 - whatever the network sent: no name, and no traceback of a thread
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

    def __init__(self, open_resolver: Callable[[float], Resolver] = system_resolver) -> None:
        super().__init__(open_resolver)
        self._hosts = hosts.names_of_addresses()

    def _known_at_once(self, address: str) -> str | None:
        name = self._hosts.get(address) or self._hosts.get(address.partition("%")[0])
        return None if name is None else printable(name.encode("utf-8", "surrogateescape"))

    def _look_up(self, resolver: Resolver, address: str) -> str | None:
        import dns.reversename

        name = dns.reversename.from_address(str(_without_scope(address)))
        return printable_domain(resolver.resolve(name, "PTR")[0].target.labels)


class OriginNames(AddressLookup):
    """The AS that announces an address (``AS64500``), from Team Cymru's DNS, asked once a prefix.

    An address inside a known prefix is taken to be of the same origin: a part of the prefix that another AS
    announces on its own is not told apart. ``is_public`` decides which addresses may be asked for at all.
    """

    def __init__(
        self,
        open_resolver: Callable[[float], Resolver] = system_resolver,
        is_public: Callable[[str], bool] | None = None,
    ) -> None:
        super().__init__(open_resolver)
        self._is_public = is_public or is_global
        self._prefixes: dict[IPv4Network | IPv6Network, str] = {}

    def _known_at_once(self, address: str) -> str | None:
        plain = _without_scope(address)
        known = [(prefix.prefixlen, text) for prefix, text in list(self._prefixes.items()) if plain in prefix]
        return max(known)[1] if known else None

    def _is_worth_asking(self, address: str) -> bool:
        return self._is_public(address)

    def _look_up(self, resolver: Resolver, address: str) -> str | None:
        known = self._known_at_once(address)  # a neighbour's answer may have come while this one queued
        if known is not None:
            return known
        records = [b"".join(record.strings) for record in resolver.resolve(origin_question(address), "TXT")]
        origin = best_origin(records, address)
        if origin is None:
            return None
        text = " ".join(f"AS{number}" for number in origin.numbers)
        if origin.prefix.prefixlen >= SHORTEST_PREFIXES[origin.prefix.version]:
            self._prefixes[origin.prefix] = text
        return text


class Origin(NamedTuple):
    """The AS numbers that announce ``prefix``."""

    numbers: tuple[int, ...]
    prefix: IPv4Network | IPv6Network


def is_global(address: str) -> bool:
    """Whether ``address`` is one host's in the public Internet: no other is ever asked for its origin.

    Private, shared, link-local, loopback, documentation and reserved addresses are not (RFC 6890).
    """
    plain = _without_scope(address)
    return plain.is_global and not plain.is_multicast


def origin_question(address: str) -> str:
    """The name whose TXT record holds the origin of ``address``."""
    plain = _without_scope(address)
    return plain.reverse_pointer.rsplit(".", 2)[0] + "." + ORIGIN_ZONES[plain.version]


def parse_origin(text: bytes) -> Origin | None:
    """The origin in ``64500 64501 | 192.0.2.0/24 | ...``; None if ``text`` is anything else."""
    numbers, bar, rest = text.decode("ascii", "replace").partition("|")
    found = tuple(int(word) for word in numbers.split() if re.fullmatch(r"[0-9]{1,10}", word))
    if not bar or not found or len(found) != len(numbers.split()):
        return None
    if not all(0 < number <= LAST_AS_NUMBER for number in found):
        return None
    try:
        return Origin(found, ip_network(rest.partition("|")[0].strip(), strict=False))
    except ValueError:
        return None


def best_origin(records: Iterable[bytes], address: str) -> Origin | None:
    """The origin of the longest prefix in ``records`` that holds ``address``.

    Records of one prefix are taken together; ``MOST_ORIGINS`` numbers are kept.
    """
    plain = _without_scope(address)
    origins = [origin for record in records if (origin := parse_origin(record)) and plain in origin.prefix]
    if not origins:
        return None
    prefix = max((origin.prefix for origin in origins), key=lambda prefix: prefix.prefixlen)
    numbers = dict.fromkeys(
        number for origin in origins if origin.prefix == prefix for number in origin.numbers
    )
    return Origin(tuple(numbers)[:MOST_ORIGINS], prefix)


def _without_scope(address: str) -> IPv4Address | IPv6Address:
    return ip_address(address.partition("%")[0])
