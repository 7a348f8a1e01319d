"""Reads the client's packets and writes the answers of a simulated network. Knows no socket and no clock.

Uses neither the packet code under test nor scapy, which is too slow here; its tests compare it with scapy.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

from internet.behaviour import IcmpError, Reset, Syn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from internet.behaviour import Answer
    from tracetcp.model import MplsLabel

TCP = 6
ICMP = {4: 1, 6: 58}
HEADER = {4: 20, 6: 40}
ORIGINAL_DATAGRAM_BYTES = 128
"""A quote before an extension is padded to this many bytes (RFC 4884 section 4)."""

_IPV4 = struct.Struct("!BBHHHBBH4s4s")
_IPV6 = struct.Struct("!IHBB16s16s")
_TCP = struct.Struct("!HHIIBBHHH")
_DONT_FRAGMENT = 0x4000
_SYN_FLAGS, _SYN, _RST = 0x17, 0x02, 0x04


def read(packet: bytes) -> Syn | Reset | None:
    """The SYN or RST in ``packet`` of the client, None for anything else."""
    if packet[0] >> 4 == 4:
        first, tos, _, ip_id, _, ttl, protocol, _, source, destination = _IPV4.unpack_from(packet)
        family, header, flow_label = 4, (first & 0xF) * 4, 0
    else:
        first, _, protocol, ttl, source, destination = _IPV6.unpack_from(packet)
        family, header, flow_label = 6, 40, first & 0xFFFFF
        tos, ip_id = first >> 20 & 0xFF, 0
    if protocol != TCP or len(packet) < header + _TCP.size:
        return None
    source_port, port, sequence, _, offset, flags, window, _, _ = _TCP.unpack_from(packet, header)
    if flags & _RST:
        return Reset((source, destination, source_port, port), sequence)
    if flags & _SYN_FLAGS != _SYN:
        return None
    options = packet[header + _TCP.size : header + (offset >> 4) * 4]
    return Syn(
        family,
        source,
        destination,
        source_port,
        port,
        sequence,
        ttl,
        tos,
        ip_id,
        flow_label,
        window,
        options,
    )


def write(answer: Answer) -> bytes:
    """The IP packet of ``answer``."""
    syn = answer.syn
    if isinstance(answer, IcmpError):
        sender = packed(answer.sender)
        message = icmp_error(answer)
        return ip_packet(syn.family, sender, syn.source, ICMP[syn.family], message, answer.ttl)
    segment = tcp_segment(
        (syn.destination, syn.source, syn.destination_port, syn.source_port),
        answer.sequence,
        answer.acknowledgement,
        answer.flags,
        answer.window,
        answer.options,
    )
    return ip_packet(syn.family, syn.destination, syn.source, TCP, segment, answer.ttl)


def icmp_error(answer: IcmpError) -> bytes:
    """The ICMP message of ``answer``, extension and checksum included."""
    syn, family = answer.syn, answer.syn.family
    body = quote(answer.quoted)[: HEADER[family] + answer.quote]
    length = 0
    if answer.labels:
        body = body.ljust(ORIGINAL_DATAGRAM_BYTES, b"\0") + extension(answer.labels)
        length = 0 if answer.is_legacy else ORIGINAL_DATAGRAM_BYTES // {4: 4, 6: 8}[family]
    rest = struct.pack("!BBH", *((0, length, 0) if family == 4 else (length, 0, 0)))
    return icmp_message((packed(answer.sender), syn.source), answer.icmp_type, answer.code, rest + body)


def quote(syn: Syn) -> bytes:
    """The whole packet of ``syn``, with correct checksums."""
    segment = tcp_segment(syn.flow, syn.sequence, 0, _SYN, syn.window, syn.options)
    return ip_packet(
        syn.family,
        syn.source,
        syn.destination,
        TCP,
        segment,
        syn.ttl,
        tos=syn.tos,
        ip_id=syn.ip_id,
        flow_label=syn.flow_label,
    )


def ip_packet(
    family: int,
    source: bytes,
    destination: bytes,
    protocol: int,
    payload: bytes,
    ttl: int,
    *,
    tos: int = 0,
    ip_id: int = 0,
    flow_label: int = 0,
) -> bytes:
    """An IP packet without options or extension headers."""
    if family == 6:
        first = 6 << 28 | tos << 20 | flow_label
        return _IPV6.pack(first, len(payload), protocol, ttl, source, destination) + payload
    total = _IPV4.size + len(payload)
    fields = (0x45, tos, total, ip_id, _DONT_FRAGMENT, ttl, protocol)
    checksum = checksum_of(_IPV4.pack(*fields, 0, source, destination))
    return _IPV4.pack(*fields, checksum, source, destination) + payload


def icmp_message(ends: tuple[bytes, bytes], icmp_type: int, code: int, rest: bytes) -> bytes:
    """An ICMP message from ``ends[0]`` to ``ends[1]`` with ``rest`` after type, code and checksum."""
    message = struct.pack("!BBH", icmp_type, code, 0) + rest
    pseudo = pseudo_header(ends, ICMP[6], len(message)) if len(ends[0]) == 16 else b""
    return message[:2] + checksum_of(pseudo + message).to_bytes(2, "big") + message[4:]


def tcp_segment(
    flow: tuple[bytes, bytes, int, int],
    sequence: int,
    acknowledgement: int,
    flags: int,
    window: int,
    options: bytes,
    header: int | None = None,
) -> bytes:
    """A TCP segment without data; ``header`` is a header length to write instead of the true one."""
    source, destination, source_port, port = flow
    offset = ((_TCP.size + len(options) if header is None else header) // 4) << 4
    fields = (source_port, port, sequence, acknowledgement, offset, flags, window)
    segment = _TCP.pack(*fields, 0, 0) + options
    checksum = checksum_of(pseudo_header((source, destination), TCP, len(segment)) + segment)
    return _TCP.pack(*fields, checksum, 0) + options


def pseudo_header(ends: tuple[bytes, bytes], protocol: int, length: int) -> bytes:
    """The pseudo header that the checksum also covers (RFC 9293 section 3.1, RFC 8200 section 8.1)."""
    return ends[0] + ends[1] + struct.pack("!II", length, protocol)


def extension(labels: Iterable[MplsLabel]) -> bytes:
    """The extension structure with a label stack (RFC 4884 section 7, RFC 4950 section 3)."""
    entries = b"".join(
        struct.pack("!I", label << 12 | traffic_class << 9 | is_bottom << 8 | ttl)
        for label, traffic_class, is_bottom, ttl in labels
    )
    structure = struct.pack("!BBHHBB", 0x20, 0, 0, 4 + len(entries), 1, 1) + entries
    return structure[:2] + checksum_of(structure).to_bytes(2, "big") + structure[4:]


def checksum_of(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of ``data`` whose checksum field is 0."""
    return -int.from_bytes(data if len(data) % 2 == 0 else data + b"\0", "big") % 0xFFFF


@lru_cache(maxsize=4096)
def packed(text: str) -> bytes:
    """The bytes of an address."""
    return ip_address(text).packed
