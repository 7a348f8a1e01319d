"""``--tos`` and ``--mark`` through the installed program, seen on the wire of the lab's real kernels."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from lab import SERVER, SERVER_6, near

if TYPE_CHECKING:
    from scapy.packet import Packet

    from lab import Chain

pytestmark = pytest.mark.netns

USERS = pytest.mark.parametrize("user", [None, "nobody"])
TARGETS = pytest.mark.parametrize("target", [f"{SERVER}:80", f"[{SERVER_6}]:80"])
EXPEDITED = 46 << 2
QUIET = """
import socket, time
listening = socket.create_server(("::", 5432), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
print("ready", flush=True)
held = []
while True:
    held.append(listening.accept()[0])
"""
REMARK = """table inet marking {{
chain forwarding {{
type filter hook forward priority 0;
ip dscp ef ip dscp set {to}
ip6 dscp ef ip6 dscp set {to}
}}
}}
"""


def tos(packet: Packet) -> int:
    """The TOS byte or traffic class of ``packet``."""
    value: int = packet["IPv6"].tc if packet.haslayer("IPv6") else packet["IP"].tos
    return value


def sent(packets: list[Packet], port: int) -> set[int]:
    """The TOS bytes of what was sent to ``port``."""
    return {tos(packet) for packet in packets if packet.haslayer("TCP") and packet["TCP"].dport == port}


@USERS
@TARGETS
@pytest.mark.parametrize(("words", "expected"), [("", 0), (f"--tos {EXPEDITED}", EXPEDITED)])
def test_probes_leave_with_the_tos_byte(
    lab: Chain, target: str, user: str | None, words: str, expected: int
) -> None:
    with lab.capture("client") as captured:
        finished = lab.run(f"-n --json {words} {target}", user=user)
    assert finished.status == 0
    trace = json.loads(finished.out)
    assert trace["config"]["tos"] == expected
    assert all(not probe["changed"] for hop in trace["hops"] for probe in hop["probes"])
    # The kernel's own RSTs to a raw prober's SYN-ACKs carry what the kernel likes.
    syns = [each for each in captured.packets() if each.haslayer("TCP") and each["TCP"].flags == "S"]
    assert sent(syns, 80) == {expected}


@TARGETS
def test_raw_sockets_send_the_ecn_bits_as_well(lab: Chain, target: str) -> None:
    with lab.capture("client") as captured:
        assert lab.run(f"-n --tos 187 {target}").status == 0
    syns = [each for each in captured.packets() if each.haslayer("TCP") and each["TCP"].flags == "S"]
    assert sent(syns, 80) == {187}


def test_without_raw_sockets_the_ecn_bits_are_refused_in_a_line(lab: Chain) -> None:
    with lab.capture("client", only="tcp") as captured:
        finished = lab.run(f"-n --tos 187 {SERVER}", user="nobody")
    assert (finished.status, finished.out) == (3, "")
    assert finished.err == (
        "tracetcp: --tos 187 cannot be sent without raw sockets: the kernel keeps the ECN bits for itself; "
        "give 184, or run tracetcp as root or with CAP_NET_RAW\n"
    )
    assert not captured.packets()


@USERS
@pytest.mark.parametrize("host", [SERVER, f"[{SERVER_6}]"])
@pytest.mark.parametrize("test", ["--mtu", "--idle 1"])
def test_connections_carry_it_too(lab: Chain, host: str, user: str | None, test: str) -> None:
    lab.start("server", [sys.executable, "-c", QUIET])
    with lab.capture("client") as captured:
        assert lab.run(f"-n --tos {EXPEDITED} {test} {host}:5432", user=user).status == 0
    said = [each for each in captured.packets() if each.haslayer("TCP") and each["TCP"].payload]
    assert sent(said, 5432) == {EXPEDITED}


@TARGETS
@pytest.mark.parametrize(("to", "number"), [("cs0", 0), ("af11", 10)])
def test_a_hop_that_changes_it_is_told(lab: Chain, target: str, to: str, number: int) -> None:
    lab.nft("r2", REMARK.format(to=to))
    out = lab.run(f"-n -e --tos {EXPEDITED} {target}").out
    hop = near(3, 6 if "[" in target else 4)
    assert (
        f"Note: DSCP rewritten between hop 2 and hop 3 ({hop}): our SYN, sent with 46, is marked DSCP "
        f"{number}. [certain]" in out
    )


@TARGETS
def test_an_unchanged_tos_byte_is_no_finding(lab: Chain, target: str) -> None:
    assert "rewritten" not in lab.run(f"-n -e --tos {EXPEDITED} {target}").out


@TARGETS
def test_the_mark_chooses_the_route(lab: Chain, target: str) -> None:
    """The client's routing rule sends what is marked over its second link, past r1."""
    family = 6 if "[" in target else 4
    gateway = near(99, family)
    every = "::/0" if family == 6 else "0.0.0.0/0"
    lab.ip("client", f"route add {every} via {gateway} dev eth1 table 77", f"route del {every} table 77")
    rule = ["fwmark", "0x4d", "table", "77"]
    lab.client.run(["ip", f"-{family}", "rule", "add", *rule])
    lab._after_test.callback(lab.client.run, ["ip", f"-{family}", "rule", "del", *rule])
    first = [row for row in lab.run(f"-n --mark 0x4d {target}").rows if row.startswith("1 ")]
    assert first[0].endswith(gateway)
    plain = [row for row in lab.run(f"-n {target}").rows if row.startswith("1 ")]
    assert plain[0].endswith(near(1, family))


def test_the_mark_is_seen_by_the_firewall(lab: Chain) -> None:
    rule = "tcp dport 80 meta mark 77 counter\ntcp dport 80 meta mark != 77 counter"
    table = f"table inet seen {{\nchain leaving {{\ntype filter hook output priority 0;\n{rule}\n}}\n}}\n"
    lab.nft("client", table)
    assert lab.run(f"-n --mark 77 {SERVER}:80").status == 0
    listed = lab.client.run(["nft", "list", "chain", "inet", "seen", "leaving"])
    marked = next(line for line in listed.splitlines() if "0x0000004d counter" in line and "!=" not in line)
    assert "packets 0 " not in marked


def test_without_root_the_mark_is_refused_in_a_line(lab: Chain) -> None:
    with lab.capture("client", only="tcp") as captured:
        finished = lab.run(f"-n --mark 77 {SERVER}", user="nobody")
    assert (finished.status, finished.out) == (3, "")
    assert finished.err == "tracetcp: --mark 77 needs root: only root may mark packets; leave it out\n"
    assert not captured.packets()
