"""Hostile, lossy and limited paths: the installed program on the simulated Internet, scenario by scenario.

A row is compared as ``TTL stars answer``: how many of its cells are stars and what stands behind them.
Expected rows are those of the network described in the scenario file, not of an earlier run.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from internet import load
from internet.lab import simulated
from tracetcp.model.icmp_words import icmp_words

if TYPE_CHECKING:
    from internet.lab import SimulatedInternet

pytestmark = pytest.mark.netns

TARGET = "203.0.113.80"
OPEN = "open"
CLOSED = "closed"
CELL = re.compile(r"\d+ ms|\*")
RECORD = re.compile(r"\[\S+:(\d+)\]\s+(\d+)")
RANGE = ("-n", "-c", "-m", "3", "-p", "1")
ENDS = {"Connection established": OPEN, "Port closed": CLOSED, "Port OPEN": OPEN, "Port CLOSED": CLOSED}


def rows(out: str) -> list[str]:
    """The rows of verbose output: hop, stars if there are any, addresses or the end."""
    found = []
    for line in out.splitlines():
        if not line[:1].isdigit():
            continue
        end = next((name for words, name in ENDS.items() if words in line), None)
        hop, _, rest = line.partition(" ")
        cells = CELL.findall(rest.partition(" in ")[0] if end else rest)
        answer = end or " ".join(CELL.sub("", rest).split())
        stars = "*" * cells.count("*")
        found.append(" ".join(filter(None, (hop, stars, answer))))
    return found


def routers(count: int) -> list[str]:
    return [f"{hop} 10.{hop}.1.1" for hop in range(1, count + 1)]


def traced(net: SimulatedInternet, *arguments: str) -> list[str]:
    finished = net.tracetcp("-n", *arguments, timeout=50)
    assert finished.err == ""
    return rows(finished.out)


@pytest.mark.parametrize(
    ("scenario", "port", "expected"),
    [
        ("rate-limited-path", 80, [*routers(6), f"7 {OPEN}"]),
        ("injected-rst", 80, [*routers(6), f"7 {OPEN}"]),
        ("firewall-rst", 80, [*routers(6), f"7 {OPEN}"]),
        ("firewall-rst", 25, [*routers(3), f"4 {CLOSED}"]),
        ("refuses-low-ttl", 80, [*routers(3), f"4 {OPEN}"]),
        ("closed", 80, [*routers(3), f"4 {CLOSED}"]),
        ("first-syn-only", 80, [*routers(3), f"4 {OPEN}"]),
        ("second-syn-rst", 80, [*routers(3), f"4 {OPEN}"]),
        ("second-syn-challenge", 80, [*routers(3), f"4 {OPEN}"]),
        ("second-syn-linux", 80, [*routers(3), f"4 {OPEN}"]),
        ("conntrack", 80, [*routers(3), f"4 {OPEN}"]),
        ("duplicates", 80, [*routers(3), f"4 {OPEN}"]),
        ("wrong-acknowledgement", 80, [*routers(2), f"3 {OPEN}"]),
        ("noise", 80, [*routers(6), f"7 {OPEN}"]),
        ("short-quotes", 80, [*routers(12), f"13 {OPEN}"]),
        ("mpls", 80, [*routers(4), f"5 {TARGET}", f"6 {OPEN}"]),
        ("jitter", 80, [*routers(5), f"6 {OPEN}"]),
        ("prohibited", 80, [*routers(3), "4 10.3.1.1 reports: Communication administratively prohibited"]),
    ],
)
def test_the_rows_are_those_of_the_network(scenario: str, port: int, expected: list[str]) -> None:
    with simulated(load(scenario)) as net:
        assert traced(net, f"{net.destination}:{port}") == expected


@pytest.mark.parametrize(
    "field",
    [
        "source",
        "source-port",
        "destination",
        "destination-port",
        "ip-id",
        "sequence",
        "ttl",
        "tos-mss",
        "source-and-port",
        "destination-and-port",
        "both-ends",
        "sequence-and-source",
    ],
)
def test_a_hop_is_found_whatever_the_network_made_of_its_quote(field: str) -> None:
    with simulated(load(f"quoted-{field}")) as net:
        assert traced(net, net.destination) == [*routers(5), f"6 {OPEN}"]


@pytest.mark.parametrize(
    "scenario", ["closed", "injected-rst", "mpls", "short-quotes", "noise", "rate-limited-path"]
)
def test_ipv6_paths_have_the_same_hops(scenario: str) -> None:
    with simulated(load(scenario)) as net:
        four = traced(net, net.destination)
        six = traced(net, net.destination6)
    assert [row.split()[0] for row in six] == [row.split()[0] for row in four]
    assert not any("*" in row for row in six)
    assert six[-1] == four[-1]


@pytest.mark.parametrize("code", range(16))
def test_an_unreachable_of_every_code_is_told_in_its_words(code: int, codes: SimulatedInternet) -> None:
    assert traced(codes, "-p", "1", "-t", "1000", f"{codes.destination}:{9000 + code}") == [
        *routers(2),
        f"3 10.2.1.1 reports: {icmp_words(3, code)}",
    ]


@pytest.mark.parametrize("port", [5555, 4444])
def test_redirects_and_source_quenches_do_not(port: int, codes: SimulatedInternet) -> None:
    assert traced(codes, f"{codes.destination}:{port}")[-1].startswith("4 ")


@pytest.fixture(scope="module")
def codes() -> object:
    with simulated(load("unreachable-codes")) as net:
        yield net


def test_loss_hides_no_hop_and_no_end() -> None:
    with simulated(load("loss")) as net:
        found = traced(net, net.destination)
    assert [row.split()[-1] for row in found] == [*(row.split()[-1] for row in routers(9)), OPEN]


def test_each_column_is_one_path_where_routers_share_load() -> None:
    with simulated(load("load-balancing")) as net:
        finished = net.tracetcp("-n", "-p", "4", net.destination, timeout=50)
    found = rows(finished.out)
    assert "*" not in finished.out
    assert found[-1] == f"6 {OPEN}"
    assert any(len(row.split()) > 2 for row in found)


def test_a_slow_path_is_no_silent_path() -> None:
    with simulated(load("two-seconds")) as net:
        assert traced(net, net.destination) == [*routers(4), f"5 {OPEN}"]


def test_a_port_range_calls_no_open_port_blocked_at_limited_routers() -> None:
    with simulated(load("rate-limited-range")) as net:
        finished = net.tracetcp(*RANGE, "-r", "133", "140", net.destination, timeout=50)
        counts = net.counts()
    starred = [RECORD.match(line) for line in finished.out.splitlines() if "*" in line]
    blocked = {f"{record[1]} {record[2]}" for record in starred if record}
    dropped_at_hop_1 = {f"{port} {hop}" for port in (137, 138, 139) for hop in (2, 3)}
    assert blocked == dropped_at_hop_1 | {"135 3"}
    assert all(router["in_1_s"] <= 20 for router in counts["router"].values())


def test_the_same_range_is_quick_where_nobody_limits_anything() -> None:
    with simulated(load("unlimited-range")) as net:
        finished = net.tracetcp(*RANGE, "-r", "130", "140", net.destination, timeout=50)
    assert finished.out.count("*") == 7
    assert finished.seconds < 8


def test_a_scan_of_a_host_that_limits_its_resets_calls_no_closed_port_silent() -> None:
    with simulated(load("scan-limited-resets")) as net:
        finished = net.tracetcp("-n", "-s", "1", "1000", net.destination, timeout=50)
    outcomes = [line.split("Port ")[-1].split()[0] for line in finished.out.splitlines()]
    expected = ["OPEN" if port in (22, 80, 443) else "CLOSED" for port in range(1, 1001)]
    assert outcomes == expected
    assert finished.seconds < 12, "four seconds at the host's own pace"


def test_a_default_trace_is_polite() -> None:
    with simulated(load("documented-open-silent-hop")) as net:
        found = traced(net, net.destination)
        counts = net.counts()
    assert found[13] == "14 *** Request timed out."
    assert found[-1] == f"15 {OPEN}"
    assert counts["destination_syns"] <= 5
    assert all(router["in_100_ms"] <= 3 for router in counts["router"].values())


def test_no_syn_leaves_beyond_the_last_hop_asked_for() -> None:
    with simulated(load("documented-open-silent-hop")) as net:
        traced(net, "-m", "6", net.destination)
        assert net.counts()["last_ttl"] == 6


def test_hostile_names_reach_the_terminal_as_plain_words() -> None:
    with simulated(load("hostile-dns")) as net:
        finished = net.tracetcp(net.destination, timeout=50)
    assert finished.status == 0
    assert finished.out.replace("\n", "").isascii()
    assert finished.out.replace("\n", "").isprintable()
    assert r"\027\091" in finished.out


def test_slow_names_delay_a_trace_by_a_second_once() -> None:
    with simulated(load("slow-dns")) as net:
        numeric = net.tracetcp("-n", net.destination, timeout=50)
        named = net.tracetcp(net.destination, timeout=50)
    assert rows(named.out) == rows(numeric.out)
    assert named.seconds < numeric.seconds + 2.5
