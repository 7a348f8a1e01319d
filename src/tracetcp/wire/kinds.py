"""Each kind of probe on the wire: its segment, and where its answers return the token. A table. Pure.

To add a kind, add an entry to ``WIRE_KINDS`` and the function that builds its segment (``templates``). What
its answers say about the port is an entry of ``model.OUTCOMES``. No other code depends on the kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracetcp.model import ProbeKind, ReplyKind
from tracetcp.wire.checksums import checksum_of, word_sum
from tracetcp.wire.templates import syn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from scapy.packet import Packet

RST, RST_ACK, SYN_ACK = 0x04, 0x14, 0x12
"""TCP flags (RFC 9293 section 3.1)."""
SEQUENCE, ACKNOWLEDGEMENT = 2, 3
"""Positions of these numbers among the fields of a TCP header."""


class TcpReading(NamedTuple):
    """How to read a TCP answer: it is of ``kind``, and the field at ``place`` is the token plus ``ahead``."""

    kind: ReplyKind
    place: int
    ahead: int


class WireKind(NamedTuple):
    """A kind of probe.

    ``segment`` builds its TCP segment for the MSS that the route allows; ports, sequence number and checksum
    are 0 and filled in for each probe. The sequence number is the token. With ``echoes_token`` the
    acknowledgement number is the token too, because a RST returns it (RFC 9293 section 3.10.7.1).
    ``answers`` maps the flags of its TCP answers to how they are read.
    """

    segment: Callable[[int], Packet]
    answers: Mapping[int, TcpReading]
    echoes_token: bool = False


def _acknowledged(kind: ReplyKind) -> TcpReading:
    """An answer that acknowledges token + 1, because a SYN counts as one (RFC 9293 section 3.4)."""
    return TcpReading(kind, ACKNOWLEDGEMENT, 1)


WIRE_KINDS: dict[ProbeKind, WireKind] = {
    ProbeKind.SYN: WireKind(
        segment=syn,
        answers={
            SYN_ACK: _acknowledged(ReplyKind.SYN_ACK),
            RST: _acknowledged(ReplyKind.RST),
            RST_ACK: _acknowledged(ReplyKind.RST),
        },
    ),
}


def readings(kinds: Iterable[ProbeKind]) -> dict[int, tuple[tuple[int, TcpReading], ...]]:
    """For each combination of flags: the number of every kind that it can answer, and how to read the answer.

    The number of a kind is its position in ``kinds``.
    """
    found: dict[int, tuple[tuple[int, TcpReading], ...]] = {}
    for number, kind in enumerate(kinds):
        for flags, reading in WIRE_KINDS[kind].answers.items():
            found[flags] = (*found.get(flags, ()), (number, reading))
    return found


def echoing(pack: Callable[..., bytes], at: int) -> Callable[..., bytes]:
    """``pack``, extended to copy the sequence number into the acknowledgement number, which is 0 before.

    ``at`` is the offset of the TCP header.
    """

    def pack_both(*fields: bytes | int) -> bytes:
        packet = pack(*fields)
        token, checksum = packet[at + 4 : at + 8], int.from_bytes(packet[at + 16 : at + 18], "big")
        renewed = checksum_of(word_sum(token) - checksum)
        return b"".join(
            (
                packet[: at + 8],
                token,
                packet[at + 12 : at + 16],
                renewed.to_bytes(2, "big"),
                packet[at + 18 :],
            )
        )

    return pack_both
