"""Reads the quote in an ICMP error: our probe as the sender saw it, and the MPLS labels after it.

Pure functions of bytes. Any bytes are accepted; bytes that are no quoted TCP segment give None.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from tracetcp.model import MplsLabel
from tracetcp.model.tcp_options import mss_of
from tracetcp.wire.checksums import word_sum
from tracetcp.wire.protocols import TCP

if TYPE_CHECKING:
    from collections.abc import Iterator

ICMP_HEADER = 8
TCP_HEADER = 20
SHORTEST_QUOTE = 8
"""An error quotes at least 8 bytes of TCP (RFC 792): ports and sequence number."""
ORIGINAL_DATAGRAM_BYTES = 128
"""The length of the quote before an extension where the length field is unused (RFC 4884 section 5.5)."""
EXTENSION_VERSION = 2
MPLS_STACK_OBJECT = (1, 1)
"""Class and type of the object with the incoming MPLS label stack (RFC 4950 section 3)."""

_IPV4 = struct.Struct("!BBHHHBBH4s4s")
_IPV6 = struct.Struct("!IHBB16s16s")
_PORTS_SEQUENCE = struct.Struct("!HHI")


class QuotedProbe(NamedTuple):
    """A quoted packet. ``ip_id`` is None for IPv6, ``flow_label`` for IPv4; ``tcp`` is the part quoted."""

    source: bytes
    destination: bytes
    ttl: int
    tos: int
    ip_id: int | None
    flow_label: int | None
    source_port: int
    destination_port: int
    sequence: int
    tcp: bytes

    @property
    def window(self) -> int | None:
        """The quoted receive window; None if the quote ends before it."""
        return int.from_bytes(self.tcp[14:16], "big") if len(self.tcp) >= 16 else None

    @property
    def options(self) -> bytes | None:
        """The quoted TCP options; None unless all of them are quoted."""
        if len(self.tcp) < TCP_HEADER:
            return None
        end = (self.tcp[12] >> 4) * 4
        return self.tcp[TCP_HEADER:end] if TCP_HEADER <= end <= len(self.tcp) else None

    @property
    def mss(self) -> int | None:
        """The quoted MSS option; None if there is none or the quote ends before it."""
        return mss_of(self.tcp[TCP_HEADER:])


def read_ipv4(quote: bytes) -> QuotedProbe | None:
    """The TCP segment in an ICMP quote (RFC 792), None for anything else.

    Refused are another IP version, a header shorter than 5 words or cut off, another protocol, a fragment
    that is not the first, fewer than 8 bytes of TCP, and a total length with no room for them. Nothing more
    is required of the total length: some routers write it in their own byte order or without the header.
    """
    if len(quote) < _IPV4.size + SHORTEST_QUOTE:
        return None
    first, tos, total, ip_id, fragment, ttl, protocol, _, source, destination = _IPV4.unpack_from(quote)
    header = (first & 0xF) * 4
    tcp = quote[header:total]
    if first >> 4 != 4 or header < _IPV4.size or protocol != TCP or fragment & 0x1FFF:
        return None
    if len(tcp) < SHORTEST_QUOTE:
        return None
    source_port, port, sequence = _PORTS_SEQUENCE.unpack_from(tcp)
    return QuotedProbe(source, destination, ttl, tos, ip_id, None, source_port, port, sequence, tcp)


def read_ipv6(quote: bytes) -> QuotedProbe | None:
    """The TCP segment in an ICMPv6 quote (RFC 4443), None for anything else.

    Our probes have no extension headers, so a quote that has one is not ours.
    """
    if len(quote) < _IPV6.size + SHORTEST_QUOTE:
        return None
    first, length, protocol, ttl, source, destination = _IPV6.unpack_from(quote)
    if first >> 28 != 6 or protocol != TCP or length < SHORTEST_QUOTE:
        return None
    tcp = quote[_IPV6.size : _IPV6.size + length]
    tos, flow_label = first >> 20 & 0xFF, first & 0xFFFFF
    source_port, port, sequence = _PORTS_SEQUENCE.unpack_from(tcp)
    return QuotedProbe(source, destination, ttl, tos, None, flow_label, source_port, port, sequence, tcp)


def split(message: bytes, length_at: int, length_unit: int) -> tuple[bytes, tuple[MplsLabel, ...]]:
    """Split an ICMP error into the quote and the MPLS labels of its extension (RFC 4884 section 3).

    ``length_at`` is the offset of the length field in the ICMP header, ``length_unit`` its unit in bytes.
    Routers older than the RFC leave the length 0 and put the extension after 128 bytes; its own checksum
    distinguishes it from a longer quote. An invalid extension counts as none.
    """
    body = message[ICMP_HEADER:]
    written = message[length_at] * length_unit
    if written:
        return body[:written], tuple(_labels(body[written:]))
    labels = tuple(_labels(body[ORIGINAL_DATAGRAM_BYTES:]))
    return (body[:ORIGINAL_DATAGRAM_BYTES] if labels else body), labels


def _labels(extension: bytes) -> Iterator[MplsLabel]:
    """The label stack entries of an extension structure (RFC 4884 section 7, RFC 4950, RFC 3032)."""
    if len(extension) < 8 or extension[0] >> 4 != EXTENSION_VERSION:
        return
    if extension[2:4] != b"\0\0" and word_sum(extension) != 0:
        return
    rest = extension[4:]
    while len(rest) >= 4:
        length = int.from_bytes(rest[:2], "big")
        if length < 4 or length > len(rest):
            return
        if (rest[2], rest[3]) == MPLS_STACK_OBJECT and length % 4 == 0:
            for (entry,) in struct.iter_unpack("!I", rest[4:length]):
                yield MplsLabel(entry >> 12, entry >> 9 & 7, bool(entry >> 8 & 1), entry & 0xFF)
        rest = rest[length:]


def quoted_destination(packet: bytes, family: int) -> bytes:
    """The destination that the ICMP error ``packet`` quotes, as it may stand there; not checked.

    For IPv4 ``packet`` begins with its IP header, for IPv6 without it, as raw sockets deliver them.
    """
    if family == 4:
        quote = (packet[0] & 0xF) * 4 + ICMP_HEADER if packet else 0
        return packet[quote + 16 : quote + 20]
    return packet[ICMP_HEADER + 24 : ICMP_HEADER + 40]
