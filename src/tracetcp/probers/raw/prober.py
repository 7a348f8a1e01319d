"""The raw prober: SYNs through an IP raw socket, replies from raw ICMP and TCP sockets (Linux).

Opens sockets and decides nothing. Probes go through the kernel's IP layer. So the kernel finds route and
neighbour, and its connection tracking passes the RST with which it closes the half-open connection after a
SYN-ACK. Only ``-g`` uses the link layer, to one given gateway.
"""

from __future__ import annotations

import socket
import struct
import time
from collections import deque
from contextlib import ExitStack, closing
from math import inf
from typing import TYPE_CHECKING

from tracetcp.addresses import packed
from tracetcp.model import FLOWS
from tracetcp.probers.failures import RAW_REASONS, failure
from tracetcp.probers.prober import Prober
from tracetcp.probers.raw import filters
from tracetcp.probers.raw.batches import MOST_PACKETS, BatchSender
from tracetcp.probers.raw.gateway import GatewayLink
from tracetcp.probers.raw.receiver import Receiver, prepare, sender_of
from tracetcp.probers.routes import Route, find_route, scoped
from tracetcp.probers.source_ports import take_block
from tracetcp.probers.stamps import WallClock
from tracetcp.wire.codec import open_codec
from tracetcp.wire.protocols import ICMP, ICMPV6, TCP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from tracetcp.config import TraceConfig
    from tracetcp.model import Probe, Reply, SendFailure
    from tracetcp.probers.prober import Tap

MINIMUM_BATCH = 16
"""The number of probes from which a batch in another thread is worth its overhead."""
_IPV6 = struct.Struct("!IHBB32s")


class RawProber(Prober):
    """A ``Prober`` on raw sockets, for one destination.

    Raises ``PermissionError`` without CAP_NET_RAW, and what ``find_route``, ``take_block`` and
    ``GatewayLink`` raise.
    """

    kind = "raw"
    capacity = 1 << 20

    def __init__(self, config: TraceConfig, destination: str) -> None:
        self._tap: Tap | None = None
        self._link: GatewayLink | None = None
        self._batches: BatchSender | None = None
        self._leaving: deque[tuple[Sequence[Probe], Future[list[float]]]] = deque()
        self._early: list[Reply] = []
        self._wall = WallClock()
        with ExitStack() as opening:  # if something is refused, closes what was opened before
            self._open(opening, config, destination)
            self._opened = opening.pop_all()

    def _open(self, opening: ExitStack, config: TraceConfig, destination: str) -> None:
        """Open all sockets; the receivers first, so that missing permission shows before scapy is loaded."""
        family, icmp = (socket.AF_INET6, ICMPV6) if ":" in destination else (socket.AF_INET, ICMP)
        receivers = {
            protocol: opening.enter_context(socket.socket(family, socket.SOCK_RAW, protocol))
            for protocol in (icmp, TCP)
        }
        route = self._find_way(opening, config, destination)
        first_port, holders = take_block(route, FLOWS, config.source_port)
        self._first_port = first_port
        for holder in holders:
            opening.enter_context(holder)
        ports = range(first_port, first_port + FLOWS)
        filters.attach(receivers[icmp], filters.icmp_errors(route.family))
        filters.attach(receivers[TCP], filters.tcp_answers(packed(destination), ports))
        for receiver in receivers.values():
            prepare(receiver, route)
        self._receivers = [Receiver(receiver, protocol) for protocol, receiver in receivers.items()]
        self._descriptors = tuple(receiver.number for receiver in self._receivers)
        self.codec = open_codec(
            route.source,
            route.destination,
            first_port,
            mtu=route.mtu,
            tos=route.tos,
            has_fixed_labels=config.source_port is not None,
        )
        if self._link is None:
            self._sender = self._open_sender(opening, route)

    def _find_way(self, opening: ExitStack, config: TraceConfig, destination: str) -> Route:
        """The route to ``destination``, through the gateway if one is given."""
        asked = config.gateway or destination
        route = find_route(asked, config.interface, tos=config.tos, mark=config.mark)
        if config.gateway is not None:
            self._link = opening.enter_context(closing(GatewayLink(config.gateway, destination, route)))
            route = _onward(route, destination, self._link.interface)
        self.destination, self.source = route.destination, route.source
        return route

    def _open_sender(self, opening: ExitStack, route: Route) -> socket.socket:
        sender = open_sender(opening, route)
        self._destination_address = route.destination_address
        address = socket_address(packed(route.destination), route.scope)
        self._batches = opening.enter_context(closing(BatchSender(sender, address, self.codec.length)))
        return sender

    @property
    def overflows(self) -> int:
        """Replies lost in this machine because a receive buffer was full."""
        return sum(receiver.overflows for receiver in self._receivers)

    def clock(self) -> float:
        """See ``Prober``."""
        return time.monotonic()

    def send(self, probe: Probe) -> float | SendFailure:
        """See ``Prober``. With ``-g`` the first probe waits for the gateway's link-layer address."""
        packet = self.codec.encode(probe)
        if self._link is not None:
            self._link.resolve()
        sent_at = time.monotonic()
        try:
            if self._link is not None:
                self._link.send(packet)
            else:
                self._sender.sendto(packet, self._destination_address)
        except OSError as error:
            return failure(error.errno or 0, RAW_REASONS)
        if self._tap is not None:
            self._tap(sent_at + self._wall.apart, packet)
        return sent_at

    def source_port(self, probe: Probe) -> int:
        """See ``Prober``."""
        return self._first_port + probe.flow

    def send_all(self, probes: Sequence[Probe]) -> Iterator[tuple[Probe, float | SendFailure]]:
        """See ``Prober``. Only scans send as many at once as are worth a batch in the background."""
        if len(probes) >= MINIMUM_BATCH and (sending := self._start_batch(probes)) is not None:
            self._leaving.append((probes, sending))
            yield from self._departed(but=1)
        elif probes:
            yield from super().send_all(probes)
        else:
            yield from self._departed()

    def _start_batch(self, probes: Sequence[Probe]) -> Future[list[float]] | None:
        """Begin to send ``probes`` in the background; None where that cannot be."""
        if self._batches is None or self._tap is not None:
            return None
        try:
            return self._batches.start([self.codec.encode(probe) for probe in probes[:MOST_PACKETS]])
        except RuntimeError:  # the system allows no more threads
            self._batches = None
            return None

    def _departed(self, but: int = 0) -> Iterator[tuple[Probe, float | SendFailure]]:
        """The results of all batches except the last ``but``; what failed is sent again, one by one."""
        while len(self._leaving) > but:
            probes, sending = self._leaving.popleft()
            instants = sending.result()
            yield from zip(probes, instants, strict=False)
            yield from super().send_all(probes[len(instants) :])

    def descriptors(self) -> Sequence[int]:
        """See ``Prober``."""
        return self._descriptors

    def drain(self) -> Sequence[Reply]:
        """See ``Prober``."""
        replies, self._early = self._early, []
        apart = self._wall.look()
        for receiver in self._receivers:
            self._receive(receiver, apart, replies)
        return self._hold_early(replies)

    def _hold_early(self, replies: list[Reply]) -> list[Reply]:
        """Keep back replies to probes that were not yet reported as sent; returns the others."""
        leaving = {probe.token for probes, _ in self._leaving for probe in probes}
        if leaving:
            self._early = [reply for reply in replies if reply.token in leaving]
            return [reply for reply in replies if reply.token not in leaving]
        return replies

    def wake_at(self) -> float:
        """See ``Prober``: at once, if replies were kept back that no longer need to be."""
        return -inf if self._early and not self._leaving else inf

    def capture(self, open_tap: Callable[[], Tap]) -> None:
        """See ``Prober``."""
        self._tap = open_tap()

    def close(self) -> None:
        """See ``Prober``."""
        self._opened.close()
        self._descriptors = ()
        self._receivers.clear()
        self._early.clear()

    def _receive(self, receiver: Receiver, apart: float | None, replies: list[Reply]) -> None:
        """Add every reply queued in ``receiver`` to ``replies``; subtract ``apart`` from their stamps."""
        codec, protocol = self.codec, receiver.protocol
        for packet, name, stamp, hop_limit in receiver.packets():
            received_at = time.monotonic() if stamp is None or apart is None else stamp - apart
            if codec.family == 4:
                reply = codec.decode(packet, received_at)
            else:
                reply = codec.decode(protocol, packet, sender_of(name), hop_limit, received_at)
            if reply is not None:
                replies.append(reply)
                if self._tap is not None:
                    self._record(self._tap, packet, reply, protocol)

    def _record(self, tap: Tap, packet: bytes, reply: Reply, protocol: int) -> None:
        """Pass a counted reply to ``tap``."""
        if self.codec.family == 6:
            packet = with_ipv6_header(packet, protocol, reply, self.source)
        tap(reply.received_at + self._wall.apart, packet)


