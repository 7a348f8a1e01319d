"""What raw sockets overhear of connections, packet by packet, whatever comes."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracetcp.addresses import packed
from tracetcp.probers.session.ears import Ears, Overheard

PORT, LOCAL = 443, 40_000
HOST = {4: "203.0.113.80", 6: "2001:db8::80"}
CLIENT = {4: "198.18.0.2", 6: "2001:db8:ffff::2"}
ROUTER = {4: "10.0.3.1", 6: "fd00:3::1"}
BOTH = pytest.mark.parametrize("family", [4, 6])


def ears(family: int) -> Ears:
    """Ears without sockets."""
    listening = object.__new__(Ears)
    listening._family, listening._port, listening._destination = family, PORT, packed(HOST[family])
    return listening


def ip(family: int, source: str, destination: str, protocol: int, content: bytes, ttl: int = 61) -> bytes:
    if family == 6:
        head = struct.pack("!IHBB", 6 << 28, len(content), protocol, ttl)
        return head + packed(source) + packed(destination) + content
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(content), 1, 0, ttl, protocol, 0)
    return head + packed(source) + packed(destination) + content


def tcp(from_port: int, to_port: int, flags: int) -> bytes:
    return struct.pack("!HHIIBBHHH", from_port, to_port, 1, 2, 0x50, flags, 0, 0, 0)


def received(family: int, flags: int, from_port: int = PORT) -> bytes:
    """A segment as the raw socket gives it: with IPv4's header, without that of IPv6."""
    segment = tcp(from_port, LOCAL, flags)
    return segment if family == 6 else ip(4, HOST[4], CLIENT[4], 6, segment)


def error(family: int, icmp_type: int, quote: bytes) -> bytes:
    message = struct.pack("!BBHI", icmp_type, 0, 0, 0) + quote
    return message if family == 6 else ip(4, ROUTER[4], CLIENT[4], 1, message)


def quoted(family: int, to_port: int = PORT, protocol: int = 6, destination: str | None = None) -> bytes:
    return ip(family, CLIENT[family], destination or HOST[family], protocol, tcp(LOCAL, to_port, 0x18), 1)


@BOTH
@pytest.mark.parametrize(("flags", "is_rst"), [(0x12, False), (0x04, True), (0x14, True)])
def test_a_segment_is_heard_with_its_ttl(family: int, flags: int, *, is_rst: bool) -> None:
    heard = ears(family)._read_tcp(received(family, flags), "", 61)
    assert heard == Overheard(LOCAL, is_rst=is_rst, ttl=61)


@BOTH
def test_a_segment_from_another_port_is_not_ours(family: int) -> None:
    assert ears(family)._read_tcp(received(family, 0x12, 80), "", 61) is None


@BOTH
@pytest.mark.parametrize(("types", "is_expired"), [({4: 11, 6: 3}, True), ({4: 3, 6: 1}, False)])
def test_an_icmp_error_is_heard_with_its_sender(
    family: int, types: dict[int, int], *, is_expired: bool
) -> None:
    sender = ROUTER[6] if family == 6 else ""
    heard = ears(family)._read_icmp(error(family, types[family], quoted(family)), sender, 61)
    assert heard == Overheard(
        LOCAL, icmp_type=types[family], icmp_code=0, sender=ROUTER[family], is_expired=is_expired
    )


@BOTH
@pytest.mark.parametrize("what", ["port", "protocol", "destination", "type", "short"])
def test_an_icmp_error_about_anything_else_is_not_ours(family: int, what: str) -> None:
    quote = quoted(family)
    if what == "port":
        quote = quoted(family, to_port=80)
    elif what == "protocol":
        quote = quoted(family, protocol=17)
    elif what == "destination":
        quote = quoted(family, destination=ROUTER[family])
    elif what == "short":
        quote = quote[:-17]
    message = error(family, 8 if what == "type" else {4: 11, 6: 3}[family], quote)
    assert ears(family)._read_icmp(message, ROUTER[6] if family == 6 else "", 61) is None


@BOTH
@settings(max_examples=300, deadline=None)
@given(packet=st.binary(max_size=120))
def test_whatever_comes_is_read_or_ignored(family: int, packet: bytes) -> None:
    listening = ears(family)
    for read in (listening._read_tcp, listening._read_icmp):
        assert read(packet, "", 61) is None or packet
