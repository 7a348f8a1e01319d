"""The templates that scapy builds, one per trace and kind of probe. Imports scapy late; opens no socket."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING

from tracetcp.addresses import packed
from tracetcp.wire.scapy_start import without_tables

if TYPE_CHECKING:
    from collections.abc import Callable

    from scapy.packet import Packet

NO_ADDRESS, NO_ADDRESS_6 = "192.0.2.0", "2001:db8::"
"""Addresses of documentation (RFC 5737, RFC 3849), which stand in a packet until the true ones do."""
RECEIVE_WINDOW = 64_240
"""The receive window of a SYN from Linux or Windows; an IPv6 probe adds its TTL."""


def load_scapy(family: int) -> None:
    """Import the layers that build probes of ``family``, without scapy's tables, routes and interfaces.

    Loading these takes a quarter of a second, and no probe needs them; ``-g`` loads routes and interfaces
    itself.
    """
    with without_tables():
        from scapy.config import conf

        conf.logLevel = logging.CRITICAL  # scapy would write its warnings to stderr, which only app may
        saved = conf.route_autoload, conf.route6_autoload, conf.ipv6_enabled
        conf.route_autoload = conf.route6_autoload = False
        conf.ipv6_enabled = family == 6
        import scapy.interfaces

        conf.ifaces.reload = lambda: None  # type: ignore[method-assign]
        try:
            import scapy.layers.inet

            if family == 6:
                import scapy.layers.inet6  # noqa: F401 - loaded here, while the replacements are in place
        finally:
            del conf.ifaces.reload
            conf.route_autoload, conf.route6_autoload, conf.ipv6_enabled = saved


def ipv4_template(
    source: str, destination: str, mtu: int, segment: Callable[[int], Packet], tos: int
) -> bytes:
    """The IPv4 packet of a kind of probe; the fields that each probe fills in are 0.

    ``segment`` builds its TCP segment for the MSS that ``mtu`` (bytes) allows. ``tos`` is the TOS byte.
    """
    packet = _ipv4_packet(mtu, segment, tos)
    return packet[:12] + packed(source) + packed(destination) + packet[20:]


@lru_cache(maxsize=16)
def _ipv4_packet(mtu: int, segment: Callable[[int], Packet], tos: int) -> bytes:
    """The same for no destination in particular: that of many costs scapy's time only once."""
    load_scapy(4)
    from scapy.layers.inet import IP

    header = IP(src=NO_ADDRESS, dst=NO_ADDRESS, tos=tos, flags="DF", id=0, ttl=0, chksum=0)
    return bytes(header / segment(mtu - 40))


def ipv6_template(
    source: str, destination: str, mtu: int, segment: Callable[[int], Packet], tos: int
) -> bytes:
    """Like ``ipv4_template``, for IPv6."""
    packet = _ipv6_packet(mtu, segment, tos)
    return packet[:8] + packed(source) + packed(destination) + packet[40:]


@lru_cache(maxsize=16)
def _ipv6_packet(mtu: int, segment: Callable[[int], Packet], tos: int) -> bytes:
    load_scapy(6)
    from scapy.layers.inet6 import IPv6

    header = IPv6(src=NO_ADDRESS_6, dst=NO_ADDRESS_6, tc=tos, hlim=0, fl=0)
    return bytes(header / segment(mtu - 60))


def syn(mss: int) -> Packet:
    """A SYN with the options of today's TCP stacks, for ``mss`` (bytes)."""
    from scapy.layers import inet

    options = [
        ("MSS", min(mss, 0xFFFF)),
        ("NOP", None),
        ("WScale", 8),
        ("NOP", None),
        ("NOP", None),
        ("SAckOK", b""),
    ]
    return inet.TCP(sport=0, dport=0, seq=0, flags="S", window=RECEIVE_WINDOW, chksum=0, options=options)
