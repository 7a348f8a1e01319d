"""Probes in IPv6 packets, and the replies to them. Knows no socket and no clock.

R1. A quote with a sequence number that no probe had belongs to the probe with the quoted source port, flow
    label, window and destination port.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Literal

from tracetcp.addresses import packed
from tracetcp.model import FLOWS
from tracetcp.wire.checksums import word_sum
from tracetcp.wire.kinds import echoing
from tracetcp.wire.matching import PacketCodec
from tracetcp.wire.protocols import ICMPV6, TCP
from tracetcp.wire.quotes import read_ipv6
from tracetcp.wire.templates import RECEIVE_WINDOW

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracetcp.model import Probe, ProbeKind, Reply
    from tracetcp.wire.probe_table import ProbeTable, Sent
    from tracetcp.wire.quotes import QuotedProbe

IPV6_HEADER = 40


class _Template:
    """The packet of one kind, cut where fields are filled in, and the checksum sum of its constant parts."""

    __slots__ = ("addresses", "end", "length_protocol", "middle", "pack", "source", "tcp_sum", "version")

    def __init__(self, source: int, packet: bytes, tcp_sum: int, *, echoes_token: bool) -> None:
        self.source = source
        self.version, self.length_protocol = int.from_bytes(packet[:4], "big"), packet[4:7]
        self.addresses, self.middle, self.end = packet[8:40], packet[48:54], packet[58:]
        self.tcp_sum = tcp_sum
        pack = struct.Struct(f"!I3sB32sHHI6sHH{len(self.end)}s").pack
        self.pack = echoing(pack, IPV6_HEADER) if echoes_token else pack


class Ipv6Codec(PacketCodec[_Template]):
    """IPv6 probes. IPv6 has no identification, so two other fields replace it.

    The flow label has 20 random bits and proves that the quote is of our probe. There is one label for each
    flow, because routers choose the path by it (RFC 6437). Without ``are_secret`` labels that another run can
    have as well prove nothing, so a probe is known by its token alone. The window is ``RECEIVE_WINDOW`` + TTL
    and tells which probe of the flow it was.
    """

    family: Literal[6] = 6
    _header_length = IPV6_HEADER
    _length_field = (4, 8)
    _read_quote = staticmethod(read_ipv6)

    def __init__(
        self,
        source: str,
        destination: str,
        source_port_base: int,
        templates: Mapping[ProbeKind, bytes],
        probes: ProbeTable,
        tos: int,
        flow_labels: Sequence[int],
        *,
        are_secret: bool = True,
    ) -> None:
        super().__init__(source, destination, source_port_base, templates, probes, tos)
        self._flow_labels = flow_labels
        self._are_secret = are_secret

    def _template(self, source: int, packet: bytes, *, echoes_token: bool) -> _Template:
        """See ``PacketCodec``. Whatever window the kind has, each probe has ``RECEIVE_WINDOW`` + TTL."""
        segment = packet[IPV6_HEADER:54] + RECEIVE_WINDOW.to_bytes(2, "big") + packet[56:]
        return _Template(source, packet, self._tcp_sum(segment), echoes_token=echoes_token)

    def encode(self, probe: Probe) -> bytes:
        """See ``PacketCodec``. The checksum is ``checksum_of`` inline: the call would slow down a scan."""
        token, port, ttl, _, flow, kind, _, _ = probe
        template = self._templates[kind]
        source = template.source + flow
        self._probes.add(token, source, port, ttl)
        source_port = source & 0xFFFF
        return template.pack(
            template.version | self._flow_labels[flow],
            template.length_protocol,
            ttl,
            template.addresses,
            source_port,
            port,
            token,
            template.middle,
            RECEIVE_WINDOW + ttl,
            -(template.tcp_sum + source_port + port + token + ttl) % 0xFFFF,
            template.end,
        )

    def decode(
        self, protocol: int, payload: bytes, sender: str, hop_limit: int | None, received_at: float
    ) -> Reply | None:
        """The reply in ``payload``, or None.

        Raw IPv6 sockets deliver no IP header: ``protocol`` is that of the socket; ``sender`` (with its scope
        if it has one) and ``hop_limit`` come separately from the payload.
        """
        if protocol == TCP and sender == self._destination_text:
            return self._tcp_reply(payload, sender, hop_limit, received_at)
        if protocol == ICMPV6:
            return self._icmp_reply(payload, sender, hop_limit, received_at)
        return None

    def _is_icmp_intact(self, message: bytes, sender: str) -> bool:
        pseudo_sum = word_sum(packed(sender)) + word_sum(self._source) + len(message) + ICMPV6
        return (pseudo_sum + word_sum(message)) % 0xFFFF == 0

    def _sent_without_token(self, quoted: QuotedProbe) -> Sent | None:
        flow = quoted.source_port - self._source_port_base
        if quoted.window is None or not 0 <= flow < FLOWS or not self._are_secret:
            return None
        if quoted.flow_label != self._flow_labels[flow]:  # R1
            return None
        ttl = quoted.window - RECEIVE_WINDOW
        return self._probes.newest(quoted.source_port, quoted.destination_port, ttl)  # R1
