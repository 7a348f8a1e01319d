"""Host to address: numeric addresses and the hosts file first, then DNS through dnspython.

dnspython is imported only when a query needs it. Text from the network leaves this file escaped.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from contextlib import suppress
from ipaddress import IPv6Address, IPv6Network
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeAlias

from tracetcp.addresses import family_of, without_scope
from tracetcp.errors import FamilyMismatch, NameNotFound
from tracetcp.names import hosts
from tracetcp.names.escape import printable
from tracetcp.names.resolver import system_resolver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dns.resolver import NoNameservers, Resolver

RESOLVE_TIME = 5.0
"""Seconds for finding the target's address, including all servers and retries."""
OTHER_FAMILY_WAIT = 1.0
"""Seconds to wait for the other family once one has answered: some servers drop AAAA queries."""
RECORD_TYPES = {4: "A", 6: "AAAA"}
UNIQUE_LOCAL_NETWORK = IPv6Network("fc00::/7")
_HOST_NAME = re.compile(r"[A-Za-z0-9._\-\u0080-\U0010ffff]+")


def resolve(
    host: str,
    family: int | None = None,
    open_resolver: Callable[[float], Resolver] = system_resolver,
) -> str:
    """The address of ``host``: of ``family`` (4 or 6), else the first one that the system would use.

    The address is in its usual text, with its scope. Names are looked up in the hosts file, then in DNS, with
    the search list of resolv.conf. Without ``family`` both families are asked at once, and IPv6 is preferred
    where this machine has a route and a suitable source address for it (RFC 6724, rules 1, 2 and 5).
    dnspython encodes international names: as IDNA 2003, or as IDNA 2008 where ``idna`` is installed.
    Takes at most ``RESOLVE_TIME`` seconds. Raises ``NameNotFound`` and ``FamilyMismatch``.
    """
    numeric = hosts.resolve_numeric(host, family)
    return numeric if numeric is not None else first_choice(_look_up(host, family, open_resolver))


def resolve_all(
    host: str,
    family: int | None = None,
    open_resolver: Callable[[float], Resolver] = system_resolver,
) -> list[str]:
    """Every address of ``host``, of ``family`` if one is given, each once, IPv6 first; see ``resolve``."""
    numeric = hosts.resolve_numeric(host, family)
    found = [numeric] if numeric is not None else _look_up(host, family, open_resolver)
    return sorted(dict.fromkeys(found), key=family_of, reverse=True)


def _look_up(host: str, family: int | None, open_resolver: Callable[[float], Resolver]) -> list[str]:
    listed = hosts.addresses_of(host)
    return _of_family(listed, family) or _ask_dns(host, family, listed, open_resolver)


def _of_family(addresses: Iterable[str], family: int | None) -> list[str]:
    return [address for address in addresses if family in (None, family_of(address))]


def first_choice(addresses: list[str]) -> str:
    """The first usable address, IPv6 before IPv4; if none is usable, IPv4, which more networks have."""
    usable = filter(_is_usable, sorted(addresses, key=family_of, reverse=True))
    return next(usable, min(addresses, key=family_of))


def _is_usable(address: str) -> bool:
    """Whether the kernel has a route to ``address`` and a suitable source address; sends nothing."""
    with suppress(OSError):
        found = socket.getaddrinfo(address, 9, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)
        family, *_, destination = found[0]
        with socket.socket(family, socket.SOCK_DGRAM) as route:
            route.connect(destination)
            source = route.getsockname()[0]
        return not _is_local_ipv6(source) or _is_local_ipv6(address)
    return False


def _is_local_ipv6(address: str) -> bool:
    plain = without_scope(address)
    return isinstance(plain, IPv6Address) and (plain in UNIQUE_LOCAL_NETWORK or plain.is_link_local)


_Found: TypeAlias = "dict[int, list[str] | Exception]"
"""The result of the queries: for each family, the addresses or the reason why there are none."""


def _ask_dns(
    host: str, family: int | None, listed: list[str], open_resolver: Callable[[float], Resolver]
) -> list[str]:
    """The addresses of ``host`` in DNS. ``listed`` ones, of the other family, only serve an error message."""
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
    """Refuse a name that no server could answer, before anything is sent (RFC 1123 section 2.1)."""
    if re.fullmatch(r"[0-9][0-9.]*|.*:.*", host, re.DOTALL):
        raise NameNotFound(
            f"{_shown(host)} is no address: write it like 192.0.2.1, 2001:db8::1 or fe80::1%eth0"
        )
    if flaw := _flaw(host):
        raise NameNotFound(f"{_shown(host)} is not a host name: {flaw}")


def _flaw(host: str) -> str | None:
    """Why ``host`` is no host name; None if it is one."""
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
    """Ask for all ``families`` at once, in daemon threads, so that the caller can be interrupted."""
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
        answer = resolver.resolve(host, RECORD_TYPES[family], search=search, lifetime=lifetime)
        return [record.to_text() for record in answer]

    try:
        try:
            answers.put((family, ask(search=True)))
        except dns.name.NameTooLong:  # with a suffix of the search list; the host itself was checked
            answers.put((family, ask(search=False)))
    except Exception as error:  # noqa: BLE001 - a thread must report any error, not print it
        answers.put((family, error))


def _addresses(found: _Found) -> list[str]:
    return [address for answer in found.values() if not isinstance(answer, Exception) for address in answer]


def _says_that_there_is_none(found: _Found) -> bool:
    """Whether DNS answered that there is none. Some servers deny one type of an existing name as NXDOMAIN."""
    import dns.resolver

    denials = (dns.resolver.NoAnswer, dns.resolver.NXDOMAIN)
    return all(isinstance(answer, denials) for answer in found.values())


def _most_telling(host: str, found: _Found) -> NameNotFound:
    """The error for a name without address: a failure before a denial, which may hold for one family only."""
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
    """The error when all servers failed, each with its own reason."""
    reasons = [error for _, _, _, error, _ in failure.kwargs["errors"]]
    if reasons and all(isinstance(reason, OSError) for reason in reasons):
        return NameNotFound(
            f"no DNS server can be reached for {name} ({reasons[0].strerror or reasons[0]}): "
            "check the network and /etc/resolv.conf, or give an address"
        )
    words = {reason if isinstance(reason, str) else "unreadable answer" for reason in reasons}
    return NameNotFound(
        f"the DNS servers could not answer for {name} ({', '.join(sorted(words))}): "
        "try again later, or give an address"
    )


def _shown(host: str) -> str:
    return printable(host.encode("utf-8", "surrogatepass"))
