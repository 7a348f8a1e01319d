"""Noise: packets that answer nothing, derived from a SYN in flight and sent to the client. Pure.

Each kind is an answer to that SYN with one thing wrong, or no answer at all. ``STRANGER`` sends the ICMP
errors, so a tool that accepts one shows an address that is not in the network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from internet import wire
from internet.behaviour import ERROR_TYPES, RST_ACK, SYN_ACK, mss_option

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from internet.behaviour import Syn

STRANGER = {4: "203.0.113.66", 6: "2001:db8::66"}
TTL = 60
UDP = 17


def noise(kind: str, syn: Syn, chance: Random) -> bytes:
    """A packet of ``kind`` to the sender of ``syn``."""
    return KINDS[kind](syn, chance)


def _error(syn: Syn, quoted: bytes) -> bytes:
    """Time Exceeded from the stranger with ``quoted``."""
    message = wire.icmp_message(_ends(syn), ERROR_TYPES[syn.family][0], 0, bytes(4) + quoted)
    return _from_stranger(syn, wire.ICMP[syn.family], message)


def _ends(syn: Syn) -> tuple[bytes, bytes]:
    return wire.packed(STRANGER[syn.family]), syn.source


def _from_stranger(syn: Syn, protocol: int, payload: bytes) -> bytes:
    return wire.ip_packet(syn.family, *_ends(syn), protocol, payload, TTL)


def _from_destination(syn: Syn, payload: bytes, protocol: int = wire.TCP) -> bytes:
    return wire.ip_packet(syn.family, syn.destination, syn.source, protocol, payload, TTL)


def _segment(
    syn: Syn,
    chance: Random,
    *,
    source: bytes | None = None,
    ports: tuple[int, int] = (0, 0),
    wrong: int = 0,
    header: int | None = None,
) -> bytes:
    """SYN-ACK or RST as an answer to ``syn``, with the changes that the caller gives."""
    source_port, port = ports if any(ports) else (syn.destination_port, syn.source_port)
    flow = (source or syn.destination, syn.source, source_port, port)
    acknowledgement = (syn.sequence + 1 + wrong) & 0xFFFFFFFF
    flags = chance.choice((SYN_ACK, RST_ACK))
    options = mss_option(1460) if flags == SYN_ACK else b""
    return wire.tcp_segment(flow, chance.getrandbits(32), acknowledgement, flags, 1024, options, header)


def _stranger_syn(syn: Syn, chance: Random, **kept: object) -> Syn:
    """``syn`` with all fields that only its sender knows replaced, except those in ``kept``."""
    changes: dict[str, object] = {
        "source_port": chance.randrange(1024, 65_536),
        "sequence": chance.getrandbits(32),
        "ip_id": chance.getrandbits(16) if syn.family == 4 else 0,
        "flow_label": chance.getrandbits(20) if syn.family == 6 else 0,
        "ttl": 1,
    }
    return syn._replace(**(changes | kept))  # type: ignore[arg-type]


def _unrelated_icmp(syn: Syn, chance: Random) -> bytes:
    other = _stranger_syn(syn, chance, destination_port=chance.randrange(65_536))
    return _error(syn, wire.quote(other))


def _udp_quote(syn: Syn, chance: Random) -> bytes:
    payload = wire.quote(syn)[wire.HEADER[syn.family] :]
    packet = wire.ip_packet(syn.family, syn.source, syn.destination, UDP, payload, 1, ip_id=syn.ip_id)
    return _error(syn, packet)


def _echo_reply(syn: Syn, chance: Random) -> bytes:
    icmp_type = 0 if syn.family == 4 else 129
    message = wire.icmp_message(_ends(syn), icmp_type, 0, bytes(4) + wire.quote(syn))
    return _from_stranger(syn, wire.ICMP[syn.family], message)


def _unrelated_tcp(syn: Syn, chance: Random) -> bytes:
    ports = chance.randrange(1, 1024), chance.randrange(1024, 65_536)
    segment = _segment(syn, chance, source=_ends(syn)[0], ports=ports, wrong=chance.randrange(1, 2**31))
    return _from_stranger(syn, wire.TCP, segment)


def _truncated_icmp(syn: Syn, chance: Random) -> bytes:
    return _error(syn, wire.quote(syn)[: chance.randrange(wire.HEADER[syn.family] + 8)])


def _malformed_icmp(syn: Syn, chance: Random) -> bytes:
    """A quote of another IP version or protocol."""
    quoted = bytearray(wire.quote(syn))
    protocol_at = 9 if syn.family == 4 else 6
    quoted[chance.choice((0, protocol_at))] ^= 0xA0
    return _error(syn, bytes(quoted))


def _icmp_checksum(syn: Syn, chance: Random) -> bytes:
    packet = bytearray(_error(syn, wire.quote(syn)))
    packet[wire.HEADER[syn.family] + 2] ^= chance.randrange(1, 255)
    return bytes(packet)


def _quoted_header_length(syn: Syn, chance: Random) -> bytes:
    """A wrong header length; for IPv6, which has none, a payload length without room for a TCP header."""
    quoted = bytearray(wire.quote(syn))
    if syn.family == 4:
        quoted[0] = 0x40 | chance.choice((0, 1, 4, 15))
    else:
        quoted[4:6] = bytes((0, chance.randrange(8)))
    return _error(syn, bytes(quoted))


def _quoted_sequence(syn: Syn, chance: Random) -> bytes:
    """The right addresses and ports, which anybody can guess, and a wrong sequence number."""
    return _error(syn, wire.quote(_stranger_syn(syn, chance, source_port=syn.source_port)))


def _quoted_source_port(syn: Syn, chance: Random) -> bytes:
    """The right identification or flow label, but no other secret field."""
    other = _stranger_syn(syn, chance, ip_id=syn.ip_id, flow_label=syn.flow_label)
    return _error(syn, wire.quote(other._replace(source_port=syn.source_port ^ chance.randrange(1, 1024))))


def _quoted_destination(syn: Syn, chance: Random) -> bytes:
    other = _stranger_syn(syn, chance, destination=_ends(syn)[0], source_port=syn.source_port)
    return _error(syn, wire.quote(other))


def _tcp_checksum(syn: Syn, chance: Random) -> bytes:
    """Neither the right one nor the sum of the pseudo header, which a network card would complete."""
    segment = bytearray(_segment(syn, chance))
    pseudo = wire.pseudo_header((syn.destination, syn.source), wire.TCP, len(segment))
    partial = 0xFFFF - wire.checksum_of(pseudo)
    segment[16] ^= chance.choice([bits for bits in range(1, 255) if segment[16] ^ bits != partial >> 8])
    return _from_destination(syn, bytes(segment))


def _tcp_header_length(syn: Syn, chance: Random) -> bytes:
    return _from_destination(syn, _segment(syn, chance, header=chance.choice((0, 4, 16, 60))))


def _truncated_tcp(syn: Syn, chance: Random) -> bytes:
    return _from_destination(syn, _segment(syn, chance)[: chance.randrange(20)])


def _tcp_acknowledgement(syn: Syn, chance: Random) -> bytes:
    return _from_destination(syn, _segment(syn, chance, wrong=chance.choice((-1, 1, 1000, 2**31))))


def _tcp_port(syn: Syn, chance: Random) -> bytes:
    source_port, port = syn.destination_port, syn.source_port
    wrong = chance.choice(((source_port ^ 1, port), (source_port, port ^ 1)))
    return _from_destination(syn, _segment(syn, chance, ports=wrong))


def _tcp_sender(syn: Syn, chance: Random) -> bytes:
    return _from_stranger(syn, wire.TCP, _segment(syn, chance, source=_ends(syn)[0]))


def _random_bytes(syn: Syn, chance: Random) -> bytes:
    protocol = chance.choice((wire.TCP, wire.ICMP[syn.family]))
    return _from_destination(syn, chance.randbytes(chance.randrange(64)), protocol)


KINDS: dict[str, Callable[[Syn, Random], bytes]] = {
    "unrelated icmp": _unrelated_icmp,
    "udp quote": _udp_quote,
    "echo reply": _echo_reply,
    "unrelated tcp": _unrelated_tcp,
    "truncated icmp": _truncated_icmp,
    "malformed icmp": _malformed_icmp,
    "icmp checksum": _icmp_checksum,
    "quoted header length": _quoted_header_length,
    "quoted sequence": _quoted_sequence,
    "quoted source port": _quoted_source_port,
    "quoted destination": _quoted_destination,
    "tcp checksum": _tcp_checksum,
    "tcp header length": _tcp_header_length,
    "truncated tcp": _truncated_tcp,
    "tcp acknowledgement": _tcp_acknowledgement,
    "tcp port": _tcp_port,
    "tcp sender": _tcp_sender,
    "random bytes": _random_bytes,
}
"""The function that makes each kind."""
