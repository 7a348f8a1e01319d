"""Reads ICMP errors from the error queue of a TCP socket (Linux).

The kernel matches an error to the socket by addresses, ports and the quoted sequence number. It returns the
quote from the TCP header on; the quoted IP header stays in the kernel.
"""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

from tracetcp.addresses import address
from tracetcp.model import MplsLabel, ReplyKind
from tracetcp.probers.routes import scoped
from tracetcp.probers.stamps import SO_TIMESTAMPNS, stamp_in
from tracetcp.wire.protocols import ICMP_ERRORS, IN_TRANSIT_CODE
from tracetcp.wire.quotes import ICMP_HEADER, split

IP_TTL = 2
IP_RECVERR = 11
IP_RECVTTL = 12
IPV6_RECVERR = 25
IPV6_RECVHOPLIMIT = 51
IPV6_HOPLIMIT = 52
MSG_ERRQUEUE = 0x2000
QUOTE_BYTES = 2048
ANCILLARY_BYTES = 256

ORIGIN_FAMILIES = {2: 4, 3: 6}
"""The family for each SO_EE_ORIGIN value of an ICMP or ICMPv6 error; other values are local errors."""

_EXTENDED_ERROR = struct.Struct("@IBBBBII")
"""struct sock_extended_err: errno, origin, type, code, padding, info, data; the sender's address follows."""
_INT = struct.Struct("@i")


class QueuedError(NamedTuple):
    """One ICMP error. If it answers no probe, ``kind`` is None and ``sender`` is empty.

    ``stamp`` is the kernel's receive stamp in seconds on the wall clock, None if there is none.
    """

    kind: ReplyKind | None
    sender: str
    icmp_type: int
    icmp_code: int
    reply_ttl: int | None
    stamp: float | None
    labels: tuple[MplsLabel, ...]


def queue_errors(of: socket.socket) -> None:
    """Make the kernel queue ICMP errors for ``of``, with stamps and TTLs. Call it before connecting."""
    if of.family == socket.AF_INET6:
        of.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
        of.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1)
    else:
        of.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        of.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
    of.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)


def take_error(of: socket.socket) -> QueuedError | None:
    """Remove and return the first error in the queue of ``of``; None if the queue is empty."""
    try:
        tcp, ancillary, _, _ = of.recvmsg(QUOTE_BYTES, ANCILLARY_BYTES, MSG_ERRQUEUE)
    except BlockingIOError:
        return None
    data = {(level, kind): value for level, kind, value in ancillary}
    is_ipv6 = of.family == socket.AF_INET6
    error = data[(socket.IPPROTO_IPV6, IPV6_RECVERR) if is_ipv6 else (socket.IPPROTO_IP, IP_RECVERR)]
    _, origin, icmp_type, code, *_ = _EXTENDED_ERROR.unpack_from(error)
    kind = ICMP_ERRORS[ORIGIN_FAMILIES[origin]].get(icmp_type) if origin in ORIGIN_FAMILIES else None
    if kind is ReplyKind.TIME_EXCEEDED and code != IN_TRANSIT_CODE:
        kind = None
    return QueuedError(
        kind,
        _sender(error[_EXTENDED_ERROR.size :], is_ipv6) if kind else "",
        icmp_type,
        code,
        _ttl(data),
        _stamp(data),
        _labels(tcp, ip_header=40 if is_ipv6 else 20),
    )


def _sender(socket_address: bytes, is_ipv6: bool) -> str:
    """The address in a struct sockaddr_in or sockaddr_in6."""
    if not is_ipv6:
        return address(socket_address[4:8])
    (scope,) = _INT.unpack_from(socket_address, 24)
    return scoped(address(socket_address[8:24]), scope)


def _ttl(data: dict[tuple[int, int], bytes]) -> int | None:
    """The TTL (hop limit) with which the error arrived."""
    value = data.get((socket.IPPROTO_IP, IP_TTL)) or data.get((socket.IPPROTO_IPV6, IPV6_HOPLIMIT))
    return None if value is None else int(_INT.unpack(value)[0])


def _stamp(data: dict[tuple[int, int], bytes]) -> float | None:
    value = data.get((socket.SOL_SOCKET, SO_TIMESTAMPNS))
    return None if value is None else stamp_in(value)


def _labels(tcp: bytes, ip_header: int) -> tuple[MplsLabel, ...]:
    """The MPLS labels after the quote ``tcp``, from which the kernel cut off the ICMP and IP headers.

    The length field of the ICMP header is lost. So the labels are looked for after 128 bytes, where RFC 4884
    puts them for a packet as short as a SYN.
    """
    return split(bytes(ICMP_HEADER + ip_header) + tcp, length_at=5, length_unit=4)[1]
