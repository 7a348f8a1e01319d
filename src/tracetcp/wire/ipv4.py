"""Probes in IPv4 packets, and the replies to them. Knows no socket and no clock.

R1. A quote with a sequence number that no probe had belongs to the probe with the quoted source port and
    identification.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Literal

from tracetcp.addresses import address
from tracetcp.wire.checksums import word_sum
from tracetcp.wire.kinds import echoing
from tracetcp.wire.matching import PacketCodec
from tracetcp.wire.protocols import ICMP, TCP
from tracetcp.wire.quotes import read_ipv4

if TYPE_CHECKING:
    from tracetcp.model import Probe, Reply
    from tracetcp.wire.probe_table import Sent
    from tracetcp.wire.quotes import QuotedProbe

IPV4_HEADER = 20

_IPV4 = struct.Struct("!BxH2xHBB2x8s")


class _Template:
    """The packet of one kind, cut where fields are filled in, and the checksum sums of its constant parts."""

    __slots__ = (
        "addresses",
        "end",
        "fragment",
        "header_sum",
        "middle",
        "pack",
        "protocol",
        "source",
        "start",
        "tcp_sum",
    )

    def __init__(self, source: int, packet: bytes, tcp_sum: int, *, echoes_token: bool) -> None:
        self.source = source
        self.start, self.fragment, self.protocol = packet[:4], packet[6:8], packet[9:10]
        self.addresses, self.middle, self.end = packet[12:20], packet[28:36], packet[38:]
        self.header_sum = word_sum(packet[:IPV4_HEADER])
        self.tcp_sum = tcp_sum
        pack = struct.Struct(f"!4sH2sBsH8sHHI8sH{len(self.end)}s").pack
        self.pack = echoing(pack, IPV4_HEADER) if echoes_token else pack


class Ipv4Codec(PacketCodec[_Template]):
    """IPv4 probes; any 65,535 in a row have different identifications."""

    family: Literal[4] = 4
    _header_length = IPV4_HEADER
    _length_field = (5, 4)
    _read_quote = staticmethod(read_ipv4)

    def _template(self, source: int, packet: bytes, *, echoes_token: bool) -> _Template:
        tcp_sum = self._tcp_sum(packet[IPV4_HEADER:])
        return _Template(source, packet, tcp_sum, echoes_token=echoes_token)

    def encode(self, probe: Probe) -> bytes:
        """See ``PacketCodec``. The identification counts up from a random start and is never 0.

        The checksums are computed as in ``checksum_of`` but inline: the calls would slow down a scan.
        """
        token, port, ttl, _, flow, kind, _, _ = probe
        template = self._templates[kind]
        source = template.source + flow
        ip_id = self._probes.add(token, source, port, ttl)
        source_port = source & 0xFFFF
        return template.pack(
            template.start,
            ip_id,
            template.fragment,
            ttl,
            template.protocol,
            -(template.header_sum + ip_id + (ttl << 8)) % 0xFFFF,
            template.addresses,
            source_port,
            port,
            token,
            template.middle,
            -(template.tcp_sum + source_port + port + token) % 0xFFFF,
            template.end,
        )

    def decode(self, packet: bytes, received_at: float) -> Reply | None:
        """The reply in ``packet`` (with its IP header, as from a raw IPv4 socket), or None."""
        if len(packet) < IPV4_HEADER:
            return None
        first, total, fragment, ttl, protocol, addresses = _IPV4.unpack_from(packet)
        header = (first & 0xF) * 4
        if first >> 4 != 4 or fragment & 0x1FFF or not IPV4_HEADER <= header <= total <= len(packet):
            return None
        payload = packet[header:total]
        if protocol == TCP and addresses == self._inbound:
            return self._tcp_reply(payload, self._destination_text, ttl, received_at)
        if protocol == ICMP:
            return self._icmp_reply(payload, address(addresses[:4]), ttl, received_at)
        return None

    def _is_icmp_intact(self, message: bytes, _sender: str) -> bool:
        return word_sum(message) == 0

    def _sent_without_token(self, quoted: QuotedProbe) -> Sent | None:
        return self._probes.with_slot(quoted.ip_id or 0, quoted.source_port)  # R1
