"""The search for branches: every path that load sharing makes, and the one that loses."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from branching import HOST, arrived, search, true_links
from internet import Scenario, load, network, trace
from internet.scenario import SCENARIOS
from notation import TARGET, quote
from notation import trace as traced
from tracetcp.config import TraceConfig
from tracetcp.engine.branches.search import MOST_SECONDS, BranchSearch
from tracetcp.engine.branches.stopping import missed, stopping_point
from tracetcp.engine.run_state import RunState
from tracetcp.formatters.display import Display
from tracetcp.formatters.presenter import JsonPresenter, TextPresenter
from tracetcp.model import NO_TEXTS, Reply, ReplyKind, SendFailure, VerdictReached
from tracetcp.model.branches import NodeKind, Step
from tracetcp.model.verdict import Certainty, Kind
from tracetcp.verdicts.branches import judge_branches

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from branching import Search
    from tracetcp.model import Probe

BOTH_WAYS = pytest.mark.parametrize("shares_flows", [True, False])
DIAMONDS = ("load-balancing", "load-balancing-lengths", "load-balancing-nested")
NO_BRANCH = "Port 80: no branch by source port seen (95 %). [likely]"
DEAD = re.compile(r"drops port|dropped after")


def bundle(width: int, dead: int | None = None, silent: int = 0, **top: object) -> Scenario:
    """Five hops; the third is ``width`` routers, of which number ``dead`` drops port 80."""
    routers: list[dict[str, object]] = [{} for _ in range(width)]
    if dead is not None:
        routers[dead] = {"rule": [{"action": "drop", "ports": 80}], "silent": bool(silent)}
    hops: list[dict[str, object]] = [{"rtt": rtt} for rtt in (1, 5, 10, 15, 20)]
    hops[2]["router"] = routers
    return Scenario.of({"title": "a bundle", "hop": hops, "destination": {"rtt": 25, "open": 80}, **top})


# Stopping points


def test_the_stopping_points_are_the_published_ones() -> None:
    """Those of scamper's tracelb, after Augustin et al. 2007."""
    at_95 = [6, 11, 16, 21, 27, 33, 38, 44, 51, 57, 63, 70, 76, 83, 90, 96]
    at_99 = [8, 15, 21, 28, 36, 43, 51, 58, 66, 74, 82, 90, 98, 106, 115, 123]
    assert [stopping_point(found, 95) for found in range(1, 17)] == at_95
    assert [stopping_point(found, 99) for found in range(1, 17)] == at_99


def test_without_flows_anything_may_be_missed() -> None:
    assert missed(1, 0) == 1.0
    assert missed(3, 2) == 1.0
    assert missed(1, 6) == pytest.approx(2 / 64)


# A path without branches


@BOTH_WAYS
def test_a_path_without_branches_says_so_and_costs_at_most_three_traces(shares_flows: bool) -> None:
    path = network("1 2 3 4 5 6 7 8 9 10 | rtt 11")
    found = search(path, shares_flows=shares_flows)
    assert found.sentences == [NO_BRANCH]
    default = trace(path, TraceConfig(host="target"), shares_flows=shares_flows)
    assert len(found.prober.sent) <= 3 * len(default.prober.sent)
    assert found.rows() == [*(f"{ttl} 10.{ttl}.1.1 6 of 6" for ttl in range(1, 11)), "11 host 6 of 6"]
    assert found.links == true_links(path)


def test_more_certainty_takes_more_flows() -> None:
    found = search(network("1 2 | rtt 3"), percent=99)
    assert found.sentences == ["Port 80: no branch by source port seen (99 %). [likely]"]
    assert found.rows() == ["1 10.1.1.1 8 of 8", "2 10.2.1.1 8 of 8", "3 host 8 of 8"]


def test_silent_hops_are_told_of_and_cost_no_retry() -> None:
    found = search(network("1 * * 4 | rtt 5"))
    assert found.sentences == [NO_BRANCH]
    assert found.verdicts[0].evidence[1] == "Hop 2 and 3 answers nothing, so branches there do not show."
    assert found.links == {("10.1.1.1", "*"), ("*", "*"), ("*", "10.4.1.1"), ("10.4.1.1", HOST)}


