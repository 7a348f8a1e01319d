"""Probe -> bytes, bytes -> Reply. Knows no socket and no clock.

scapy builds one template per trace; every probe is that template with a few fields filled in, which costs
a hundredth of building a packet. Received bytes are untrusted: what does not prove that it answers one of
our probes is None, never an exception.

A TCP answer is ours when
1. it comes from the destination's address and port to our address and source port,
2. its header length is possible and its checksum right,
3. its flags are exactly SYN-ACK, RST or RST-ACK,
4. it acknowledges token + 1.

An ICMP error is ours when its checksum is right and it quotes (see ``quotes``) a SYN of ours, known by
1. its sequence number: the 32-bit token, or else
2. its source port and IPv4 identification together, or else
3. its source port, IPv6 flow label, window and destination port together.
Whatever else of the quote was changed on the way is told in ``Quote.changed``.
"""

from __future__ import annotations

import logging
import os
import struct
from abc import ABC, abstractmethod
from itertools import compress
from socket import AF_INET, AF_INET6, inet_pton
from typing import TYPE_CHECKING, ClassVar, Literal

from tracetcp.checksums import checksum_of, word_sum
from tracetcp.ledger import REMEMBERED, Ledger, Sent
from tracetcp.model import QUOTE_FIELDS, Quote, Reply, ReplyKind, TcpAnswer
from tracetcp.quotes import (
    ICMP_HEADER,
    SHORTEST_QUOTE,
    TCP,
    TCP_HEADER,
    QuotedSyn,
    address,
    mss_of,
    read_ipv4,
    read_ipv6,
    split,
)
from tracetcp.scapy_start import without_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from scapy.packet import Packet

    from tracetcp.model import Probe

FLOWS = 1024
"""Probes have flows 0 to 1023: as many source ports are taken."""
WINDOW = 64_240
"""The receive window of a SYN from Linux or Windows; IPv6 probes add their TTL to it."""
OPTIONS_LENGTH = 12
"""MSS, NOP, window scale, NOP, NOP, SACK-permitted."""
IPV4_HEADER = 20

ICMP = 1
ICMPV6 = 58

_SYN_ACK = 0x12
_TCP_KINDS = {_SYN_ACK: ReplyKind.SYN_ACK, 0x04: ReplyKind.RST, 0x14: ReplyKind.RST}
_IN_TRANSIT = 0
"""The code of a Time Exceeded on the way; code 1 is about reassembly (RFC 792, RFC 4443)."""

_IPV4 = struct.Struct("!BxH2xHBB2x4s4s")
_TCP = struct.Struct("!HHIIBBHH")


def load_scapy(family: int) -> None:
    """Import the layers that build probes of ``family``, without scapy's tables, routes and interfaces.

    They cost a quarter of a second and no probe needs them; ``-g`` loads routes and interfaces itself.
    """
    with without_tables():
        from scapy.config import conf

        conf.logLevel = logging.CRITICAL  # its warnings would go to standard error, past the application
        saved = conf.route_autoload, conf.route6_autoload, conf.ipv6_enabled
        conf.route_autoload = conf.route6_autoload = False
        conf.ipv6_enabled = family == 6
        import scapy.interfaces

        conf.ifaces.reload = lambda: None  # type: ignore[method-assign]
        try:
            import scapy.layers.inet

            if family == 6:
                import scapy.layers.inet6  # noqa: F401 - loaded here, while the stand-ins are there
        finally:
            del conf.ifaces.reload
            conf.route_autoload, conf.route6_autoload, conf.ipv6_enabled = saved


