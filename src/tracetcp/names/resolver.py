"""dnspython's resolver with this system's configuration. Imports dnspython late; reads /etc/resolv.conf."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dns.resolver import Resolver


def system_resolver(lifetime: float) -> Resolver:
    """A resolver configured by /etc/resolv.conf that answers or fails within ``lifetime`` seconds."""
    import dns.resolver

    resolver = dns.resolver.Resolver()
    resolver.lifetime = lifetime
    return resolver