def test_limited_routers_are_no_branches() -> None:
    found = search(network("1! 2! 3! 4!1 | rtt 5"))
    assert found.sentences == [NO_BRANCH]
    assert found.rows()[:4] == [f"{ttl} 10.{ttl}.1.1 6 of 6" for ttl in range(1, 5)]


@pytest.mark.parametrize("notation", ["1 2 | rtt 3 | closed 80", "1 2@ | rtt 3", "| rtt 3", "1 2 | down"])
def test_any_end_of_a_path_is_one(notation: str) -> None:
    assert search(network(notation)).sentences == [NO_BRANCH]


def test_where_nothing_answers_nothing_is_drawn() -> None:
    found = search(network("* * | silent 80"), max_hops=4)
    assert (found.found.nodes, found.found.links) == ((), ())
    assert found.sentences == [NO_BRANCH]


# Branches


@pytest.mark.repeats
@BOTH_WAYS
@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("name", DIAMONDS)
def test_every_link_of_a_diamond_is_found_and_no_other(name: str, family: int, shares_flows: bool) -> None:
    scenario = load(name)
    found = search(scenario, family, shares_flows=shares_flows)
    assert found.links == true_links(scenario, family)
    assert [verdict.kind for verdict in found.verdicts] == [Kind.BRANCHES]


@pytest.mark.repeats
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", DIAMONDS)
def test_no_link_is_drawn_that_does_not_exist(name: str, seed: int) -> None:
    scenario = Scenario.of(load(name).table | {"seed": seed})
    assert search(scenario).links <= true_links(scenario)


def test_a_router_that_unequal_branches_put_at_two_hops_is_one_node() -> None:
    """Hop 3 of one branch is hop 4 of the other."""
    long = [{"rtt": 1}, {"rtt": 2, "address": "10.9.2.1"}, {"rtt": 3, "address": "10.9.3.1"}]
    join = {"rtt": 4, "address": "10.7.7.7"}
    scenario = Scenario.of(
        {
            "title": "a detour",
            "hop": [{"rtt": 1}, {"rtt": 2}, join],
            "route": [{"hop": [*long, join]}],
            "destination": {"rtt": 5, "open": 80},
            "seed": 5,
        }
    )
    found = search(scenario)
    met = [node for node in found.found.nodes if node.address == "10.7.7.7"]
    assert [node.ttls for node in met] == [(3, 4)]
    assert found.links == true_links(scenario)


@BOTH_WAYS
@pytest.mark.parametrize("name", [*DIAMONDS, "load-balancing-dead"])
def test_no_flow_reaches_the_destination_more_than_once(name: str, shares_flows: bool) -> None:
    found = search(load(name), shares_flows=shares_flows, ports=(80,))
    flows = arrived(found.prober) - found.traced
    assert max(flows.values()) == 1
    assert len(flows) <= 32


def test_a_wide_hop_far_away_takes_less_than_ten_seconds() -> None:
    path = network(" ".join([*(f"{10 * number}" for number in range(1, 16)), "170:8 180 | rtt 190"]))
    found = search(path)
    assert len(found.routers) == 15 + 8 + 1
    assert found.prober.clock() < 10


def test_routers_that_limit_their_answers_are_met_by_spreading() -> None:
    path = network("1! 2! 3!:8 4! | rtt 5")
    found = search(path)
    assert found.links == true_links(path)
    assert found.seconds < 30


def test_a_search_keeps_the_pace_of_a_trace() -> None:
    meters = search(network("1 2 3:16 4 | rtt 5")).prober.counts.router.values()
    assert all(meter.in_100_ms <= 3 and meter.in_1_s <= 20 for meter in meters)


