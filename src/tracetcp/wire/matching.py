"""Decides which received bytes answer one of our probes, and which fields of a quote were changed. Pure.

Received bytes are untrusted: bytes that do not prove that they answer one of our probes give None, never an
exception.

A TCP answer is ours if

R1. it comes from the destination's address (which the family checks) and port to our address and source
    port;
R2. its flags are those of an answer to the probe's kind (``kinds``): for a SYN exactly SYN-ACK, RST or
    RST-ACK;
R3. it returns the token where that kind of answer does: for a SYN it acknowledges token + 1;
R4. its header length is possible and its checksum right.

An ICMP error is ours if

R5. its checksum is right, and its type and code are those of an error about a probe;
R6. it quotes (see ``quotes``) the token as the sequence number, or else
R7. it quotes other fields that only our probe had; each family has its own (``ipv4``, ``ipv6``).

``Quote.changed`` names all other fields of the quote that were changed on the path.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from itertools import compress
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from tracetcp.addresses import address, packed
from tracetcp.model import QUOTE_FIELDS, ProbeKind, Quote, Reply, ReplyKind, TcpAnswer
from tracetcp.model.tcp_options import mss_of
from tracetcp.wire.checksums import word_sum
from tracetcp.wire.kinds import WIRE_KINDS, readings
from tracetcp.wire.probe_table import KIND_STEP
from tracetcp.wire.protocols import ICMP_ERRORS, IN_TRANSIT_CODE, TCP
from tracetcp.wire.quotes import (
    ICMP_HEADER,
    SHORTEST_QUOTE,
    TCP_HEADER,
    QuotedProbe,
    split,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tracetcp.model import Probe
    from tracetcp.wire.probe_table import ProbeTable, Sent

_TCP_HEADER = struct.Struct("!HHIIBBHH")


_Template = TypeVar("_Template")


class PacketCodec(ABC, Generic[_Template]):
    """The packets of one trace between ``source`` and ``destination``; see ``open_codec``.

    Subclasses know the IP header of their family; this class knows TCP and the matching of replies.
    ``templates`` has a packet with ``tos`` for each kind of probe. ``length`` is the size of a SYN's packet
    in bytes.
    """

    family: Literal[4, 6]
    _header_length: int
    """Bytes of the IP header."""
    _length_field: tuple[int, int]
    """Position and unit of the field with the length of the quote in an ICMP error (RFC 4884 section 4)."""
    _read_quote: Callable[[bytes], QuotedProbe | None]

    def __init__(
        self,
        source: str,
        destination: str,
        source_port_base: int,
        templates: Mapping[ProbeKind, bytes],
        probes: ProbeTable,
        tos: int,
    ) -> None:
        self._destination_text = destination
        self._source, self._destination = packed(source), packed(destination)
        self._inbound = self._destination + self._source
        self._source_port_base = source_port_base
        self._tos = tos
        options = [packet[self._header_length + TCP_HEADER :] for packet in templates.values()]
        self._options = [(each, mss_of(each)) for each in options]
        self._readings = {
            flags: tuple([(number * KIND_STEP, *reading) for number, reading in ways])
            for flags, ways in readings(templates).items()
        }
        self._pseudo_sum = word_sum(self._source) + word_sum(self._destination) + TCP
        self.length = len(templates[ProbeKind.SYN])
        self._probes = probes
        self._templates = {
            kind: self._template(
                number * KIND_STEP + source_port_base, packet, echoes_token=WIRE_KINDS[kind].echoes_token
            )
            for number, (kind, packet) in enumerate(templates.items())
        }

    @abstractmethod
    def _template(self, source: int, packet: bytes, *, echoes_token: bool) -> _Template:
        """The parts of ``packet``, the template of a kind, that ``encode`` needs; ``source`` is flow 0's."""

    @abstractmethod
    def encode(self, probe: Probe) -> bytes:
        """The IP packet of ``probe`` with correct checksums; the probe is remembered for matching."""

    def _tcp_sum(self, segment: bytes) -> int:
        """The sum of ``segment`` and its pseudo header, for its checksum (RFC 9293 section 3.1)."""
        return self._pseudo_sum + len(segment) + word_sum(segment)

    def _tcp_reply(self, segment: bytes, sender: str, ttl: int | None, received_at: float) -> Reply | None:
        """The reply if ``segment``, sent by the destination, answers a probe, else None (R1 to R4).

        This machine's kernel may leave the checksum to the network card. Over loopback or a veth pair no
        card completes it, so the field has only the sum of the pseudo header (Linux CHECKSUM_PARTIAL;
        measured).
        """
        length = len(segment)
        if length < TCP_HEADER:
            return None
        fields = _TCP_HEADER.unpack_from(segment)
        source_port, port, _, _, offset, flags, window, checksum = fields
        for kind_part, kind, place, ahead in self._readings.get(flags, ()):  # R2
            token = fields[place] - ahead & 0xFFFFFFFF
            if not self._probes.has(token, kind_part + port, source_port):  # R1, R3
                continue
            header = (offset >> 4) * 4
            pseudo_sum = self._pseudo_sum + length
            is_intact = not (pseudo_sum + word_sum(segment)) % 0xFFFF or not (pseudo_sum - checksum) % 0xFFFF
            if not is_intact or not TCP_HEADER <= header <= length:  # R4
                return None
            options = segment[TCP_HEADER:header]
            answer = TcpAnswer(window, mss_of(options) if options else None, options)
            return Reply(token, kind, sender, received_at, ttl, None, None, None, (), answer)
        return None

    def _icmp_reply(self, message: bytes, sender: str, ttl: int | None, received_at: float) -> Reply | None:
        """The reply if ``message`` is an ICMP error about a probe, else None (R5 to R7)."""
        if len(message) < ICMP_HEADER + SHORTEST_QUOTE or not self._is_icmp_intact(message, sender):  # R5
            return None
        icmp_type, code = message[0], message[1]
        kind = ICMP_ERRORS[self.family].get(icmp_type)
        if kind is None or (kind is ReplyKind.TIME_EXCEEDED and code != IN_TRANSIT_CODE):  # R5
            return None
        body, labels = split(message, *self._length_field)
        quoted = self._read_quote(body)
        if quoted is None:
            return None
        sent = self._probes.with_token(quoted.sequence) or self._sent_without_token(quoted)  # R6, R7
        if sent is None:
            return None
        quote = self._quote(quoted, sent)
        return Reply(sent.token, kind, sender, received_at, ttl, icmp_type, code, quote, labels)

    @abstractmethod
    def _is_icmp_intact(self, message: bytes, sender: str) -> bool:
        """Whether ``message``, from ``sender``, has a correct checksum."""

    @abstractmethod
    def _sent_without_token(self, quoted: QuotedProbe) -> Sent | None:
        """The probe that ``quoted`` belongs to despite its rewritten sequence number (R7), or None."""

    def _quote(self, quoted: QuotedProbe, sent: Sent) -> Quote:
        """``quoted`` as a ``Quote``, with the names of the fields that differ from ``sent``."""
        options, mss = self._options[sent.kind]
        differences = (
            quoted.source != self._source,
            quoted.source_port != sent.source_port,
            quoted.destination != self._destination,
            quoted.destination_port != sent.destination_port,
            quoted.sequence != sent.token,
            quoted.ip_id not in (None, sent.slot),
            quoted.tos != self._tos,
            quoted.mss not in (None, mss),
            quoted.options not in (None, options),
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
