"""Path traces on a virtual clock: a network in a line or two, the report expected from it below."""

from __future__ import annotations

import errno
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from internet import ConnectingProber, Report, Scenario, VirtualProber, network, trace
from internet.scenario import AGAIN
from tracetcp.config import TraceConfig
from tracetcp.engine.trace import path
from tracetcp.engine.trace.hops import MOST_PROBES as MOST_PROBES_OF_A_PING
from tracetcp.model import Outcome, Probe, Reply, ReplyKind, SendFailure

TARGET = "203.0.113.80"
DOCUMENTED = "1 10 10 10 14 12 12 182 163 165 165 168 166 * | rtt 170"
"""The documented 15-hop path."""


def config(**changes: object) -> TraceConfig:
    return TraceConfig(host="target", **changes)  # type: ignore[arg-type]


def routers(report: Report) -> list[tuple[str, ...]]:
    return [row.hop.senders for row in report.hops()]


def busiest(instants: list[float], span: float) -> int:
    """The most instants within any ``span``."""
    return max((sum(first <= at < first + span for at in instants) for first in instants), default=0)


# The plain cases


def test_a_plain_path_is_reported_hop_by_hop() -> None:
    report = trace(network("1 10 20 | rtt 30"), config())
    assert report.lines() == ["1 1 1 1 10.1.1.1", "2 10 10 10 10.2.1.1", "3 20 20 20 10.3.1.1", "4 30 open"]
    assert report.outcomes == {80: Outcome.OPEN}


def test_a_closed_port_is_looked_at_again_with_ttl_127() -> None:
    report = trace(network("1 10 | rtt 30"), config(ports=(81,)))
    assert report.lines() == ["1 1 1 1 10.1.1.1", "2 10 10 10 10.2.1.1", "3 30 closed"]
    assert len(report.sent_with(127)) == 1


def test_a_host_that_refuses_expiring_packets_is_open_by_the_second_look() -> None:
    assert trace(network("1 10 | rtt 30 | refuse_ttl 3"), config()).lines()[-1] == "3 30 open"


def test_a_silent_hop_shows_stars_and_costs_a_fraction_of_the_timeout() -> None:
    report = trace(network("1 * 20 | rtt 30"), config())
    assert report.lines() == ["1 1 1 1 10.1.1.1", "2 * * *", "3 20 20 20 10.3.1.1", "4 30 open"]
    assert report.seconds < 1


def test_the_documented_path_is_fast_and_polite() -> None:
    report = trace(network(DOCUMENTED), config())
    assert report.lines()[13:] == ["14 * * *", "15 170 open"]
    assert report.seconds < 0.55
    assert report.sent_beyond(14) <= 5
    for ttl in range(1, 31):
        assert busiest(report.sent_with(ttl), 0.1) <= 3


def test_a_long_link_behind_known_hops_is_jumped_once() -> None:
    """TTLs 8 to 11 left when hop 7 answered; 12 to 15 follow before any of them can have."""
    report = trace(network("1 10 10 10 14 12 12 20x170 | rtt 180"), config())
    first_150_ms = [probe.ttl for at, probe in report.prober.sent if at < 0.15]
    assert max(first_150_ms) == 15


def test_nearer_hops_are_not_jumped_over() -> None:
    report = trace(network("1 2 3 | rtt 180"), config())
    assert max(probe.ttl for _, probe in report.prober.sent) <= 7


def test_silence_beyond_hop_6_waits_the_timeout_once() -> None:
    report = trace(network("1 10 10 10 14 12 | others silent"), config())
    assert report.lines()[6:] == [f"{ttl} * * *" for ttl in range(7, 31)]
    assert report.outcomes == {80: Outcome.NOT_REACHED}
    assert 4 < report.seconds < 5.8


def test_a_path_that_is_silent_from_the_start_ends_too() -> None:
    report = trace(network("* * | others silent"), config(max_hops=3, pings=1, timeout=0.5))
    assert report.lines() == ["1 *", "2 *", "3 *"]
    assert report.seconds < 2.5


