"""The prober for systems other than Linux: frames through scapy's own sockets (BPF; Npcap on Windows).

scapy knows the interfaces, routes and neighbours of each system and how to open its capture device; the
packets come from ``wire``. Replies are captured before this machine's firewall can drop them, and the kernel
answers a SYN-ACK with the RST that closes the half-open connection.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
import time
from random import SystemRandom
from typing import TYPE_CHECKING, NamedTuple

from tracetcp.addresses import address
from tracetcp.errors import FamilyMismatch, NoPermission, NoRoute, ProberError, UsageError
from tracetcp.model import FLOWS
from tracetcp.probers.failures import passing_failure
from tracetcp.probers.prober import Prober
from tracetcp.probers.stamps import received_at
from tracetcp.wire.codec import open_codec
from tracetcp.wire.templates import load_scapy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scapy.packet import Packet
    from scapy.supersocket import SuperSocket

    from tracetcp.config import TraceConfig
    from tracetcp.model import Probe, Reply, SendFailure

SOURCE_PORTS = range(10_000, 49_152 - FLOWS)
"""Where the block of source ports may start: above the ports that servers often use, below those that these
systems assign to programs (RFC 6335: 49152 and up)."""
ETHERNET_MTU = 1500
LOOK_INTERVAL = 0.05
"""Seconds between two looks for replies that no descriptor announces. Npcap has no descriptor that Windows
can wait for together with a socket, and scapy may hold frames that it has already read from BPF.
"""
NO_ADDRESSES = ("0.0.0.0", "::")  # noqa: S104 - scapy's words for no address


class ScapyProber(Prober):
    """A ``Prober`` on scapy's layer 3 socket, for one destination.

    Raises ``NoPermission`` where the capture device is refused, ``ProberError`` where it is missing,
    ``NoRoute``, ``UsageError`` for an interface that does not exist, and ``FamilyMismatch``.
    """

    kind = "scapy"
    capacity = 256
    """The answers that fit in a BPF buffer of 32 kB."""

    def __init__(self, config: TraceConfig, destination: str) -> None:
        bare, _, zone = destination.partition("%")
        self._family = 6 if ":" in bare else 4
        self._zone = zone
        self.destination = destination
        _prepare_scapy(self._family)
        device, self.source = _find_way(config, bare, zone)
        self._socket = _open_socket(device, bare)
        self._looked_at = time.monotonic()
        # Windows can wait only for sockets, and for at least one: this pair never becomes readable.
        self._silent: tuple[socket.socket, ...] = socket.socketpair() if sys.platform == "win32" else ()
        self._first_port = config.source_port or SystemRandom().choice(SOURCE_PORTS)
        if config.source_port is not None:
            _require_free(config.source_port, self.source)
        self._codec = open_codec(
            self.source,
            destination,
            self._first_port,
            mtu=ETHERNET_MTU,
            tos=config.tos,
            has_fixed_labels=config.source_port is not None,
        )

    def clock(self) -> float:
        """See ``Prober``."""
        return time.monotonic()

    def send(self, probe: Probe) -> float | SendFailure:
        """See ``Prober``. The first probe waits for the neighbour's link-layer address."""
        from scapy.layers import inet, inet6

        layer = inet6.IPv6 if self._family == 6 else inet.IP
        packet = layer(self._codec.encode(probe))
        sent_at = time.monotonic()
        try:
            self._socket.send(packet)
        except OSError as error:
            number = error.errno or 0
            return passing_failure(number, os.strerror(number) if number else str(error))
        return sent_at

    def source_port(self, probe: Probe) -> int:
        """See ``Prober``."""
        return self._first_port + probe.flow

    def descriptors(self) -> Sequence[int]:
        """See ``Prober``."""
        if self._socket.closed:
            return ()
        readable = self._silent[0] if self._silent else self._socket
        return (readable.fileno(),)

    def drain(self) -> Sequence[Reply]:
        """See ``Prober``."""
        replies: list[Reply] = []
        while not self._socket.closed and self._socket.select([self._socket], 0):
            layer, data, stamp = self._socket.recv_raw()
            if layer is None or data is None:
                break
            instant = received_at(None if stamp is None else float(stamp), self._looked_at, self.clock())
            reply = self._decode(layer(data), instant)
            if reply is not None:
                replies.append(reply)
        self._looked_at = self.clock()
        return replies

    def wake_at(self) -> float:
        """See ``Prober``: every ``LOOK_INTERVAL``."""
        return self._looked_at + LOOK_INTERVAL

    def close(self) -> None:
        """See ``Prober``."""
        for silent in self._silent:
            silent.close()
        self._socket.close()

    def _decode(self, frame: Packet, received_at: float) -> Reply | None:
        from scapy.layers import inet, inet6

        packet = frame.getlayer(inet6.IPv6 if self._family == 6 else inet.IP)
        if packet is None:
            return None
        data: bytes = packet.original
        if self._codec.family == 4:
            return self._codec.decode(data, received_at)
        length = int.from_bytes(data[4:6], "big")
        sender = address(data[8:24])
        if self._zone and ipaddress.ip_address(sender).is_link_local:
            sender = f"{sender}%{self._zone}"
        return self._codec.decode(data[6], data[40 : 40 + length], sender, data[7], received_at)