def test_silent_routers_are_kept_apart_by_branch() -> None:
    """Behind each of three routers stands a silent one, and behind those one that answers."""
    hops = [{"rtt": 1}, {"rtt": 2, "router": [{"next": n} for n in (1, 2, 3)]}]
    hops += [{"rtt": 3, "silent": True, "routers": 3}, {"rtt": 4}]
    found = search(Scenario.of({"title": "silent", "hop": hops, "destination": {"rtt": 5, "open": 80}}))
    silent = [node.number for node in found.found.nodes if node.kind is NodeKind.SILENT]
    assert len(silent) == 3
    before = {link.near for link in found.found.links if link.far in silent}
    assert {found.found.nodes[node].address for node in before} == {f"10.2.{n}.1" for n in (1, 2, 3)}


@BOTH_WAYS
def test_a_silent_router_on_one_branch_is_no_dead_branch(shares_flows: bool) -> None:
    hops: list[dict[str, object]] = [{"rtt": 1}, {"rtt": 2}, {"rtt": 3}, {"rtt": 4}]
    hops[1]["router"] = [{"next": 1}, {"next": 2}]
    hops[2]["router"] = [{}, {"silent": True}]
    scenario = Scenario.of({"title": "one is silent", "hop": hops, "destination": {"rtt": 5, "open": 80}})
    found = search(scenario, shares_flows=shares_flows)
    assert [verdict.kind for verdict in found.verdicts] == [Kind.BRANCHES]
    assert ("10.2.2.1", "*") in found.links
    assert ("*", "10.4.1.1") in found.links


# Per packet


@BOTH_WAYS
def test_sharing_by_packet_is_told_by_a_flow_that_goes_to_and_fro(shares_flows: bool) -> None:
    found = search(network("1 2 3:2 4 | rtt 5", by_packet=[3], seed=1), shares_flows=shares_flows)
    assert [verdict.kind for verdict in found.verdicts] == [Kind.PER_PACKET, Kind.BRANCHES]
    assert found.sentences[0] == (
        "Hop 3 shares load by packet: "
        "one source port met now one, now another of 10.3.1.1, 10.3.2.1. [certain]"
    )
    assert {(a, b) for a, b in found.links if "10.3" in a + b} == {
        ("10.2.1.1", "10.3.1.1"),
        ("10.2.1.1", "10.3.2.1"),
        ("10.3.1.1", "10.4.1.1"),
        ("10.3.2.1", "10.4.1.1"),
    }


@pytest.mark.repeats
def test_sharing_by_flow_is_never_taken_for_sharing_by_packet() -> None:
    for seed in range(10):
        found = search(network("1 2:4 3:4 | rtt 5", seed=seed, loss=0.02))
        assert not any(hop.is_by_packet for hop in found.found.hops)


def test_a_route_that_changed_is_not_sharing_by_packet() -> None:
    path = network("1 2:3 3 / 1 2 3 | rtt 5", route_2={"since": 300})
    assert not any(hop.is_by_packet for hop in search(path).found.hops)


# The dead branch


@pytest.mark.repeats
@BOTH_WAYS
@pytest.mark.parametrize("trouble", [{}, {"loss": 0.03}, {"defaults": {"limit": "linux"}}])
@pytest.mark.parametrize("width", [2, 4, 8])
def test_the_dead_branch_and_its_ports_are_named(
    width: int, trouble: dict[str, Any], shares_flows: bool
) -> None:
    for seed in range(3):
        scenario = bundle(width, dead=1, seed=seed, **trouble)
        found = search(scenario, shares_flows=shares_flows)
        dead = found.verdicts[0]
        assert dead.kind is Kind.DEAD_BRANCH, (seed, found.rows())
        assert (dead.hop, dead.address, dead.certainty) == (3, "10.3.2.1", Certainty.CERTAIN)
        count = len(found.found.hops[2].shares)
        words = f"Of {count} branches after hop 2 the one through 10.3.2.1 drops port 80: source ports "
        assert dead.sentence.startswith(words)
        assert named(found) <= passing(found, "10.3.2.1")
        assert len(named(found)) >= 3


