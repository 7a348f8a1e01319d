"""Verdicts drawn while traces run, on a virtual clock: faults are named, and clean paths raise none."""

from __future__ import annotations

import errno
import json
from math import inf
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from internet import Scenario, VirtualProber, load, network
from internet.report import SECRET, Report, trace
from internet.scenario import SCENARIOS
from tracetcp.config import TraceConfig
from tracetcp.engine import Engine, open_engine
from tracetcp.engine.run_state import RunState
from tracetcp.explain.block_search import MOST_SILENT_HOPS
from tracetcp.explain.control_probes import Ask, ControlProbes
from tracetcp.explain.controls import MOST_SEARCHED, UNPACED_SEARCH_PINGS
from tracetcp.explain.explaining import ExplainingEngine
from tracetcp.explain.so_far import LiveTrace
from tracetcp.formatters import open_presenter
from tracetcp.formatters.display import Display
from tracetcp.model import (
    NO_TEXTS,
    AddressSeen,
    HopFinished,
    Outcome,
    Probe,
    Reply,
    ReplyKind,
    SendFailure,
    TraceFinished,
    VerdictReached,
)
from tracetcp.model.verdict import Certainty, Kind
from tracetcp.runner import run

if TYPE_CHECKING:
    from pathlib import Path

    from tracetcp.model.evidence import Evidence

BLOCKED = "1 10[drop 135] 20 30 | rtt 50"
FAULTS = {"blocked", "rejected", "unreachable", "forged", "proxy", "loop", "path-goes-on", "nat"}
FAULTS |= {"mss-rewritten", "options-stripped", "options-rewritten", "dscp-rewritten", "ecn-rewritten"}


class Explained:
    """A run under ``-e``: its events, its probes, and its text."""

    def __init__(
        self,
        path: Scenario,
        config: TraceConfig,
        display: Display,
        *,
        may_probe: bool = True,
        tells_reply_ttls: bool = True,
        shares_flows: bool = True,
    ) -> None:
        self.prober = VirtualProber(path, tells_reply_ttls=tells_reply_ttls, shares_flows=shares_flows)
        self._state = RunState(SECRET)
        engine = ExplainingEngine(
            config,
            self.prober.destination,
            self._open_engine,
            self._state,
            may_probe=may_probe,
            shares_flows=shares_flows,
        )
        presenter = open_presenter(config, display, self.prober.destination, 0.0)
        self.events = [
            event for events in run(engine, self.prober, wait=self.prober.wait) for event in events
        ]
        self.text = "".join(presenter.render(event, NO_TEXTS) for event in self.events)
        self.text += presenter.closing(NO_TEXTS)
        self.verdicts = [v for e in self.events if isinstance(e, VerdictReached) for v in e.verdicts]
        self.kinds = [verdict.kind.value for verdict in self.verdicts]
        self.ports_done = engine.ports_done

    def _open_engine(self, config: TraceConfig) -> Engine:
        return open_engine(config, self._state, shares_flows=self.prober.shares_flows)


def explain(path: Scenario, *ports: int, display: Display | None = None, **options: object) -> Explained:
    config = TraceConfig(host="target", ports=ports or (80,), **options)  # type: ignore[arg-type]
    return Explained(path, config, display or Display(explain=True))


def test_a_port_dropped_on_the_way_is_blocked_behind_the_last_hop_that_answered() -> None:
    found = explain(network(BLOCKED), 135)
    assert found.kinds[0] == "blocked"
    assert found.verdicts[0].hop == 2
    assert "10.2.1.1" in found.verdicts[0].sentence


def test_a_proxy_is_told_by_a_control_port_that_goes_farther() -> None:
    found = explain(network("1 10[passing syn-ack 80] 20 30 40 50 60 70 80 | rtt 95"), 80)
    assert found.kinds[0] == "proxy"


def test_a_rejected_port_names_who_says_so() -> None:
    found = explain(network("1 10[unreachable 13 80] 20 | rtt 50"))
    assert found.kinds[0] == "rejected"
    assert found.verdicts[0].address == "10.2.1.1"