class PacketCodec(ABC):
    """The packets of one trace between ``source`` and ``destination``; see ``open_codec``.

    Subclasses know the IP header of their family; this class knows TCP and how a reply is matched.
    ``length`` is that of every probe's packet, in bytes.
    """

    family: Literal[4, 6]
    _icmp_kinds: ClassVar[Mapping[int, ReplyKind]]
    _length_field: tuple[int, int]
    """Place and unit of the length of the quote in an ICMP error (RFC 4884 section 4)."""
    _read_quote: Callable[[bytes], QuotedSyn | None]

    def __init__(
        self, source: str, destination: str, source_port_base: int, template: bytes, first: int
    ) -> None:
        header = len(template) - TCP_HEADER - OPTIONS_LENGTH
        tcp = template[header:]
        self._destination_text = destination
        self._source, self._destination = packed(source), packed(destination)
        self._source_port_base = source_port_base
        self._options = tcp[TCP_HEADER:]
        self._mss = mss_of(self._options)
        self._pseudo_sum = word_sum(self._source) + word_sum(self._destination) + TCP
        self._header_sum = word_sum(template[:header])
        self.length = len(template)
        self._tcp_sum = self._pseudo_sum + len(tcp) + word_sum(tcp)
        self._ledger = Ledger(first)

    @abstractmethod
    def encode(self, probe: Probe) -> bytes:
        """The IP packet of ``probe``, all checksums right; it is remembered for matching."""

    def _tcp_reply(self, segment: bytes, sender: str, ttl: int | None, received_at: float) -> Reply | None:
        """The answer that ``segment``, sent by the destination, is to a probe (rules 1 to 4 above)."""
        if len(segment) < TCP_HEADER:
            return None
        source_port, port, _, acknowledgement, offset, flags, window, checksum = _TCP.unpack_from(segment)
        kind = _TCP_KINDS.get(flags)
        token = acknowledgement - 1 & 0xFFFFFFFF
        if kind is None or not self._ledger.has(token, port, source_port):
            return None
        header = (offset >> 4) * 4
        if not TCP_HEADER <= header <= len(segment) or not self._is_intact(segment, checksum):
            return None
        options = segment[TCP_HEADER:header]
        answer = TcpAnswer(window, mss_of(options) if options else None, options)
        return Reply(token, kind, sender, received_at, ttl, None, None, None, (), answer)

    def _is_intact(self, segment: bytes, checksum: int) -> bool:
        """Whether the checksum is right, or left to the network card by a kernel on this machine.

        Measured: what comes over loopback or a veth pair has only the sum of its pseudo header in the
        field (Linux CHECKSUM_PARTIAL), since no card was there to finish it.
        """
        pseudo_sum = self._pseudo_sum + len(segment)
        return (pseudo_sum + word_sum(segment)) % 0xFFFF == 0 or (pseudo_sum - checksum) % 0xFFFF == 0

    def _icmp_reply(self, message: bytes, sender: str, ttl: int | None, received_at: float) -> Reply | None:
        """The ICMP error about a probe that ``message`` is."""
        if len(message) < ICMP_HEADER + SHORTEST_QUOTE or not self._is_icmp_intact(message, sender):
            return None
        icmp_type, code = message[0], message[1]
        kind = self._icmp_kinds.get(icmp_type)
        if kind is None or (kind is ReplyKind.TIME_EXCEEDED and code != _IN_TRANSIT):
            return None
        body, labels = split(message, *self._length_field)
        quoted = self._read_quote(body)
        sent = quoted and self._sent(quoted)
        if quoted is None or sent is None:
            return None
        quote = self._quote(quoted, sent)
        return Reply(sent.token, kind, sender, received_at, ttl, icmp_type, code, quote, labels)

    @abstractmethod
    def _is_icmp_intact(self, message: bytes, sender: str) -> bool:
        """Whether the checksum of an ICMP message from ``sender`` is right."""

    @abstractmethod
    def _sent(self, quoted: QuotedSyn) -> Sent | None:
        """The probe that is quoted (the second list above)."""

    def _quote(self, quoted: QuotedSyn, sent: Sent) -> Quote:
        """``quoted`` in the words of the model, with what differs from ``sent``."""
        differences = (
            quoted.source != self._source,
            quoted.source_port != sent.source_port,
            quoted.destination != self._destination,
            quoted.destination_port != sent.destination_port,
            quoted.sequence != sent.token,
            quoted.ip_id not in (None, sent.slot),
            quoted.tos != 0,
            quoted.mss not in (None, self._mss),
            quoted.options not in (None, self._options),
        )
        return Quote(
            address(quoted.source),
            address(quoted.destination),
            quoted.source_port,
            quoted.destination_port,
            quoted.sequence,
            quoted.ttl,
            quoted.tos,
            quoted.ip_id,
            len(quoted.tcp),
            quoted.mss,
            quoted.options,
            tuple(compress(QUOTE_FIELDS, differences)),
        )