def named(found: Search) -> set[int]:
    """The source ports in the first sentence."""
    return {int(number) for number in re.findall(r"\b\d{5}\b", found.verdicts[0].sentence)}


def passing(found: Search, address: str) -> set[int]:
    """The source ports that the graph sends through ``address``."""
    return {port for node in found.found.nodes if node.address == address for port in node.source_ports}


def test_the_sentence_of_a_dead_branch() -> None:
    found = search(load("load-balancing-dead"), ports=(443,))
    assert re.fullmatch(
        r"Of 4 branches after hop 5 the one through 10\.6\.3\.1 drops port 443: "
        r"source ports 4\d{4}, 4\d{4}(, 4\d{4})* and 4\d{4} hang\. \[certain\]",
        found.sentences[0],
    )
    assert search(load("load-balancing-dead"), ports=(80,)).sentences == [
        "Load on port 80 is shared: 4 branches at hop 6 (95 %). [certain]"
    ]


def test_a_look_from_afar_counts_though_the_trace_met_the_destination_farther_still() -> None:
    """The trace sends flows to TTLs beyond that of the look, which are answered there."""
    found = search(bundle(8, dead=1)).found
    flows = tuple(
        flow._replace(steps=(*flow.steps, Step(30, None, 1, 1))) if flow.has_reached else flow
        for flow in found.flows
    )
    assert judge_branches(replace(found, flows=flows))[0].kind is Kind.DEAD_BRANCH


def test_a_branch_of_several_routers_is_named_by_them_all() -> None:
    hops: list[dict[str, object]] = [{"rtt": 1}, {"rtt": 2}, {"rtt": 3}, {"rtt": 4}]
    hops[1]["router"] = [{"next": 1}, {"next": 2}]
    hops[2]["router"] = [{}, {"rule": [{"action": "drop"}]}]
    found = search(Scenario.of({"title": "two", "hop": hops, "destination": {"rtt": 5, "open": 80}}))
    assert found.verdicts[0].sentence.startswith(
        "Of 2 branches after hop 1 the one through 10.2.2.1 and 10.3.2.1 drops port 80: source ports "
    )


@BOTH_WAYS
def test_a_dead_member_without_an_address_is_told_by_its_ports(shares_flows: bool) -> None:
    found = search(bundle(4, dead=2, silent=1), shares_flows=shares_flows)
    dead, shared = found.verdicts
    assert dead.kind is Kind.DEAD_BRANCH
    assert dead.sentence.startswith(
        "Some flows of port 80 are dropped after hop 2 (10.2.1.1), where others pass:"
    )
    assert (dead.hop, dead.address, dead.certainty) == (2, "10.2.1.1", Certainty.CERTAIN)
    assert shared.sentence == "Load on port 80 is shared: 4 branches at hop 3 (95 %)."


@BOTH_WAYS
def test_a_dead_branch_at_the_last_hop_is_told_by_the_destination(shares_flows: bool) -> None:
    hops = [{"rtt": 1}, {"rtt": 2, "router": [{}, {"rule": [{"action": "drop"}]}, {}]}]
    scenario = Scenario.of({"title": "last hop", "hop": hops, "destination": {"rtt": 3, "open": 80}})
    found = search(scenario, shares_flows=shares_flows)
    assert found.verdicts[0].sentence.startswith(
        "Of 3 branches after hop 1 the one through 10.2.2.1 drops port 80: source ports "
    )
    assert max((arrived(found.prober) - found.traced).values()) == 1


def test_a_trace_all_of_whose_columns_took_the_dead_branch_is_not_the_last_word() -> None:
    seed = next(
        seed
        for seed in range(200)
        if trace(bundle(2, dead=0, seed=seed), TraceConfig(host="target")).lines()[3] == "4 * * *"
    )
    found = search(bundle(2, dead=0, seed=seed))
    assert found.verdicts[0].kind is Kind.DEAD_BRANCH
    assert ("10.3.2.1", "10.4.1.1") in found.links