@pytest.mark.parametrize(("port", "kind"), [(80, "open"), (81, "closed")])
def test_a_plain_port_is_what_it_is(port: int, kind: str) -> None:
    assert explain(network("1 10 20 | rtt 50"), port).kinds[0] == kind


def test_controls_never_show_as_rows_and_stay_within_the_hops_asked_for() -> None:
    found = explain(network(BLOCKED), 135, max_hops=4)
    assert {event.port for event in found.events if isinstance(event, HopFinished | TraceFinished)} == {135}
    assert {probe.port for _, probe in found.prober.sent} > {135}
    assert max(probe.ttl for _, probe in found.prober.sent if probe.ttl != 127) <= 4


def test_without_leave_to_probe_no_other_port_is_touched() -> None:
    config = TraceConfig(host="target", ports=(135,))
    found = Explained(network("1 10[drop 135] 20 | rtt 50"), config, Display(), may_probe=False)
    assert {probe.port for _, probe in found.prober.sent} == {135}
    assert len(found.verdicts) >= 1


def test_the_verdict_follows_the_end_of_its_trace_and_ports_stay_in_order() -> None:
    found = explain(network(BLOCKED), 135, 80, 81, timeout=0.5)
    order = [
        (type(e).__name__, e.port) for e in found.events if isinstance(e, TraceFinished | VerdictReached)
    ]
    assert order == [(name, port) for port in (135, 80, 81) for name in ("TraceFinished", "VerdictReached")]
    assert found.ports_done == 3


def test_several_ports_end_in_a_matrix_and_compared_ones_side_by_side() -> None:
    path = network("1 10[drop 135,136] 20 30 | rtt 50")
    shown = explain(path, 135, 136, 80, timeout=0.5).text
    assert "135-136" in shown.splitlines()[-2] + shown.splitlines()[-1] + shown
    assert "PORTS" in shown
    compared = explain(path, 135, 80, timeout=0.5, display=Display(explain=True, compare=True)).text
    assert "PORT 135" in compared


def test_condensed_verdicts_are_comments() -> None:
    text = explain(network("1 10 | rtt 50"), 80, 81, display=Display(condensed=True, explain=True)).text
    rest = [line for line in text.splitlines() if line and not line.startswith("[")]
    assert len(rest) >= 4
    assert all(line.startswith("# ") for line in rest)


def test_json_is_one_object_a_trace_with_verdicts_on_request() -> None:
    with_verdicts = explain(network("1 10 | rtt 50"), 80, 81, display=Display(json=True, explain=True)).text
    objects = [json.loads(line) for line in with_verdicts.splitlines()]
    assert [trace["port"] for trace in objects] == [80, 81]
    assert all(trace["verdicts"] for trace in objects)
    plain = explain(network("1 10 | rtt 50"), 80, display=Display(json=True)).text
    assert json.loads(plain)["verdicts"] == []


def test_a_control_that_cannot_be_sent_leaves_the_verdict_without_it() -> None:
    config = TraceConfig(host="target", ports=(135,), timeout=0.5)
    prober = VirtualProber(network("1 10[drop 135] 20 | rtt 50"))
    prober.failing = lambda probe: SendFailure(errno.EPERM, "refused") if probe.port != 135 else None
    state = RunState(SECRET)
    engine = ExplainingEngine(config, prober.destination, lambda each: open_engine(each, state), state)
    events = [event for batch in run(engine, prober, wait=prober.wait) for event in batch]
    assert isinstance(events[-1], VerdictReached)
    assert events[-1].verdicts[0].kind.value == "no-answer"


def test_a_reply_to_a_token_that_no_engine_drew_is_ignored() -> None:
    state = RunState(SECRET)
    config = TraceConfig(host="target")
    engine = ExplainingEngine(config, "192.0.2.9", lambda each: open_engine(each, state), state)
    engine.receive(Reply(7, ReplyKind.SYN_ACK, "192.0.2.9", 0.0))
    assert engine.events() == []


