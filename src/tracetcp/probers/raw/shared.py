"""Raw sockets that many probers share: a pair of receivers, a sender and a block of source ports (Linux).

All packets of one address family come in here, and each reply goes to the prober whose token it returns.
"""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from tracetcp.addresses import packed
from tracetcp.model import FLOWS
from tracetcp.probers.failures import RAW_REASONS, failure
from tracetcp.probers.prober import Prober
from tracetcp.probers.raw import filters
from tracetcp.probers.raw.prober import open_sender, with_ipv6_header
from tracetcp.probers.raw.receiver import Receiver, prepare, sender_of
from tracetcp.probers.routes import Route, any_route, find_route
from tracetcp.probers.source_ports import take_block
from tracetcp.probers.stamps import WallClock
from tracetcp.wire.codec import new_identities, open_codec
from tracetcp.wire.protocols import ICMP, ICMPV6, TCP
from tracetcp.wire.quotes import quoted_destination
from tracetcp.wire.templates import load_scapy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tracetcp.config import TraceConfig
    from tracetcp.model import Probe, Reply, SendFailure
    from tracetcp.probers.prober import Tap
    from tracetcp.wire.codec import Ipv4Codec, Ipv6Codec


class _Packet(NamedTuple):
    """What a receiver delivered; ``sender`` and ``hop_limit`` for IPv6, where the IP header is missing."""

    data: bytes
    protocol: int
    sender: str
    hop_limit: int | None
    received_at: float


class RawLink:
    """The raw sockets for targets of ``family`` (4 or 6), from the interface of ``config`` if it names one.

    Raises ``PermissionError`` without CAP_NET_RAW, and what ``take_block`` raises.
    """

    def __init__(self, config: TraceConfig, family: int) -> None:
        self.family = family
        self.tap: Tap | None = None
        self.wall = WallClock()
        self._interface, self._tos = config.interface, config.tos
        self._probers: dict[int, SharedRawProber] = {}
        """By token."""
        self._codecs: dict[bytes, list[SharedRawProber]] = {}
        """By destination: the probers of it that are open, which all have one codec."""
        with ExitStack() as opening:
            self._open(opening, any_route(config.interface, family, config.tos), config.source_port)
            self._opened = opening.pop_all()

    def _open(self, opening: ExitStack, route: Route, first_port: int | None) -> None:
        icmp = ICMP if self.family == 4 else ICMPV6
        receivers = {
            protocol: opening.enter_context(socket.socket(route.socket_family, socket.SOCK_RAW, protocol))
            for protocol in (icmp, TCP)
        }
        self.first_port, holders = take_block(route, FLOWS, first_port)
        for holder in holders:
            opening.enter_context(holder)
        self._identities = new_identities(self.family, fixed_from=first_port)
        ports = range(self.first_port, self.first_port + FLOWS)
        filters.attach(receivers[icmp], filters.icmp_errors(self.family))
        filters.attach(receivers[TCP], filters.any_tcp_answers(self.family, ports))
        for receiver in receivers.values():
            prepare(receiver, route)
        self._receivers = [Receiver(receiver, protocol) for protocol, receiver in receivers.items()]
        self.descriptors = tuple(receiver.number for receiver in self._receivers)
        load_scapy(self.family)
        self.sender = open_sender(opening, route)

    def open(self, destination: str, kind: type[SharedRawProber] | None = None) -> SharedRawProber:
        """A prober for ``destination``, of ``kind`` if given; raises what ``find_route`` raises."""
        route = find_route(destination, self._interface, tos=self._tos)
        key = packed(route.destination)
        beside = self._codecs.setdefault(key, [])
        codec = beside[0].codec if beside else self._open_codec(route)
        prober = (kind or SharedRawProber)(self, route, codec)
        beside.append(prober)
        return prober

    def _open_codec(self, route: Route) -> Ipv4Codec | Ipv6Codec:
        return open_codec(
            route.source,
            route.destination,
            self.first_port,
            mtu=route.mtu,
            tos=route.tos,
            identities=self._identities,
        )

    def forget(self, prober: SharedRawProber, tokens: Iterable[int]) -> None:
        """``prober`` is closed: what answers its ``tokens`` is nobody's any more."""
        for token in tokens:
            self._probers.pop(token, None)
        key = packed(prober.destination)
        beside = self._codecs.get(key, [])
        if prober in beside:
            beside.remove(prober)
        if not beside:
            self._codecs.pop(key, None)

    def expect(self, token: int, prober: SharedRawProber) -> None:
        """From now on replies with ``token`` are those of ``prober``."""
        self._probers[token] = prober

    def collect(self) -> Iterable[SharedRawProber]:
        """Take what has arrived; the probers that have something to drain."""
        apart = self.wall.look()
        touched: dict[int, SharedRawProber] = {}
        for receiver in self._receivers:
            for data, name, stamp, hop_limit in receiver.packets():
                received_at = time.monotonic() if stamp is None or apart is None else stamp - apart
                sender = sender_of(name) if self.family == 6 else ""
                packet = _Packet(data, receiver.protocol, sender, hop_limit, received_at)
                if (found := self._match(packet)) is not None:
                    prober, reply = found
                    prober.arrived.append(reply)
                    touched[id(prober)] = prober
                    self._record(packet, prober, reply)
        return touched.values()

    def _match(self, packet: _Packet) -> tuple[SharedRawProber, Reply] | None:
        """The reply in ``packet``, and whose it is.

        The codec of the quoted destination reads it, or any one where that was rewritten: the token leads to
        the prober, whose own codec tells what was changed.
        """
        for codec in self._candidates(packet):
            reply = _decode(codec, packet)
            prober = self._probers.get(reply.token) if reply is not None else None
            if reply is None or prober is None:
                continue
            if prober.codec is not codec:
                reply = _decode(prober.codec, packet)
            return None if reply is None else (prober, reply)
        return None

    def _candidates(self, packet: _Packet) -> Iterable[Ipv4Codec | Ipv6Codec]:
        if packet.protocol == TCP:
            sender = packet.data[12:16] if self.family == 4 else packed(packet.sender)
            return [beside[0].codec for beside in [self._codecs.get(sender)] if beside]
        quoted = self._codecs.get(quoted_destination(packet.data, self.family))
        if quoted:
            return [quoted[0].codec]
        by_source = {beside[0].source: beside[0].codec for beside in self._codecs.values()}
        return by_source.values()  # over IPv6 the checksum covers the address that the error was sent to

    def _record(self, packet: _Packet, prober: SharedRawProber, reply: Reply) -> None:
        if self.tap is not None:
            data = packet.data
            if self.family == 6:
                data = with_ipv6_header(data, packet.protocol, reply, prober.source)
            self.tap(reply.received_at + self.wall.apart, data)

    def close(self) -> None:
        """Close every socket; safe to call twice."""
        self._opened.close()
        self.descriptors = ()
        self._receivers.clear()


