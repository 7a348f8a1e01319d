"""Sends frames to one gateway on a local link (``-g``); scapy finds its link-layer address."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING

from tracetcp.addresses import packed
from tracetcp.errors import FamilyMismatch, ProberError
from tracetcp.probers.raw import filters
from tracetcp.wire.templates import load_scapy

if TYPE_CHECKING:
    from scapy.interfaces import NetworkInterface
    from scapy.packet import Packet
    from scapy.supersocket import SuperSocket

    from tracetcp.probers.routes import Route

NEIGHBOUR_WAIT = 1.0
"""Seconds to wait after each of ``NEIGHBOUR_TRIES`` requests for the link-layer address (RFC 4861: 1)."""
NEIGHBOUR_TRIES = 3
NO_LINK_ADDRESS = "00:00:00:00:00:00"


class GatewayLink:
    """Frames to one gateway on a local link, whatever the routing table says (``-g``).

    Opens its socket at once, but requests the gateway's link-layer address at the first send, after the
    process has given up its privileges. ``route`` leads to the gateway. Raises ``FamilyMismatch``,
    and ``ProberError`` if the gateway is not on a link that has addresses.
    """

    def __init__(self, gateway: str, destination: str, route: Route) -> None:
        self._gateway = gateway
        self._route = route
        if (":" in gateway) != (":" in destination):
            raise FamilyMismatch(
                f"gateway {gateway} is IPv{route.family} but the target's address {destination} is not: "
                f"give a gateway of the target's family or use -{route.family}"
            )
        load_scapy(route.family)
        self._interface = self._find_interface()
        self._socket = self._open()
        self._header = b""

    def _find_interface(self) -> NetworkInterface:
        from scapy.config import conf

        conf.ifaces.reload()
        bare, _, zone = self._gateway.partition("%")
        table = conf.route6 if self._route.family == 6 else conf.route
        table.resync()
        device = self._route.device or (socket.if_indextoname(self._route.scope) if zone else None)
        name, _, via = table.route(bare, dev=device, verbose=0)
        interface: NetworkInterface = conf.ifaces.dev_from_name(name)
        is_far = via not in ("0.0.0.0", "::")  # noqa: S104 - scapy's words for no gateway
        if is_far or interface.mac == NO_LINK_ADDRESS or self._route.source == self._gateway:
            raise ProberError(
                f"gateway {self._gateway} is not a neighbour on a local link: "
                "give the address of a router that this machine reaches without another one"
            )
        return interface

    @property
    def interface(self) -> str:
        """The name of the interface on the gateway's link."""
        return self._interface.name

    def _open(self) -> SuperSocket:
        """A socket that is never promiscuous and has no filter of scapy's, which would need libpcap."""
        from scapy.config import conf
        from scapy.data import ETH_P_ARP, ETH_P_IPV6

        protocol = ETH_P_IPV6 if self._route.family == 6 else ETH_P_ARP
        opened: SuperSocket = conf.L2socket(iface=self._interface, type=protocol, promisc=False, nofilter=1)
        assert opened.outs is not None
        self._frames: socket.socket = opened.outs
        return opened

    def resolve(self) -> None:
        """Request the gateway's link-layer address unless it is known; ``ProberError`` without an answer."""
        if self._header:
            return
        from scapy.layers.l2 import Ether

        for _ in range(NEIGHBOUR_TRIES):
            answer = self._socket.sr1(self._question(), timeout=NEIGHBOUR_WAIT, verbose=0)
            if answer is not None:
                ether_type = 0x86DD if self._route.family == 6 else 0x0800
                self._header = bytes(Ether(dst=answer.src, src=self._interface.mac, type=ether_type))
                filters.attach(self._frames, filters.NOTHING_PASSES)
                return
        raise ProberError(
            f"gateway {self._gateway} does not answer on {self._interface.name}: "
            "check the address, and that the gateway is up"
        )

    def _question(self) -> Packet:
        """An ARP request (RFC 826) or a neighbour solicitation (RFC 4861 section 4.3)."""
        from scapy.layers.l2 import ARP, Ether

        own, source = self._interface.mac, self._route.source.partition("%")[0]
        bare = self._gateway.partition("%")[0]
        if self._route.family == 4:
            request = ARP(op="who-has", hwsrc=own, psrc=source, pdst=bare)
            return Ether(src=own, dst="ff:ff:ff:ff:ff:ff") / request
        from scapy.layers import inet6
        from scapy.utils6 import in6_getnsma, in6_getnsmac

        group = in6_getnsma(packed(bare))
        header = inet6.IPv6(src=source, dst=str(ipaddress.IPv6Address(group)), hlim=255)
        solicitation = inet6.ICMPv6ND_NS(tgt=bare) / inet6.ICMPv6NDOptSrcLLAddr(lladdr=own)
        return Ether(src=own, dst=in6_getnsmac(group)) / header / solicitation

    def send(self, packet: bytes) -> None:
        """Send ``packet`` in a frame to the gateway; raises ``OSError``."""
        self._frames.send(self._header + packet)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