ONE_HOP: dict[str, Any] = {"start_hop": 5, "max_hops": 1, "pings": 1, "timeout": 0.5}
"""Hop 5 alone is asked: what drops a port before it has to be searched."""


def dropping(hop: int, *ports: int, **further: object) -> Scenario:
    """Six routers; the one at ``hop`` drops ``ports``."""
    rule = {f"hop_{hop}": {"rule": [{"ports": [*ports]}]}}
    return network("1 10 20 30 40 50 | rtt 60", **rule, **further)


def places(found: Explained) -> dict[int, int | None]:
    """The hop of each blocked port's verdict."""
    ended = [event for event in found.events if isinstance(event, VerdictReached)]
    return {e.port: e.verdicts[0].hop for e in ended if e.verdicts[0].kind is Kind.BLOCKED}


@pytest.mark.parametrize("hop", [1, 2, 3, 4])
def test_the_hop_that_drops_ports_is_searched_among_those_not_asked(hop: int) -> None:
    found = explain(dropping(hop, 135, 137, 138), *range(130, 141), **ONE_HOP)
    assert places(found) == dict.fromkeys((135, 137, 138), hop)
    assert [event.hop.ttl for event in found.events if isinstance(event, HopFinished)] == [5] * 11
    asked = {(probe.port, probe.ttl) for _, probe in found.prober.sent if probe.port in (135, 137, 138)}
    assert {ttl for _, ttl in asked} < {1, 2, 3, 4, 5}
    assert f"dropped after hop {hop} (10.{hop}.1.1)" in found.text


def test_a_silent_router_on_the_way_is_left_out_of_the_search() -> None:
    path = network("1 * * 30[drop 135] 40 50 | rtt 60")
    assert places(explain(path, 134, 135, 136, **ONE_HOP)) == {135: 4}


@pytest.mark.parametrize("loss", [0.0, 0.05])
@pytest.mark.parametrize("limit", ["none", "linux"])
def test_limited_routers_and_lost_probes_mislead_no_search(loss: float, limit: str) -> None:
    path = dropping(3, 135, loss=loss, defaults={"limit": limit})
    found = places(explain(path, *range(131, 140), **ONE_HOP))
    assert found.get(135) in (3, None)
    assert found.keys() <= {135}


def test_a_search_that_nothing_answers_is_given_up() -> None:
    found = explain(network("7x* *[drop 135] 40 | rtt 60"), 134, 135, 136, **ONE_HOP | {"start_hop": 9})
    assert places(found) == {135: None}
    assert len({probe.ttl for _, probe in found.prober.sent}) == MOST_SILENT_HOPS + 1


def test_without_pacing_silence_is_asked_three_times() -> None:
    found = explain(dropping(2, 135), 134, 135, 136, **ONE_HOP, anti_flood=False)
    assert places(found) == {135: 2}
    assert sum((probe.port, probe.ttl) == (135, 3) for _, probe in found.prober.sent) == UNPACED_SEARCH_PINGS


def test_ports_that_the_host_keeps_silent_about_are_told_apart_in_a_scan() -> None:
    found = explain(
        network("1 10 20 | rtt 30 | open 80 | silent 23,25"),
        *range(20, 30),
        start_hop=128,
        max_hops=1,
        pings=1,
        timeout=0.5,
    )
    assert places(found) == {23: 3, 25: 3}
    assert "so it may be what drops port" in found.text


def test_only_so_many_ports_are_searched_for() -> None:
    ports = range(100, 100 + MOST_SEARCHED + 4)
    found = explain(dropping(2, *ports), 80, *ports, **ONE_HOP)
    assert list(places(found).values()) == [2] * MOST_SEARCHED + [None] * 4


