"""Receives from a raw socket: packets with their kernel stamp, hop limit and sender. Knows no probes."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

from tracetcp.addresses import address
from tracetcp.probers.raw.batches import MOST_PACKETS, BatchReceiver
from tracetcp.probers.routes import scoped
from tracetcp.probers.stamps import SO_TIMESTAMPNS, stamp_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetcp.probers.routes import Route

SO_RCVBUFFORCE = 33
SO_RXQ_OVFL = 40
RECEIVE_BUFFER = 4 << 20
"""Bytes requested. The kernel doubles them and charges 832 per reply: about 10,000 replies fit."""
_UNSIGNED = struct.Struct("@I")
_INT = struct.Struct("@i")
_CONTROL = struct.Struct("@Nii")
"""A ``struct cmsghdr``: its length including the data after it, level and type; ``_ALIGNED`` to a long."""
_ALIGNED = struct.calcsize("@N")
_SCOPED_NAME = struct.Struct("@8x16sI")
"""Address and scope of a ``struct sockaddr_in6``."""


class Receiver:
    """Reads ``receiver``, a raw socket of ``protocol``, without waiting.

    ``overflows`` counts the packets that the kernel dropped because the buffer was full.
    """

    def __init__(self, receiver: socket.socket, protocol: int) -> None:
        self.number = receiver.fileno()
        self.protocol = protocol
        self.overflows = 0
        self._batches = BatchReceiver(receiver)

    def packets(self) -> Iterator[tuple[bytes, bytes, float | None, int | None]]:
        """Every queued packet; raises ``OSError``.

        Each comes with the ``struct sockaddr`` of its sender, its stamp on the wall clock if it has one, and
        for IPv6, where packets begin after the IP header, its hop limit.
        """
        is_more = True
        while is_more:
            batch = self._batches.receive()
            is_more = len(batch) == MOST_PACKETS
            for packet, control, name in batch:
                stamp, hop_limit = self._read_control(control)
                yield packet, name, stamp, hop_limit

    def _read_control(self, control: bytes) -> tuple[float | None, int | None]:
        """The receive stamp and the IPv6 hop limit; also updates ``overflows``.

        The types asked for have different numbers, so their levels need not be checked.
        """
        stamp = hop_limit = None
        at, end = 0, len(control)
        while at + _CONTROL.size <= end:
            length, _, kind = _CONTROL.unpack_from(control, at)
            data_at = at + _CONTROL.size
            if kind == SO_TIMESTAMPNS:
                stamp = stamp_in(control, data_at)
            elif kind == socket.IPV6_HOPLIMIT:
                (hop_limit,) = _INT.unpack_from(control, data_at)
            elif kind == SO_RXQ_OVFL:
                (self.overflows,) = _UNSIGNED.unpack_from(control, data_at)
            at += -(-length // _ALIGNED) * _ALIGNED
        return stamp, hop_limit


def sender_of(name: bytes) -> str:
    """The IPv6 address in the socket address ``name``, with its scope if it has one."""
    binary, scope = _SCOPED_NAME.unpack_from(name)
    return scoped(address(binary), scope)


def prepare(receiver: socket.socket, route: Route) -> None:
    """Request stamps, overflow counts, hop limits and a large buffer; bind to our source address."""
    receiver.setblocking(False)
    receiver.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    receiver.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
    if route.family == 6:
        receiver.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
    try:
        receiver.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
    except PermissionError:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    receiver.bind(route.source_at(0))