def test_the_trace_starts_and_stops_at_the_hops_asked_for() -> None:
    report = trace(network("1 2 3 4 5 | rtt 6"), config(start_hop=3, max_hops=2, pings=1))
    assert report.lines() == ["3 3 10.3.1.1", "4 4 10.4.1.1"]
    assert {probe.ttl for _, probe in report.prober.sent} == {3, 4}


def test_the_last_hop_asked_for_may_be_the_destination() -> None:
    report = trace(network("1 2 | rtt 3"), config(max_hops=3))
    assert report.lines()[-1] == "3 3 open"
    assert report.sent_beyond(3) == 0


def test_255_hops_are_walked() -> None:
    report = trace(network("254x1 | rtt 255", hop_1={"step": 1}), config(max_hops=255, pings=1))
    assert len(report.lines()) == 255
    assert report.lines()[-1] == "255 255 open"


def test_a_second_of_rtt_is_no_loss() -> None:
    report = trace(network("2000 2100 | rtt 2200"), config())
    assert report.lines() == ["1 2000 2000 2000 10.1.1.1", "2 2100 2100 2100 10.2.1.1", "3 2200 open"]


def test_many_silent_hops_before_the_destination_are_hops() -> None:
    report = trace(network("1 10 9x* | rtt 30"), config())
    assert report.lines()[2:] == [f"{ttl} * * *" for ttl in range(3, 12)] + ["12 30 open"]


# What a destination answers, and what is said in its name


def test_a_destination_that_answers_one_syn_of_a_flow_is_found_at_its_own_distance() -> None:
    """TTL 3 overtakes TTL 2: the host answers the farther SYN, and the nearer looks like a silent hop."""
    report = trace(network("1 | again silent", destination={"rtt": [40, 30]}), config())
    first = {record.probe.ttl: record.replies for record in reversed(report.finished[0].records)}
    assert (first[2], len(first[3])) == ((), 1)
    assert report.lines()[0] == "1 1 1 1 10.1.1.1"
    assert re.fullmatch(r"2 [34]0 open", report.lines()[1])


@pytest.mark.parametrize("seed", [1, 14, 18])
def test_a_stateful_firewall_that_loses_answers_does_not_hide_a_closed_port(seed: int) -> None:
    """The tracked SYN of the flow is one whose answer got lost: every RST to another is invalid."""
    path = network("1 2 3 4 | rtt 5", hop_1={"conntrack": True}, destination={"loss_back": 0.2}, seed=seed)
    report = trace(path, config(ports=(81,)))
    first = [record for record in report.finished[0].records if record.probe.flow == 0]
    assert not any(record.replies for record in first if record.probe.ttl > 4), "another seed shows it"
    assert report.lines()[-1].startswith("5 ")
    assert report.lines()[-1].endswith("closed")
    assert report.sent_beyond(4) <= 20


def test_a_forged_rst_from_a_passing_packet_is_not_the_destination() -> None:
    """A box behind hop 2 injects RSTs and lets the SYNs pass: farther routers answer the same flow."""
    report = trace(network("1 10[passing injected rst 80] 20 30 40 | rtt 50"), config())
    assert report.lines() == [
        "1 1 1 1 10.1.1.1",
        "2 10 10 10 10.2.1.1",
        "3 20 20 20 10.3.1.1",
        "4 30 30 30 10.4.1.1",
        "5 40 40 40 10.5.1.1",
        "6 50 open",
    ]


def test_a_firewall_that_answers_rst_instead_of_passing_ends_the_trace_where_it_stands() -> None:
    assert trace(network("1 10[passing rst 80] 20 30 | rtt 50"), config()).lines()[-1] == "3 10 closed"
    assert trace(network("1 10[rst 80] 20 30 | rtt 50"), config()).lines()[-1] == "2 10 closed"


def test_a_transparent_proxy_answers_at_its_own_distance() -> None:
    path = network("1 10[passing syn-ack 80] 20 30 | rtt 50")
    assert trace(path, config()).lines()[-1] == "3 10 open"
    assert trace(path, config(ports=(443,))).lines()[-1] == "5 50 closed"


