"""Faults on real paths and on this machine: firewalls, NAT, dead hosts, no route, no permission."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab import DEAD, SERVER, SERVER_6, rules, shape

if TYPE_CHECKING:
    from lab import Chain

pytestmark = pytest.mark.netns

FOUR_HOPS = """
Tracing route to 10.0.7.1 on port 80
Over a maximum of 30 hops.
1       ~ ms    ~ ms    ~ ms    10.0.1.1
2       ~ ms    ~ ms    ~ ms    10.0.2.1
3       ~ ms    ~ ms    ~ ms    10.0.3.1
"""

WHOLE_PATH = (
    FOUR_HOPS
    + """\
4       ~ ms    ~ ms    ~ ms    10.0.4.1
5       ~ ms    ~ ms    ~ ms    10.0.5.1
6       ~ ms    ~ ms    ~ ms    10.0.6.1
7       Destination Reached in ~ ms. Connection established to 10.0.7.1
Trace Complete.
"""
)


def refuses_to_run(status: int, out: str, err: str) -> bool:
    """Whether a run that could not be done ended with status 3 and one sentence."""
    return status == 3 and out == "" and err.startswith("tracetcp: ") and err.count("\n") == 1


@pytest.mark.parametrize(
    ("reason", "text", "text_6"),
    [
        (
            "admin-prohibited",
            "Communication administratively prohibited",
            "Communication with destination administratively prohibited",
        ),
        ("port-unreachable", "Port unreachable", "Port unreachable"),
        ("host-unreachable", "Host unreachable", "Address unreachable"),
        ("no-route", "Network unreachable", "No route to destination"),
    ],
)
def test_rejected_by_a_router(lab: Chain, reason: str, text: str, text_6: str) -> None:
    lab.nft("r3", rules.forwarded(f"tcp dport 80 reject with icmpx type {reason}"))
    for target, router, words in ((SERVER, "10.0.3.1", text), (SERVER_6, "fd00:3::1", text_6)):
        finished = lab.run(f"-n {target}")
        assert finished.status == 1
        assert finished.rows[-2].startswith("4       ")
        assert finished.rows[-2].endswith(f" {router} reports: {words}")
        assert finished.rows[-1] == "Trace Complete."


def test_reset_by_a_firewall_in_the_targets_name(lab: Chain) -> None:
    lab.nft("r3", rules.forwarded("tcp dport 80 reject with tcp reset"))
    finished = lab.run(f"-n {SERVER}")
    assert shape(finished.out) == (
        FOUR_HOPS + "4       Destination Reached in ~ ms. Port closed on 10.0.7.1\nTrace Complete.\n"
    )


@pytest.mark.parametrize("label", ["r1", "r3"])
def test_path_behind_source_nat(lab: Chain, label: str) -> None:
    lab.nft(label, rules.masquerade("far"))
    finished = lab.run(f"-n {SERVER}")
    assert (shape(finished.out), finished.err, finished.status) == (WHOLE_PATH, "", 0)


@pytest.mark.parametrize(
    ("port", "end"),
    [(80, "Connection established to 10.0.7.1"), (22, "Port closed on 10.0.7.1")],
)
@pytest.mark.parametrize("label", ["r1", "r3", "server"])
def test_stateful_firewall_that_drops_what_it_calls_invalid(
    lab: Chain, label: str, port: int, end: str
) -> None:
    hook = rules.arriving if label == "server" else rules.forwarded
    lab.nft(label, hook("ct state invalid drop"))
    finished = lab.run(f"-n {SERVER}:{port}")
    assert shape(finished.rows[-2]) == f"7       Destination Reached in ~ ms. {end}"
    assert shape(finished.out).count("~ ms") == 6 * 3 + 1


def test_router_that_lets_only_new_and_known_connections_pass(lab: Chain) -> None:
    lab.nft("r2", rules.forwarded("ct state established,related accept", "ct state new accept", "drop"))
    finished = lab.run(f"-n {SERVER}")
    assert (shape(finished.out), finished.status) == (WHOLE_PATH, 0)


def test_client_firewall_that_takes_only_answers(lab: Chain) -> None:
    lab.nft("client", rules.ONLY_ESTABLISHED)
    finished = lab.run(f"-n {SERVER}")
    assert (shape(finished.out), finished.err, finished.status) == (WHOLE_PATH, "", 0)


def test_dead_host(lab: Chain) -> None:
    finished = lab.run(f"-n {DEAD}")
    assert finished.status == 1
    assert finished.rows[-2].startswith("7       ")
    assert finished.rows[-2].endswith("10.0.6.1 reports: Host unreachable")


def test_network_that_the_first_router_does_not_know(lab: Chain) -> None:
    """Linux answers only one such packet a second, whatever ``icmp_ratelimit`` says."""
    finished = lab.run("-n 10.200.0.1")
    assert finished.status == 1
    assert finished.rows[-2].endswith(" 10.0.1.1 reports: Network unreachable")
    assert finished.rows[-1] == "Trace Complete."


@pytest.mark.parametrize("target", ["10.200.0.1", "fd00:200::1"])
def test_no_route_on_this_machine(lab: Chain, target: str) -> None:
    network = "fd00:200::/64" if ":" in target else "10.200.0.0/16"
    lab.ip("client", f"route add unreachable {network}", f"route del unreachable {network}")
    finished = lab.run(f"-n {target}")
    assert refuses_to_run(finished.status, finished.out, finished.err), finished
    assert target in finished.err


def test_interface_that_is_down(lab: Chain) -> None:
    again = (
        "link set eth1 up\naddress add fd00:99::2/64 dev eth1 nodad\n"
        "route add 0.0.0.0/0 via 10.0.99.1 metric 4096\nroute add ::/0 via fd00:99::1 metric 4096"
    )
    lab.ip("client", "link set eth1 down", again)
    finished = lab.run(f"-n -i eth1 {SERVER}")
    assert refuses_to_run(finished.status, finished.out, finished.err), finished
    assert "eth1" in finished.err


def test_local_firewall_that_forbids_sending(lab: Chain) -> None:
    lab.nft("client", rules.leaving(rules.drop(80)))
    finished = lab.run(f"-n -t 500 -m 3 {SERVER}")
    assert finished.status in (1, 3)
    assert "Traceback" not in finished.err
    assert "Destination Reached" not in finished.out


@pytest.mark.parametrize("target", [SERVER, SERVER_6])
def test_raw_sockets_insisted_on_without_the_right(lab: Chain, target: str) -> None:
    finished = lab.run(f"-n -R {target}", user="nobody")
    assert refuses_to_run(finished.status, finished.out, finished.err), finished
    assert "sudo" in finished.err


def test_rate_limited_routers_show_no_false_stars(lab: Chain) -> None:
    for label in ("r1", "r2", "r3"):
        lab.limit_icmp(label)
    finished = lab.run(f"-n {SERVER}")
    assert (shape(finished.out), finished.status) == (WHOLE_PATH, 0)


def test_rate_limited_router_makes_no_port_look_blocked(lab: Chain) -> None:
    lab.limit_icmp("r3")
    lab.nft("r2", rules.forwarded(rules.drop(135)))
    finished = lab.run(f"{SERVER} -h 3 -m 1 -p 1 -t 500 -c -n -r 130 140", timeout=60)
    silent = [row.partition(" ")[0] for row in finished.rows if "*" in row]
    assert silent == ["[10.0.7.1:135]"]
