"""Address to origin AS, in the background, from Team Cymru's DNS zones."""

from __future__ import annotations

import re
from ipaddress import IPv6Network, ip_network
from typing import TYPE_CHECKING, NamedTuple

from tracetcp.addresses import without_scope
from tracetcp.names.lookups import WORKERS, AddressLookup
from tracetcp.names.resolver import system_resolver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from ipaddress import IPv4Network

    from dns.resolver import Resolver
ORIGIN_ZONES = {4: "origin.asn.cymru.com", 6: "origin6.asn.cymru.com"}
MOST_ORIGINS = 4
"""Origin ASes shown for one address; more is a mistake or a prank."""
LAST_AS_NUMBER = 2**32 - 1
SHORTEST_PREFIXES = {4: 8, 6: 16}
"""Nobody announces more in one route: a shorter prefix says nothing about any other address."""


class OriginNames(AddressLookup):
    """The AS that announces an address (``AS64500``), from Team Cymru's DNS, asked once a prefix.

    An address inside a known prefix is taken to be of the same origin: a part of the prefix that another AS
    announces on its own is not told apart. ``is_public`` decides which addresses may be asked for at all.
    """

    def __init__(
        self,
        open_resolver: Callable[[float], Resolver] = system_resolver,
        is_public: Callable[[str], bool] | None = None,
        workers: int = WORKERS,
    ) -> None:
        super().__init__(open_resolver, workers)
        self._is_public = is_public or is_global
        self._prefixes: dict[IPv4Network | IPv6Network, str] = {}

    def _known_at_once(self, address: str) -> str | None:
        plain = without_scope(address)
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
    plain = without_scope(address)
    return plain.is_global and not plain.is_multicast


def origin_question(address: str) -> str:
    """The name whose TXT record holds the origin of ``address``."""
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
    """The origin of the longest prefix in ``records`` that holds ``address``.

    Records of one prefix are taken together; ``MOST_ORIGINS`` numbers are kept.
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