def test_a_branch_that_no_hop_shows_is_looked_for_where_the_destination_answers_others() -> None:
    """All flows drawn for the hops take the dead branch, and the last hop is met on that one alone.

    So do all on which the destination was asked in vain: those must not be drawn for the hops as well.
    """
    found = []
    for seed in range(180, 300):
        hops = [{"rtt": 1}, {"rtt": 2, "router": [{}, {"rule": [{"action": "drop"}]}]}, {"rtt": 3}]
        scenario = Scenario.of(
            {"title": "unlucky", "hop": hops, "destination": {"rtt": 4, "open": 80}, "seed": seed}
        )
        if trace(scenario, TraceConfig(host="target", pings=6)).lines()[2] == "3 * * * * * *":
            found.append(search(scenario))
    assert len(found) > 1
    words = "Of 2 branches after hop 1 the one through 10.2.2.1 drops port 80: "
    assert all(each.verdicts[0].sentence.startswith(words) for each in found)


def test_a_branch_that_rejects_is_drawn_and_ends_there() -> None:
    hops = [{"rtt": 1}, {"rtt": 2, "router": [{}, {"rule": [{"action": "unreachable"}]}]}, {"rtt": 3}]
    found = search(Scenario.of({"title": "rejects", "hop": hops, "destination": {"rtt": 4, "open": 80}}))
    assert ("10.2.2.1", "10.2.2.1") in found.links
    rejecting, shared = found.verdicts
    assert (rejecting.kind, shared.kind) == (Kind.REJECTING_BRANCH, Kind.BRANCHES)
    assert (rejecting.hop, rejecting.address) == (2, "10.2.2.1")
    assert re.fullmatch(
        r"Of 2 branches after hop 1 the one through 10\.2\.2\.1 rejects port 80: source ports "
        r"4\d{4}(, 4\d{4})* and 4\d{4} are told that the destination is unreachable\.",
        rejecting.sentence,
    )
    assert named(found) == passing(found, "10.2.2.1")


def rejects(*, down: bool = False, seed: int = 0) -> Search:
    """Two branches, one a hop longer, of which one rejects, or both report that the host is ``down``."""
    rule = [] if down else [{"action": "unreachable"}]
    shorter: list[dict[str, object]] = [
        {"address": f"10.1.{hop}.1", "rule": rule if hop == 2 else []} for hop in (1, 2, 3)
    ]
    longer: list[dict[str, object]] = [{"address": f"10.2.{hop}.1"} for hop in (1, 2, 3, 4)]
    for hop, place in enumerate([*shorter, *longer]):
        place["rtt"] = 1 + hop
    host = {"rtt": 9, "open": 80, "down": down, "down_after": 0}
    table = {"hop": [{"address": "10.0.0.1"}, *shorter], "destination": host, "seed": seed}
    return search(Scenario.of(table | {"route": [{"hop": [{"address": "10.0.0.1"}, *longer]}]}))


@pytest.mark.parametrize("seed", range(5))
def test_a_host_that_is_down_is_no_branch_that_rejects(seed: int) -> None:
    kinds = [{verdict.kind for verdict in rejects(down=down, seed=seed).verdicts} for down in (False, True)]
    assert [Kind.REJECTING_BRANCH in each for each in kinds] == [True, False]


def test_a_router_that_rejects_some_flows_and_lets_others_pass_is_no_branch() -> None:
    found = rejects().found
    (node,) = [
        node.number for node in found.nodes if node.address == "10.1.2.1" and node.kind is NodeKind.ROUTER
    ]
    flows = tuple(
        flow._replace(steps=(*flow.steps, Step(3, node, 1, 1))) if flow.has_reached else flow
        for flow in found.flows
    )
    (verdict,) = [
        each for each in judge_branches(replace(found, flows=flows)) if each.kind is Kind.REJECTING_BRANCH
    ]
    assert verdict.sentence.startswith(
        "Some flows of port 80 are rejected at hop 3 (10.1.2.1), where others pass:"
    )


