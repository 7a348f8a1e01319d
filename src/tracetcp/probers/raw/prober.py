"""The raw prober: SYNs through an IP raw socket, replies from raw ICMP and TCP sockets (Linux).

Opens sockets and decides nothing. Probes leave through the kernel's IP layer, so that it finds the route
and the neighbour, and its connection tracking lets its RST close the connection that a SYN-ACK offers;
only ``-g`` takes the link layer, for one named gateway.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import select
import socket
import struct
import time
from collections import deque
from math import ceil
from typing import TYPE_CHECKING

from tracetcp.addresses import address, packed
from tracetcp.model import FLOWS, SendFailure
from tracetcp.probers.prober import Prober
from tracetcp.probers.raw import filters
from tracetcp.probers.raw.batches import MOST, BatchReceiver, BatchSender
from tracetcp.probers.raw.gateway import GatewayLink
from tracetcp.probers.raw.source_ports import take_block
from tracetcp.probers.routes import SO_BINDTODEVICE, Route, find_route, scoped
from tracetcp.probers.stamps import LONGEST_CLOCK_STEP, SO_TIMESTAMPNS, TIMESPEC, clocks_apart
from tracetcp.wire.codec import open_codec
from tracetcp.wire.protocols import ICMP, ICMPV6, TCP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from tracetcp.config import TraceConfig
    from tracetcp.model import Probe, Reply

    Tap = Callable[[float, bytes], None]

SO_RCVBUFFORCE = 33
SO_RXQ_OVFL = 40
RECEIVE_BUFFER = 4 << 20
"""Bytes asked for. The kernel doubles it and charges 832 for a reply: some 10,000 may wait."""
WORTH_A_BATCH = 16
"""Probes for which it pays to wake another thread."""
TRANSIENT = {
    errno.ENOBUFS: "the interface's queue is full",
    errno.EAGAIN: "the socket's send buffer is full",
    errno.ENOMEM: "the kernel is short of memory",
    errno.EPERM: "a local firewall refuses the packet",
}
"""Why one probe may fail while the next may pass; any other failure will not go away."""
_UNSIGNED = struct.Struct("@I")
_INT = struct.Struct("@i")
_CONTROL = struct.Struct("@Nii")
"""A ``struct cmsghdr``: its length with the data behind it, level and type; ``_ALIGNED`` to a long."""
_ALIGNED = struct.calcsize("@N")
_SCOPED_NAME = struct.Struct("@8x16sI")
"""Address and scope of a ``struct sockaddr_in6``."""
_IPV6 = struct.Struct("!IHBB32s")


class RawProber(Prober):
    """A ``runner.Prober`` on raw sockets, for one destination.

    Raises ``PermissionError`` without CAP_NET_RAW, and what ``find_route``, ``take_block`` and
    ``GatewayLink`` raise. ``overflows`` counts replies that the kernel dropped because a buffer was full.
    """

    kind = "raw"
    capacity = 1 << 20

    def __init__(self, config: TraceConfig, destination: str) -> None:
        self.tap: Tap | None = None
        self._closers: list[Callable[[], None]] = []
        self._link: GatewayLink | None = None
        self._batches: BatchSender | None = None
        self._leaving: deque[tuple[Sequence[Probe], Future[list[float]]]] = deque()
        self._early: list[Reply] = []
        self._poll = select.poll()
        self._overflows: dict[int, int] = {}
        self._clocks_apart = clocks_apart()
        try:
            self._open(config, destination)
        except BaseException:
            self.close()
            raise

    def _open(self, config: TraceConfig, destination: str) -> None:
        """Receiving sockets first: without permission it ends here, before scapy is loaded."""
        family = socket.AF_INET6 if ":" in destination else socket.AF_INET
        icmp = self._kept(socket.socket(family, socket.SOCK_RAW, ICMPV6 if ":" in destination else ICMP))
        tcp = self._kept(socket.socket(family, socket.SOCK_RAW, TCP))
        route = find_route(config.gateway or destination, config.interface)
        if config.gateway is not None:
            self._link = GatewayLink(config.gateway, destination, route)
            self._closers.append(self._link.close)
            route = _onward(route, destination, self._link.interface)
        first_port, holders = take_block(route, FLOWS)
        for holder in holders:
            self._kept(holder)
        self.destination, self.source = route.destination, route.source
        self._receivers = {
            icmp.fileno(): (BatchReceiver(icmp), ICMPV6 if route.family == 6 else ICMP),
            tcp.fileno(): (BatchReceiver(tcp), TCP),
        }
        filters.attach(icmp, filters.icmp_errors(route.family))
        filters.attach(tcp, filters.tcp_answers(packed(destination), range(first_port, first_port + FLOWS)))
        for receiver in (icmp, tcp):
            _prepare(receiver, route)
            self._poll.register(receiver, select.POLLIN)
        self.codec = open_codec(route.source, route.destination, first_port, mtu=route.mtu)
        self._sender = self._link or self._open_sender(route)

    def _open_sender(self, route: Route) -> socket.socket:
        """A raw socket of scapy's that only sends: IPPROTO_RAW takes whole packets and receives none.

        Its ``L3RawSocket`` opens a packet socket beside it, which would queue every packet of this machine
        and takes the kernel 8 to 20 ms to close.
        """
        from scapy.supersocket import SuperSocket

        opened = SuperSocket(route.socket_family, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self._closers.append(opened.close)
        assert opened.outs is not None
        sender: socket.socket = opened.outs
        sender.setblocking(False)
        sender.bind(route.source_at(0))
        if route.device is not None:
            sender.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, os.fsencode(route.device) + b"\0")
        sender.connect(route.destination_address)
        self._batches = BatchSender(sender, self.codec.length)
        self._closers.append(self._batches.close)
        return sender

    def _kept(self, opened: socket.socket) -> socket.socket:
        self._closers.append(opened.close)
        return opened

    @property
    def overflows(self) -> int:
        """Replies lost in this machine for want of buffer space."""
        return sum(self._overflows.values())

    def clock(self) -> float:
        """See ``runner.Prober``."""
        return time.monotonic()

    def send(self, probe: Probe) -> float | SendFailure:
        """See ``runner.Prober``. The first probe by ``-g`` waits for the gateway's link-layer address."""
        packet = self.codec.encode(probe)
        if self._link is not None:
            self._link.resolve()
        sent_at = time.monotonic()
        try:
            self._sender.send(packet)
        except OSError as error:
            return _failure(error)
        if self.tap is not None:
            self.tap(sent_at + self._clocks_apart, packet)
        return sent_at

    def send_all(self, probes: Sequence[Probe]) -> Iterator[tuple[Probe, float | SendFailure]]:
        """See ``runner.Prober``. Only scans send as many at once as are worth a batch in the background."""
        if len(probes) >= WORTH_A_BATCH and self._batches is not None and self.tap is None:
            packets = [self.codec.encode(probe) for probe in probes[:MOST]]
            self._leaving.append((probes, self._batches.start(packets)))
            yield from self._departed(but=1)
        elif probes:
            yield from super().send_all(probes)
        else:
            yield from self._departed()

    def _departed(self, but: int = 0) -> Iterator[tuple[Probe, float | SendFailure]]:
        """What came of the batches but the last ``but``, once through; what was hindered is sent again."""
        while len(self._leaving) > but:
            probes, sending = self._leaving.popleft()
            instants = sending.result()
            yield from zip(probes, instants, strict=False)
            yield from super().send_all(probes[len(instants) :])

    def receive(self, until: float) -> Sequence[Reply]:
        """See ``runner.Prober``."""
        replies, self._early = self._early, []
        wait = 0.0
        while True:
            ready = {number for number, _ in self._poll.poll(ceil(wait * 1000))}
            for number in ready & self._receivers.keys():
                self._drain(number, replies)
            wait = until - time.monotonic()
            if replies or wait <= 0 or ready - self._receivers.keys():
                return self._hold_early(replies)

    def _hold_early(self, replies: list[Reply]) -> list[Reply]:
        """Keep back the replies to probes of which it was not told yet that they left."""
        leaving = {probe.token for probes, _ in self._leaving for probe in probes}
        if leaving:
            self._early = [reply for reply in replies if reply.token in leaving]
            return [reply for reply in replies if reply.token not in leaving]
        return replies

    def wake_on(self, file_descriptor: int) -> None:
        """See ``runner.Prober``."""
        self._poll.register(file_descriptor, select.POLLIN)

    def close(self) -> None:
        """See ``runner.Prober``."""
        while self._closers:
            self._closers.pop()()

    def _drain(self, number: int, replies: list[Reply]) -> None:
        """Add every reply that waits in one receiving socket."""
        receiver, protocol = self._receivers[number]
        codec, offset = self.codec, self._stamp_offset()
        is_more = True
        while is_more:
            batch = receiver.receive()
            is_more = len(batch) == MOST
            for packet, control, name in batch:
                received_at, hop_limit = self._read_control(number, control, offset)
                if codec.family == 4:
                    reply = codec.decode(packet, received_at)
                else:
                    reply = codec.decode(protocol, packet, _sender_of(name), hop_limit, received_at)
                if reply is not None:
                    replies.append(reply)
                    if self.tap is not None:
                        self._tell(self.tap, packet, reply, protocol)

    def _tell(self, tap: Tap, packet: bytes, reply: Reply, protocol: int) -> None:
        """Hand a counted reply to ``tap``; IPv6 sockets keep the header, so it is made anew."""
        if self.codec.family == 6:
            hop_limit = 0 if reply.reply_ttl is None else reply.reply_ttl
            addresses = packed(reply.sender) + packed(self.source)
            packet = _IPV6.pack(6 << 28, len(packet), protocol, hop_limit, addresses) + packet
        tap(reply.received_at + self._clocks_apart, packet)

    def _read_control(self, number: int, control: bytes, offset: float | None) -> tuple[float, int | None]:
        """The receive stamp on our clock and the IPv6 hop limit; the count of overflows is kept.

        No two of the kinds asked for share a number, so their levels need no look.
        """
        received_at = hop_limit = None
        at, end = 0, len(control)
        while at + _CONTROL.size <= end:
            length, _, kind = _CONTROL.unpack_from(control, at)
            data_at = at + _CONTROL.size
            if kind == SO_TIMESTAMPNS and offset is not None:
                seconds, nanoseconds = TIMESPEC.unpack_from(control, data_at)
                received_at = seconds + nanoseconds * 1e-9 - offset
            elif kind == socket.IPV6_HOPLIMIT:
                (hop_limit,) = _INT.unpack_from(control, data_at)
            elif kind == SO_RXQ_OVFL:
                (self._overflows[number],) = _UNSIGNED.unpack_from(control, data_at)
            at += -(-length // _ALIGNED) * _ALIGNED
        return (time.monotonic() if received_at is None else received_at), hop_limit

    def _stamp_offset(self) -> float | None:
        """What to take off a kernel stamp (wall clock), None if the wall clock was set since last time."""
        before, self._clocks_apart = self._clocks_apart, clocks_apart()
        return self._clocks_apart if abs(self._clocks_apart - before) < LONGEST_CLOCK_STEP else None


def _sender_of(name: bytes) -> str:
    """The IPv6 address in a socket address, with its scope if it has one."""
    binary, scope = _SCOPED_NAME.unpack_from(name)
    return scoped(address(binary), scope)


def _prepare(receiver: socket.socket, route: Route) -> None:
    """Time stamps, overflow counts, hop limits, room for replies, and only what is sent to our source."""
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


def _onward(route: Route, destination: str, interface: str) -> Route:
    """``route`` (to a gateway) led on to ``destination``.

    The source that reaches the gateway will do, but for an IPv6 gateway's link-local address: from there
    the answers of a global destination would not find back.
    """
    if "%" not in route.source:
        return dataclasses.replace(route, destination=scoped(destination, 0))
    return dataclasses.replace(find_route(destination, interface), device=route.device)


def _failure(error: OSError) -> SendFailure:
    number = error.errno or 0
    reason = TRANSIENT.get(number)
    return SendFailure(number, reason or os.strerror(number), permanent=reason is None)