def test_a_syn_ack_outranks_a_rst_that_came_first() -> None:
    prober = VirtualProber(network("1 | rtt 30"))

    def forge(probe: Probe) -> SendFailure | None:
        if probe.ttl >= 2:
            prober.inject(Reply(probe.token, ReplyKind.RST, TARGET, prober.clock() + 0.001))
        return None

    prober.failing = forge
    assert Report(prober, config()).lines()[-1] == "2 30 open"


def test_duplicates_and_wrong_acknowledgements_change_nothing() -> None:
    path = network("1 10 | rtt 30 | duplicates 2 | wrong_ack")
    assert trace(path, config()).lines() == ["1 1 1 1 10.1.1.1", "2 10 10 10 10.2.1.1", "3 30 open"]


def test_time_exceeded_from_the_targets_own_address_is_a_hop() -> None:
    report = trace(network("1 10@ | rtt 30"), config())
    assert report.lines() == ["1 1 1 1 10.1.1.1", f"2 10 10 10 {TARGET}", "3 30 open"]


def test_an_answer_that_never_comes_again_does_not_stop_the_second_look_for_ever() -> None:
    prober = VirtualProber(network("1 | rtt 30"))
    prober.failing = lambda probe: SendFailure(errno.EPERM, "refused") if probe.ttl == 127 else None
    assert Report(prober, config(ports=(81,))).lines()[-1] == "2 30 closed"


# Unreachable


@pytest.mark.parametrize("code", range(16))
def test_an_unreachable_of_any_code_ends_the_trace(code: int) -> None:
    report = trace(network(f"1 10[unreachable {code} 80] 20 | rtt 30"), config())
    assert report.lines() == [
        "1 1 1 1 10.1.1.1",
        "2 10 10 10 10.2.1.1",
        "3 10 10 10 10.2.1.1 unreachable",
    ]
    final = report.hops()[-1].hop.final_reply
    assert final is not None
    assert (final.icmp_type, final.icmp_code, final.sender) == (3, code, "10.2.1.1")


def test_a_dead_host_is_reported_by_the_last_router() -> None:
    report = trace(network("1 10 | down | down_after 0"), config())
    assert report.lines()[-1] == "3 10 10 10 10.2.1.1 unreachable"


def test_a_limited_router_that_reports_gets_time_to_answer_every_ping() -> None:
    report = trace(network("1 10!4[unreachable 13 80] | rtt 30"), config())
    assert report.lines()[-1] == "3 10 10 10 10.2.1.1 unreachable"


# Loss, limits, load balancing


def test_limited_routers_show_no_star_in_a_default_trace() -> None:
    report = trace(network("1!2 10!2 20!2 | rtt 30"), config())
    assert report.lines()[:3] == ["1 1 1 1 10.1.1.1", "2 10 10 10 10.2.1.1", "3 20 20 20 10.3.1.1"]


def test_a_port_range_calls_no_port_blocked_at_limited_routers_and_slows_down_only_there() -> None:
    report = trace(network("1 10 20! | rtt 30"), config(ports=range(130, 161), max_hops=3, pings=1))
    assert all("*" not in line for line in report.lines())
    assert len(report.lines()) == 93
    assert report.seconds < 40
    for ttl in (1, 2, 3):
        assert busiest(report.sent_with(ttl), 1.0) <= 20


def test_a_blocked_port_is_told_from_a_limited_router() -> None:
    path = network("1! 10![drop 133,140] 20! | rtt 30")
    report = trace(path, config(ports=range(130, 145), max_hops=3, pings=1))
    starred = {row.port for row in report.hops() if row.hop.pings[0].rtt is None}
    assert starred == {133, 140}
    assert all(row.hop.ttl == 3 for row in report.hops() if row.hop.pings[0].rtt is None)


