"""dnspython's resolver as this system configures it; imported late."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dns.resolver import Resolver


def system_resolver(lifetime: float) -> Resolver:
    """A resolver as /etc/resolv.conf says, that answers or fails within ``lifetime`` seconds."""
    import dns.resolver

    resolver = dns.resolver.Resolver()
    resolver.lifetime = lifetime
    return resolver
