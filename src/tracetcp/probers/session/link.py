"""Asks the kernel for the MTU of the link that a route leaves by (Linux, rtnetlink).

A route's own MTU may be less: the kernel keeps there what routers have told it for ten minutes.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

from tracetcp.addresses import packed

if TYPE_CHECKING:
    from tracetcp.probers.routes import Route

RTM_GETROUTE = 26
NLM_F_REQUEST = 1
RTA_DST, RTA_SRC, RTA_OIF = 1, 2, 4
SIOCGIFMTU = 0x8921
AF_NETLINK, NETLINK_ROUTE = 16, 0
LONGEST_ANSWER = 4096

_HEADER = struct.Struct("@IHHII")
"""struct nlmsghdr: length, type, flags, sequence number, port."""
_ROUTE = struct.Struct("@BBBBBBBBI")
"""struct rtmsg: family, prefix lengths of destination and source, and what does not matter to a question."""
_ATTRIBUTE = struct.Struct("@HH")
_INT = struct.Struct("@i")


def link_mtu(route: Route) -> int | None:
    """The MTU (bytes) of the link by which ``route`` leaves, None where the kernel does not tell."""
    try:
        index = socket.if_nametoindex(route.device) if route.device else _interface(route)
        return None if index is None else _mtu(socket.if_indextoname(index))
    except OSError:
        return None


def _interface(route: Route) -> int | None:
    """The index of the interface that the routing table names."""
    if route.scope:
        return route.scope
    destination = packed(route.destination)
    attributes = _attribute(RTA_DST, destination)
    if route.family == 4:
        attributes += _attribute(RTA_SRC, packed(route.source))  # rules may ask for it
    bits = len(destination) * 8
    question = _ROUTE.pack(route.socket_family, bits, bits if route.family == 4 else 0, 0, 0, 0, 0, 0, 0)
    length = _HEADER.size + len(question) + len(attributes)
    with socket.socket(AF_NETLINK, socket.SOCK_RAW, NETLINK_ROUTE) as asker:
        asker.settimeout(1.0)
        asker.send(_HEADER.pack(length, RTM_GETROUTE, NLM_F_REQUEST, 1, 0) + question + attributes)
        answer = asker.recv(LONGEST_ANSWER)
    return _index_in(answer)


def _index_in(answer: bytes) -> int | None:
    """RTA_OIF of a netlink message, None for one without: an error."""
    at = _HEADER.size + _ROUTE.size
    while at + _ATTRIBUTE.size <= len(answer):
        length, kind = _ATTRIBUTE.unpack_from(answer, at)
        if kind == RTA_OIF:
            return int(_INT.unpack_from(answer, at + _ATTRIBUTE.size)[0])
        at += max(_ATTRIBUTE.size, -(-length // 4) * 4)
    return None


def _attribute(kind: int, content: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(content), kind) + content


def _mtu(interface: str) -> int:
    import fcntl

    request = struct.pack("@16si", interface.encode(), 0).ljust(40, b"\0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        answer = fcntl.ioctl(asker, SIOCGIFMTU, request)
    return int(_INT.unpack_from(answer, 16)[0])