class SharedRawProber(Prober):
    """A ``Prober`` for one destination on the sockets of ``link``; made by ``RawLink.open``."""

    kind = "raw"
    capacity = 1 << 20

    def __init__(self, link: RawLink, route: Route, codec: Ipv4Codec | Ipv6Codec) -> None:
        self.destination, self.source = route.destination, route.source
        self.codec = codec
        self.arrived: list[Reply] = []
        """Replies that the link has matched and nobody has drained."""
        self._link = link
        self._to = route.destination_address
        self._tokens: list[int] = []
        self._is_closed = False

    def clock(self) -> float:
        """See ``Prober``."""
        return time.monotonic()

    def send(self, probe: Probe) -> float | SendFailure:
        """See ``Prober``."""
        packet = self.codec.encode(probe)
        sent_at = time.monotonic()
        try:
            self._link.sender.sendto(packet, self._to)
        except OSError as error:
            return failure(error.errno or 0, RAW_REASONS)
        self._tokens.append(probe.token)
        self._link.expect(probe.token, self)
        if self._link.tap is not None:
            self._link.tap(sent_at + self._link.wall.apart, packet)
        return sent_at

    def source_port(self, probe: Probe) -> int:
        """See ``Prober``."""
        return self._link.first_port + probe.flow

    def descriptors(self) -> Sequence[int]:
        """See ``Prober``: those of the link."""
        return () if self._is_closed else self._link.descriptors

    def drain(self) -> Sequence[Reply]:
        """See ``Prober``: what the link has collected for this one."""
        arrived, self.arrived = self.arrived, []
        return arrived

    def capture(self, open_tap: Callable[[], Tap]) -> None:
        """See ``Prober``: the packets of all probers of the link."""
        self._link.tap = open_tap()

    def close(self) -> None:
        """See ``Prober``: the link stays open."""
        if not self._is_closed:
            self._is_closed = True
            self._link.forget(self, self._tokens)
            self.arrived = []


def _decode(codec: Ipv4Codec | Ipv6Codec, packet: _Packet) -> Reply | None:
    if codec.family == 4:
        return codec.decode(packet.data, packet.received_at)
    return codec.decode(packet.protocol, packet.data, packet.sender, packet.hop_limit, packet.received_at)
