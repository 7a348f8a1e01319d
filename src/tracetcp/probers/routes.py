"""Asks the kernel for the route of the probes: source address, interface, MTU; and puts sockets on it.

Only connects and binds UDP sockets, which sends no packet.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from contextlib import suppress
from typing import NamedTuple

from tracetcp.addresses import address, packed
from tracetcp.errors import FamilyMismatch, NoRoute, UsageError

SO_BINDTODEVICE = 25
IP_MTU = 14
IPV6_MTU = 24
ANY_ADDRESS = {4: "0.0.0.0", 6: "::"}  # noqa: S104 - where the source differs from target to target
ANY_MTU = 1500
ANY_PORT = 9
"""UDP discard; nothing is sent there."""
SO_MARK = 36
TOS_OPTION = {socket.AF_INET: (socket.IPPROTO_IP, 1), socket.AF_INET6: (socket.IPPROTO_IPV6, 67)}
"""IP_TOS and IPV6_TCLASS, by family."""
LEAST_TTL = {socket.AF_INET: (socket.IPPROTO_IP, 21), socket.AF_INET6: (socket.IPPROTO_IPV6, 73)}
"""IP_MINTTL and IPV6_MINHOPCOUNT, by family."""


class Route(NamedTuple):
    """The route to one destination.

    ``destination`` and ``source`` are addresses in their usual text, with a scope if link-local; ``scope`` is
    that scope's interface index, or 0; ``device`` is the interface to bind to, if any; ``mtu`` is in bytes.
    ``tos`` and ``mark`` are those of the packets, for which the routing table may have rules.
    """

    destination: str
    source: str
    scope: int
    device: str | None
    mtu: int
    tos: int = 0
    mark: int | None = None

    @property
    def family(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.destination else 4

    @property
    def socket_family(self) -> socket.AddressFamily:
        """``AF_INET`` or ``AF_INET6``."""
        return socket.AF_INET6 if self.family == 6 else socket.AF_INET

    def source_at(self, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
        """The socket address of the source, with ``port``."""
        return _socket_address(self.source, port, self.scope)

    @property
    def destination_address(self) -> tuple[str, int] | tuple[str, int, int, int]:
        """The socket address that raw sockets send to."""
        return _socket_address(self.destination, 0, self.scope)

    def bind_device(self, of: socket.socket) -> None:
        """Have ``of`` leave by ``device``, if there is one to bind to, and marked; raises ``OSError``."""
        if self.device is not None:
            _set_device(of, self.device)
        set_marks(of, self.tos, self.mark)


def find_route(destination: str, interface: str | None, *, tos: int = 0, mark: int | None = None) -> Route:
    """The route to ``destination`` (an address, perhaps scoped), from ``interface`` if one is given.

    ``interface`` is a name or a local address, ``tos`` and ``mark`` are those of the packets. Raises
    ``NoRoute``, ``UsageError`` for an interface that does not exist, ``FamilyMismatch`` for an interface
    address of the other family.
    """
    target = ipaddress.ip_address(destination)
    family = socket.AF_INET6 if target.version == 6 else socket.AF_INET
    scope = _scope_index(destination)
    with socket.socket(family, socket.SOCK_DGRAM) as asker:
        set_marks(asker, tos, mark)
        device = _bind(asker, target.version, interface, scope)
        if device is not None and target.is_link_local:
            scope = scope or socket.if_nametoindex(device)
        bare = destination.partition("%")[0]
        try:
            asker.connect(_socket_address(bare, ANY_PORT, scope))
        except OSError as error:
            raise _no_route(destination, interface, error) from error
        source = asker.getsockname()[0]
        option = (socket.IPPROTO_IPV6, IPV6_MTU) if target.version == 6 else (socket.IPPROTO_IP, IP_MTU)
        return Route(
            scoped(bare, scope), scoped(source, scope), scope, device, asker.getsockopt(*option), tos, mark
        )


def any_route(interface: str | None, family: int, tos: int = 0) -> Route:
    """A route to nowhere in particular: sockets for many destinations, from ``interface`` if one is given."""
    source, device = ANY_ADDRESS[family], None
    if interface is not None:
        try:
            own = ipaddress.ip_address(interface)
        except ValueError:
            device = interface
        else:
            source = interface if own.version == family else source
    return Route(ANY_ADDRESS[family], source, _scope_index(source), device, ANY_MTU, tos)


def scoped(text: str, scope: int) -> str:
    """The address ``text`` as the kernel writes it; with its interface's name if link-local IPv6."""
    binary = packed(text)
    usual = address(binary)
    if not scope or not ipaddress.ip_address(binary).is_link_local or len(binary) == 4:
        return usual
    with suppress(OSError):
        return f"{usual}%{socket.if_indextoname(scope)}"
    return f"{usual}%{scope}"


