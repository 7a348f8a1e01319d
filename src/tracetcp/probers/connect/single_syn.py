"""Keeps the kernel from sending a socket's SYN a second time (Linux, no privilege needed).

An unanswered SYN is retransmitted after one second (RFC 6298 section 2), and no socket option prevents that:
TCP_SYNCNT allows at least one retransmission, TCP_USER_TIMEOUT counts from the first one. But a
retransmission looks up its route again if the socket's route was reset. So once the SYN has left, an option
is set that resets the route and gives the retransmission no usable one; measured on Linux 6.18:

- IPv4: SO_DONTROUTE. A destination behind a router then has no route; nothing is sent, and the socket keeps
  listening.
- IPv6 has no SO_DONTROUTE, but a segment routing header (RFC 8754) that visits ::1 first. The packet goes to
  the loopback, which drops it, because segment routing is off unless somebody enables it.

The last packet of the handshake is prevented like a retransmission, and the option is removed before the
RST. So an open port sees only SYN and RST, and no application sees a connection.

For IPv4 destinations without a router in between (the local link, tunnels, this machine) there is no such
option: a source route through the loopback would do, but takes CAP_NET_RAW; a socket bound to another
interface receives nothing, and takes the same capability to be unbound. A socket to them must be closed
within ``ONE_SYN_SECONDS``, unless the SYN still waits in this machine for the neighbour's link-layer address.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tracetcp.probers.routes import Route

ONE_SYN_SECONDS = 0.9
"""Seconds after which a socket must be closed, just before it would retransmit its SYN."""
SO_DONTROUTE = 5
SO_MEMINFO = 55
IPV6_RTHDR = 57
_MEMINFO = struct.Struct("@9I")
_WRITE_MEMORY_INDEX = 2
SEGMENT_ROUTING_HEADER = struct.pack("!BBBBBBH", 0, 4, 4, 1, 1, 0, 0) + bytes(16) + bytes(15) + b"\1"
"""Two segments in reverse order: the destination, filled in by the kernel, and ::1, to be visited now."""


class Silencer(NamedTuple):
    """A socket option that stops retransmissions, with its values for on and off."""

    level: int
    option: int
    on: int | bytes
    off: int | bytes

    def silence(self, connecting: socket.socket) -> None:
        """Prevent all further packets of ``connecting``, whose SYN was sent."""
        connecting.setsockopt(self.level, self.option, self.on)

    def unsilence(self, connected: socket.socket) -> None:
        """Allow packets again: the RST that is sent when ``connected`` is closed."""
        connected.setsockopt(self.level, self.option, self.off)


def find_silencer(route: Route) -> Silencer | None:
    """The option that silences sockets to the destination of ``route``, or None. Sends nothing."""
    if route.family == 6:
        silencer = Silencer(socket.IPPROTO_IPV6, IPV6_RTHDR, SEGMENT_ROUTING_HEADER, b"")
    else:
        silencer = Silencer(socket.SOL_SOCKET, SO_DONTROUTE, 1, 0)
    with socket.socket(route.socket_family, socket.SOCK_DGRAM) as asker:
        route.bind_device(asker)
        try:
            silencer.silence(asker)
        except OSError:
            return None
        has_still_a_route = route.family == 4 and not asker.connect_ex((route.destination, 9))
    return None if has_still_a_route else silencer


def is_still_here(connecting: socket.socket) -> bool:
    """Whether the SYN is still in this machine: its buffer still belongs to the socket."""
    memory = connecting.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, _MEMINFO.size)
    return bool(_MEMINFO.unpack(memory)[_WRITE_MEMORY_INDEX])
