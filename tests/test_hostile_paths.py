"""Hostile, lossy and limited paths: the installed program on the simulated Internet, scenario by scenario.

The rows are those that a scenario's file expects, as in ``engine/test_scenarios.py``; here RTTs are real.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from internet import expectation, load
from internet.expectation import arguments
from internet.lab import simulated
from internet.printed import printed_rows
from internet.scenario import SCENARIOS
from tracetcp.model.icmp_words import icmp_words

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from internet.lab import SimulatedInternet
    from lab.program import Finished

pytestmark = pytest.mark.netns

FILES = sorted(SCENARIOS.glob("*.toml"))
WAITING = {
    "documented-blocked-port-135",
    "host-down",
    "late-replies",
    "longest-path",
    "one-limited-hop-range",
    "scan-limited-resets",
    "silent-after-hop-6",
    "two-seconds",
}
"""Scenarios that wait for seconds: here they run over IPv4 only, on the virtual clock over both families."""


def run(net: SimulatedInternet, family: int = 4, options: Sequence[str] = ("-n",)) -> Finished:
    """Run the scenario's command and check that its rows are those that the scenario expects."""
    expected = expectation(net.scenario, family)
    words = arguments(net.scenario.command, net.scenario.destination.addresses[family])
    finished = net.tracetcp(*options, *words, timeout=50)
    assert finished.err == ""
    rows = printed_rows(finished.out, expected.config)
    assert rows == expected.fitted(rows, has_real_time=True)
    return finished


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_program_prints_the_rows_that_a_scenario_expects(file: Path) -> None:
    with simulated(load(file)) as net:
        run(net)


@pytest.mark.parametrize("file", [f for f in FILES if f.stem not in WAITING], ids=lambda file: file.stem)
def test_and_so_it_does_over_ipv6(file: Path) -> None:
    with simulated(load(file)) as net:
        run(net, 6)


@pytest.mark.parametrize(("family", "icmp_type"), [(4, 3), (6, 1)])
def test_an_unreachable_of_every_code_is_told_in_its_words(family: int, icmp_type: int) -> None:
    with simulated(load("unreachable-codes")) as net:
        out = run(net, family).out
    told = [line.partition(" reports: ")[2] for line in out.splitlines() if " reports: " in line]
    assert told == [icmp_words(icmp_type, code) for code in range(16)]


def test_each_column_is_one_path_where_routers_share_load() -> None:
    """Not all links to the next hop exist: a column that mixed two flows would show a missing one."""
    links = {"10.2.1.1": ("10.3.1.1", "10.3.2.1"), "10.2.2.1": ("10.3.3.1", "10.3.4.1")}
    with simulated(load("load-balancing")) as net:
        finished = net.tracetcp("-n", "-p", "8", "--json", net.destination, timeout=50)
    hops = json.loads(finished.out)["hops"]
    second, third = ({p["attempt"]: p["sender"] for p in hop["probes"]} for hop in hops[1:3])
    assert len(second) == len(third) == 8
    assert all(third[attempt] in links[sender] for attempt, sender in second.items())
    assert len({*second.values(), *third.values()}) > 2


def test_a_port_range_at_limited_routers_is_paced() -> None:
    with simulated(load("rate-limited-range")) as net:
        run(net)
        assert all(router["in_1_s"] <= 20 for router in net.counts()["router"].values())


@pytest.mark.alone
def test_the_same_range_is_quick_where_nobody_limits_anything() -> None:
    with simulated(load("unlimited-range")) as net:
        assert run(net).seconds < 8


@pytest.mark.alone
def test_a_scan_of_a_host_that_limits_its_resets_takes_little_longer_than_the_host_needs() -> None:
    with simulated(load("scan-limited-resets")) as net:
        assert run(net).seconds < 12, "four seconds at the host's own pace"


def test_a_default_trace_is_polite() -> None:
    with simulated(load("documented-open-silent-hop")) as net:
        run(net)
        counts = net.counts()
    assert counts["destination_syns"] <= 5
    assert all(router["in_100_ms"] <= 3 for router in counts["router"].values())


def test_no_syn_leaves_beyond_the_last_hop_asked_for() -> None:
    with simulated(load("documented-open-silent-hop")) as net:
        net.tracetcp("-n", "-m", "6", net.destination)
        assert net.counts()["last_ttl"] == 6


def test_hostile_names_reach_the_terminal_as_plain_words() -> None:
    with simulated(load("hostile-dns")) as net:
        finished = net.tracetcp(net.destination, timeout=50)
    assert finished.status == 0
    assert finished.out.replace("\n", "").isascii()
    assert finished.out.replace("\n", "").isprintable()
    assert r"\027\091" in finished.out


@pytest.mark.alone
def test_slow_names_delay_a_trace_by_a_second_once() -> None:
    with simulated(load("slow-dns")) as net:
        numeric = run(net)
        named = run(net, options=())
    assert named.seconds < numeric.seconds + 2.5