def test_one_flow_that_is_rejected_is_no_branch() -> None:
    found = rejects().found
    rejected = [flow for flow in found.flows if not flow.has_reached]
    flows = tuple(flow for flow in found.flows if flow.has_reached or flow is rejected[0])
    assert Kind.REJECTING_BRANCH not in {each.kind for each in judge_branches(replace(found, flows=flows))}


def test_behind_a_nat_the_outer_ports_are_told() -> None:
    scenario = bundle(2, dead=1)
    table = scenario.table
    table["hop"][0]["rewrite"] = {"source_port": "+1000"}
    found = search(Scenario.of(table))
    ports = sorted(named(found))
    told = ", ".join(str(port + 1000) for port in ports[:-1])
    assert found.verdicts[0].evidence[-1] == (
        f"Behind a NAT these are source ports {told} and {ports[-1] + 1000}."
    )


def of_one_port() -> Iterator[Any]:
    """Each scenario with a path to one port; those that say nothing new of the search are repeats."""
    for file in sorted(SCENARIOS.glob("*.toml")):
        command = load(file).command
        if not any(words in command for words in ("-r ", "-s ", "128")):
            marks = () if file.stem in ("duplicates", "host-down") else pytest.mark.repeats
            yield pytest.param(file, id=file.stem, marks=marks)


@BOTH_WAYS
@pytest.mark.parametrize("file", list(of_one_port()))
def test_no_scenario_but_the_dead_one_has_a_dead_branch(file: Path, shares_flows: bool) -> None:
    found = search(load(file), shares_flows=shares_flows)
    assert not any(DEAD.search(sentence) for sentence in found.sentences)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "notation", ["1! 2!:3 3! 4 | rtt 5", "1 2~30:4 3~30 4~30:2 | rtt 60", "1 2:8 *:2 4 | rtt 5"]
)
def test_loss_limits_and_jitter_kill_no_branch(notation: str, seed: int) -> None:
    found = search(network(notation, seed=seed, loss=0.05))
    assert not any(DEAD.search(sentence) for sentence in found.sentences)


# The budget


def test_routers_that_hardly_answer_are_drawn_no_longer_than_it_helps() -> None:
    slow = {"limit": {"burst": 1, "per_second": 0.02}}
    found = search(network("1 2:16 3 | rtt 4", hop_2=slow))
    assert found.seconds < MOST_SECONDS
    assert len([address for address in found.routers if address.startswith("10.2.")]) <= 16
    assert re.search(r"shared: \d+ branches at hop 2 \(95 %, but hop 2 \d+ %", found.sentences[-1])


def test_a_search_that_is_stopped_says_how_sure_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracetcp.engine.branches.search.MOST_SECONDS", 2.0)
    found = search(network("1 2:16 3 | rtt 4"))
    assert found.found.is_cut_short
    assert found.seconds < 3
    assert re.search(r"at hop 2 \(95 %, but hop 2 \d+ %; stopped early\)", found.sentences[-1])


def test_a_search_that_is_interrupted_tells_what_it_found() -> None:
    found = search(network("1 2:16 3 | rtt 4"), interrupt_at=0.2)
    assert found.found.is_cut_short
    assert "stopped early" in found.sentences[-1]
    assert 4 <= len(found.routers) < 18


def test_probes_that_cannot_be_sent_are_losses() -> None:
    def failing(probe: Probe) -> SendFailure | None:
        return SendFailure(1, "a test") if probe.ttl == 2 else None

    found = search(network("1 2 3 | rtt 4"), failing=failing)
    assert found.sentences == [NO_BRANCH]
    assert "10.2.1.1" not in found.routers


def test_a_search_keeps_to_the_capacity_of_its_prober_and_its_flows() -> None:
    found = search(network("1 2:4 3 | rtt 4"), capacity=2)
    assert len(found.routers) == 6
    alone = BranchSearch(80, TraceConfig(host="target"), RunState(b"repeatable runs."), 10)
    assert len([flow for flow in iter(alone._new_flow, None) if flow is not None]) == 768


