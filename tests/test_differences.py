"""``--diff``: an unchanged network differs in nothing, however awkward; what changed is named at its hop."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any, NamedTuple

import pytest

from hunting.case import case_of
from hunting.faults import FAULTS, apply
from hunting.paths import PORTS, Draft
from internet import Scenario, network
from saved import read
from tracetcp.differences import compare
from tracetcp.differences.pair import Pair
from tracetcp.model.difference import Change, Difference
from tracetcp.model.saved_trace import SavedVerdict

AWKWARD = "1 4! 8~6 * 12:3 16!2 20:2~9 * 30 33!=8 | rtt 40 | jitter 6 | open 443"
"""Limits, jitter, silence, two places where load is shared, and (below) loss both ways."""
BRANCHES = "1 5 9 14 20 26 / 1 5 9 12 14 20 26 | rtt 30 | open 443"
"""Two branches of other lengths: the host is 7 hops away, or 8."""
BASE = "1 5 9 13 20 26 31 | rtt 40 | open 443"


def differences(old: Scenario, new: Scenario, port: int = 443, **options: Any) -> tuple[Difference, ...]:
    traces = [read(each, ports=(port,), dice=dice, **options) for dice, each in enumerate((old, new), 1)]
    return compare(*traces).differences


@pytest.mark.parametrize("runs_made", [10, pytest.param(101, marks=pytest.mark.slow)])
def test_a_hundred_runs_of_an_awkward_network_differ_in_nothing(runs_made: int) -> None:
    scenario = network(AWKWARD, loss=0.02)
    runs = [read(scenario, ports=(443,), dice=dice, explain=dice % 2 > 0) for dice in range(runs_made)]
    found = [compare(runs[0], run).differences for run in runs[1:]]
    found += [compare(*pair).differences for pair in pairwise(runs)]
    assert [each for each in found if each] == []


def test_the_choice_of_a_branch_is_no_difference() -> None:
    runs = [read(network(BRANCHES), ports=(443,), source_ports_from=40_000 + 3 * n) for n in range(20)]
    assert len({run.end_ttl for run in runs}) == 2, "the branches are to be seen"
    assert [found for run in runs for found in compare(runs[0], run).differences] == []


@pytest.mark.parametrize("networks", [11, pytest.param(440, marks=pytest.mark.slow)])
def test_random_networks_differ_in_nothing_from_themselves(networks: int) -> None:
    """Those of the hunt, with every fault: their second run differs from the first by chance alone."""
    for seed in range(networks):
        case = case_of(seed)
        traces = [
            read(case.scenario, dice=dice, family=case.family, config=case.config, explain=True)
            for dice in (1, 2)
        ]
        assert compare(*traces).differences == (), f"tests/hunt --seeds {seed} --show"


UNTOLD = ("none", "quotes", "rst-near", "proxy-near", "rst-injected", "syn-ack-injected")
"""No fault, or one that a trace need not meet (docs/accuracy.md, the hunt)."""


@pytest.mark.slow
def test_random_faults_are_named_where_they_are() -> None:
    """A random network before and after a fault: which share is named, and at the hop of the fault."""
    faults = [fault for fault in FAULTS if fault not in UNTOLD]
    named, at_hop, networks = 0, 0, 0
    for seed in range(320):
        chances = [Random(f"diff {seed}") for _ in range(2)]
        old, new = map(Draft, chances)
        port, family = chances[1].choice(PORTS), chances[1].choice((4, 6))
        apply("none", old, port)
        fault = apply(faults[seed % len(faults)], new, port)
        if fault.name == "none":
            continue
        before, after = (Scenario.of(draft.table("a network", "TARGET")) for draft in (old, new))
        found = differences(before, after, port, family=family, explain=True)
        networks += 1
        named += bool(found)
        at_hop += any(abs((each.hop or 0) - (fault.hop or new.length)) <= 1 for each in found)
    said = f"{networks} networks: {named} named, {at_hop} at the hop of the fault"
    assert networks > 300, said
    assert named / networks >= 0.97, said
    assert at_hop / networks >= 0.93, said


class Injected(NamedTuple):
    """A change: the networks before and after, and the kind and the hop that must be named."""

    old: str
    new: str
    kind: Change
    hop: int


INJECTED = {
    "closed": Injected(BASE, BASE.replace("open 443", "closed 443"), Change.OUTCOME, 8),
    "dropped": Injected(BASE, BASE.replace(" 13 ", " 13[drop 443] "), Change.OUTCOME, 4),
    "rejected": Injected(BASE, BASE.replace(" 13 ", " 13[unreachable 13 443] "), Change.OUTCOME, 4),
    "down": Injected(BASE, BASE + " | down", Change.OUTCOME, 7),
    "looping": Injected(BASE, "1 5 9 13 | rtt 40 | open 443", Change.OUTCOME, 3),
    "block moved": Injected(
        BASE.replace(" 13 ", " 13[drop 443] "), BASE.replace(" 26 ", " 26[drop 443] "), Change.BREAK, 6
    ),
    "block moved nearer": Injected(
        BASE.replace(" 26 ", " 26[drop 443] "), BASE.replace(" 20 ", " 20[drop 443] "), Change.BREAK, 5
    ),
    "rejection moved": Injected(
        BASE.replace(" 13 ", " 13[unreachable 13 443] "),
        BASE.replace(" 26 ", " 26[unreachable 13 443] "),
        Change.BREAK,
        6,
    ),
    "router replaced": Injected(BASE, BASE, Change.PATH, 4),
    "rerouted": Injected(BASE, BASE, Change.PATH, 3),
    "router added": Injected(BASE, "1 5 9 11 13 20 26 31 | rtt 40 | open 443", Change.DISTANCE, 9),
    "router removed": Injected(BASE, "1 5 9 20 26 31 | rtt 40 | open 443", Change.DISTANCE, 7),
    "proxy": Injected(BASE, BASE.replace(" 9 ", " 9[passing syn-ack 443] "), Change.DISTANCE, 4),
    "forged RST": Injected(BASE, BASE.replace(" 9 ", " 9[injected rst 443] "), Change.OUTCOME, 3),
    "NAT": Injected(BASE, BASE, Change.REWRITING, 4),
    "MSS": Injected(BASE, BASE, Change.REWRITING, 5),
    "TOS": Injected(BASE, BASE, Change.REWRITING, 3),
}
MORE: dict[str, dict[str, Any]] = {
    "looping": {"loop": 3},
    "router replaced": {"hop_4": {"address": "10.4.9.1", "address6": "fd00:4:9::1"}},
    "rerouted": {
        f"hop_{hop}": {"address": f"10.{hop}.2.1", "address6": f"fd00:{hop}:2::1"} for hop in (3, 4, 5)
    },
    "router added": {},
    "NAT": {"hop_4": {"rewrite": {"source": "100.64.0.9", "source6": "2001:db8:9::9", "source_port": "+7"}}},
    "MSS": {"hop_5": {"rewrite": {"mss": 1360}}},
    "TOS": {"hop_3": {"rewrite": {"tos": 0x28}}},
}


@pytest.mark.repeats
@pytest.mark.parametrize("explain", [False, True])
@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("name", INJECTED)
def test_an_injected_change_is_named_at_its_hop(name: str, family: int, explain: bool) -> None:
    change = INJECTED[name]
    old, new = network(change.old, loss=0.02), network(change.new, loss=0.02, **MORE.get(name, {}))
    found = differences(old, new, family=family, explain=explain)
    assert (change.kind, change.hop) in [(each.kind, each.hop) for each in found], found
    back = differences(new, old, family=family, explain=explain)
    assert change.kind in [each.kind for each in back], back


# What is no difference, and what is not compared -----------------------------------------------------------


def test_without_shared_flows_hops_are_not_compared_but_ends_are() -> None:
    old = read(network(BASE), ports=(443,))
    rerouted = network(BASE, **MORE["rerouted"])
    new = read(rerouted, ports=(443,), source_ports_from=50_000)
    found = compare(old, new)
    assert (found.differences, found.has_shared_flows) == ((), False)
    closed = read(network(INJECTED["closed"].new), ports=(443,), source_ports_from=50_000)
    assert [each.kind for each in compare(old, closed).differences] == [Change.OUTCOME]


def test_without_source_ports_in_the_file_nothing_is_taken_for_shared() -> None:
    runs = [replace(read(network(BASE), ports=(443,)), probes=()) for _ in range(2)]
    assert not Pair(*runs).flows


def test_traces_from_different_addresses_share_no_flow() -> None:
    old, new = (replace(read(network(BASE), ports=(443,)), source=f"192.0.2.{n}") for n in (1, 2))
    assert Pair(old, old).flows
    assert not Pair(old, new).flows


def test_over_ipv6_flows_are_shared_only_where_both_runs_asked_for_their_ports() -> None:
    trace = read(network(BASE), ports=(443,), family=6)
    assert Pair(trace, trace).flows
    assert not Pair(trace, replace(trace, has_fixed_flows=False)).flows


def test_a_packet_by_packet_balancer_is_no_change_of_path() -> None:
    trace = read(network(BASE), ports=(443,))
    mixed = replace(
        trace,
        probes=tuple(
            probe._replace(sender="10.4.9.1") if probe.ttl == 4 and probe.flow != 1 else probe
            for probe in trace.probes
        ),
    )
    twice = replace(trace, probes=(*trace.probes, *mixed.probes))
    assert compare(trace, mixed).differences == ()
    assert compare(twice, mixed).differences == ()


def test_one_probe_a_hop_is_too_little_for_one_router_and_enough_for_three() -> None:
    one, three = (network(BASE, **MORE[name]) for name in ("router replaced", "rerouted"))
    assert differences(network(BASE), one, pings=1) == ()
    assert [each.kind for each in differences(network(BASE), three, pings=1)] == [Change.PATH]


def test_a_silent_router_is_no_difference() -> None:
    silent = network(BASE.replace(" 13 ", " * "))
    assert differences(network(BASE), silent) == ()
    assert differences(silent, network(BASE)) == ()


def test_a_trace_with_too_few_hops_is_no_other_outcome() -> None:
    short = read(network(BASE), ports=(443,), max_hops=4)
    assert compare(short, read(network(BASE), ports=(443,))).differences == ()


def test_an_as_path_is_told_where_the_path_parts() -> None:
    origins = {f"10.{hop}.{path}.1": f"AS{64_500 + path}" for hop in range(1, 9) for path in (1, 2)}
    old = read(network(BASE), ports=(443,), origins=origins)
    new = read(network(BASE, **MORE["rerouted"]), ports=(443,), origins=origins)
    path, networks = compare(old, new).differences
    assert path.sentence == (
        "The paths part after hop 2 (10.2.1.1): hop 3 was 10.3.1.1, now it is 10.3.2.1. "
        "Gone: 10.3.1.1, 10.4.1.1, 10.5.1.1. New: 10.3.2.1, 10.4.2.1, 10.5.2.1. "
        "They meet again at hop 6 (10.6.1.1)."
    )
    assert (networks.kind, networks.hop) == (Change.AS_PATH, 3)
    assert networks.sentence == "The networks on the path were AS64501; now they are AS64501 AS64502 AS64501."


def test_origins_that_change_without_the_path_are_no_difference() -> None:
    old = read(network(BASE), ports=(443,), origins={"10.4.1.1": "AS64501"})
    new = read(network(BASE), ports=(443,), origins={"10.4.1.1": "AS64502"})
    assert compare(old, new).differences == ()


def test_a_hole_in_packet_sizes_opens_moves_and_closes() -> None:
    trace = read(network(BASE), ports=(443,))
    whole = replace(trace, verdicts=(SavedVerdict("mtu-whole", "Packets of 1500 bytes pass both ways."),))
    holes = [
        replace(
            trace,
            verdicts=(
                SavedVerdict("mtu-hole", f"Packets of more than 1400 bytes are lost after {place}.", hop),
            ),
        )
        for hop, place in ((2, "hop 2 (10.2.1.1)"), (2, "hop 2 (10.2.1.1, a.example)"), (3, "hop 3"))
    ]
    assert compare(holes[0], holes[1]).differences == ()
    for old, new, hop in ((whole, holes[0], 2), (holes[0], whole, 2), (holes[0], holes[2], 3)):
        (found,) = compare(old, new).differences
        assert (found.kind, found.hop) == (Change.PACKET_SIZE, hop)
    assert compare(trace, holes[0]).differences == (), "one trace tested no sizes"


def test_another_address_is_told_and_its_path_is_not_compared() -> None:
    old = read(network(BASE), ports=(443,))
    new = replace(old, address="203.0.113.81", outcome="closed")
    assert [each.kind for each in compare(old, new).differences] == [Change.ADDRESS, Change.OUTCOME]


def test_a_rewriting_that_ends_or_moves_is_told() -> None:
    nearer = network(BASE, hop_3={"rewrite": {"tos": 0x28}})
    farther = network(BASE, hop_6={"rewrite": {"tos": 0x28}})
    (ended,) = differences(nearer, network(BASE))
    assert ended.sentence == "The TOS byte of our SYN is no longer rewritten; it was before hop 3 (10.3.1.1)."
    (moved,) = differences(farther, nearer)
    assert moved.sentence == (
        "The TOS byte of our SYN is rewritten before hop 3 (10.3.1.1); it was before hop 6 (10.6.1.1)."
    )


def test_without_shared_flows_a_rewriting_needs_three_flows_in_each_trace() -> None:
    rewriting = network(BASE, hop_3={"rewrite": {"tos": 0x28}})
    for pings, kinds in ((2, []), (3, [Change.REWRITING])):
        old = read(network(BASE), ports=(443,), pings=pings)
        new = read(rewriting, ports=(443,), pings=pings, source_ports_from=50_000)
        assert [each.kind for each in compare(old, new).differences] == kinds


def test_a_refusal_with_other_words_is_told() -> None:
    old, new = (network(BASE.replace(" 13 ", f" 13[unreachable {code} 443] ")) for code in (13, 10))
    (found,) = differences(old, new)
    assert (found.kind, found.hop) == (Change.BREAK, 4)
    assert found.sentence == (
        "Port 443 was rejected by hop 4 (10.4.1.1): Communication administratively prohibited; now it is "
        "rejected by hop 4 (10.4.1.1): Communication with destination host administratively prohibited."
    )
