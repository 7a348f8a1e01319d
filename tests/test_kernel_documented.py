"""The documented uses, run through real kernels by the installed program.

The network is the one that the documentation describes: port 135 is dropped after hop 2, ports 137 to 139
after hop 1, and in the proxy test router 2 accepts the connections to port 80 itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab import OPEN_PORTS, SERVER, near, rules, shape

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab import Chain

pytestmark = pytest.mark.netns

PLAIN = """
Tracing route to 10.0.7.1 [www.lab.example] on port 80
Over a maximum of 30 hops.
1       ~ ms    ~ ms    ~ ms    10.0.1.1        [wintermute]
2       ~ ms    ~ ms    ~ ms    10.0.2.1
3       ~ ms    ~ ms    ~ ms    10.0.3.1        [core-3.lab.example]
4       ~ ms    ~ ms    ~ ms    10.0.4.1
5       ~ ms    ~ ms    ~ ms    10.0.5.1
6       ~ ms    ~ ms    ~ ms    10.0.6.1
7       Destination Reached in ~ ms. Connection established to 10.0.7.1
Trace Complete.
"""

PROXY = """
Tracing route to 10.0.7.1 on port 80
Over a maximum of 30 hops.
1       ~ ms    ~ ms    ~ ms    10.0.1.1
2       Destination Reached in ~ ms. Connection established to 10.0.7.1
Trace Complete.
"""

BLOCKED_HEAD = """
Tracing route to 10.0.7.1 on port 135
Over a maximum of 30 hops.
1       ~ ms    ~ ms    ~ ms    10.0.1.1
2       ~ ms    ~ ms    ~ ms    10.0.2.1
"""

CLOSED_END = "7       Destination Reached in ~ ms. Port closed on 10.0.7.1\nTrace Complete.\n"

ONE_HOP_RANGE = """\
[10.0.7.1:130]  3       ~ ms    10.0.3.1
[10.0.7.1:131]  3       ~ ms    10.0.3.1
[10.0.7.1:132]  3       ~ ms    10.0.3.1
[10.0.7.1:133]  3       ~ ms    10.0.3.1
[10.0.7.1:134]  3       ~ ms    10.0.3.1
[10.0.7.1:135]  3       *       Request timed out.
[10.0.7.1:136]  3       ~ ms    10.0.3.1
[10.0.7.1:137]  3       *       Request timed out.
[10.0.7.1:138]  3       *       Request timed out.
[10.0.7.1:139]  3       *       Request timed out.
[10.0.7.1:140]  3       ~ ms    10.0.3.1
"""

THREE_HOPS_RANGE = """\
[10.0.7.1:134]  1       ~ ms    10.0.1.1
[10.0.7.1:134]  2       ~ ms    10.0.2.1
[10.0.7.1:134]  3       ~ ms    10.0.3.1

[10.0.7.1:135]  1       ~ ms    10.0.1.1
[10.0.7.1:135]  2       ~ ms    10.0.2.1
[10.0.7.1:135]  3       *       Request timed out.

[10.0.7.1:136]  1       ~ ms    10.0.1.1
[10.0.7.1:136]  2       ~ ms    10.0.2.1
[10.0.7.1:136]  3       ~ ms    10.0.3.1

[10.0.7.1:137]  1       ~ ms    10.0.1.1
[10.0.7.1:137]  2       *       Request timed out.
[10.0.7.1:137]  3       *       Request timed out.
"""


@pytest.fixture
def filtered(lab: Chain) -> Chain:
    """The documented network: two routers that drop Windows' ports."""
    lab.nft("r1", rules.forwarded(rules.drop("137-139")))
    lab.nft("r2", rules.forwarded(rules.drop(135)))
    return lab


def test_plain_trace(lab: Chain) -> None:
    finished = lab.run("four.lab.example")
    assert (shape(finished.out), finished.err, finished.status) == (PLAIN, "", 0)


@pytest.mark.alone
def test_six_hops_with_three_pings_take_less_than_a_second(
    lab: Chain, record_property: Callable[[str, object], None]
) -> None:
    finished = lab.run(f"-n {SERVER}")
    record_property("seconds", finished.seconds)
    assert finished.status == 0
    assert finished.seconds < 2.5  # for a busy machine; on an idle one it takes well under one second


def test_transparent_proxy_answers_nearer_than_the_server(lab: Chain) -> None:
    lab.nft("r2", rules.redirect(80, 8080))
    finished = lab.run(f"-n {SERVER}:http")
    assert (shape(finished.out), finished.err, finished.status) == (PROXY, "", 0)


