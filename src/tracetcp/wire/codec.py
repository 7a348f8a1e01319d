"""Probe to bytes, and bytes to ``matching``, for each family. Knows no socket and no clock.

scapy builds one template a trace (``templates``); every probe is that template with a few fields filled in,
which costs a hundredth of building a packet.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Literal

from tracetcp.addresses import address, packed
from tracetcp.model import FLOWS, Reply
from tracetcp.wire.checksums import checksum_of, word_sum
from tracetcp.wire.matching import OPTIONS_LENGTH, PacketCodec
from tracetcp.wire.probe_table import REMEMBERED, Sent
from tracetcp.wire.protocols import ICMP, ICMPV6, TCP
from tracetcp.wire.quotes import (
    QuotedSyn,
    read_ipv4,
    read_ipv6,
)
from tracetcp.wire.templates import WINDOW, ipv4_template, ipv6_template

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tracetcp.model import Probe

IPV4_HEADER = 20

_IPV4 = struct.Struct("!BxH2xHBB2x4s4s")


class Ipv4Codec(PacketCodec):
    """IPv4 probes; each of 65,535 in a row has its own identification."""

    family: Literal[4] = 4
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
            source, destination, source_port_base, ipv4_template(source, destination, mtu), first
        )
    template = ipv6_template(source, destination, mtu)
    labels = struct.unpack(f"!{FLOWS}I", randomness(4 * FLOWS))
    flow_labels = [label & 0xFFFFF or 1 for label in labels]
    return Ipv6Codec(source, destination, source_port_base, template, first, flow_labels)
