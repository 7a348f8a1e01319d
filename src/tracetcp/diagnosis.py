"""Looks for local causes of silence: ``--check``, and after a trace in which nothing answered.

Finds facts by trying and reading, never by guessing; opens sockets on loopback only and writes nothing.
What was not looked at is not mentioned.
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tracetcp.config import TraceConfig
from tracetcp.errors import TracetcpError
from tracetcp.model import Probe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetcp.probers.prober import Prober

LOOPBACK = "127.0.0.1"
PATIENCE = 1.0
"""Seconds for an answer over loopback."""
SILENCE = 0.1
"""Seconds without an answer over loopback that is not to come."""
HIGHEST_TTL = 255
"""More than an answer of this machine has, unless it was told to send that."""
WITHOUT_RAW_SOCKETS = (
    "no raw sockets: traces run without privileges, less exactly; use sudo or CAP_NET_RAW for more"
)
TUNNEL_TYPES = {65534: "a tunnel", 768: "an IP tunnel", 769: "an IPv6 tunnel", 776: "an IPv6-in-IPv4 tunnel"}
"""ARP hardware types of links without link-layer addresses (linux/if_arp.h)."""
SIOCGIFADDR = 0x8915
CONTAINER_MARKS = {"/.dockerenv": "Docker", "/run/.containerenv": "Podman"}
IFF_UP = 1


class Finding(NamedTuple):
    """One look: what was looked at, whether all is well there, and what was seen, remedy included."""

    subject: str
    is_passed: bool
    sentence: str


def after_silence(destination: str, source: str, root: Path = Path("/")) -> list[Finding]:
    """What is wrong or worth knowing here when not even the first hop answered; only what was found."""
    interface = interface_of(source, root)
    looks = [
        own_address(destination, source),
        source_address(source),
        link_state(interface, root) if interface else None,
        tunnel(interface, root) if interface else None,
        translation(root),
        loopback_tcp(),
        loopback_icmp(),
    ]
    return [finding for finding in looks if finding is not None and not finding.is_passed]


def check(host_address: str | None, root: Path = Path("/")) -> Iterator[Finding]:
    """The looks of ``--check``, passed or not; ``host_address`` is looked at for its route if given."""
    granted = privileges()
    yield granted
    if granted.sentence == WITHOUT_RAW_SOCKETS and sys.platform == "linux":
        yield ordinary_sockets(host_address)
    yield interfaces(root)
    if host_address is not None:
        yield route(host_address)
    yield loopback_tcp()
    yield loopback_icmp()
    yield raw_self_test()
    yield versions()


def privileges() -> Finding:
    """Whether raw sockets are granted."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP).close()
    except OSError:
        return Finding("privileges", True, WITHOUT_RAW_SOCKETS)
    return Finding("privileges", True, "raw sockets are granted")


def ordinary_sockets(host_address: str | None) -> Finding:
    """What this kernel lets a trace without raw sockets do, tried on loopback, and towards a host if given.

    One source port for several probes, the least TTL of an answer, and whether late replies are waited for.
    """
    from tracetcp.probers.connect.prober import ConnectProber
    from tracetcp.probers.connect.single_syn import find_silencer
    from tracetcp.probers.routes import find_route

    with (
        _closed_port(socket.SOCK_STREAM) as port,
        closing(ConnectProber(TraceConfig(host=LOOPBACK, ports=(port,)), LOOPBACK)) as prober,
    ):
        again = [_is_answered(prober, Probe(token, port, 64, 1, flow=0)) for token in (1, 2)]
        low = _is_answered(prober, Probe(3, port, 64, 1, flow=1, min_reply_ttl=1))
        high = _is_answered(prober, Probe(4, port, 64, 1, flow=2, min_reply_ttl=HIGHEST_TTL), SILENCE)
    grants = {"one source port a column": all(again), "the TTL of answers": low and not high}
    if host_address is not None:
        with suppress(TracetcpError):
            grants["replies later than 0.9 s"] = find_silencer(find_route(host_address, None)) is not None
    told = [f"{grant}: {'yes' if is_granted else 'no'}" for grant, is_granted in grants.items()]
    return Finding("ordinary sockets", True, "; ".join(told))