CLEAN = {
    "plain": ("1 10 20 30 | rtt 50", 80, {}),
    "lossy": ("1 10 20 30 40 | rtt 50 | again silent | retransmit", 80, {"loss": 0.1, "seed": 1}),
    "limited": ("1! 10! 20! 30! | rtt 50", 80, {}),
    "load-balanced": (" / ".join(["10 20 30 40 50 60"] * 3) + " | rtt 80", 80, {}),
    "lengths": ("10 20 30 40 50 / 10 20 30 40 50 60 | rtt 80", 80, {}),
    "long rtt": ("600 800 900 | rtt 1000", 80, {}),
    "closed": ("1 10 20 30 | rtt 50", 81, {}),
    "silent router": ("1 * 20 30 | rtt 50", 80, {}),
    "silent host": ("1 10 20 30 | others silent", 80, {}),
    "jitter": ("10~100 10~100 10~100 10~100 | rtt 10 | jitter 100 | again silent", 80, {"seed": 1}),
}


@pytest.mark.parametrize(("notation", "port", "table"), CLEAN.values(), ids=CLEAN)
def test_a_clean_path_raises_no_fault(notation: str, port: int, table: dict[str, Any]) -> None:
    found = explain(network(notation, **table), port, timeout=1.5, max_hops=9)
    assert not set(found.kinds) & FAULTS, found.text


# What a destination sees, and what the user waits --------------------------------------------------------

MOST_SYNS, MOST_SYNS_IF_SILENT, MOST_SLOWDOWN = 8, 20, 1.4
USUAL_SYNS, CONTROL_SYNS = 5, 3
"""SYNs of a trace that keeps to the rule, and those of controls: a trace that sends more gets no fewer."""
FIFTEEN = "1 10 10 10 14 12 12 164 163 165 165 168 166 {last} | rtt 170 | open 80,443"
REACHED = (Outcome.OPEN, Outcome.CLOSED)


class Pair(NamedTuple):
    """The same trace without and with ``-e``: SYNs at the destination, seconds, what came of it."""

    plain: Report
    explained: Explained

    @property
    def syns(self) -> tuple[int, int]:
        return self.plain.prober.counts.destination.total(), self.explained.prober.counts.destination.total()

    @property
    def is_answered(self) -> bool:
        return self.plain.finished[0].outcome in REACHED

    @property
    def is_silent_alone(self) -> bool:
        """Whether the destination keeps silent about this port but not about controls."""
        (judged,) = [event for event in self.explained.events if isinstance(event, VerdictReached)]
        is_met = any(control.outcome in REACHED for control in judged.evidence.controls)
        return self.plain.finished[0].outcome is Outcome.NOT_REACHED and is_met

    @property
    def slowdown(self) -> float:
        return self.explained.prober.clock() / self.plain.seconds

    def most_syns(self) -> int:
        """The most SYNs that the destination may see."""
        return max(MOST_SYNS, self.syns[0] + CONTROL_SYNS) if self.is_answered else MOST_SYNS_IF_SILENT


def both(path: Scenario, port: int = 80) -> Pair:
    config = TraceConfig(host="target", ports=(port,))
    return Pair(trace(path, config), explain(path, port))


@pytest.mark.repeats
@pytest.mark.parametrize("file", sorted(SCENARIOS.glob("*.toml")), ids=lambda file: file.stem)
def test_a_destination_sees_few_syns_in_every_scenario(file: Path) -> None:
    scenario = load(file)
    for port in (80, 81):
        pair = both(scenario, port)
        if pair.is_answered or pair.is_silent_alone:
            assert pair.syns[1] <= pair.most_syns(), pair.syns