def _require_free(port: int, source: str) -> None:
    """Raises ``ProberError`` if a program uses ``port``: its answers to our replies would spoil the trace."""
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as asker:
        try:
            asker.bind(("", port))
        except OSError as error:
            raise ProberError(
                f"source port {port} is taken ({os.strerror(error.errno or 0)}): choose another --source-port"
            ) from error


class _Way(NamedTuple):
    """scapy's name of the interface that sends the probes, and their source address."""

    device: str
    source: str


def _prepare_scapy(family: int) -> None:
    """Import scapy and make it read this machine's interfaces and routes."""
    load_scapy(family)
    import scapy.layers.inet6
    import scapy.layers.l2  # noqa: F401 - the frames of captures
    from scapy.config import conf

    if sys.platform == "win32" and not conf.use_pcap:
        raise ProberError(
            "probing on Windows needs Npcap, which is not installed: get it from https://npcap.com"
        )
    conf.verb = 0
    conf.ifaces.reload()
    (conf.route6 if family == 6 else conf.route).resync()


def _find_way(config: TraceConfig, destination: str, zone: str) -> _Way:
    """The route to ``destination``. ``-g``, ``-i`` and a scope are entered in scapy's own routing table."""
    from scapy.config import conf

    family = 6 if ":" in destination else 4
    if config.gateway is not None and (":" in config.gateway) != (family == 6):
        raise FamilyMismatch(
            f"gateway {config.gateway} is not of the target's family: give an IPv{family} address"
        )
    chosen = _chosen_interface(config.interface, family)
    next_hop = (config.gateway or destination).partition("%")[0]
    table = conf.route6 if family == 6 else conf.route
    device, source, via = table.route(next_hop, dev=chosen.device or zone or None, verbose=0)
    if source in NO_ADDRESSES:
        raise NoRoute(f"no route to {next_hop}: check the interface, its addresses and the routing table")
    if config.gateway or config.interface or zone:
        _pin(destination, device, config.gateway or via)
    return _Way(device, chosen.source or source)


def _chosen_interface(wanted: str | None, family: int) -> _Way:
    """The interface that ``-i`` gives, by name or by address; an empty string for what it leaves open."""
    from scapy.config import conf

    if wanted is None:
        return _Way("", "")
    try:
        own = ipaddress.ip_address(wanted)
    except ValueError:
        try:
            return _Way(conf.ifaces.dev_from_name(wanted).network_name, "")
        except ValueError:
            known = ", ".join(sorted(interface.name for interface in conf.ifaces.values()))
            raise UsageError(
                f"there is no interface {wanted}: use one of {known}, or a local address"
            ) from None
    if own.version != family:
        raise FamilyMismatch(
            f"interface address {wanted} is IPv{own.version} but the target's is IPv{family}: "
            f"give an IPv{family} address of this machine or use -{own.version}"
        )
    for interface in conf.ifaces.values():
        if str(own) in interface.ips[family]:
            return _Way(interface.network_name, str(own))
    raise UsageError(f"no interface has the address {wanted}: give one that this machine has")


def _pin(destination: str, device: str, gateway: str) -> None:
    """Make scapy send to ``destination`` on ``device``, through ``gateway`` unless that is 0.0.0.0 or ::."""
    from scapy.config import conf

    via = gateway.partition("%")[0]
    if ":" in destination:
        conf.route6.add(dst=f"{destination}/128", gw=via, dev=device)
    else:
        conf.route.add(host=destination, gw=via, dev=device)


def _open_socket(device: str, destination: str) -> SuperSocket:
    """Open scapy's layer 3 socket on ``device``: never promiscuous, filtered to possible answers."""
    from scapy.config import conf
    from scapy.error import Scapy_Exception

    answers = "icmp6" if ":" in destination else "icmp"
    try:
        # When refused, libpcap's layer 3 socket writes a traceback; its layer 2 socket fails quietly.
        conf.L2socket(iface=device, promisc=False, nofilter=1).close()
        opened: SuperSocket = conf.L3socket(
            iface=device, promisc=False, filter=f"{answers} or (tcp and src host {destination})"
        )
    except (OSError, RuntimeError, Scapy_Exception) as error:
        said = " ".join(str(error).split())
        if "permi" in said.lower():
            raise NoPermission(
                f"the system refuses to capture packets on {device} ({said}): {_remedy()}"
            ) from error
        raise ProberError(f"packets cannot be captured on {device} ({said}): {_remedy()}") from error
    return opened


def _remedy() -> str:
    if sys.platform == "win32":
        return "install Npcap from https://npcap.com and run tracetcp as administrator"
    return "run tracetcp with sudo, or grant this user read and write access to /dev/bpf*"
