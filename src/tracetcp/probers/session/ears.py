"""Raw sockets beside the kernel's connections: they see what the kernel keeps to itself, and send nothing.

The TTL with which a SYN-ACK or a RST arrives; a RST that the kernel does not take, or an ICMP error that
comes after one that it took; who sent an ICMP error, and which. Opened where the system grants raw sockets,
and deaf until they are needed.
"""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from tracetcp.addresses import address, packed
from tracetcp.model import ReplyKind
from tracetcp.probers.raw import filters
from tracetcp.probers.raw.receiver import Receiver, prepare, sender_of
from tracetcp.probers.routes import find_route
from tracetcp.wire.protocols import ICMP, ICMP_ERRORS, ICMPV6, TCP

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tracetcp.config import TraceConfig

EVERY_PORT = range(1, 65_536)
IPV4_HEADER, IPV6_HEADER, ICMP_HEADER = 20, 40, 8
"""Bytes, the first at least."""
RST = 0x04


class Overheard(NamedTuple):
    """What came for the connection from ``local_port``.

    Of a SYN-ACK (``is_rst`` false) or RST its ``ttl``; of an ICMP error its type, code and ``sender``, and
    whether it says that a TTL ran out.
    """

    local_port: int
    is_rst: bool = False
    ttl: int | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None
    sender: str = ""
    is_expired: bool = False


class Ears:
    """Listens to what ``destination`` and routers send about connections to ``config``'s first port.

    Raises ``OSError`` where the system refuses raw sockets, and what ``find_route`` raises.
    """

    def __init__(self, config: TraceConfig, destination: str) -> None:
        self._port = config.ports[0]
        route = find_route(destination, config.interface)
        self._family = route.family
        self._destination = packed(route.destination)
        icmp = ICMP if route.family == 4 else ICMPV6
        self._sockets: dict[int, socket.socket] = {}
        with ExitStack() as opening:
            for protocol in (icmp, TCP):
                opened = opening.enter_context(socket.socket(route.socket_family, socket.SOCK_RAW, protocol))
                filters.attach(opened, filters.NOTHING_PASSES)
                prepare(opened, route)
                self._sockets[protocol] = opened
            self._opened = opening.pop_all()
        self._receivers = [Receiver(opened, protocol) for protocol, opened in self._sockets.items()]

    def listen(self) -> None:
        """Hear from now on."""
        programs = {TCP: filters.tcp_answers(self._destination, EVERY_PORT)}
        for protocol, opened in self._sockets.items():
            filters.attach(opened, programs.get(protocol) or filters.icmp_errors(self._family))

    def descriptors(self) -> Sequence[int]:
        """What announces that something was overheard."""
        return [receiver.number for receiver in self._receivers]

    def overheard(self) -> Iterator[Overheard]:
        """What has come by now, as far as it can be about a connection to the port."""
        for receiver in self._receivers:
            for packet, name, _, hop_limit in receiver.packets():
                sender = sender_of(name) if self._family == 6 else ""
                read = self._read_tcp if receiver.protocol == TCP else self._read_icmp
                found = read(packet, sender, hop_limit)
                if found is not None:
                    yield found

    def close(self) -> None:
        """Give the sockets back; safe to call twice."""
        self._opened.close()

    def _read_tcp(self, packet: bytes, _sender: str, hop_limit: int | None) -> Overheard | None:
        segment = packet[_header_length(packet) :] if self._family == 4 else packet
        if len(segment) < 14 or int.from_bytes(segment[:2], "big") != self._port:
            return None
        ttl = packet[8] if self._family == 4 else hop_limit
        local_port = int.from_bytes(segment[2:4], "big")
        return Overheard(local_port, is_rst=bool(segment[13] & RST), ttl=ttl)

    def _read_icmp(self, packet: bytes, sender: str, _hop_limit: int | None) -> Overheard | None:
        at = _header_length(packet) if self._family == 4 else 0
        error, quote = packet[at : at + ICMP_HEADER], packet[at + ICMP_HEADER :]
        ports = self._quoted_ports(quote)
        if len(error) < ICMP_HEADER or error[0] not in ICMP_ERRORS[self._family] or ports is None:
            return None
        sender = sender or address(packet[12:16])
        is_expired = ICMP_ERRORS[self._family][error[0]] is ReplyKind.TIME_EXCEEDED
        return Overheard(ports, icmp_type=error[0], icmp_code=error[1], sender=sender, is_expired=is_expired)

    def _quoted_ports(self, quote: bytes) -> int | None:
        """The local port of a quoted segment to our port of the destination, None for any other quote."""
        if self._family == 4:
            header, protocol_at, destination = _header_length(quote), 9, quote[16:20]
        else:
            header, protocol_at, destination = IPV6_HEADER, 6, quote[24:40]
        ports = quote[header : header + 4]
        if len(ports) < 4 or quote[protocol_at] != TCP or destination != self._destination:
            return None
        return int.from_bytes(ports[:2], "big") if int.from_bytes(ports[2:], "big") == self._port else None


def _header_length(packet: bytes) -> int:
    """Of an IPv4 header; at least the least, whatever it says."""
    return max(IPV4_HEADER, (packet[0] & 15) * 4) if packet else IPV4_HEADER