def test_without_a_limit_blocked_ports_cost_little_time_thanks_to_the_control_probe() -> None:
    options = {"ports": range(130, 141), "start_hop": 3, "max_hops": 1, "pings": 1, "timeout": 0.5}
    report = trace(network("1 10[drop 135,137-139] 11 20 | rtt 30"), config(**options))
    assert [line for line in report.lines() if "*" in line] == ["3 *"] * 4
    assert report.seconds < 2.2
    assert not any(probe.port not in range(130, 141) for _, probe in report.prober.sent)


def test_a_control_probe_shows_in_the_evidence_and_in_no_row() -> None:
    path = network("1[drop 82] 10 | others silent")
    report = trace(path, config(ports=(81, 82), start_hop=2, max_hops=1, pings=1))
    assert report.lines() == ["2 10 10.2.1.1", "2 *"]
    records = report.finished[1].records
    assert [record.probe.port for record in records if record.is_control] == [81, 81]


def test_a_router_that_falls_silent_for_good_is_given_up() -> None:
    path = network("1 10 | rtt 30", hop_2={"limit": {"burst": 3, "per_second": 0.001}})
    report = trace(path, config(ports=range(1, 9), start_hop=2, max_hops=1, pings=1))
    assert [("*" in line) for line in report.lines()] == [False] * 3 + [True] * 5
    assert report.seconds < 60


def test_shared_load_on_a_range_is_asked_slowly_because_another_flow_proves_nothing() -> None:
    path = network("1 10 | rtt 30", hop_2={"router": [{"limit": "linux"}, {}]})
    report = trace(path, config(ports=range(1, 31), start_hop=2, max_hops=1, pings=1))
    assert all("*" not in line for line in report.lines())


def test_one_lost_probe_of_a_hop_is_asked_again_a_second_later() -> None:
    prober = VirtualProber(network("1 10 | rtt 30"))
    lost: list[Probe] = []

    def lose(probe: Probe) -> SendFailure | None:
        if probe.ttl == 2 and probe.attempt == 2 and not lost:
            lost.append(probe)
            return SendFailure(errno.EPERM, "refused")
        return None

    prober.failing = lose
    report = Report(prober, config())
    assert report.lines()[1] == "2 10 10 10 10.2.1.1"
    second = [at for at, probe in prober.sent if probe.ttl == 2 and probe.attempt == 2]
    assert second[0] >= 1.0
    assert {probe.flow for _, probe in prober.sent if probe.attempt == 2 and probe.ttl < 3} == {1}


def test_a_late_reply_settles_a_cell_before_its_second_try_does() -> None:
    """Hop 2 answers its second SYN after 1.2 s, and has nothing left for a fourth."""
    hop = {"rtt": [10, 1200, 10], "limit": {"burst": 3, "per_second": 0.001}}
    report = trace(network("1 10 | rtt 30", hop_2=hop), config())
    assert report.lines()[1] == "2 10 1200 10 10.2.1.1"
    assert [probe.flow for _, probe in report.prober.sent if probe.ttl == 2].count(1) == 2
    assert report.prober.counts.limited == 1


def test_without_anti_flood_nothing_is_paced_or_asked_again() -> None:
    report = trace(network("1!2 10!2 20!2 | rtt 30"), config(anti_flood=False))
    assert report.lines()[:3] == ["1 1 1 * 10.1.1.1", "2 10 10 * 10.2.1.1", "3 20 20 * 10.3.1.1"]
    assert report.seconds < 1


@pytest.mark.parametrize("seed", range(40))
def test_ten_percent_loss_each_way_hides_no_hop_and_no_end(seed: int) -> None:
    path = network("1 10 20 30 40 50 60 | rtt 70 | again silent | retransmit", loss=0.1, seed=seed)
    lines = trace(path, config()).lines()
    assert len(lines) == 8
    assert lines[-1].endswith("open")
    for ttl in range(1, 8):
        assert lines[ttl - 1].endswith(f"10.{ttl}.1.1")