def test_the_proxy_leaves_other_ports_alone(lab: Chain) -> None:
    lab.nft("r2", rules.redirect(80, 8080))
    finished = lab.run(f"-n {SERVER}:https")
    assert shape(finished.rows[-2]) == PLAIN.splitlines()[-2]


def test_blocked_port_runs_out_of_hops(filtered: Chain) -> None:
    finished = filtered.run(f"-n -t 1000 {SERVER}:135")
    silent = [f"{ttl:<8}*       *       *       Request timed out.\n" for ttl in range(3, 31)]
    expected = BLOCKED_HEAD + "".join(silent) + "Trace Complete.\n"
    assert (shape(finished.out), finished.err, finished.status) == (expected, "", 1)


def test_closed_port_is_told_apart_from_a_blocked_one(filtered: Chain) -> None:
    finished = filtered.run(f"-n {SERVER}:136")
    assert shape(finished.out).endswith(CLOSED_END)
    assert finished.status == 0


def test_one_hop_of_a_port_range(filtered: Chain) -> None:
    finished = filtered.run(f"{SERVER} -h 3 -m 1 -p 1 -t 500 -c -r 130 140 -n")
    assert (shape(finished.out), finished.err, finished.status) == (ONE_HOP_RANGE, "", 1)


def test_three_hops_of_a_port_range(filtered: Chain) -> None:
    finished = filtered.run(f"{SERVER} -h 1 -m 3 -p 1 -t 500 -c -r 134 137 -n")
    assert (shape(finished.out), finished.err, finished.status) == (THREE_HOPS_RANGE, "", 1)


def scanned(pings: int) -> str:
    """The report of a scan of ports 20 to 80 that finds 21, 23 and 80 open and the rest silent."""
    silent = "*       " * pings + "Request timed out."
    found = "Dest. in ~ ms. Port OPEN on 10.0.7.1"
    return "".join(
        f"[10.0.7.1:{port}]  1        {found if port in (21, 23, 80) else silent}\n" for port in range(20, 81)
    )


@pytest.fixture
def guarded(lab: Chain) -> Chain:
    """A server that is silent on all ports except three."""
    lab.nft("server", rules.arriving("tcp dport { 21, 23, 80 } accept", "meta l4proto tcp drop"))
    return lab


def test_port_scan_spelt_out(guarded: Chain) -> None:
    finished = guarded.run(f"{SERVER} -r 20 80 -c -m 1 -t 100 -h 50")
    assert (shape(finished.out), finished.err, finished.status) == (scanned(3), "", 0)


def test_easy_port_scan(guarded: Chain) -> None:
    finished = guarded.run(f"{SERVER} -s 20 80 -t 200")
    assert (shape(finished.out), finished.err, finished.status) == (scanned(1), "", 0)


def test_scan_of_a_host_that_refuses(lab: Chain) -> None:
    finished = lab.run(f"{SERVER} -s 20 23")
    assert shape(finished.out) == (
        "[10.0.7.1:20]  1        Dest. in ~ ms. Port CLOSED on 10.0.7.1\n"
        "[10.0.7.1:21]  1        Dest. in ~ ms. Port OPEN on 10.0.7.1\n"
        "[10.0.7.1:22]  1        Dest. in ~ ms. Port CLOSED on 10.0.7.1\n"
        "[10.0.7.1:23]  1        Dest. in ~ ms. Port OPEN on 10.0.7.1\n"
    )


def test_scan_of_thousands_of_ports_misses_none(lab: Chain) -> None:
    finished = lab.run(f"{SERVER} -s 1 4000")
    states = [(row.partition("]")[0], "OPEN" in row) for row in finished.rows]
    assert states == [(f"[10.0.7.1:{port}", port in OPEN_PORTS) for port in range(1, 4001)]
    assert finished.out.count("CLOSED") == 4000 - len(OPEN_PORTS)


def test_several_ports_each_get_their_block(lab: Chain) -> None:
    finished = lab.run(f"-n -h 6 {SERVER}:80,22")
    block = (
        "\nTracing route to 10.0.7.1 on port {}\nOver a maximum of 30 hops.\n"
        "6       ~ ms    ~ ms    ~ ms    " + near(6) + "\n"
        "7       Destination Reached in ~ ms. {}\nTrace Complete.\n"
    )
    expected = block.format(80, "Connection established to 10.0.7.1") + block.format(
        22, "Port closed on 10.0.7.1"
    )
    assert (shape(finished.out), finished.status) == (expected, 0)