def random_path(seed: int, **further: Any) -> tuple[Scenario, int]:
    """A path without a fault: limits, silent routers, jitter, short quotes, shared load; and a port."""
    dice = Random(seed)
    rtts = sorted(dice.uniform(1, dice.choice([30, 170])) for _ in range(dice.randint(3, 18)))

    def hop(rtt: float) -> dict[str, Any]:
        further: dict[str, Any] = {"rtt": rtt, "silent": dice.random() < 0.12}
        if dice.random() < 0.15:
            further["limit"] = dice.choice(["linux", {"burst": 3, "per_second": 1}])
        if dice.random() < 0.2:
            further |= {"jitter": dice.uniform(0, 20), "quote": 8}
        if dice.random() < 0.1:
            further |= {"routers": dice.choice([2, 3])}
        return further

    host = {"open": "22,80,443", "rtt": rtts[-1] + 1, "others": dice.choice(["closed", "closed", "silent"])}
    host["again"] = dice.choice(["answer", "answer", "silent", "linux", "challenge", "rst"])
    table = {"hop": [hop(rtt) for rtt in rtts], "destination": host, "seed": seed} | further
    return Scenario.of(table, f"path {seed}"), dice.choice([22, 80, 443, 81, 8081])


@pytest.mark.repeats
@pytest.mark.parametrize("seeds", [range(start, start + 25) for start in range(0, 200, 25)], ids=str)
def test_random_paths_raise_no_fault_and_see_few_syns(seeds: range) -> None:
    for seed in seeds:
        pair = both(*random_path(seed))
        kinds = set(pair.explained.kinds)
        if pair.is_silent_alone:
            kinds -= {"blocked"}  # by the destination itself, as the evidence says
        assert not kinds & FAULTS, (seed, pair.explained.text)
        if pair.is_answered or pair.is_silent_alone:
            assert pair.syns[1] <= pair.most_syns(), (seed, pair.syns)
        if pair.syns[0] <= USUAL_SYNS and pair.is_answered:
            assert pair.syns[1] <= MOST_SYNS, (seed, pair.syns)


@pytest.mark.repeats
@pytest.mark.parametrize("seeds", [range(start, start + 25) for start in range(200, 300, 25)], ids=str)
def test_loss_raises_no_fault(seeds: range) -> None:
    for seed in seeds:
        pair = both(*random_path(seed, loss=0.04))
        assert not (set(pair.explained.kinds) - {"blocked"}) & FAULTS, (seed, pair.explained.text)


@pytest.mark.parametrize("last", ["168", "*168"])
@pytest.mark.parametrize("others", ["closed", "silent"])
def test_controls_run_beside_the_trace(last: str, others: str) -> None:
    pair = both(network(f"{FIFTEEN.format(last=last)} | others {others}"))
    assert pair.slowdown <= MOST_SLOWDOWN
    assert pair.explained.kinds[0] == "open"
    assert pair.syns[1] <= MOST_SYNS


def test_controls_never_delay_the_rows() -> None:
    for last in ("168", "*168"):
        pair = both(network(FIFTEEN.format(last=last)))
        rows = [event.hop for event in pair.explained.events if isinstance(event, HopFinished)]
        assert rows == [row.hop for row in pair.plain.hops()]


# Who answers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "port", "kind", "hop"),
    [
        ("1 5[rst 135] 10 * | rtt 30 | open 80,443", 135, "forged", 2),  # a silent hop before the host
        ("1 5[rst 135] * * | rtt 30 | open 80,443", 135, "forged", 2),  # nothing but the host beyond
        ("1 5 10 15 20[rst 135] 25 30 35 * | rtt 50 | open 80,443", 135, "forged", 5),
        ("1 5[syn-ack 80] 10 * | rtt 30 | open 80,443", 80, "proxy", 2),
        ("1 5[syn-ack 80,443] 10 15 20 25 | rtt 30 | open 80,443", 80, "proxy", 2),
    ],
)
def test_a_device_on_the_way_is_told_by_distance_and_reply_ttl(
    path: str, port: int, kind: str, hop: int
) -> None:
    found = explain(network(path), port)
    assert (found.kinds[0], found.verdicts[0].hop) == (kind, hop), found.text


