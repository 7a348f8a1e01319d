"""Real kernels, as root and as nobody: ``--diff`` tells what changed there and nothing else; ``--report``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from lab import rules
from lab.chain import SERVER, SERVER_6, near
from test_kernel_mtu import QUIET, limit_there, serve

if TYPE_CHECKING:
    from pathlib import Path

    from lab import Chain

pytestmark = pytest.mark.netns

USERS = [pytest.param(None, id="root"), pytest.param("nobody", id="nobody")]
FAMILIES = [pytest.param(SERVER, id="ipv4"), pytest.param(f"[{SERVER_6}]", id="ipv6")]
BYPASS = 98
"""The link from r2 to r5 that a test adds."""


class Window:
    """A change window: runs saved one after the other, and their differences."""

    def __init__(self, lab: Chain, folder: Path, host: str, user: str | None) -> None:
        self._lab = lab
        self._folder = folder
        self._host = host
        self._user = user

    def save(self, name: str, port: int = 80) -> None:
        command = f"--json -n -e -t 1500 --source-port 41000 {self._host}:{port}"
        finished = self._lab.run(command, user=self._user, timeout=60)
        (self._folder / name).write_text(finished.out)

    def differences(self, old: str, new: str) -> list[dict[str, Any]]:
        finished = self._lab.run(f"--diff {self._folder / old} {self._folder / new} --json")
        assert finished.err == ""
        (found,) = map(json.loads, finished.rows)
        assert finished.status == bool(found["differences"])
        assert found["hops_compared"]
        return list(found["differences"])

    def change(self, port: int = 80) -> list[tuple[str, int | None]]:
        """Save another run; the kinds and hops of what differs from the first one."""
        self.save("after", port)
        return [(each["kind"], each["hop"]) for each in self.differences("before", "after")]


@pytest.fixture(params=FAMILIES)
def host(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=USERS)
def window(request: pytest.FixtureRequest, lab: Chain, tmp_path: Path, host: str) -> Window:
    found = Window(lab, tmp_path, host, request.param)
    found.save("before")
    return found


def test_runs_past_limited_routers_differ_in_nothing(window: Window, lab: Chain) -> None:
    for number in range(1, 7):
        lab.limit_icmp(f"r{number}")
    window.save("before")
    assert window.change() == []
    assert window.change() == []


def test_a_firewall_that_drops_is_named_with_its_hop(window: Window, lab: Chain) -> None:
    lab.nft("r3", rules.forwarded(rules.drop(80)))
    assert window.change() == [("outcome", 3)]


def test_a_firewall_that_rejects_is_named_with_its_hop(window: Window, lab: Chain) -> None:
    lab.nft("r4", rules.forwarded("tcp dport 80 reject with icmpx admin-prohibited"))
    assert window.change() == [("outcome", 4)]


def test_a_way_round_two_routers_is_named_where_it_begins(window: Window, lab: Chain, host: str) -> None:
    r2, r5 = lab.nodes["r2"], lab.nodes["r5"]
    lab.ip("r2", f"link add bypass type veth peer name bypass netns {r5.name}", "link del bypass")
    for node, end in ((r2, 2), (r5, 1)):
        node.ip(
            "link set bypass up",
            f"address add 10.0.{BYPASS}.{end}/24 dev bypass",
            f"address add fd00:{BYPASS}::{end}/64 dev bypass nodad",
        )
        node.run(["ethtool", "--offload", "bypass", "tx", "off", "rx", "off"])
    network, old, new = (
        ("fd00:7::/64", near(3, 6), f"fd00:{BYPASS}::1")
        if ":" in host
        else ("10.0.7.0/24", near(3), f"10.0.{BYPASS}.1")
    )
    lab.ip("r2", f"route replace {network} via {new}", f"route replace {network} via {old}")
    assert window.change() == [("distance", 5), ("path", 3)]


def test_a_changed_tos_byte_is_named_where_quotes_show_it(lab: Chain, tmp_path: Path, host: str) -> None:
    window = Window(lab, tmp_path, host, None)  # without raw sockets no quote is seen
    window.save("before")
    lab.nft("r3", rules.forwarded("ip dscp set cs3", "ip6 dscp set cs3"))
    assert window.change() == [("rewriting", 4)]


@pytest.mark.parametrize("user", USERS)
def test_a_report_tells_what_a_test_of_the_connection_found(lab: Chain, user: str | None) -> None:
    serve(lab)
    limit_there(lab, 1400)
    lab.nft("r2", QUIET)
    finished = lab.run("--report --mtu www.lab.example:8888", user=user, timeout=90)
    assert finished.status == 0
    out = finished.out
    assert out.startswith(
        "# Port 8888 of `www.lab.example`: "
        "open, but loses large packets, over IPv4, open, but loses large packets, over IPv6\n"
    )
    for number, address in (4, near(2)), (6, near(2, 6)):
        assert (
            f"**IPv{number}: Packets of more than 1400 bytes are lost after hop 2 (`{address}`), "
            "and no router says so. (certain)**\n"
        ) in out
    assert "| `core-3.lab.example` |" in out