class Ipv4Codec(PacketCodec):
    """IPv4 probes; each of 65,535 in a row has its own identification."""

    family: Literal[4] = 4
    _icmp_kinds: ClassVar = {3: ReplyKind.UNREACHABLE, 11: ReplyKind.TIME_EXCEEDED}
    _length_field = (5, 4)
    _read_quote = staticmethod(read_ipv4)
    _packet = struct.Struct(f"!4sH2sBsH8sHHI8sH{2 + OPTIONS_LENGTH}s")

    def __init__(
        self, source: str, destination: str, source_port_base: int, template: bytes, first: int
    ) -> None:
        super().__init__(source, destination, source_port_base, template, first)
        self._start, self._fragment, self._protocol = template[:4], template[6:8], template[9:10]
        self._addresses, self._middle, self._end = template[12:20], template[28:36], template[38:]

    def encode(self, probe: Probe) -> bytes:
        """See ``PacketCodec``. The identification counts up from a random start and is never 0."""
        token, port, ttl, _, flow = probe
        source_port = self._source_port_base + flow
        ip_id = self._ledger.add(token, source_port, port, ttl)
        return self._packet.pack(
            self._start,
            ip_id,
            self._fragment,
            ttl,
            self._protocol,
            checksum_of(self._header_sum + ip_id + (ttl << 8)),
            self._addresses,
            source_port,
            port,
            token,
            self._middle,
            checksum_of(self._tcp_sum + source_port + port + token),
            self._end,
        )

    def decode(self, packet: bytes, received_at: float) -> Reply | None:
        """The reply that ``packet`` (IP header included, as raw IPv4 sockets give it) is, or None."""
        if len(packet) < IPV4_HEADER:
            return None
        first, total, fragment, ttl, protocol, sender, receiver = _IPV4.unpack_from(packet)
        header = (first & 0xF) * 4
        if first >> 4 != 4 or fragment & 0x1FFF or not IPV4_HEADER <= header <= total <= len(packet):
            return None
        payload = packet[header:total]
        if protocol == TCP and sender == self._destination and receiver == self._source:
            return self._tcp_reply(payload, self._destination_text, ttl, received_at)
        if protocol == ICMP:
            return self._icmp_reply(payload, address(sender), ttl, received_at)
        return None

    def _is_icmp_intact(self, message: bytes, _sender: str) -> bool:
        return word_sum(message) == 0

    def _sent(self, quoted: QuotedSyn) -> Sent | None:
        by_token = self._ledger.with_token(quoted.sequence)
        return by_token or self._ledger.with_slot(quoted.ip_id or 0, quoted.source_port)


