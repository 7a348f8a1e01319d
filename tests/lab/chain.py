"""The chain: client - r1 ... r6 - server, both families, and the changes that a test may make to it.

Addresses (N is the number of the link, which is the number of the router at its far end):

    client  10.0.1.2   fd00:1::2      link 1, interface eth0
    rN      10.0.N.1   fd00:N::1      interface near, towards the client; what a hop's row shows
    rN      10.0.N+1.2 fd00:N+1::2    interface far, towards the server
    server  10.0.7.1   fd00:7::1      link 7, interface eth0

The client has a second link, eth1 (10.0.99.2, fd00:99::2), straight to r2's ``side`` interface
(10.0.99.1, fd00:99::1): a path without r1. The routers know these networks and have no default route.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from contextlib import ExitStack
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Self

from lab import program
from lab.capture import Capture
from lab.namespaces import Namespace, stop

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROUTERS = 6
SIDE_LINK = 99
EVERYTHING = {4: "0.0.0.0/0", 6: "::/0"}
SERVERS = Path(__file__).resolve().parents[1] / "servers"
OPEN_PORTS = (21, 23, 80, 443)
"""Ports on which the server at the end accepts connections."""

FORWARDING = {"net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1}
EVERYWHERE = {
    "net.ipv4.conf.all.rp_filter": 0,
    "net.ipv4.conf.default.rp_filter": 0,
    "net.ipv6.conf.all.accept_ra": 0,
    "net.ipv6.conf.default.accept_ra": 0,
    "net.ipv6.conf.default.accept_dad": 0,
}
# A dead neighbour is given up after one unanswered request, not after three seconds.
QUICK_NEIGHBOURS = {
    f"net.{family}.neigh.{interface}.{name}": value
    for family in ("ipv4", "ipv6")
    for interface in ("near", "far")
    for name, value in (("mcast_solicit", 1), ("retrans_time_ms", 150))
}
NO_RATE_LIMIT = {
    "net.ipv4.icmp_ratelimit": 0,
    "net.ipv4.icmp_msgs_per_sec": 100_000,
    "net.ipv4.icmp_msgs_burst": 100_000,
    "net.ipv6.icmp.ratelimit": 0,
}
# The kernel's own defaults. Since Linux 6.12 each namespace has a global budget (msgs) of its own. Before, it
# is the machine's and cannot be set here, but its 1000 a second are more than any test of the lab needs.
RATE_LIMIT = {
    "net.ipv4.icmp_ratelimit": 1000,
    "net.ipv4.icmp_msgs_per_sec": 1000,
    "net.ipv4.icmp_msgs_burst": 50,
    "net.ipv6.icmp.ratelimit": 100,
}


def near(number: int, family: int = 4) -> str:
    """The address that router ``number`` shows to the client; 7 is the server."""
    return f"10.0.{number}.1" if family == 4 else f"fd00:{number}::1"


def router(number: int) -> str:
    """The label of router ``number``."""
    return f"r{number}"


SERVER = near(ROUTERS + 1)
SERVER_6 = near(ROUTERS + 1, 6)
DEAD = f"10.0.{ROUTERS + 1}.99"
DEAD_6 = f"fd00:{ROUTERS + 1}::99"

CROWD, CROWD_6 = "10.9.0.0/16", "fd00:9::/64"
"""Networks of the server, each address of which answers like itself (``Chain.crowd``)."""

# The records of the DNS server on r1. A router without a record has no name.
HOSTS = (
    f"wintermute,{near(1)},{near(1, 6)}",
    f"core-3.lab.example,{near(3)},{near(3, 6)}",
    f"www.lab.example,{SERVER},{SERVER_6}",
    f"four.lab.example,{SERVER}",
    f"six.lab.example,{SERVER_6}",
)
NAME_OF_THE_SERVER = tuple(
    f"{ip_address(address).reverse_pointer},www.lab.example" for address in (SERVER, SERVER_6)
)


class Chain:
    """The namespaces and their servers, built on entry and always removed on exit."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._after_test = ExitStack()
        self._captures = 0
        self._new_addresses = 0
        self._has_new_address = False
        self.nodes: dict[str, Namespace] = {}

    def __enter__(self) -> Self:
        """Build everything; on a failure, what was built is removed."""
        with ExitStack() as undo:
            undo.callback(self._stack.close)
            for label in ("client", *map(router, range(1, ROUTERS + 1)), "server"):
                self.nodes[label] = Namespace(label)
                self._stack.callback(self.nodes[label].remove)
            self._wire()
            self._start_servers()
            undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.reset()
        self._stack.close()

    @property
    def client(self) -> Namespace:
        """The namespace in which the program runs."""
        return self.nodes["client"]

    def run(
        self,
        arguments: str,
        *,
        user: str | None = None,
        timeout: float = 20,
        environment: dict[str, str] | None = None,
    ) -> program.Finished:
        """Run ``tracetcp ARGUMENTS``, the installed program, on the client."""
        return program.run(
            self.client, shlex.split(arguments), user=user, timeout=timeout, extra_environment=environment
        )

    def nft(self, label: str, rules: str) -> None:
        """Give ``label`` nftables rules for the rest of the test."""
        self._after_test.callback(self.nodes[label].nft, "flush ruleset")
        self.nodes[label].nft(rules)

    def ip(self, label: str, change: str, undo: str) -> None:
        """Change links, addresses or routes of ``label`` for the rest of the test."""
        self._after_test.callback(self.nodes[label].ip, undo)
        self.nodes[label].ip(change)

    def sysctl(self, label: str, settings: Mapping[str, int], undo: Mapping[str, int]) -> None:
        """Set kernel parameters of ``label`` for the rest of the test."""
        self._after_test.callback(self.nodes[label].sysctl, undo)
        self.nodes[label].sysctl(settings)

    def limit_icmp(self, label: str) -> None:
        """Give ``label`` the kernel's own ICMP rate limits for the rest of the test."""
        if not self._has_new_address:
            self._take_new_address()
        self.sysctl(label, RATE_LIMIT, NO_RATE_LIMIT)

    def _take_new_address(self) -> None:
        """Let the client send from addresses that no router has seen, for the rest of the test.

        A kernel counts the errors to each address. It has none left for one to which it has just sent errors,
        be it without a limit.
        """
        self._new_addresses += 1
        self._has_new_address = True
        self._after_test.callback(setattr, self, "_has_new_address", False)
        for family, length in ((4, 24), (6, 64)):
            address = near(1, family)[:-1] + f"1{self._new_addresses:02}"
            options = " nodad" if family == 6 else ""
            way = f"route replace {EVERYTHING[family]} via {near(1, family)}"
            self.ip(
                "client",
                f"address add {address}/{length} dev eth0{options}",
                f"address delete {address}/{length} dev eth0",
            )
            self.ip("client", f"{way} src {address}", way)

    def start(self, label: str, command: Sequence[str], ready: str = "ready") -> subprocess.Popen[str]:
        """Start a server on ``label`` for the rest of the test; returns once it has written ``ready``."""
        process = self.nodes[label].start(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self._after_test.callback(stop, process)
        return _await_line(process, ready)

    def resolve_with(self, *addresses: str) -> None:
        """Make the client use these DNS servers for the rest of the test."""
        self._after_test.callback(self._resolver, near(1))
        self._resolver(*addresses)

    def capture(self, label: str = "client", interface: str = "eth0", only: str = "") -> Capture:
        """A capture for use in a ``with`` block; ``only`` is a tcpdump filter."""
        self._captures += 1
        return Capture(self.nodes[label], interface, self._folder / f"{self._captures}.pcap", only)

    def crowd(self) -> None:
        """Let the server be every host of ``CROWD`` and ``CROWD_6`` as well, for the rest of the test."""
        for number in range(1, ROUTERS + 1):
            for family, network in ((4, CROWD), (6, CROWD_6)):
                way = f"{network} via {near(number + 1, family)}"
                self.ip(router(number), f"route add {way}", f"route del {way}")
        for network in (CROWD, CROWD_6):
            self.ip("server", f"route add local {network} dev lo", f"route del local {network} dev lo")

    def reset(self) -> None:
        """Undo the changes of the last test, the newest first.

        What it left half open would be repeated by the server for a minute, into the captures of later tests.
        """
        self._after_test.close()
        self.nodes["server"].run(["ss", "-Htan", "--kill", "state", "syn-recv"])

    def _wire(self) -> None:
        for number in range(1, ROUTERS + 2):
            self._link(number)
        client, second = self.client, self.nodes["r2"]
        client.ip(f"link add eth1 type veth peer name side netns {second.name}")
        self._address("client", "eth1", SIDE_LINK, 2)
        self._address("r2", "side", SIDE_LINK, 1)
        for number in range(1, ROUTERS + 1):
            self._route_through(number)
        for family in (4, 6):
            client.ip(f"route add {EVERYTHING[family]} via {near(1, family)}")
            client.ip(f"route add {EVERYTHING[family]} via {near(SIDE_LINK, family)} metric 4096")
            self.nodes["server"].ip(f"route add {EVERYTHING[family]} via {_far(ROUTERS, family)}")

    def _link(self, number: int) -> None:
        """Create link ``number``, from the client or a router to the next router or the server."""
        left = self.nodes["client" if number == 1 else router(number - 1)]
        right = self.nodes["server" if number > ROUTERS else router(number)]
        left_interface = "eth0" if number == 1 else "far"
        right_interface = "eth0" if number > ROUTERS else "near"
        left.sysctl(EVERYWHERE | NO_RATE_LIMIT)
        right.sysctl(EVERYWHERE | NO_RATE_LIMIT)
        left.ip(
            f"link add {left_interface} type veth peer name {right_interface} netns {right.name}",
        )
        self._address(left.label, left_interface, number, 2)
        self._address(right.label, right_interface, number, 1)

    def _address(self, label: str, interface: str, link: int, host: int) -> None:
        self.nodes[label].ip(
            "link set lo up",
            f"link set {interface} up",
            f"address add 10.0.{link}.{host}/24 dev {interface}",
            f"address add fd00:{link}::{host}/64 dev {interface} nodad",
        )
        # Captures check the checksums, so they must not be left to a network card that does not exist.
        self.nodes[label].run(["ethtool", "--offload", interface, "tx", "off", "rx", "off"])

    def _route_through(self, number: int) -> None:
        """Make router ``number`` forward, with routes to the links that are not its own."""
        this = self.nodes[router(number)]
        this.sysctl(FORWARDING | QUICK_NEIGHBOURS)
        links = [link for link in range(1, ROUTERS + 2) if link not in (number, number + 1)]
        for link in [*links, SIDE_LINK] if number != 2 else links:
            forward = link > number if link != SIDE_LINK else number == 1
            for family in (4, 6):
                gateway = near(number + 1, family) if forward else _far(number - 1, family)
                this.ip(f"route add {_network(link, family)} via {gateway}")

    def _start_servers(self) -> None:
        self._resolver(near(1))
        for label, ports in (("server", OPEN_PORTS), ("r2", (8080,))):
            server = [sys.executable, str(SERVERS / "listen.py"), label, *map(str, ports)]
            _await_line(self.nodes[label].start(server, stdout=subprocess.PIPE), "ready")
        records = [
            *(f"--host-record={record}" for record in HOSTS),
            *(f"--ptr-record={record}" for record in NAME_OF_THE_SERVER),
        ]
        dnsmasq = self.nodes["r1"].start(
            [
                *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file", "--no-hosts"),
                *("--no-resolv", "--user=root", "--log-facility=-", "--bind-interfaces", "--port=53"),
                *(f"--listen-address={near(1)}", "--local=/#/", "--local-ttl=60", *records),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        _await_line(dnsmasq, "started")

    def _resolver(self, *addresses: str) -> None:
        self.client.etc("resolv.conf", "".join(f"nameserver {address}\n" for address in addresses))
        self.client.etc("hosts", "127.0.0.1 localhost\n::1 localhost\n")


def _far(number: int, family: int) -> str:
    """The address of router ``number`` on the link after it; 0 is the client."""
    return f"10.0.{number + 1}.2" if family == 4 else f"fd00:{number + 1}::2"


def _network(link: int, family: int) -> str:
    return f"10.0.{link}.0/24" if family == 4 else f"fd00:{link}::/64"


def _await_line(process: subprocess.Popen[str], mark: str) -> subprocess.Popen[str]:
    """Return ``process`` once it has written a line that contains ``mark``."""
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if mark in line:
            return process
    raise AssertionError(f"the server ended before it was ready: {''.join(said)}")