@pytest.mark.parametrize(
    ("path", "port", "fact"),
    [
        # the way there is not known to be the same
        ("1 * * *[rst 135] 10 15 * | rtt 30 | open 80,443", 135, "Port 46137 passes hop 6."),
        # two hops are a branch's difference
        ("1 5[rst 135] * | rtt 30 | open 80,443", 135, "Port 46137 answers from hop 4 with TTL 61."),
        ("1 * * *[syn-ack 80] 10 15 * | rtt 30 | open 80,443", 80, "Port 46137 passes hop 6."),
    ],
)
def test_what_is_not_proven_carries_the_doubt(path: str, port: int, fact: str) -> None:
    verdict = explain(network(path), port).verdicts[0]
    assert verdict.kind in (Kind.OPEN, Kind.CLOSED)
    assert verdict.certainty is Certainty.POSSIBLE
    assert fact in verdict.evidence
    assert "on the way may be answering" in verdict.evidence[-1]


@pytest.mark.parametrize(
    ("path", "port", "kind"),
    [
        ("1 5[syn-ack 80,443][drop 46137] * * 20 | rtt 30", 80, "open"),  # web ports through the proxy only
        ("1 5 10[rst] * * | rtt 30 | open 80,443", 8081, "closed"),  # a firewall that refuses every port
    ],
)
def test_nothing_is_certain_of_a_device_that_serves_alike_what_is_asked(
    path: str, port: int, kind: str
) -> None:
    verdict = explain(network(path), port).verdicts[0]
    assert (verdict.kind.value, verdict.certainty) == (kind, Certainty.LIKELY)
    assert {
        "Port 46137 passes hop 2.",
        "No other port was open at that hop, so a firewall could be answering.",
    } & {*verdict.evidence}


# A port that is silent where the destination is not ------------------------------------------------------


def ttls(found: Explained, port: int) -> list[int]:
    """The TTLs that the port was asked at, but for the look at the last one."""
    return sorted({probe.ttl for _, probe in found.prober.sent if probe.port == port and probe.ttl < 30})


def test_a_silent_port_is_asked_no_farther_than_the_destination() -> None:
    found = explain(network("1 5 10 15 20 | rtt 25 | open 80,443 | silent 135"), 135)
    rows = [event.hop.ttl for event in found.events if isinstance(event, HopFinished)]
    assert rows == [1, 2, 3, 4, 5, 6]
    assert found.kinds[0] == "blocked"
    assert max(ttls(found, 135)) <= 10
    assert found.prober.counts.destination[135] <= 8


def test_a_router_where_a_control_met_the_destination_leads_on() -> None:
    """The port's flows take a branch that is a hop longer than that of the controls."""
    short, long = "1 5 10 15", "1 5 10 15 20"
    path = network(f"{short} / {long} / {long} / {long} | rtt 30 | open 80,443 | silent 135", seed=5)
    found = explain(path, 135)
    routers = found_evidence(found).routers
    rows = [event.hop.ttl for event in found.events if isinstance(event, HopFinished)]
    assert max(routers) <= rows[-1] <= max(routers) + 2


def test_a_control_that_a_nearer_proxy_answers_does_not_end_the_trace() -> None:
    proxy = "1 5[syn-ack 443,80] 10 15[drop 46137] 20 25 * * * 30"
    found = explain(network(f"{proxy} | rtt 35 | others silent"), 135, max_hops=15)
    rows = [event.hop.ttl for event in found.events if isinstance(event, HopFinished)]
    assert rows == [*range(1, 16)]


def test_a_reply_to_a_probe_that_never_left_counts_for_nothing() -> None:
    live = LiveTrace(80, 30)
    live.received(Reply(7, ReplyKind.SYN_ACK, "192.0.2.9", 0.0))
    assert live.traced().outcome is Outcome.NOT_REACHED
    assert live.changes == 0


def found_evidence(found: Explained) -> Evidence:
    (judged,) = [event for event in found.events if isinstance(event, VerdictReached)]
    return judged.evidence


