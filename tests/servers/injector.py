"""A device that listens to the packets of an interface and answers a word in the server's name.

``injector.py INTERFACE WORD WHAT [TTL]``: WHAT is ``rst``, or ``page`` or ``record`` for data (a HTTP block
page, a TLS alert); TTL is that of the answer, ``copy`` for that of the packet that was seen. It stops
nothing: for a device in the path, have nftables drop the packets as well. Writes ``ready`` once it listens.
"""

from __future__ import annotations

import socket
import struct
import sys

OUTGOING = 4
"""PACKET_OUTGOING."""
RST, PSH_ACK = 0x14, 0x18
PAGE = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\nConnection: close\r\n\r\nblocked"
RECORD = bytes.fromhex("15030300020250")
ANSWERS = {"rst": (RST, b""), "page": (PSH_ACK, PAGE), "record": (PSH_ACK, RECORD)}


def checksum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total = sum(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def answer(packet: bytes, word: bytes, what: str, ttl: str) -> tuple[bytes, str] | None:
    """The packet that answers ``packet`` if it holds ``word``, and where it goes."""
    is_ipv4 = packet[0] >> 4 == 4
    header = (packet[0] & 15) * 4 if is_ipv4 else 40
    if packet[9 if is_ipv4 else 6] != socket.IPPROTO_TCP or word not in packet[header:]:
        return None
    source, destination = (packet[12:16], packet[16:20]) if is_ipv4 else (packet[8:24], packet[24:40])
    seen_ttl = packet[8 if is_ipv4 else 7]
    end = int.from_bytes(packet[2:4], "big") if is_ipv4 else 40 + int.from_bytes(packet[4:6], "big")
    tcp = packet[header:end]
    from_port, to_port, sequence, acknowledged = struct.unpack_from("!HHII", tcp)
    length = len(tcp) - (tcp[12] >> 4) * 4
    flags, data = ANSWERS[what]
    options = _timestamps(tcp) if data else b""
    offset = (20 + len(options)) // 4 << 4
    head = struct.pack(
        "!HHIIBBHHH",
        to_port,
        from_port,
        acknowledged,
        sequence + length & 0xFFFFFFFF,
        offset,
        flags,
        500,
        0,
        0,
    )
    segment = head + options + data
    pseudo = destination + source
    pseudo += (
        struct.pack("!BBH", 0, 6, len(segment)) if is_ipv4 else struct.pack("!IHBB", len(segment), 0, 0, 6)
    )
    segment = segment[:16] + struct.pack("!H", checksum(pseudo + segment)) + segment[18:]
    hops = seen_ttl if ttl == "copy" else int(ttl)
    if is_ipv4:
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 1, 0, hops, 6, 0) + destination + source
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
        return ip + segment, socket.inet_ntop(socket.AF_INET, source)
    ip = struct.pack("!IHBB", 6 << 28, len(segment), 6, hops) + destination + source
    return ip + segment, socket.inet_ntop(socket.AF_INET6, source)


def _timestamps(tcp: bytes) -> bytes:
    """An option that the receiver's check of old duplicates accepts (RFC 7323 section 5)."""
    at, end = 20, (tcp[12] >> 4) * 4
    while at < end and tcp[at] != 0:
        if tcp[at] == 8:
            return b"\1\1\x08\x0a" + tcp[at + 6 : at + 10] + tcp[at + 2 : at + 6]
        at += 1 if tcp[at] == 1 else tcp[at + 1]
    return b""


def main(interface: str, word: str, what: str, ttl: str = "64") -> None:
    listening = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    listening.bind((interface, 0))
    senders = {}
    for family in (socket.AF_INET, socket.AF_INET6):
        senders[family] = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        packet, address = listening.recvfrom(65536)
        if address[2] == OUTGOING or len(packet) < 40:
            continue
        if (found := answer(packet, word.encode(), what, ttl)) is not None:
            family = socket.AF_INET6 if ":" in found[1] else socket.AF_INET
            senders[family].sendto(found[0], (found[1], 0))


if __name__ == "__main__":
    main(*sys.argv[1:])
