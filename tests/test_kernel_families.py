"""IPv6 like IPv4, and the options that choose the route: family, interface, gateway, own addresses."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from lab import DEAD_6, SERVER, SERVER_6, near, rules, shape
from lab.chain import SERVERS

if TYPE_CHECKING:
    from lab import Chain

pytestmark = pytest.mark.netns

PLAIN_6 = """
Tracing route to fd00:7::1 on port 80
Over a maximum of 30 hops.
1       ~ ms    ~ ms    ~ ms    fd00:1::1
2       ~ ms    ~ ms    ~ ms    fd00:2::1
3       ~ ms    ~ ms    ~ ms    fd00:3::1
4       ~ ms    ~ ms    ~ ms    fd00:4::1
5       ~ ms    ~ ms    ~ ms    fd00:5::1
6       ~ ms    ~ ms    ~ ms    fd00:6::1
7       Destination Reached in ~ ms. Connection established to fd00:7::1
Trace Complete.
"""

PROXY_6 = """
Tracing route to fd00:7::1 on port 80
Over a maximum of 30 hops.
1       ~ ms    ~ ms    ~ ms    fd00:1::1
2       Destination Reached in ~ ms. Connection established to fd00:7::1
Trace Complete.
"""

RANGE_6 = """\
[[fd00:7::1]:134]  3    ~ ms    fd00:3::1
[[fd00:7::1]:135]  3    *       Request timed out.
[[fd00:7::1]:136]  3    ~ ms    fd00:3::1
[[fd00:7::1]:137]  3    *       Request timed out.
"""

THROUGH_THE_SIDE_LINK = """
Tracing route to 10.0.7.1 on port 80
Over a maximum of 30 hops.
1       ~ ms    ~ ms    ~ ms    10.0.99.1
2       ~ ms    ~ ms    ~ ms    10.0.3.1
3       ~ ms    ~ ms    ~ ms    10.0.4.1
4       ~ ms    ~ ms    ~ ms    10.0.5.1
5       ~ ms    ~ ms    ~ ms    10.0.6.1
6       Destination Reached in ~ ms. Connection established to 10.0.7.1
Trace Complete.
"""


def header(address: str, port: int = 80) -> str:
    return f"\nTracing route to {address} on port {port}\nOver a maximum of 30 hops.\n"


@pytest.mark.parametrize("target", [SERVER_6, f"[{SERVER_6}]:80", f"http://[{SERVER_6}]/index.html"])
def test_plain_trace(lab: Chain, target: str) -> None:
    finished = lab.run(f"-n {target}")
    assert (shape(finished.out), finished.err, finished.status) == (PLAIN_6, "", 0)


def test_transparent_proxy(lab: Chain) -> None:
    lab.nft("r2", rules.redirect(80, 8080))
    finished = lab.run(f"-n {SERVER_6}")
    assert (shape(finished.out), finished.err, finished.status) == (PROXY_6, "", 0)


def test_blocked_ports_in_a_range(lab: Chain) -> None:
    lab.nft("r1", rules.forwarded(rules.drop("137-139")))
    lab.nft("r2", rules.forwarded(rules.drop(135)))
    finished = lab.run(f"{SERVER_6} -h 3 -m 1 -p 1 -t 500 -c -n -r 134 137")
    assert (shape(finished.out), finished.err, finished.status) == (RANGE_6, "", 1)


def test_closed_port(lab: Chain) -> None:
    finished = lab.run(f"-n [{SERVER_6}]:22")
    assert finished.status == 0
    assert shape(finished.rows[-2]) == "7       Destination Reached in ~ ms. Port closed on fd00:7::1"


def test_dead_neighbour_is_reported_by_its_router(lab: Chain) -> None:
    finished = lab.run(f"-n {DEAD_6}")
    assert finished.status == 1
    assert finished.rows[-2].endswith("fd00:6::1 reports: Address unreachable")


@pytest.mark.parametrize(("flag", "address"), [("-4", SERVER), ("-6", SERVER_6)])
def test_family_flag_chooses_among_a_names_addresses(lab: Chain, flag: str, address: str) -> None:
    finished = lab.run(f"-n {flag} www.lab.example")
    assert finished.status == 0
    assert finished.out.startswith(header(address))


@pytest.mark.parametrize(("flag", "target"), [("-6", SERVER), ("-4", SERVER_6), ("-6", "four.lab.example")])
def test_family_that_the_target_does_not_have(lab: Chain, flag: str, target: str) -> None:
    finished = lab.run(f"-n {flag} {target}")
    assert (finished.status, finished.out) == (2, "")
    assert finished.err.startswith("tracetcp: ")
    assert target in finished.err
    assert finished.err.count("\n") == 1


def test_link_local_target_with_its_scope(lab: Chain) -> None:
    lab.ip("r1", "address add fe80::1/64 dev near nodad", "address del fe80::1/64 dev near")
    finished = lab.run("-n fe80::1%eth0")
    assert finished.status == 0
    assert shape(finished.rows[2]).startswith("1       Destination Reached in ~ ms. Port closed on fe80::1")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.0.1.2", "fd00:1::2"])
def test_own_addresses(lab: Chain, address: str) -> None:
    lab.start("client", [sys.executable, str(SERVERS / "listen.py"), "client", "80"])
    host = f"[{address}]" if ":" in address else address
    opened = lab.run(f"-n {host}:80")
    closed = lab.run(f"-n {host}:81")
    assert shape(opened.out) == (
        f"{header(address)}1       Destination Reached in ~ ms. Connection established to {address}\n"
        "Trace Complete.\n"
    )
    assert shape(closed.rows[-2]) == f"1       Destination Reached in ~ ms. Port closed on {address}"
    assert (opened.status, closed.status) == (0, 0)


def test_interface_by_name_takes_its_own_path(lab: Chain) -> None:
    finished = lab.run(f"-n -i eth1 {SERVER}")
    assert (shape(finished.out), finished.err, finished.status) == (THROUGH_THE_SIDE_LINK, "", 0)


@pytest.mark.parametrize(("source", "target"), [("10.0.99.2", SERVER), ("fd00:99::2", SERVER_6)])
def test_interface_by_address_sets_the_source(lab: Chain, source: str, target: str) -> None:
    capture = lab.capture("server")
    with capture:
        finished = lab.run(f"-n -i {source} {target}")
    assert finished.status == 0
    assert finished.rows[-2].endswith(f"Connection established to {target}")
    family = "ipv6" if ":" in target else "ip"
    senders = set(capture.fields("tcp.flags.syn == 1 and tcp.flags.ack == 0", f"{family}.src"))
    assert senders == {(source,)}


@pytest.mark.parametrize("interface", ["eth7", "10.0.1.77"])
def test_interface_that_is_not_there(lab: Chain, interface: str) -> None:
    finished = lab.run(f"-n -i {interface} {SERVER}")
    assert (finished.status in (2, 3), finished.out) == (True, "")
    assert interface in finished.err
    assert finished.err.count("\n") == 1


@pytest.mark.parametrize(
    ("gateway", "target", "second"),
    [("10.0.99.1", SERVER, near(3)), ("fd00:99::1", SERVER_6, near(3, 6))],
)
def test_gateway_overrules_the_routing_table(lab: Chain, gateway: str, target: str, second: str) -> None:
    finished = lab.run(f"-n -g {gateway} {target}")
    assert (finished.err, finished.status) == ("", 0)
    assert shape(finished.rows[3]) == f"2       ~ ms    ~ ms    ~ ms    {second}"
    assert (
        shape(finished.rows[-2]) == f"6       Destination Reached in ~ ms. Connection established to {target}"
    )


def test_gateway_that_nobody_answers_for(lab: Chain) -> None:
    finished = lab.run(f"-n -g 10.0.99.77 {SERVER}")
    assert (finished.status, finished.out) == (3, "")
    assert "10.0.99.77" in finished.err
    assert finished.err.count("\n") == 1