def _is_answered(prober: Prober, probe: Probe, patience: float | None = None) -> bool:
    from tracetcp.runner import first_replies

    if not isinstance(prober.send(probe), float):
        return False
    return bool(first_replies(prober, prober.clock() + (PATIENCE if patience is None else patience)))


def interfaces(root: Path = Path("/")) -> Finding:
    """Whether any interface but loopback is up."""
    up = [name for name in _interfaces(root) if name != "lo" and _is_up(name, root)]
    if up:
        return Finding("interfaces", True, f"up: {', '.join(up)}")
    return Finding(
        "interfaces", False, "no interface but loopback is up: 'ip link set NAME up' brings one up"
    )


def route(address: str) -> Finding:
    """Whether the kernel knows a way to ``address``; asking sends nothing."""
    from tracetcp.probers.routes import find_route

    try:
        found = find_route(address, None)
    except TracetcpError as error:
        return Finding("route", False, str(error))
    return Finding("route", True, f"to {address} from {found.source}")


def own_address(destination: str, source: str) -> Finding | None:
    """The target may be this machine: then there is no path to see."""
    if destination.partition("%")[0] != source.partition("%")[0]:
        return None
    return Finding(
        "target", False, f"{destination} is an address of this machine: there is no hop in between"
    )


def source_address(source: str) -> Finding:
    """Whether the address that probes leave from is still this machine's: nobody can answer to another."""
    family, *_, place = socket.getaddrinfo(source, 0, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)[0]
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as holder:
        try:
            holder.bind(place)
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                sentence = (
                    f"address {source}, which probes leave from, is gone from this machine, and with it "
                    "answers: see 'ip address', and trace again"
                )
                return Finding("source", False, sentence)
    return Finding("source", True, f"{source} is this machine's")


def link_state(interface: str, root: Path = Path("/")) -> Finding:
    """Whether the interface that probes leave by is up and connected."""
    state = _read(root / "sys/class/net" / interface / "operstate") or "unknown"
    if state in ("up", "unknown") and _is_up(interface, root):
        return Finding("link", True, f"{interface} is up")
    return Finding(
        "link", False, f"interface {interface} is {state}: check its cable, or 'ip link set {interface} up'"
    )


def tunnel(interface: str, root: Path = Path("/")) -> Finding | None:
    """Whether probes leave through a tunnel: VPNs often answer for the path, or swallow its answers."""
    folder = root / "sys/class/net" / interface
    kind = TUNNEL_TYPES.get(int(_read(folder / "type") or 0))
    if (folder / "tun_flags").exists():
        kind = "a TUN or TAP device"
    if kind is None:
        return None
    return Finding(
        "tunnel", False, f"probes leave through {interface}, {kind}: a VPN may hide the path; try -i"
    )


def translation(root: Path = Path("/")) -> Finding | None:
    """Whether this is a container or WSL, whose address translation may drop ICMP errors."""
    where = next((name for mark, name in CONTAINER_MARKS.items() if (root / mark[1:]).exists()), None)
    if "microsoft" in (_read(root / "proc/version") or "").lower():
        where = "WSL"
    if where is None:
        return None
    return Finding(
        "translation", False, f"this is {where}: its network translation may swallow ICMP; try the host"
    )


def loopback_tcp() -> Finding:
    """Whether a SYN and a RST pass this machine's own firewall, on loopback."""
    with _closed_port(socket.SOCK_STREAM) as port, socket.socket() as client:
        client.settimeout(PATIENCE)
        try:
            client.connect((LOOPBACK, port))
        except ConnectionRefusedError:
            return Finding("loopback TCP", True, "SYN and RST pass")
        except OSError as error:
            return Finding(
                "loopback TCP", False, f"a local firewall is in the way of TCP ({error}): see its rules"
            )
    return Finding(
        "loopback TCP", False, "a closed port accepted a connection: something answers in its place"
    )