@pytest.mark.parametrize("seed", range(20))
def test_jitter_larger_than_the_rtt_confuses_nobody(seed: int) -> None:
    path = network("10~100 10~100 10~100 10~100 | rtt 10 | jitter 100 | again silent", seed=seed)
    report = trace(path, config())
    assert [line.split()[-1] for line in report.lines()] == [*(f"10.{n}.1.1" for n in (1, 2, 3, 4)), "open"]
    assert not any("*" in line for line in report.lines())


@pytest.mark.parametrize("seed", range(20))
def test_each_column_is_one_real_path_where_routers_share_load(seed: int) -> None:
    lanes = " / ".join(["10 20 30 40 50 60"] * 4)
    path = network(f"{lanes} | rtt 80 | again silent | retransmit", loss=0.1, seed=seed)
    report = trace(path, config(pings=4, ports=(80 + seed,)))
    columns = [
        [row.hop.pings[attempt].reply for row in report.hops() if len(row.hop.pings) == 4]
        for attempt in range(4)
    ]
    seen = [{reply.sender.split(".")[2] for reply in column if reply is not None} for column in columns]
    assert all(len(own) <= 1 for own in seen)
    assert len(set.union(*seen)) > 1


@pytest.mark.parametrize("seed", range(10))
def test_paths_of_different_length_end_where_no_router_is_left(seed: int) -> None:
    path = network("10 20 30 40 / 10 20 30 40 50 | rtt 80 | again silent", seed=seed)
    report = trace(path, config())
    first = report.hops()[0].hop.pings[0].reply
    assert first is not None
    assert report.outcomes == {80: Outcome.OPEN}
    assert len(report.lines()) == {"10.1.1.1": 5, "10.1.2.1": 6}[first.sender]


def test_a_route_that_changes_during_the_trace_is_reported_as_it_was_seen() -> None:
    path = network("100 200 300 400 / 100 200 300 400 | rtt 500 | again silent", route_2={"since": 200})
    report = trace(path, config())
    assert report.outcomes == {80: Outcome.OPEN}
    assert len(report.lines()) == 5
    assert "2 200 200 200 10.2.1.1 10.2.2.1" in report.lines()


def test_a_reply_after_its_loss_still_fills_its_cell_while_the_row_is_undecided() -> None:
    report = trace(network("1!1 400 10 | rtt 20"), config())
    assert "2 400 400 400 10.2.1.1" in report.lines()


def test_replies_later_than_the_timeout_are_losses() -> None:
    report = trace(network("1 300 | rtt 400"), config(timeout=0.2, max_hops=4, pings=1))
    assert report.lines() == ["1 1 10.1.1.1", "2 *", "3 *", "4 *"]


# Evidence


def test_the_evidence_of_a_trace_holds_every_probe_with_its_replies() -> None:
    hop = {"labels": {"label": 100}, "rewrite": {"source_port": 4242}}
    report = trace(network("1 10 | rtt 30", hop_2=hop), config())
    records = report.finished[0].records
    assert len(records) == len(report.prober.sent)
    sent = [probe.leaving_from(report.prober.source_port(probe)) for _, probe in report.prober.sent]
    assert [record.probe for record in records] == sent
    second = next(record for record in records if record.probe.ttl == 2).replies[0]
    assert second.labels[0].label == 100
    assert second.quote is not None
    assert second.quote.changed == ("source port",)


def test_a_strangers_token_counts_for_nothing() -> None:
    prober = VirtualProber(network("1 10 | rtt 30"))
    for token in range(50):
        prober.inject(Reply(token, ReplyKind.SYN_ACK, "10.66.6.6", 0.0001 * token))
    assert Report(prober, config()).lines()[-1] == "3 30 open"


# Local failures, capacity, many ports


def test_a_probe_that_cannot_be_sent_is_lost_at_once() -> None:
    prober = VirtualProber(network("1 10 | rtt 30"))
    prober.failing = lambda probe: SendFailure(errno.EPERM, "refused") if probe.ttl == 2 else None
    report = Report(prober, config(pings=1))
    assert report.lines() == ["1 1 10.1.1.1", "2 *", "3 30 open"]