def with_ipv6_header(packet: bytes, protocol: int, reply: Reply, source: str) -> bytes:
    """``packet``, which was counted as ``reply``, with an IP header: IPv6 sockets deliver none."""
    hop_limit = 0 if reply.reply_ttl is None else reply.reply_ttl
    addresses = packed(reply.sender) + packed(source)
    return _IPV6.pack(6 << 28, len(packet), protocol, hop_limit, addresses) + packet


def open_sender(opening: ExitStack, route: Route) -> socket.socket:
    """A raw socket of scapy's that only sends: IPPROTO_RAW takes whole packets and receives none.

    scapy's ``L3RawSocket`` would also open a packet socket, which queues every packet of this machine and
    takes the kernel 8 to 20 ms to close. The sender is not connected: the kernel gives the packets of a
    connected socket one hash, by which it then sends all flows the same way, where it shares load itself
    (``skb_set_hash_from_sk``; seen on Linux 6.18, in a router behind a veth pair). ``opening`` closes it.
    """
    from scapy.supersocket import SuperSocket

    opened = SuperSocket(route.socket_family, socket.SOCK_RAW, socket.IPPROTO_RAW)
    opening.callback(opened.close)
    assert opened.outs is not None
    sender: socket.socket = opened.outs
    sender.setblocking(False)
    sender.bind(route.source_at(0))
    route.bind_device(sender)
    return sender


def socket_address(address: bytes, scope: int) -> bytes:
    """The ``struct sockaddr`` of a packed ``address``, with port 0."""
    if len(address) == 4:
        return struct.pack("=H", socket.AF_INET) + struct.pack("!H", 0) + address + bytes(8)
    return struct.pack("=HHI", socket.AF_INET6, 0, 0) + address + struct.pack("=I", scope)


def _onward(route: Route, destination: str, interface: str) -> Route:
    """``route`` (to a gateway), extended to ``destination``.

    The source address towards the gateway is kept unless it is link-local (IPv6): the answers of a global
    destination could not come back to it.
    """
    if "%" not in route.source:
        return route._replace(destination=scoped(destination, 0))
    onward = find_route(destination, interface, tos=route.tos, mark=route.mark)
    return onward._replace(device=route.device)