def loopback_icmp() -> Finding:
    """Whether ICMP errors reach this machine's programs, on loopback (the kernel tells of them by errno)."""
    with _closed_port(socket.SOCK_DGRAM) as port, socket.socket(type=socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE)
        client.connect((LOOPBACK, port))
        with suppress(TimeoutError):
            try:
                client.send(b"")
                client.recv(1)
            except ConnectionRefusedError:
                return Finding("loopback ICMP", True, "ICMP errors arrive")
            except PermissionError as error:
                return Finding(
                    "loopback ICMP", False, f"a local firewall refuses packets ({error}): see its rules"
                )
    return Finding(
        "loopback ICMP", False, "ICMP errors do not arrive: a local firewall drops them; see its rules"
    )


def raw_self_test() -> Finding:
    """Whether the prober that a trace would use sends a SYN to a closed loopback port and hears its RST."""
    from tracetcp.model import ReplyKind
    from tracetcp.probers import open_prober
    from tracetcp.runner import first_replies

    with _closed_port(socket.SOCK_STREAM) as port:
        try:
            prober = open_prober(TraceConfig(host=LOOPBACK, ports=(port,)), LOOPBACK)
        except TracetcpError as error:
            return Finding("probe", False, str(error))
        try:
            sent = prober.send(Probe(0x5EED5EED, port, 64, 1, 0))
            until = prober.clock() + PATIENCE
            replies = first_replies(prober, until) if isinstance(sent, float) else []
        finally:
            prober.close()
    if any(reply.kind is ReplyKind.RST for reply in replies):
        return Finding("probe", True, f"a {prober.kind} probe over loopback was answered")
    return Finding(
        "probe", False, f"a {prober.kind} probe over loopback was not answered: see the local firewall"
    )


def versions() -> Finding:
    """The versions that a bug report needs."""
    from importlib.metadata import version

    from tracetcp import __version__

    libraries = ", ".join(f"{name} {version(name)}" for name in ("scapy", "dnspython"))
    python = ".".join(map(str, sys.version_info[:3]))
    return Finding("versions", True, f"tracetcp {__version__}, Python {python}, {libraries}")


def interface_of(source: str, root: Path = Path("/")) -> str | None:
    """The interface that has the address ``source``, None if none has."""
    bare = source.partition("%")[0]
    if ":" in bare:
        wanted = socket.inet_pton(socket.AF_INET6, bare).hex()
        lines = (_read(root / "proc/net/if_inet6") or "").splitlines()
        return next((line.split()[5] for line in lines if line.startswith(wanted)), None)
    return next((name for name in _interfaces(root) if _ipv4_of(name) == bare), None)


def _ipv4_of(interface: str) -> str | None:
    import fcntl

    request = struct.pack("256s", interface.encode()[:15])
    with socket.socket(type=socket.SOCK_DGRAM) as asker, suppress(OSError):
        return socket.inet_ntoa(fcntl.ioctl(asker, SIOCGIFADDR, request)[20:24])
    return None


def _interfaces(root: Path) -> list[str]:
    folder = root / "sys/class/net"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def _is_up(interface: str, root: Path) -> bool:
    flags = _read(root / "sys/class/net" / interface / "flags") or "0"
    return bool(int(flags, 16) & IFF_UP)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None


class _closed_port:  # noqa: N801 - a context manager, used like a function
    """A loopback port that is taken, so that nobody opens it, and closed: bound, not listening for long."""

    def __init__(self, kind: socket.SocketKind) -> None:
        self._holder = socket.socket(type=kind)
        self._kind = kind

    def __enter__(self) -> int:
        self._holder.bind((LOOPBACK, 0))
        port: int = self._holder.getsockname()[1]
        if self._kind is socket.SOCK_DGRAM:
            self._holder.close()  # a bound UDP socket would take the datagram
        return port

    def __exit__(self, *_: object) -> None:
        self._holder.close()
