"""nftables rules for the lab's faults, as text for ``Chain.nft``; for both families unless stated."""

from __future__ import annotations


def forwarded(*rules: str) -> str:
    """Filter the packets that a router forwards, after it has answered expired TTLs."""
    return _chain("forwarding", "type filter hook forward priority 0;", rules)


def arriving(*rules: str) -> str:
    """Filter the packets addressed to a host or router itself."""
    return _chain("arriving", "type filter hook input priority 0;", rules)


def leaving(*rules: str) -> str:
    """Filter the packets that a host sends; the sender of a dropped packet gets EPERM."""
    return _chain("leaving", "type filter hook output priority 0;", rules)


def drop(*ports: int | str) -> str:
    """Drop SYNs to these ports silently."""
    return f"tcp dport {{ {', '.join(map(str, ports))} }} drop"


def redirect(port: int, local_port: int) -> str:
    """A transparent proxy: connections to ``port`` of any host end at ``local_port`` of this router."""
    rule = f"tcp dport {port} redirect to :{local_port}"
    return _chain("redirecting", "type nat hook prerouting priority -100;", [rule])


def masquerade(interface: str) -> str:
    """Source NAT of everything that leaves by ``interface``."""
    rule = f'oifname "{interface}" masquerade'
    return _chain("masquerading", "type nat hook postrouting priority 100;", [rule])


def _chain(name: str, hook: str, rules: list[str] | tuple[str, ...]) -> str:
    lines = "\n".join(rules)
    return f"table inet {name} {{\nchain {name} {{\n{hook}\n{lines}\n}}\n}}\n"


ONLY_ESTABLISHED = arriving("ct state established,related accept", "icmpv6 type 135-136 accept", "drop")
"""A host firewall that accepts only answers (and IPv6 neighbour discovery)."""
