"""Which received bytes answer one of our probes, and what of a quote was changed on the way. Pure.

Received bytes are untrusted: what does not prove that it answers one of our probes is None, never an
exception.

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

import struct
from abc import ABC, abstractmethod
from itertools import compress
from typing import TYPE_CHECKING, Literal

from tracetcp.addresses import address, packed
from tracetcp.model import QUOTE_FIELDS, Quote, Reply, ReplyKind, TcpAnswer
from tracetcp.model.tcp_options import mss_of
from tracetcp.wire.checksums import word_sum
from tracetcp.wire.probe_table import Ledger, Sent
from tracetcp.wire.protocols import ICMP_ERRORS, IN_TRANSIT, TCP
from tracetcp.wire.quotes import (
    ICMP_HEADER,
    SHORTEST_QUOTE,
    TCP_HEADER,
    QuotedSyn,
    split,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetcp.model import Probe
OPTIONS_LENGTH = 12
"""MSS, NOP, window scale, NOP, NOP, SACK-permitted."""

_SYN_ACK = 0x12
_TCP_KINDS = {_SYN_ACK: ReplyKind.SYN_ACK, 0x04: ReplyKind.RST, 0x14: ReplyKind.RST}
_TCP_HEADER = struct.Struct("!HHIIBBHH")


class PacketCodec(ABC):
    """The packets of one trace between ``source`` and ``destination``; see ``open_codec``.

    Subclasses know the IP header of their family; this class knows TCP and how a reply is matched.
    ``length`` is that of every probe's packet, in bytes.
    """

    family: Literal[4, 6]
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
        source_port, port, _, acknowledgement, offset, flags, window, checksum = _TCP_HEADER.unpack_from(
            segment
        )
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
        kind = ICMP_ERRORS[self.family].get(icmp_type)
        if kind is None or (kind is ReplyKind.TIME_EXCEEDED and code != IN_TRANSIT):
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