def _bind(asker: socket.socket, version: int, interface: str | None, scope: int) -> str | None:
    """Bind ``asker`` to ``interface``; returns its name, or None if an address was given."""
    if interface is None:
        return None
    try:
        own = ipaddress.ip_address(interface)
    except ValueError:
        return _bind_to_device(asker, interface)
    if own.version != version:
        raise FamilyMismatch(
            f"interface address {interface} is IPv{own.version} but the target's is IPv{version}: "
            f"give an IPv{version} address of this machine or use -{own.version}"
        )
    try:
        bare = interface.partition("%")[0]
        asker.bind(_socket_address(bare, 0, _scope_index(interface) or scope))
    except OSError as error:
        raise UsageError(
            f"no interface has the address {interface}: see 'ip address' for those of this machine"
        ) from error
    return None


def _bind_to_device(asker: socket.socket, name: str) -> str:
    try:
        socket.if_nametoindex(name)
    except (OSError, ValueError) as error:
        known = ", ".join(name for _, name in socket.if_nameindex())
        raise UsageError(f"there is no interface {name}: use one of {known}, or a local address") from error
    _set_device(asker, name)
    return name


def _scope_index(address: str) -> int:
    """The interface index given after the % of ``address``, as a name or a number; 0 without a scope."""
    zone = address.partition("%")[2]
    if not zone or zone.isdecimal():
        return int(zone or 0)
    try:
        return socket.if_nametoindex(zone)
    except OSError as error:
        raise UsageError(f"there is no interface {zone}, the scope of {address}") from error


def _no_route(destination: str, interface: str | None, error: OSError) -> NoRoute:
    via = f" from {interface}" if interface else ""
    if error.errno == errno.EINVAL and ":" in destination:
        remedy = "a link-local address needs its interface, as in fe80::1%eth0"
    elif error.errno == errno.EACCES:
        remedy = "the routing table prohibits it, or it is a broadcast address"
    else:
        remedy = "check the interface, its addresses and 'ip route'"
    return NoRoute(f"no route to {destination}{via} ({os.strerror(error.errno or 0)}): {remedy}")


def _socket_address(address: str, port: int, scope: int) -> tuple[str, int] | tuple[str, int, int, int]:
    bare = address.partition("%")[0]
    return (bare, port, 0, scope) if ":" in bare else (bare, port)


def _set_device(of: socket.socket, name: str) -> None:
    of.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, os.fsencode(name) + b"\0")


def set_marks(of: socket.socket, tos: int, mark: int | None) -> None:
    """Have the packets of ``of`` leave with ``tos`` and, inside this machine, ``mark``; raises ``OSError``.

    The ECN bits of TCP are the kernel's own: of ``tos`` only the upper six bits count there.
    """
    if tos:
        level, option = TOS_OPTION[socket.AddressFamily(of.family)]
        of.setsockopt(level, option, tos)
    if mark is not None:
        of.setsockopt(socket.SOL_SOCKET, SO_MARK, mark)


def set_ttl(of: socket.socket, ttl: int) -> None:
    """Have the packets of ``of`` leave with ``ttl``, the hop limit of IPv6; raises ``OSError``."""
    if of.family == socket.AF_INET6:
        of.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
    else:
        of.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)


def set_min_reply_ttl(of: socket.socket, ttl: int) -> None:
    """Have the kernel drop what arrives for ``of`` with a smaller TTL (RFC 5082); raises ``OSError``.

    ICMP errors go by the TTL in their quote, and are dropped with it.
    """
    level, option = LEAST_TTL[socket.AddressFamily(of.family)]
    of.setsockopt(level, option, ttl)
