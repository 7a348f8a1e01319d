"""A bundle: client - r1 - one of several branches - r2 - server; r1's kernel shares the load by ports.

Addresses, with N the number of a branch (IPv6: fd00:... in place of 10...):

    client  10.0.1.2
    r1      10.0.1.1, what its row shows; 10.1.N.2 towards branch N
    bN      10.1.N.1, what its row shows; 10.2.N.2 towards r2
    r2      10.2.N.1; its row shows 10.2.1.1, because it answers over branch 1
    server  10.3.1.1

r1 has a route with as many next hops as ``share`` says, chosen by a hash of addresses and ports
(``fib_multipath_hash_policy`` 1). What each branch forwarded is counted by its nftables.

Packets of connecting sockets bring a hash of their own through a veth pair, which no wire would carry, and
policy 1 believes it: a new one for each socket. ``hash_packets`` has r1 compute it from the packet (policy
3).
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from lab import program
from lab.chain import EVERYWHERE, FORWARDING, NO_RATE_LIMIT, SERVERS, _await_line
from lab.namespaces import Namespace

if TYPE_CHECKING:
    from collections.abc import Mapping

BY_PORTS = {"net.ipv4.fib_multipath_hash_policy": 1, "net.ipv6.fib_multipath_hash_policy": 1}
BY_PACKET_PORTS = {
    f"net.{family}.fib_multipath_hash_{name}": value
    for family in ("ipv4", "ipv6")
    for name, value in (("fields", 0x37), ("policy", 3))
}
"""Addresses, protocol and ports, of the packet itself."""
COUNTERS = """
table inet count {
  chain forward { type filter hook forward priority 0; tcp flags & (syn|ack) == syn counter; }
}
"""
BREAK = """
table inet break {{
  chain forward {{ type filter hook forward priority 10; {rule}; }}
}}
"""


def branch(number: int, family: int = 4) -> str:
    """The address that branch ``number`` shows."""
    return _address(1, number, 1, family)


def _address(link: int, number: int, host: int, family: int = 4) -> str:
    return f"10.{link}.{number}.{host}" if family == 4 else f"fd00:{link}:{number}::{host}"


SERVER = {family: _address(3, 1, 1, family) for family in (4, 6)}
JOIN = {family: _address(2, 1, 1, family) for family in (4, 6)}
FIRST = {family: _address(0, 1, 1, family) for family in (4, 6)}


class Bundle:
    """The namespaces, built on entry for up to ``width`` branches and always removed on exit."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._stack = ExitStack()
        self.nodes: dict[str, Namespace] = {}

    def __enter__(self) -> Self:
        """Build everything; on a failure, what was built is removed."""
        with ExitStack() as undo:
            undo.callback(self._stack.close)
            for label in ("client", "r1", *map("b{}".format, range(1, self.width + 1)), "r2", "server"):
                self.nodes[label] = Namespace(f"bundle-{label}")
                self._stack.callback(self.nodes[label].remove)
                self.nodes[label].sysctl(EVERYWHERE | NO_RATE_LIMIT)
                self.nodes[label].ip("link set lo up")
            self._wire()
            listen = [sys.executable, str(SERVERS / "listen.py"), "server", "80", "443"]
            _await_line(self.nodes["server"].start(listen, stdout=subprocess.PIPE), "ready")
            undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _wire(self) -> None:
        self._link("client", "r1", 0, 1)
        self._link("r2", "server", 3, 1)
        for number in range(1, self.width + 1):
            self._link("r1", f"b{number}", 1, number)
            self._link(f"b{number}", "r2", 2, number)
        for label in self.nodes.keys() - {"client", "server"}:
            self.nodes[label].sysctl(FORWARDING | BY_PORTS)
        for family, everything in ((4, "0.0.0.0/0"), (6, "::/0")):
            self.nodes["client"].ip(f"route add {everything} via {_address(0, 1, 1, family)}")
            self.nodes["server"].ip(f"route add {everything} via {_address(3, 1, 2, family)}")
            self.nodes["r2"].ip(f"route add {_network(0, 1, family)} via {_address(2, 1, 2, family)}")
            for number in range(1, self.width + 1):
                this = self.nodes[f"b{number}"]
                this.ip(f"route add {_network(0, 1, family)} via {_address(1, number, 2, family)}")
                this.ip(f"route add {_network(3, 1, family)} via {_address(2, number, 1, family)}")
        for number in range(1, self.width + 1):
            self.nodes[f"b{number}"].nft(COUNTERS)

    def _link(self, left: str, right: str, link: int, number: int) -> None:
        names = [f"l{link}n{number}a", f"l{link}n{number}b"]
        self.nodes[left].ip(
            f"link add {names[0]} type veth peer name {names[1]} netns {self.nodes[right].name}"
        )
        for label, name, host in ((left, names[0], 2), (right, names[1], 1)):
            self.nodes[label].ip(
                f"link set {name} up",
                f"address add {_address(link, number, host)}/24 dev {name}",
                f"address add {_address(link, number, host, 6)}/64 dev {name} nodad",
            )

    def share(self, width: int) -> None:
        """Have r1 share the load over the first ``width`` branches."""
        for family in (4, 6):
            hops = " ".join(f"nexthop via {branch(n, family)}" for n in range(1, width + 1))
            self.nodes["r1"].ip(f"route replace {_network(3, 1, family)} {hops}")

    def hash_packets(self, *, is_computed: bool) -> None:
        """Have r1 compute the hash from each packet, or take one that a packet brings along."""
        self.nodes["r1"].sysctl(BY_PACKET_PORTS if is_computed else BY_PORTS)

    def drop(self, number: int, port: int, how: str = "drop") -> None:
        """Have branch ``number`` drop what goes to ``port``, or do what ``how`` says in nft's words."""
        self.nodes[f"b{number}"].nft(BREAK.format(rule=f"tcp dport {port} {how}"))

    def mend(self, number: int) -> None:
        """Undo ``drop``."""
        self.nodes[f"b{number}"].nft("delete table inet break")

    def limit_icmp(self, settings: Mapping[str, int]) -> None:
        """Set the ICMP limits of all routers."""
        for label in self.nodes.keys() - {"client", "server"}:
            self.nodes[label].sysctl(settings)

    def forwarded(self, number: int) -> int:
        """How many SYNs branch ``number`` has forwarded."""
        listed = self.nodes[f"b{number}"].run(["nft", "list", "table", "inet", "count"])
        found = re.search(r"counter packets (\d+)", listed)
        return int(found[1]) if found else 0

    def run(self, arguments: str, *, user: str | None = None, timeout: float = 60) -> program.Finished:
        """Run ``tracetcp ARGUMENTS``, the installed program, on the client."""
        return program.run(self.nodes["client"], shlex.split(arguments), user=user, timeout=timeout)


def _network(link: int, number: int, family: int) -> str:
    return f"{_address(link, number, 0)}/24" if family == 4 else f"fd00:{link}:{number}::/64"
