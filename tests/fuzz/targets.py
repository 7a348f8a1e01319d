"""The fuzz targets: one function for each parser, each taking any bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from tracetcp.model import Probe
from tracetcp.names.escape import printable
from tracetcp.names.origins import parse_origin
from tracetcp.wire.codec import open_codec
from tracetcp.wire.templates import load_scapy

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetcp.wire.codec import Ipv4Codec, Ipv6Codec

PROBE = Probe(token=0x01020304, port=80, ttl=3, attempt=1, flow=0)
TCP, ICMPV6 = 6, 58

load_scapy(6)
FOUR = cast("Ipv4Codec", open_codec("192.0.2.1", "198.51.100.7", 20_000, randomness=bytes))
SIX = cast("Ipv6Codec", open_codec("2001:db8::1", "2001:db8::7", 20_000, randomness=bytes))
FOUR.encode(PROBE)
SIX.encode(PROBE)


def ipv4(data: bytes) -> None:
    """An IPv4 packet as from a raw socket; only our own token may be returned."""
    reply = FOUR.decode(data, 1.0)
    assert reply is None or reply.token == PROBE.token


def ipv6(data: bytes) -> None:
    """An ICMPv6 message or a TCP segment over IPv6."""
    for protocol in (ICMPV6, TCP):
        reply = SIX.decode(protocol, data, "2001:db8::7", 60, 1.0)
        assert reply is None or reply.token == PROBE.token


def names(data: bytes) -> None:
    """The bytes of a label, and a TXT record."""
    assert not set(printable(data)) & set(" []\x1b\n")
    parse_origin(data)


TARGETS: dict[str, Callable[[bytes], None]] = {"ipv4": ipv4, "ipv6": ipv6, "names": names}
