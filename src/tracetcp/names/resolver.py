"""dnspython and its resolver as this system configures it; imported late."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dns.resolver import Resolver

RECORD_CLASSES = ("ANY.CNAME", "ANY.DNAME", "ANY.PTR", "ANY.SOA", "ANY.TXT", "IN.A", "IN.AAAA")
"""What dnspython imports only once a record of that type arrives; of any other it keeps the bytes."""


def system_resolver(lifetime: float) -> Resolver:
    """A resolver configured by /etc/resolv.conf that answers or fails within ``lifetime`` seconds."""
    import dns.resolver

    resolver = dns.resolver.Resolver()
    resolver.lifetime = lifetime
    return resolver


def import_dns() -> None:
    """Import at once all of dnspython that a look-up may need."""
    for name in ("dns.resolver", "dns.reversename", *(f"dns.rdtypes.{each}" for each in RECORD_CLASSES)):
        import_module(name)