def test_without_pacing_it_is_over_at_once() -> None:
    found = search(network("1 2:8 3 | rtt 4"), anti_flood=False)
    assert len(found.routers) >= 9
    assert found.seconds < 1.5


def test_a_quote_that_waits_to_be_borne_out_counts_then() -> None:
    """The fourth router is behind a NAT: its first quote is loose, and nobody else's is."""
    scenario = bundle(4)
    scenario.table["hop"][2]["router"][3] = {"rewrite": {"source_port": 4242}}
    assert len(search(Scenario.of(scenario.table)).routers) == 8


def test_a_dead_branch_at_the_first_hop_says_so() -> None:
    hops = [{"rtt": 1, "router": [{}, {"rule": [{"action": "drop"}]}]}, {"rtt": 2}, {"rtt": 3}]
    found = search(Scenario.of({"title": "first", "hop": hops, "destination": {"rtt": 4, "open": 80}}))
    assert found.verdicts[0].sentence.startswith(
        "Of 2 branches at hop 1 the one through 10.1.2.1 drops port 80: "
    )


def test_a_dead_router_on_several_branches_is_named_alone() -> None:
    hops = [{"rtt": 1}, {"rtt": 2, "routers": 2}, {"rtt": 3, "router": [{}, {"rule": [{"action": "drop"}]}]}]
    hops += [{"rtt": 4}, {"rtt": 5}]
    found = search(Scenario.of({"title": "mesh", "hop": hops, "destination": {"rtt": 6, "open": 80}}))
    assert found.verdicts[0].sentence.startswith(
        "Of 2 branches after hop 2 the one through 10.3.2.1 drops port 80: "
    )


def test_two_hops_that_share_by_packet_have_no_links_between_them() -> None:
    found = search(network("1 2:2 3:2 4 | rtt 5", by_packet=[2, 3]))
    assert len([verdict for verdict in found.verdicts if verdict.kind is Kind.PER_PACKET]) == 2
    assert not any(near.startswith("10.2.") for near, far in found.links if far.startswith("10.3."))


def test_a_flood_of_loose_quotes_counts_for_nothing() -> None:
    alone = BranchSearch(80, TraceConfig(host="target"), RunState(b"repeatable runs."), 10)
    (probe,) = alone.next_probes(0.0, 1)
    alone.sent(probe, 0.0)
    loose = quote(("source port",))
    for _ in range(9):
        alone.receive(Reply(probe.token, ReplyKind.TIME_EXCEEDED, "10.9.9.9", 0.1, 64, 11, 0, loose))
        alone.advance(0.1)
    assert len(alone._loose) == 4
    assert alone.samples.last_router() == 0


def test_a_branch_without_another_at_its_hop_is_not_called_dead() -> None:
    """Those that pass were not seen at that hop: nothing shows that they did not take the same router."""
    found = search(bundle(4, dead=1), ports=(80,)).found
    (verdict,) = [each for each in judge_branches(found) if each.kind is Kind.DEAD_BRANCH]
    dead = next(node.number for node in found.nodes if node.address == verdict.address)
    alone = [
        hop._replace(shares=tuple(share for share in hop.shares if hop.ttl != 3 or share.node == dead))
        for hop in found.hops
    ]
    assert Kind.DEAD_BRANCH not in {each.kind for each in judge_branches(replace(found, hops=tuple(alone)))}


def test_branches_stand_in_the_record_of_their_trace_and_below_its_rows() -> None:
    found = search(bundle(2), ports=(80,)).found
    there = traced("10.1.1.1 open")
    event = VerdictReached(there.port, there, (), branches=found)
    config = TraceConfig(host="h", ports=(80,))
    record = json.loads(JsonPresenter(config, Display(json=True), 0.0).render(event, NO_TEXTS))
    assert [verdict["kind"] for verdict in record["verdicts"]] == ["branches"]
    assert record["branches"]["probes"] == found.probes
    text = TextPresenter(config, Display(), TARGET).render(event, NO_TEXTS)
    assert "Branches of port 80" in text
