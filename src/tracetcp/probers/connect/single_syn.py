"""Keeps the kernel from sending a socket's SYN a second time (Linux, no privilege needed).

A SYN without an answer is sent again after one second (RFC 6298 section 2) and no socket option says
otherwise: TCP_SYNCNT allows one retransmission at least, TCP_USER_TIMEOUT counts from the first one. But a
retransmission asks for its route again if the socket's route was reset meanwhile. So once the SYN is out,
an option is set that resets the route and leads the next one nowhere; measured on Linux 6.18:

- IPv4: SO_DONTROUTE. A destination behind a router has no route then; nothing is sent and the socket
  goes on listening.
- IPv6 knows no SO_DONTROUTE: a segment routing header (RFC 8754) that visits ::1 first. The packet goes to
  the loopback, which drops it, since no host takes part in segment routing unless told to.

The handshake's last packet is held back like a retransmission. So an open port sees SYN and RST only, the
option being taken back before the RST, and no application is told of a connection that is given up.

For IPv4 destinations without a router between (the local link, tunnels, this machine) there is no such
option: a source route by way of the loopback would do, but takes CAP_NET_RAW; a socket that is bound to
another interface hears nothing, and takes the same to be unbound. A socket to them must be closed within
``ONE_SYN`` seconds, unless the SYN still waits in this machine for the neighbour's link-layer address.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import TYPE_CHECKING, NamedTuple

from tracetcp.probers.routes import SO_BINDTODEVICE

if TYPE_CHECKING:
    from tracetcp.probers.routes import Route

ONE_SYN = 0.9
"""Seconds after which a socket would be about to send its SYN again."""
SO_DONTROUTE = 5
SO_MEMINFO = 55
IPV6_RTHDR = 57
_MEMINFO = struct.Struct("@9I")
_WRITE_MEMORY = 2
SEGMENT_ROUTING = struct.pack("!BBBBBBH", 0, 4, 4, 1, 1, 0, 0) + bytes(16) + bytes(15) + b"\1"
"""Two segments, the last first: the destination, filled in by the kernel, and ::1, to be visited now."""


class Silencer(NamedTuple):
    """A socket option that leads retransmissions nowhere, and its value for none."""

    level: int
    option: int
    on: int | bytes
    off: int | bytes

    def silence(self, connecting: socket.socket) -> None:
        """Let nothing more out of ``connecting``, whose SYN was sent."""
        connecting.setsockopt(self.level, self.option, self.on)

    def unsilence(self, connected: socket.socket) -> None:
        """Let the RST out that closing ``connected`` sends."""
        connected.setsockopt(self.level, self.option, self.off)


def find_silencer(route: Route) -> Silencer | None:
    """What silences sockets to ``route``'s destination, None where nothing does. Sends no packet."""
    if route.family == 6:
        silencer = Silencer(socket.IPPROTO_IPV6, IPV6_RTHDR, SEGMENT_ROUTING, b"")
    else:
        silencer = Silencer(socket.SOL_SOCKET, SO_DONTROUTE, 1, 0)
    with socket.socket(route.socket_family, socket.SOCK_DGRAM) as asker:
        if route.device is not None:
            asker.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, os.fsencode(route.device) + b"\0")
        try:
            silencer.silence(asker)
        except OSError:
            return None
        has_still_a_route = route.family == 4 and not asker.connect_ex((route.destination, 9))
    return None if has_still_a_route else silencer


def is_still_here(connecting: socket.socket) -> bool:
    """Whether the SYN has not left this machine: its buffer is still the socket's."""
    memory = connecting.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, _MEMINFO.size)
    return bool(_MEMINFO.unpack(memory)[_WRITE_MEMORY])
