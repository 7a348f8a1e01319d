"""Converts IPv4 and IPv6 addresses between text and bytes, scopes included. Pure; looks up nothing."""

from __future__ import annotations

import socket
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipaddress import IPv4Address


def address(packed: bytes) -> str:
    """The text of a packed IPv4 or IPv6 address."""
    return inet_ntop(AF_INET if len(packed) == 4 else AF_INET6, packed)


def packed(text: str) -> bytes:
    """The 4 or 16 bytes of the address ``text``, without its scope."""
    bare = text.partition("%")[0]
    return inet_pton(AF_INET6 if ":" in bare else AF_INET, bare)


def usual_text(address: str) -> str | None:
    """``address`` in its usual text (RFC 5952) with its scope; None if it is no dotted quad and no IPv6."""
    bare, percent, scope = address.partition("%")
    with suppress(OSError, ValueError):
        if ":" not in bare:
            return socket.inet_ntop(socket.AF_INET, socket.inet_pton(socket.AF_INET, address))
        if bool(percent) == bool(scope):
            packed = socket.inet_pton(socket.AF_INET6, bare)
            return socket.inet_ntop(socket.AF_INET6, packed) + percent + scope
    return None


def family_of(address: str) -> int:
    """The family of ``address``: 4 or 6."""
    return 6 if ":" in address else 4


def without_scope(address: str) -> IPv4Address | IPv6Address:
    """``address`` without its scope, as an object; raises ``ValueError`` if it is no address."""
    return ip_address(address.partition("%")[0])