def test_no_more_probes_are_in_flight_than_the_prober_can_hold() -> None:
    report = trace(network("1 10 | rtt 30"), config(ports=range(1, 6)), capacity=2)
    assert report.ports_done == 5
    assert busiest([at for at, _ in report.prober.sent], 0.0005) <= 2


def test_ports_come_in_order_and_learn_the_distance_from_each_other() -> None:
    report = trace(network("1 10 | rtt 30"), config(ports=(443, 80, 22), pings=1))
    assert [event.port for event in report.finished] == [443, 80, 22]
    assert [line.split()[-1] for line in report.lines(80)] == ["10.1.1.1", "10.2.1.1", "open"]


def test_hundreds_of_ports_are_queued_not_held() -> None:
    report = trace(network("1 | rtt 2"), config(ports=range(1000, 1100), pings=1, anti_flood=False))
    assert list(report.outcomes) == list(range(1000, 1100))


# Whatever the network does


@st.composite
def networks(draw: st.DrawFn) -> Scenario:
    """Any network: lossy, limited, forged, shared, changing."""
    length, rtts = draw(st.integers(1, 7)), st.floats(0.0, 600.0)
    rules = st.fixed_dictionaries(
        {
            "ports": st.just(80),
            "action": st.sampled_from(["drop", "rst", "unreachable", "syn-ack"]),
            "expiring": st.booleans(),
        }
    ) | st.just({"ports": 80, "action": "rst", "injected": True})

    def lane(number: int) -> list[dict[str, object]]:
        return [
            {
                "address": f"10.{number}.{hop}.1",
                "address6": f"fd00:{number}:{hop}::1",
                "rtt": draw(rtts),
                "jitter": draw(st.sampled_from([0, 50])),
                "silent": draw(st.booleans()) and draw(st.booleans()),
                "limit": draw(st.sampled_from(["none", "none", "linux"])),
                "conntrack": hop == 1 and draw(st.sampled_from([False, False, True])),
                "rule": draw(st.lists(rules, max_size=1)) if draw(st.booleans()) else [],
            }
            for hop in range(1, length + 1)
        ]

    lanes = [lane(number) for number in range(1, draw(st.integers(1, 3)) + 1)]
    replaces = draw(st.sampled_from([{}, {"since": 100}, {"attempt": 2}]))
    return Scenario.of(
        {
            "hop": lanes[0],
            "route": [{"hop": each} | replaces for each in lanes[1:]],
            "loss": draw(st.sampled_from([0.0, 0.1, 0.4])),
            "seed": draw(st.integers(0, 99)),
            "destination": {
                "rtt": draw(rtts),
                "closed" if draw(st.booleans()) else "open": 80,
                "others": "silent" if draw(st.booleans()) and draw(st.booleans()) else "closed",
                "refuse_ttl": draw(st.sampled_from([0, 0, 2])),
                "duplicates": draw(st.integers(0, 2)),
                "wrong_ack": draw(st.booleans()),
                "down": draw(st.sampled_from([False, False, True])),
                "down_after": 0,
                "again": draw(st.sampled_from(AGAIN)),
                "once": draw(st.sampled_from([False, False, True])),
                "retransmit": draw(st.booleans()),
            },
        }
    )


MOST_PROBES = 2_000
"""Of at most 81 pings; many times what the worst network needs."""


def ends_soon(prober: VirtualProber) -> None:
    """Fail the test at a probe that is one too many."""

    def bounded(_: Probe) -> None:
        assert len(prober.sent) < MOST_PROBES, "the trace does not end"

    prober.failing = bounded