def test_a_control_that_nothing_answers_at_first_is_asked_farther_out() -> None:
    found = explain(network("1 5 * * * | rtt 25 | open 80,443 | silent 135"), 135)
    assert found.kinds[0] == "blocked"
    assert "is answered at TTL 6" in found.verdicts[0].evidence[0]
    web_alone = explain(network("1 5 10 | rtt 25 | open 80 | others silent"), 135)
    assert web_alone.kinds[0] == "blocked"
    assert "Port 80 is answered at" in web_alone.verdicts[0].evidence[0]


def test_addresses_that_only_a_control_met_are_told_of() -> None:
    found = explain(network("1 5[drop 135] 10 15 20 | rtt 25 | open 80,443"), 135)
    seen = [event.address for event in found.events if isinstance(event, AddressSeen)]
    assert len(seen) == len(set(seen))
    assert {"10.1.1.1", "10.2.1.1", "10.3.1.1"} <= set(seen)


def test_without_pacing_controls_are_asked_at_once() -> None:
    found = explain(network("1 5 10 | rtt 20 | open 80,443"), 80, anti_flood=False)
    assert (found.kinds[0], found.verdicts[0].certainty) == ("open", Certainty.CERTAIN)


def test_a_control_takes_no_more_probes_than_the_prober_has_room_for() -> None:
    probes = ControlProbes([Ask(443, 3, 1, 9)], RunState(SECRET), 1.0, is_paced=True)
    assert list(probes.next_probes(0.0, 0)) == []
    (probe,) = probes.next_probes(0.0, 1)
    assert (probe.port, probe.ttl, probe.flow) == (443, 3, 9)


def test_a_probe_of_a_control_waits_for_the_router() -> None:
    state = RunState(SECRET)
    for _ in range(3):
        state.routers.on_sent(3, 10.0)
    probes = ControlProbes([Ask(443, 3, 1, 9)], state, 1.0, is_paced=True)
    assert list(probes.next_probes(10.0, 64)) == []
    assert 10.1 < probes.wake_at() < 10.2
    assert len(probes.next_probes(probes.wake_at(), 64)) == 1


@pytest.mark.parametrize("shares_flows", [True, False])
def test_a_flow_of_controls_has_one_probe_in_flight_where_flows_are_not_shared(shares_flows: bool) -> None:
    asks = [Ask(443, 3, 1, 9), Ask(443, 5, 1, 9), Ask(80, 5, 1, 9), Ask(443, 4, 1, 8)]
    probes = ControlProbes(asks, RunState(SECRET), 1.0, is_paced=False, shares_flows=shares_flows)
    left: list[Probe] = []
    while found := probes.next_probes(0.0, 64):
        probes.sent(found[0], 0.0)
        left += found
    asked = [(probe.port, probe.ttl, probe.flow) for probe in left]
    if shares_flows:
        assert asked == [(443, 3, 9), (443, 5, 9), (80, 5, 9), (443, 4, 8)]
        return
    assert asked == [(443, 3, 9), (80, 5, 9), (443, 4, 8)]
    assert probes.wake_at() == 1.0
    probes.receive(Reply(left[0].token, ReplyKind.TIME_EXCEEDED, "10.1.1.1", 0.1))
    assert [(probe.port, probe.ttl) for probe in probes.next_probes(0.1, 64)] == [(443, 5)]


class RetryElsewhere:
    """A retry of another engine."""

    def __init__(self) -> None:
        self.to_send = [1]
        self.is_over = False


def test_traces_and_controls_let_the_retry_of_another_engine_go_first() -> None:
    state, retry = RunState(SECRET), RetryElsewhere()
    state.routers.at(1).retry = retry
    trace_engine = open_engine(TraceConfig(host="target", max_hops=1), state)
    probes = ControlProbes([Ask(443, 1, 1, 9)], state, 1.0, is_paced=True)
    assert not trace_engine.next_probes(0.0, 64)
    assert not probes.next_probes(0.0, 64)
    retry.to_send.clear()
    assert trace_engine.wake_at() == -inf
    assert [engine.next_probes(0.0, 64)[0].ttl for engine in (trace_engine, probes)] == [1, 1]
    assert probes.events() == []