class Ipv6Codec(PacketCodec):
    """IPv6 probes. IPv6 has no identification, so two other fields stand in for it.

    A flow label of 20 random bits, one for each flow since routers choose the path by it (RFC 6437), proves
    that the quote is of our SYN; the window, ``WINDOW`` + TTL, tells which of its flow it was.
    """

    family: Literal[6] = 6
    _icmp_kinds: ClassVar = {1: ReplyKind.UNREACHABLE, 3: ReplyKind.TIME_EXCEEDED}
    _length_field = (4, 8)
    _read_quote = staticmethod(read_ipv6)
    _packet = struct.Struct(f"!I3sB32sHHI6sHH{2 + OPTIONS_LENGTH}s")

    def __init__(
        self,
        source: str,
        destination: str,
        source_port_base: int,
        template: bytes,
        first: int,
        flow_labels: Sequence[int],
    ) -> None:
        super().__init__(source, destination, source_port_base, template, first)
        self._version, self._length_protocol = int.from_bytes(template[:4], "big"), template[4:7]
        self._addresses, self._middle, self._end = template[8:40], template[48:54], template[58:]
        self._flow_labels = flow_labels

    def encode(self, probe: Probe) -> bytes:
        """See ``PacketCodec``."""
        token, port, ttl, _, flow = probe
        source_port = self._source_port_base + flow
        self._ledger.add(token, source_port, port, ttl)
        return self._packet.pack(
            self._version | self._flow_labels[flow],
            self._length_protocol,
            ttl,
            self._addresses,
            source_port,
            port,
            token,
            self._middle,
            WINDOW + ttl,
            checksum_of(self._tcp_sum + source_port + port + token + ttl),
            self._end,
        )

    def decode(
        self, protocol: int, payload: bytes, sender: str, hop_limit: int | None, received_at: float
    ) -> Reply | None:
        """The reply that ``payload`` is, or None.

        Raw IPv6 sockets give no IP header: ``protocol`` is the socket's, ``sender`` (with its scope if it
        has one) and ``hop_limit`` come beside the payload.
        """
        if protocol == TCP and sender == self._destination_text:
            return self._tcp_reply(payload, sender, hop_limit, received_at)
        if protocol == ICMPV6:
            return self._icmp_reply(payload, sender, hop_limit, received_at)
        return None

    def _is_icmp_intact(self, message: bytes, sender: str) -> bool:
        pseudo_sum = word_sum(packed(sender)) + word_sum(self._source) + len(message) + ICMPV6
        return (pseudo_sum + word_sum(message)) % 0xFFFF == 0

    def _sent(self, quoted: QuotedSyn) -> Sent | None:
        by_token = self._ledger.with_token(quoted.sequence)
        flow = quoted.source_port - self._source_port_base
        if by_token or quoted.window is None or not 0 <= flow < FLOWS:
            return by_token
        if quoted.flow_label != self._flow_labels[flow]:
            return None
        return self._ledger.newest(quoted.source_port, quoted.destination_port, quoted.window - WINDOW)


def open_codec(
    source: str,
    destination: str,
    source_port_base: int,
    *,
    mtu: int = 1500,
    randomness: Callable[[int], bytes] = os.urandom,
) -> Ipv4Codec | Ipv6Codec:
    """The codec for a trace from ``source`` to ``destination`` (addresses; an IPv6 scope stays off the wire).

    Flow f has source port ``source_port_base`` + f. ``mtu`` (bytes) of the route gives the MSS option.
    ``randomness`` yields n unguessable bytes, for identifications and flow labels.
    """
    first = int.from_bytes(randomness(4), "big") % REMEMBERED + 1
    if ":" not in destination:
        return Ipv4Codec(
            source, destination, source_port_base, _ipv4_template(source, destination, mtu), first
        )
    template = _ipv6_template(source, destination, mtu)
    labels = struct.unpack(f"!{FLOWS}I", randomness(4 * FLOWS))
    flow_labels = [label & 0xFFFFF or 1 for label in labels]
    return Ipv6Codec(source, destination, source_port_base, template, first, flow_labels)


def packed(text: str) -> bytes:
    """The 4 or 16 bytes of an address; a scope is left out."""
    bare = text.partition("%")[0]
    return inet_pton(AF_INET6 if ":" in bare else AF_INET, bare)


def _ipv4_template(source: str, destination: str, mtu: int) -> bytes:
    load_scapy(4)
    from scapy.layers.inet import IP

    header = IP(src=source, dst=destination, flags="DF", id=0, ttl=0, chksum=0)
    return bytes(header / _syn(mtu - 40))


def _ipv6_template(source: str, destination: str, mtu: int) -> bytes:
    load_scapy(6)
    from scapy.layers.inet6 import IPv6

    header = IPv6(src=source.partition("%")[0], dst=destination.partition("%")[0], hlim=0, fl=0)
    return bytes(header / _syn(mtu - 60))


def _syn(mss: int) -> Packet:
    """A SYN as today's stacks send it, with every field that a probe fills in set to 0."""
    from scapy.layers import inet

    options = [
        ("MSS", min(mss, 0xFFFF)),
        ("NOP", None),
        ("WScale", 8),
        ("NOP", None),
        ("NOP", None),
        ("SAckOK", b""),
    ]
    return inet.TCP(sport=0, dport=0, seq=0, flags="S", window=WINDOW, chksum=0, options=options)
