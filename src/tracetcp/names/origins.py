"""Address to origin AS, and AS to its name, in the background, from Team Cymru's DNS zones.

Never for private addresses.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Network, ip_network
from typing import TYPE_CHECKING, NamedTuple

from tracetcp.addresses import without_scope
from tracetcp.names.escape import LONGEST_TEXT, printable
from tracetcp.names.lookups import MOST_WORKERS, AddressLookup
from tracetcp.names.resolver import system_resolver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from ipaddress import IPv4Network

    from dns.resolver import Resolver

NAME_ZONE = "asn.cymru.com"
ORIGIN_ZONES = {4: "origin.asn.cymru.com", 6: "origin6.asn.cymru.com"}
MOST_ORIGINS = 4
"""Origin ASes shown for one address; more are a mistake or a prank."""
MOST_PREFIXES = 1024
"""Prefixes remembered, each of which is held against every new address; one forgotten costs a query more."""
LAST_AS_NUMBER = 2**32 - 1
SHORTEST_PREFIXES = {4: 8, 6: 16}
"""The shortest prefixes that anybody announces; a shorter one says nothing about other addresses."""


class OriginNames(AddressLookup):
    """The AS that announces an address (``AS64500``), from Team Cymru's DNS, asked once for each prefix.

    An address inside a known prefix is assumed to have the same origin. That is wrong where another AS
    announces a part of the prefix; without ``shares_prefixes`` every address is asked for. ``is_public``
    decides which addresses may be asked about at all.
    """

    def __init__(
        self,
        open_resolver: Callable[[float], Resolver] = system_resolver,
        is_public: Callable[[str], bool] | None = None,
        workers: int = MOST_WORKERS,
        *,
        shares_prefixes: bool = True,
    ) -> None:
        super().__init__(open_resolver, workers)
        self._shares_prefixes = shares_prefixes
        self._is_public = is_public or is_global
        self._prefixes: dict[IPv4Network | IPv6Network, str] = {}

    def _known_at_once(self, address: str) -> str | None:
        plain = without_scope(address)
        known = [(prefix.prefixlen, text) for prefix, text in list(self._prefixes.items()) if plain in prefix]
        return max(known)[1] if known else None

    def _is_worth_asking(self, address: str) -> bool:
        return self._is_public(address)

    def _look_up(self, resolver: Resolver, address: str) -> str | None:
        known = self._known_at_once(address)  # the prefix may have become known while this address queued
        if known is not None:
            return known
        records = [b"".join(record.strings) for record in resolver.resolve(origin_question(address), "TXT")]
        origin = best_origin(records, address)
        if origin is None:
            return None
        text = " ".join(f"AS{number}" for number in origin.numbers)
        if self._shares_prefixes and origin.prefix.prefixlen >= SHORTEST_PREFIXES[origin.prefix.version]:
            self._remember(origin.prefix, text)
        return text

    def _remember(self, prefix: IPv4Network | IPv6Network, text: str) -> None:
        """Keep the origin of ``prefix``, and forget the older half if they are many. Any worker calls it."""
        if len(self._prefixes) >= MOST_PREFIXES:
            for oldest in list(self._prefixes)[: MOST_PREFIXES // 2]:
                self._prefixes.pop(oldest, None)
        self._prefixes[prefix] = text


class NetworkNames(AddressLookup):
    """The name of an AS (``EXAMPLE-AS - Example Networks, US``); what is looked up is ``AS64500``."""

    def _known_at_once(self, address: str) -> str | None:  # noqa: ARG002 - nothing is known without asking
        return None

    def _is_worth_asking(self, address: str) -> bool:
        return re.fullmatch(r"AS[0-9]{1,10}", address) is not None

    def _look_up(self, resolver: Resolver, address: str) -> str | None:
        records = [b"".join(record.strings) for record in resolver.resolve(f"{address}.{NAME_ZONE}", "TXT")]
        return next((name for record in records if (name := parse_network_name(record, address))), None)


class Origin(NamedTuple):
    """The AS numbers that announce ``prefix``."""

    numbers: tuple[int, ...]
    prefix: IPv4Network | IPv6Network


def is_global(address: str) -> bool:
    """Whether ``address`` is a public unicast address; the origin of any other is never asked for.

    Private, shared, link-local, loopback, documentation and reserved addresses are not public (RFC 6890).
    """
    plain = without_scope(address)
    return plain.is_global and not plain.is_multicast


def origin_question(address: str) -> str:
    """The domain name whose TXT record holds the origin of ``address``."""
    plain = without_scope(address)
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
    """The origin of the longest prefix in ``records`` that contains ``address``.

    Records of the same prefix are merged; at most ``MOST_ORIGINS`` numbers are kept.
    """
    plain = without_scope(address)
    origins = [origin for record in records if (origin := parse_origin(record)) and plain in origin.prefix]
    if not origins:
        return None
    prefix = max((origin.prefix for origin in origins), key=lambda prefix: prefix.prefixlen)
    numbers = dict.fromkeys(
        number for origin in origins if origin.prefix == prefix for number in origin.numbers
    )
    return Origin(tuple(numbers)[:MOST_ORIGINS], prefix)


def parse_network_name(text: bytes, network: str) -> str | None:
    """The name in ``64500 | US | arin | 2010-01-01 | EXAMPLE-AS - Example Networks, US``.

    None if ``text`` is anything else, or of another AS than ``network``. Control characters and what is no
    ASCII are escaped.
    """
    fields = text.split(b"|")
    if len(fields) < 5 or fields[0].strip() != network.removeprefix("AS").encode():
        return None
    words = b"|".join(fields[4:]).split()
    return " ".join(printable(word) for word in words)[:LONGEST_TEXT] or None