@settings(max_examples=120, deadline=None)
@given(
    networks(),
    st.lists(st.sampled_from([79, 80, 81]), min_size=1, max_size=3, unique=True),
    st.integers(1, 4),
    st.integers(1, 9),
    st.integers(1, 3),
    st.booleans(),
    st.booleans(),
)
def test_rows_are_in_order_each_hop_is_reported_once_and_the_engine_ends(
    drawn: Scenario, ports: list[int], start: int, hops: int, pings: int, anti_flood: bool, is_raw: bool
) -> None:
    options = {"start_hop": start, "max_hops": hops, "pings": pings, "anti_flood": anti_flood, "timeout": 0.7}
    prober = VirtualProber(drawn) if is_raw else ConnectingProber(drawn, 4)
    ends_soon(prober)
    report = Report(prober, config(ports=tuple(ports), **options))
    assert [event.port for event in report.finished] == ports
    for port in ports:
        ttls = [row.hop.ttl for row in report.hops(port)]
        assert ttls == list(range(start, start + len(ttls)))
        assert len(ttls) <= hops
        for row in report.hops(port):
            assert 1 <= len(row.hop.pings) <= pings
            assert row.hop.outcome is None or row is report.hops(port)[-1]
    places = [router for route in drawn.routes for hop in route.hops for router in hop]
    legitimate = {TARGET, *(router.addresses[4] for router in places)}
    assert {sender for row in report.hops() for sender in row.hop.senders} <= legitimate
    assert all(probe.ttl <= start + hops - 1 or probe.ttl == 127 for _, probe in report.prober.sent)


def changing_to_a_forger() -> Scenario:
    """The route changes in mid-trace, to one whose first hop answers RST to everything that passes."""
    first = [{"address": f"10.1.{hop}.1"} for hop in range(1, 6)]
    second = [{"address": f"10.2.{hop}.1"} for hop in range(1, 6)]
    forger = {"rule": [{"ports": 80, "action": "rst", "injected": True}]}
    return Scenario.of(
        {
            "hop": [first[0], first[1] | {"silent": True}, first[2] | {"jitter": 50}, *first[3:]],
            "route": [{"hop": [second[0] | forger, *second[1:]], "since": 100}],
            "destination": {"open": 80},
        }
    )


def injecting_at_the_second_attempt() -> Scenario:
    """A host that is down, behind a router that answers RST in its name to all that others do not drop."""
    forger = {"rule": [{"ports": 80, "action": "rst", "injected": True}]}
    other = [
        {"address": "10.2.1.1", "conntrack": True},
        {"address": "10.2.2.1", "rtt": 0, "jitter": 50} | forger,
    ]
    return Scenario.of(
        {
            "hop": [{"address": "10.1.1.1", "rtt": 6.8}, {"address": "10.1.2.1", "rtt": 576, "silent": True}],
            "route": [{"hop": other, "attempt": 2}],
            "seed": 18,
            "destination": {
                "rtt": 17,
                "closed": 80,
                "others": "closed",
                "refuse_ttl": 2,
                "duplicates": 2,
                "down": True,
                "down_after": 0,
                "again": "rst",
                "retransmit": True,
            },
        }
    )


def test_a_ttl_whose_answers_another_flow_contradicts_is_not_asked_for_ever() -> None:
    prober = ConnectingProber(changing_to_a_forger(), 4)
    ends_soon(prober)
    options = config(ports=(79, 80), max_hops=4, pings=2, timeout=0.7, anti_flood=False)
    report = Report(prober, options)
    assert len(prober.sent) < 50
    assert [event.port for event in report.finished] == [79, 80]


@pytest.mark.parametrize(
    ("needed", "least", "most"),
    [(path.LONE_ANSWERS, 0, 100), (10**6, MOST_PROBES_OF_A_PING, 12 * MOST_PROBES_OF_A_PING)],
    ids=["by rule", "by bound"],
)
def test_nor_is_it_with_raw_sockets(
    needed: int, least: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither by the rule that knows of such answers, nor where no rule does."""
    monkeypatch.setattr(path, "LONE_ANSWERS", needed)
    prober = VirtualProber(injecting_at_the_second_attempt())
    ends_soon(prober)
    report = Report(prober, config(ports=(80, 79, 81), start_hop=4, max_hops=7, pings=1, timeout=0.7))
    assert least < len(prober.sent) < most
    for port in (80, 79, 81):
        ttls = [row.hop.ttl for row in report.hops(port)]
        assert ttls == list(range(4, 4 + len(ttls)))
