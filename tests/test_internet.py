"""Tests of the simulated Internet itself, with hand-made probes and without the engine.

Every feature of a scenario has a test that fails without it. The bytes of the TUN side are compared with
scapy, and, through the program's packet code, with the virtual side.
"""

from __future__ import annotations

import errno
import json
import shutil
import time
from collections import Counter
from ipaddress import ip_address
from math import inf
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from internet import Report, ScenarioError, VirtualProber, expectation, load, network, trace, wire
from internet import noise as noise_made
from internet.behaviour import ACK, RST_ACK, SYN_ACK, IcmpError, Segment, Simulation, Syn, isn
from internet.counts import Counts, most_within
from internet.expectation import arguments, read_command
from internet.lab import simulated
from internet.name_server import answer as dns_answer
from internet.name_server import subject_of
from internet.noise import KINDS, STRANGER, noise
from internet.printed import printed_rows
from internet.scenario import SCENARIOS, Dns, Scenario
from internet.virtual import MOST_IDLE_TURNS, OPTIONS, reply_of
from tracetcp.config import TraceConfig
from tracetcp.model import MplsLabel, Probe, Reply, ReplyKind, SendFailure
from tracetcp.wire.codec import Ipv4Codec, open_codec
from tracetcp.wire.templates import load_scapy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from internet.behaviour import Answer

EXCEEDED, UNREACHABLE = ReplyKind.TIME_EXCEEDED, ReplyKind.UNREACHABLE
OPEN, CLOSED = ReplyKind.SYN_ACK, ReplyKind.RST
TARGET = "203.0.113.80"
LONG = 60.0


def probe(ttl: int, port: int = 80, flow: int = 0, token: int | None = None) -> Probe:
    return Probe(token if token is not None else ttl * 1000 + flow * 100_000 + port, port, ttl, 1, flow)


def gather(prober: VirtualProber, until: float = LONG) -> list[Reply]:
    """Every reply that comes before ``until``."""
    replies: list[Reply] = []
    while prober.clock() < until:
        replies += prober.receive(until)
    return replies


def replies_to(scenario: Scenario, *probes: Probe, family: int = 4) -> list[Reply]:
    """The replies to probes sent all at once."""
    prober = VirtualProber(scenario, family)
    for each in probes:
        prober.send(each)
    return gather(prober)


def seen(replies: Iterable[Reply]) -> list[tuple[str, str, float]]:
    """Kind, sender and RTT in milliseconds of each reply."""
    return [(r.kind.value, r.sender, round(r.received_at * 1000, 3)) for r in replies]


def kinds(scenario: Scenario, *probes: Probe) -> list[ReplyKind]:
    return [reply.kind for reply in replies_to(scenario, *probes)]


def syn(ttl: int, sequence: int = 1000, port: int = 80, source_port: int = 40_000) -> Syn:
    ends = wire.packed("198.18.0.2"), wire.packed(TARGET)
    return Syn(4, *ends, source_port, port, sequence, ttl, 0, 7, 0, 64_240, OPTIONS)


def everything(simulation: Simulation, until: float = LONG) -> list[tuple[float, Answer]]:
    answers: list[tuple[float, Answer]] = []
    while simulation.next_at <= until:
        answers += simulation.due(simulation.next_at)
    return answers


# The plain path


def test_each_ttl_is_answered_by_its_hop_and_the_rest_by_the_destination() -> None:
    path = network("1ms 2.5 * 10ms | open 80 | closed 81 | silent 82 | rtt 20")
    assert seen(replies_to(path, *(probe(ttl) for ttl in range(1, 7)))) == [
        ("time exceeded", "10.1.1.1", 1),
        ("time exceeded", "10.2.1.1", 2.5),
        ("time exceeded", "10.4.1.1", 10),
        ("syn-ack", TARGET, 20),
        ("syn-ack", TARGET, 20),
    ]
    assert kinds(path, probe(5, port=81)) == [CLOSED]
    assert kinds(path, probe(5, port=82)) == []
    assert kinds(path, probe(5, port=83)) == [CLOSED]


def test_ipv6_has_its_own_addresses_and_error_types() -> None:
    first, last = replies_to(network("1 2"), probe(2), probe(3), family=6)
    assert (first.sender, first.icmp_type, first.icmp_code) == ("fd00:2:1::1", 3, 0)
    assert (last.sender, last.kind) == ("2001:db8::80", OPEN)


def test_reply_ttls_shrink_by_the_hops_between() -> None:
    path = network("1 2 3 | ttl 128 | open 80", hop_2={"reply_ttl": 64})
    assert [r.reply_ttl for r in replies_to(path, *map(probe, (1, 2, 3, 4)))] == [255, 63, 253, 125]


def test_a_list_of_rtts_is_used_in_turn_and_a_port_may_have_its_own() -> None:
    path = network("1", hop_1={"rtt": [5, 7, 9], "port_rtt": {"443": 50}})
    ask = [replies_to(path, *[probe(1)] * 4), replies_to(path, probe(1, port=443))]
    assert [[round(r.received_at * 1000) for r in replies] for replies in ask] == [[5, 5, 7, 9], [50]]


def test_jitter_lets_answers_overtake_each_other_within_its_bound() -> None:
    path = network("1~50")
    replies = replies_to(path, *(probe(1, token=token) for token in range(200)))
    assert [r.token for r in replies] != sorted(r.token for r in replies)
    assert all(0.001 <= r.received_at <= 0.051 for r in replies)


def test_equal_seeds_give_equal_networks_and_others_do_not() -> None:
    def trace(seed: int) -> list[tuple[str, str, float]]:
        path = network("1~9 2~9:3 3~9", loss=0.3, seed=seed)
        return seen(replies_to(path, *(probe(ttl, flow=flow) for ttl in (1, 2, 3) for flow in range(20))))

    assert trace(1) == trace(1)
    assert trace(1) != trace(2)


def test_a_path_may_have_254_routers_and_a_destination_behind_them() -> None:
    replies = replies_to(load("longest-path"), probe(1), probe(254), probe(255))
    assert seen(replies) == [
        ("time exceeded", "10.1.1.1", 1),
        ("time exceeded", "10.254.1.1", 254),
        ("syn-ack", TARGET, 260),
    ]
    assert kinds(load("beyond-every-ttl"), probe(255)) == [EXCEEDED]


def test_a_loop_comes_round_until_the_last_ttl() -> None:
    senders = [r.sender for r in replies_to(load("loop"), *map(probe, (2, 3, 4, 5, 6, 254, 255)))]
    assert Counter(senders) == {"10.2.1.1": 1, "10.3.1.1": 3, "10.4.1.1": 3}


# Loss, limits, bottleneck


def test_loss_takes_its_share_each_way() -> None:
    def share(path: Scenario, ttl: int) -> float:
        return len(replies_to(path, *(probe(ttl, token=token) for token in range(4000)))) / 4000

    assert share(network("1 2", loss=0.1), 1) == pytest.approx(0.81, abs=0.03)
    assert share(network("1 2", loss_out=0.1), 1) == pytest.approx(0.9, abs=0.03)
    at_hop_1 = network("1 2 | loss 0.5 | open 80", hop_1={"loss_back": 0.2})
    assert [round(share(at_hop_1, ttl), 1) for ttl in (1, 2, 3)] == [1.0, 0.8, 0.2]


def test_a_rate_limited_router_sends_six_then_one_a_second_and_refusals_cost_nothing() -> None:
    simulation = Simulation(network("1!"))
    instants = [*[0] * 7, 0.5, 0.9, 1.0, 1.1, 3.0, 3.0, 3.0, *[30] * 7]
    for index, at in enumerate(instants):
        simulation.send(at, syn(1, sequence=index))
    answered = {answer.syn.sequence for _, answer in everything(simulation)}
    assert [index in answered for index in range(len(instants))] == [
        *[True] * 6,
        *[False] * 3,  # at 0.9 the bucket has nine tenths of a token
        True,
        False,
        True,
        True,
        False,
        *[True] * 6,  # after a long rest it has six, no more
        False,
    ]
    assert simulation.network.counts.limited == 6


def test_linux_limits_ipv6_ten_times_less_and_a_limit_may_be_any() -> None:
    assert len(replies_to(network("1!"), *[probe(1)] * 9, family=6)) == 6
    prober = VirtualProber(network("1!"), 6)
    for _ in range(6):
        prober.send(probe(1))
    assert len(gather(prober, 0.11)) == 6
    prober.send(probe(1))
    assert len(gather(prober, 1)) == 1
    own = network("1", hop_1={"limit": {"burst": 2, "per_second": 1}})
    assert len(replies_to(own, *[probe(1)] * 9)) == 2


def test_a_limit_is_of_one_router_and_not_of_what_passes() -> None:
    assert len(replies_to(network("1! 2!"), *[probe(1)] * 9, *[probe(2)] * 9, *[probe(3)] * 9)) == 21


def test_a_destination_may_limit_its_resets_and_never_its_syn_acks() -> None:
    resets = {"burst": 2, "per_second": 10}
    simulation = Simulation(network("1 | open 80", destination={"resets": resets}))
    for index, (at, port) in enumerate([(0, 81), (0, 82), (0, 83), (0, 80), (0.2, 84)]):
        simulation.send(at, syn(9, index, port))
    assert {answer.syn.destination_port for _, answer in everything(simulation)} == {80, 81, 82, 84}


def test_a_bottleneck_queues_and_then_drops() -> None:
    path = network("1 2 | rtt 10 | open 80", bottleneck={"hop": 1, "rate": 100, "queue": 5})
    prober = VirtualProber(path)
    for token in range(9):
        prober.send(probe(3, token=token))
        prober.send(probe(1))
    late = [r for r in gather(prober) if r.kind is OPEN]
    assert [round(r.received_at * 1000) for r in late] == [20, 30, 40, 50, 60]
    assert prober.counts.queue_losses == 4


def test_a_bottleneck_stands_behind_its_hop_and_before_the_next() -> None:
    path = network("1 2[drop 81] 3[drop 82] | rtt 10 | open 80", bottleneck={"hop": 2, "rate": 1, "queue": 1})
    prober = VirtualProber(path)
    for port in (81, 82, 80):
        prober.send(probe(9, port=port))
    assert prober.counts.queue_losses == 1
    assert gather(prober) == []


# Several paths


def test_a_flow_keeps_its_path_and_paths_use_only_links_that_exist() -> None:
    path = load("load-balancing")
    links: set[tuple[str, str]] = set()
    for flow in range(200):
        first = [r.sender for r in replies_to(path, *(probe(ttl, flow=flow) for ttl in (2, 3, 4)))]
        assert first == [r.sender for r in replies_to(path, *(probe(ttl, flow=flow) for ttl in (2, 3, 4)))]
        links.add((first[0], first[1]))
    assert links == {
        ("10.2.1.1", "10.3.1.1"),
        ("10.2.1.1", "10.3.2.1"),
        ("10.2.2.1", "10.3.3.1"),
        ("10.2.2.1", "10.3.4.1"),
    }


def test_choices_at_different_hops_are_independent() -> None:
    pairs = Counter(
        tuple(r.sender for r in replies_to(network("1:2 2:2"), probe(1, flow=flow), probe(2, flow=flow)))
        for flow in range(400)
    )
    assert len(pairs) == 4
    assert min(pairs.values()) > 60


def test_paths_of_different_lengths_share_the_flows() -> None:
    path = load("load-balancing-lengths")
    ends = Counter(replies_to(path, probe(5, flow=flow))[0].kind for flow in range(200))
    assert set(ends) == {OPEN, EXCEEDED}
    assert min(ends.values()) > 50


def test_a_route_changes_with_attempts_or_with_time() -> None:
    replies = replies_to(load("route-changes-with-attempts"), *[probe(2)] * 3, *[probe(4)] * 2)
    assert [r.sender for r in replies] == ["10.2.1.1", "10.77.2.1", "10.77.2.1", "10.77.4.1", TARGET]
    simulation = Simulation(load("route-changes-in-time"))
    for at in (100.0, 100.049, 100.051):
        simulation.send(at, syn(2))
    answers = [answer for _, answer in everything(simulation, 200)]
    assert [a.sender for a in answers if isinstance(a, IcmpError)] == ["10.2.1.1", "10.77.2.1", "10.2.1.1"]


# Rules


def test_a_router_decides_that_a_ttl_expired_before_it_filters() -> None:
    path = network("1 2[drop 135] 3 | open 80,135")
    assert kinds(path, probe(2, port=135), probe(3, port=135), probe(4, port=135)) == [EXCEEDED]
    assert kinds(path, probe(3), probe(4)) == [EXCEEDED, OPEN]


def test_a_filter_may_act_on_what_expires_too() -> None:
    path = network("1 2", hop_2={"rule": [{"ports": 135, "expiring": True}]})
    assert kinds(path, probe(2, port=135)) == []


def test_a_firewall_may_refuse_in_the_name_of_the_destination() -> None:
    path = network("1 2[rst 25] 3 | rtt 9 | open 25")
    assert seen(replies_to(path, *(probe(ttl, port=25) for ttl in (1, 2, 3, 4)))) == [
        ("time exceeded", "10.1.1.1", 1),
        *[("rst", TARGET, 2)] * 3,
    ]


def test_an_injector_lets_the_syn_pass_and_is_known_by_its_reply_ttl() -> None:
    replies = replies_to(load("injected-rst"), probe(3), probe(4), probe(7))
    assert [(r.kind, r.reply_ttl) for r in replies] == [
        (EXCEEDED, 253),
        (CLOSED, 252),
        (EXCEEDED, 252),
        (CLOSED, 252),
        (OPEN, 58),
    ]


def test_a_proxy_answers_in_its_own_way() -> None:
    (reply,) = replies_to(load("documented-proxy-port-80"), probe(5))
    assert (reply.kind, reply.sender, reply.reply_ttl) == (OPEN, "207.250.14.6", 60)
    assert reply.answer is not None
    assert (reply.answer.window, reply.answer.mss) == (5840, 1460)


@pytest.mark.parametrize(("family", "icmp_type"), [(4, 3), (6, 1)])
def test_unreachables_of_every_code_come_from_the_router_for_what_passes_on(
    family: int, icmp_type: int
) -> None:
    for code in range(16):
        path = load("unreachable-codes")
        here, beyond = replies_to(path, probe(2, port=9000 + code), probe(4, port=9000 + code), family=family)
        assert here.kind is EXCEEDED
        assert (beyond.kind, beyond.icmp_type, beyond.icmp_code) == (UNREACHABLE, icmp_type, code)
        assert beyond.quote is not None
        assert (beyond.sender, beyond.quote.ttl) == (here.sender, 3)


def test_a_notice_lets_the_syn_pass_and_is_no_reply() -> None:
    assert kinds(load("unreachable-codes"), probe(4, port=5555), probe(4, port=4444)) == [OPEN, OPEN]
    simulation = Simulation(load("unreachable-codes"))
    simulation.send(0, syn(4, port=5555))
    first = everything(simulation)[0][1]
    assert isinstance(first, IcmpError)
    assert (first.icmp_type, first.code, first.sender) == (5, 1, "10.2.1.1")


def test_nobody_has_the_address_of_a_host_that_is_down() -> None:
    (reply,) = replies_to(load("host-down"), probe(9))
    assert seen([reply]) == [("unreachable", "10.3.1.1", 3010)]
    assert reply.icmp_code == 1
    assert kinds(network("| down"), probe(1)) == []


# Quotes


def test_short_quotes_end_where_they_end() -> None:
    replies = replies_to(load("short-quotes"), *map(probe, range(1, 13)))
    quotes = [reply.quote for reply in replies if reply.quote]
    assert [quote.tcp_length for quote in quotes] == [8, 9, 12, 15, 16, 19, 20, 23, 24, 28, 32, 32]
    assert [quote.mss for quote in quotes] == [*[None] * 8, *[1460] * 4]
    assert [quote.options is None for quote in quotes] == [*[True] * 10, False, False]
    assert not any(quote.changed for quote in quotes)


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("source", ["source address"]),
        ("source-port", ["source port"]),
        ("destination", ["destination address"]),
        ("destination-port", ["destination port"]),
        ("ip-id", ["ip id"]),
        ("sequence", ["sequence number"]),
        ("tos-mss", ["tos", "mss", "options"]),
        ("ttl", []),
        ("source-and-port", ["source address", "source port"]),
        ("destination-and-port", ["destination address", "destination port"]),
        ("sequence-and-source", ["source address", "sequence number"]),
        ("both-ends", ["source address", "source port", "destination address", "ip id"]),
    ],
)
def test_what_a_hop_rewrites_shows_in_quotes_from_there_on(name: str, changed: list[str]) -> None:
    replies = replies_to(load(f"quoted-{name}"), *map(probe, (2, 3, 4, 6)))
    quotes = [reply.quote for reply in replies]
    assert [list(q.changed) for q in quotes if q] == [[], changed, changed]
    assert quotes[3] is None
    assert [q.ttl for q in quotes if q] == [1, 77, 77] if name == "ttl" else [1, 1, 1]


def test_what_no_matcher_may_accept_is_not_handed_out() -> None:
    def answered(rewrite: dict[str, Any], family: int = 4, quote: int = 60) -> int:
        path = network("1", hop_1={"rewrite": rewrite, "quote": quote})
        return len(replies_to(path, probe(1), family=family))

    assert answered({"sequence": "+1", "ip_id": "+1"}) == 0
    assert answered({"sequence": "+1", "source_port": "+1"}) == 0
    assert answered({"sequence": "+1"}) == 1
    assert answered({"sequence": "+1"}, family=6) == 1
    assert answered({"sequence": "+1"}, family=6, quote=15) == 0
    assert answered({"sequence": "+1", "flow_label": "+1"}, family=6) == 0


def test_an_mss_can_only_be_rewritten_where_there_is_one() -> None:
    simulation = Simulation(network("1", hop_1={"rewrite": {"mss": 500}}))
    simulation.send(0, syn(1)._replace(options=b""))
    ((_, error),) = everything(simulation)
    assert isinstance(error, IcmpError)
    assert error.quoted.options == b""


def test_labels_come_with_every_error_of_a_tunnel() -> None:
    replies = replies_to(load("mpls"), *map(probe, (1, 2, 5)))
    assert [r.labels for r in replies] == [
        (),
        (MplsLabel(16_005, 2, False, 1), MplsLabel(305, 0, True, 5)),
        (),
    ]
    assert (replies[2].kind, replies[2].sender) == (EXCEEDED, TARGET)


# The destination


def test_a_destination_may_refuse_what_arrives_with_a_low_ttl() -> None:
    path = load("refuses-low-ttl")
    assert [kinds(path, probe(ttl)) for ttl in (4, 5, 6, 7)] == [[CLOSED], [CLOSED], [CLOSED], [OPEN]]


def test_further_syns_of_a_flow_are_answered_as_the_scenario_says() -> None:
    def second(again: str, token: int) -> list[str]:
        simulation = Simulation(network(f"1 | rtt 10 | open 80 | again {again}"))
        simulation.send(0, syn(9, sequence=1000))
        simulation.send(0.001, syn(9, sequence=token))
        names = {SYN_ACK: "syn-ack", RST_ACK: "rst", ACK: "ack"}
        return [names[a.flags] for _, a in everything(simulation) if isinstance(a, Segment)]

    assert second("answer", 2000) == ["syn-ack", "syn-ack"]
    assert second("silent", 2000) == ["syn-ack"]
    assert second("rst", 2000) == ["syn-ack", "rst"]
    assert second("challenge", 2000) == ["syn-ack", "ack"]
    assert second("linux", 2000) == ["syn-ack", "rst"]
    assert second("linux", 500_000) == ["syn-ack", "ack"]
    assert second("linux", 1000) == ["syn-ack", "syn-ack"]


def test_challenges_are_limited_and_name_the_first_connection() -> None:
    simulation = Simulation(network("1 | rtt 10 | open 80 | again linux"))
    for at, sequence in ((0, 1000), (0.1, 500_000), (0.2, 600_000), (0.7, 700_000)):
        simulation.send(at, syn(9, sequence))
    challenges = [(round(at, 3), a) for at, a in everything(simulation) if isinstance(a, Segment)][1:]
    assert [at for at, _ in challenges] == [0.11, 0.71]
    assert {(a.sequence, a.acknowledgement) for _, a in challenges} == {(isn(1000) + 1, 1001)}


@pytest.mark.parametrize(("again", "answers"), [("linux", [OPEN, OPEN]), ("rst", [OPEN, CLOSED])])
def test_the_clients_rst_closes_a_half_open_connection_but_some_remember(
    again: str, answers: list[ReplyKind]
) -> None:
    prober = VirtualProber(network(f"1 | rtt 10 | open 80 | again {again}"))
    prober.send(probe(2, token=1000))
    first = gather(prober, 1.0)
    prober.send(probe(2, token=900_000))
    assert [r.kind for r in [*first, *gather(prober, 2.0)]] == answers
    assert prober.counts.resets >= 1


def test_a_rst_with_a_wrong_number_closes_nothing_and_may_get_lost() -> None:
    scenario = network("1 | rtt 10 | open 80 | again linux")
    simulation = Simulation(scenario)
    simulation.send(0, syn(2))
    simulation.reset(0.1, syn(2).flow, 5)
    simulation.send(0.2, syn(2, sequence=2_000_000))
    assert [a.flags for _, a in everything(simulation) if isinstance(a, Segment)] == [SYN_ACK, ACK]
    lossy = Simulation(network("1 | open 80 | again linux", loss_out=1))
    lossy.reset(0.1, syn(2).flow, 1001)
    assert lossy.next_at == inf


def test_what_arrives_first_is_answered_also_when_it_left_later() -> None:
    winners = set()
    for seed in range(20):
        path = network("1 | rtt 10 | jitter 100 | open 80 | again silent", seed=seed)
        (reply,) = replies_to(path, probe(2, token=1), probe(2, token=2))
        winners.add(reply.token)
    assert winners == {1, 2}


def test_only_the_first_syn_of_a_flow_may_be_answered_at_all() -> None:
    path = network("1 | open 80 | once")
    for port, kind in ((80, OPEN), (81, CLOSED)):
        probes = [probe(2, port=port, token=1), probe(2, port=port, token=2), probe(2, port, flow=1)]
        assert kinds(path, *probes) == [kind, kind]


def test_a_stateful_firewall_lets_one_answer_of_a_flow_through() -> None:
    tokens = [r.token for r in replies_to(load("conntrack"), *(probe(4, token=t) for t in range(5)))]
    assert len(tokens) == 1
    assert len(replies_to(load("conntrack"), *(probe(4, flow=flow) for flow in range(5)))) == 5


def test_syn_acks_come_again_until_the_client_refuses_them() -> None:
    simulation = Simulation(network("1 | rtt 10 | open 80 | retransmit"))
    simulation.send(0, syn(2))
    assert [round(at, 2) for at, _ in everything(simulation, 100)] == [0.01, 1.01, 3.01, 7.01, 15.01, 31.01]
    assert len(replies_to(network("1 | rtt 10 | open 80 | retransmit"), probe(2))) == 1


def test_answers_may_come_several_times() -> None:
    assert len(replies_to(load("duplicates"), probe(1), probe(4))) == 6


def test_a_wrong_acknowledgement_first_is_on_the_wire_but_no_reply() -> None:
    simulation = Simulation(load("wrong-acknowledgement"))
    simulation.send(0, syn(3))
    answers = [a for _, a in everything(simulation) if isinstance(a, Segment)]
    assert [(a.flags, a.acknowledgement) for a in answers] == [(RST_ACK, 1008), (SYN_ACK, 1001)]
    assert kinds(load("wrong-acknowledgement"), probe(3)) == [OPEN]


# The virtual clock


def test_time_jumps_to_arrivals_and_never_beyond_what_was_asked() -> None:
    prober = VirtualProber(network("10 20"), starts_at=5.0)
    assert prober.send(probe(1)) == 5.0
    prober.send(probe(2))
    assert (prober.receive(5.005), prober.clock()) == ([], 5.005)
    assert [r.sender for r in prober.receive(6.0)] == ["10.1.1.1"]
    assert prober.clock() == pytest.approx(5.010)
    assert [r.sender for r in prober.receive(inf)] == ["10.2.1.1"]
    assert prober.receive(1.0) == []
    assert prober.clock() == pytest.approx(5.020)
    assert [(sent.at, sent.probe.ttl) for sent in prober.sent] == [(5.0, 1), (5.0, 2)]


def test_waiting_for_nothing_fails_at_once() -> None:
    with pytest.raises(AssertionError, match="waits for ever"):
        VirtualProber(network("*")).receive(inf)


def test_strangers_failures_and_interrupts_can_be_had() -> None:
    failure = SendFailure(errno.EPERM, "refused")
    prober = VirtualProber(
        network("10"), failing=lambda p: failure if p.port == 25 else None, interrupt_at=2.0
    )
    prober.inject(Reply(99, CLOSED, TARGET, 0.3), Reply(98, OPEN, TARGET, 0.2))
    assert prober.send(probe(1, port=25)) == failure
    assert prober.sent == []
    assert [r.token for r in gather(prober, 1.0)] == [98, 99]
    with pytest.raises(KeyboardInterrupt):
        prober.receive(3.0)
    assert prober.clock() == 2.0
    prober.close()


def test_an_engine_that_never_sends_again_is_stopped() -> None:
    prober = VirtualProber(network("1"))
    for _ in range(MOST_IDLE_TURNS - 1):
        prober.receive(0.0)
    with pytest.raises(AssertionError, match="round in circles"):
        prober.receive(0.0)


def test_a_prober_has_the_capacity_and_the_failures_that_it_is_given() -> None:
    assert VirtualProber(network("1"), capacity=5).capacity == 5
    prober, failure = VirtualProber(network("1")), SendFailure(errno.EPERM, "refused")
    prober.failing = lambda _: failure
    assert prober.send(probe(1)) == failure


def test_counts_tell_how_close_together_syns_came() -> None:
    prober = VirtualProber(network("1 2 | open 80"))
    for at, ttl in ((0.0, 1), (0.0, 1), (0.05, 1), (0.3, 1), (0.9, 9), (1.04, 1)):
        prober.receive(at)
        gather(prober, at)
        prober.send(probe(ttl))
    table = prober.counts.as_table()
    assert table["ttl"]["1"] == {"syns": 5, "in_100_ms": 3, "in_1_s": 4, "longest_burst": 2}
    assert table["router"] == {"10.1.1.1": table["ttl"]["1"]}
    assert (table["syns"], table["last_ttl"], table["destination"]) == (6, 9, {"80": 1})
    assert Counts().as_table()["last_ttl"] == 0
    assert most_within([0, 0.5, 0.9, 1.0, 1.4], 1.0) == 4


# Descriptions


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"hop": [{"rtt": 1}, {"dealy": 1}]}, "hop 2, router 1: nothing is called 'dealy'"),
        ({"hop": [{"quote": 7}]}, "hop 1, router 1: quote = 7 should be a whole number from 8 to 60"),
        ({"hop": [{"quote": 8.5}]}, "quote = 8.5 should be a whole number"),
        ({"hop": [{"address": "fd00::1"}]}, "address = 'fd00::1' should be an IPv4 address"),
        ({"hop": [{"address": "ten"}]}, "address = 'ten' should be an IPv4 address"),
        ({"hop": [{"address": "10.0.0.1", "count": 2}]}, "2 hops cannot have the one address"),
        ({"hop": [{"address": "10.0.0.1", "routers": 2}]}, "its routers share an address"),
        ({"hop": [{"router": [{"next": 3}]}, {"routers": 2}]}, "next = 3, but hop 2 has 2 routers"),
        ({"hop": [{"next": "a"}]}, "next = 'a' should be numbers of routers"),
        ({"hop": [{"count": 255}, {}]}, "it is hop 256; a TTL reaches 255 at most"),
        ({"hop": [{"rtt": -1}]}, "rtt = -1 should be milliseconds"),
        ({"hop": [{"silent": 1}]}, "silent = 1 should be true or false"),
        ({"hop": [{"limit": "some"}]}, "limit = 'some' should be \"linux\""),
        ({"hop": [{"limit": {"rate": 1}}]}, "limit: nothing is called 'rate'"),
        ({"hop": [{"labels": [{"label": 1}], "quote": 8}]}, "a quote before labels is padded"),
        ({"hop": [{"rewrite": {"sequence": "x"}}]}, "sequence = 'x' should be a number, or a text"),
        ({"hop": [{"rule": [{"action": "eat"}]}]}, "action = 'eat' should be one of drop, rst"),
        ({"hop": [{"rule": [{"ports": "80-x"}]}]}, "ports = '80-x' should be ports such as"),
        ({"hop": [{"rule": [{"ports": 65_536}]}]}, "ports = 65536 should be ports"),
        ({"hop": [{"rule": [{"injected": True}]}]}, "only rst and syn-ack can be injected, not drop"),
        ({"hop": [7]}, "hop 1: 7 is not a table"),
        ({"destination": {"open": 80, "silent": "70-90"}}, "port 80 is open as well as silent"),
        ({"destination": {"again": "no"}}, "again = 'no' should be one of answer, silent"),
        ({"noise": {"kinds": ["hiss"]}}, "no noise is called 'hiss'"),
        ({"loss": 2}, "loss = 2 should be a number from 0 to 1"),
        ({"loop": 1.5, "hop": [{}, {}]}, "loop = 1.5 should be a whole number"),
        ({"title": 5}, "title = 5 should be a text"),
        ({"expect": ["one 1 10.1.1.1"]}, "'one 1 10.1.1.1' is no row: write '3 10 * 12 10.3.1.1'"),
        ({"expect": [["1 1 open"], [["2 1"], 7]]}, "7 is no row"),
        ({"expect6": "3-x 1 open"}, "'3-x 1 open' is no row"),
        ({"expect": "-3 1 open"}, "'-3 1 open': write ports and hops as 3, 3-5 or 3,7"),
        ({"dns": {"failures": {"a": "boom"}}}, "failures: a = 'boom' should be one of servfail"),
    ],
)
def test_a_wrong_description_is_refused_with_its_place(table: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ScenarioError) as raised:
        Scenario.of(table)
    assert complaint in str(raised.value)


@pytest.mark.parametrize(
    ("notation", "complaint"),
    [
        ("fast", "'fast' is no hop"),
        ("10ms?", "'10ms?' is no hop"),
        ("1[drop 80 81]", "'81' is too much"),
        ("1[explode]", "action = 'explode' should be one of"),
        ("1 | colour red", "nothing is called 'colour'"),
        ("1 / 2x5", "path 2, hop 1: on a further path each hop is one router"),
        ("1 / 2:3", "path 2, hop 1: on a further path each hop is one router"),
        ("1[injected]", "action = '' should be one of"),
    ],
)
def test_a_wrong_notation_is_refused(notation: str, complaint: str) -> None:
    with pytest.raises(ScenarioError) as raised:
        network(notation)
    assert complaint in str(raised.value)


def test_a_notation_cannot_speak_of_a_hop_that_it_has_not() -> None:
    with pytest.raises(ScenarioError, match="it has 1 hops, so there is no hop_2"):
        network("1", hop_2={"silent": True})
    with pytest.raises(ScenarioError, match="it has 1 routes, so there is no route_2"):
        network("1", route_2={"since": 1})


def test_a_notation_is_short_for_a_table() -> None:
    notation = "1ms~5 *:2 3!=8[drop 135][unreachable 3 25] 4@ 2x5 | open 80,443 | others silent | rtt 7.5"
    table = {
        "hop": [
            {"rtt": 1, "jitter": 5},
            {"silent": True, "routers": 2},
            {
                "rtt": 3,
                "limit": "linux",
                "quote": 8,
                "rule": [
                    {"action": "drop", "ports": 135},
                    {"action": "unreachable", "code": 3, "code6": 3, "ports": 25},
                ],
            },
            {"rtt": 4, "address": "destination"},
            {"count": 2, "rtt": 5},
        ],
        "destination": {"open": [80, 443], "others": "silent", "rtt": 7.5},
    }
    assert network(notation) == Scenario.of(table)
    short = "1!2[passing rst 80] 2[injected syn-ack] / 3@ 4 | resets 200"
    limit = {"burst": 2, "per_second": 1}
    assert network(short, route_2={"since": 9}) == Scenario.of(
        {
            "hop": [
                {"rtt": 1, "limit": limit, "rule": [{"action": "rst", "ports": 80, "expiring": False}]},
                {"rtt": 2, "rule": [{"action": "syn-ack", "injected": True}]},
            ],
            "route": [
                {
                    "since": 9,
                    "hop": [
                        {"rtt": 3, "address": "destination"},
                        {"rtt": 4, "address": "10.2.2.1", "address6": "fd00:2:2::1"},
                    ],
                }
            ],
            "destination": {"resets": {"burst": 200, "per_second": 200}},
        }
    )
    assert network("1 | down | again linux", seed=3) != network("1 | down", seed=3)


# What is expected


def told(rows: list[object], found: list[str], command: str = "TARGET", **how: Any) -> bool:
    """Whether ``found`` fits the ``rows`` expected of a path of two hops."""
    path = network("1 2", expect=rows, command=command)
    expected = expectation(path, how.pop("family", 4))
    return expected.fitted(found, **how) == found


def test_a_row_fits_only_what_it_says() -> None:
    assert told(["1 10 * 12 10.1.1.1"], ["1 10 * 12 10.1.1.1"])
    for other in (
        "2 10 * 12 10.1.1.1", "1 10 * 13 10.1.1.1", "1 10 11 12 10.1.1.1", "1 10 * 10.1.1.1",
        "1 10 * 12 10.2.1.1", "1 10 * 12", "1 10 * 12 10.1.1.1 10.2.1.1", "1 10 * 12 open",
        "1 10 * 12 10.1.1.1 unreachable", "1 10 * 12 10.1a1.1",
    ):  # fmt: skip
        assert not told(["1 10 * 12 10.1.1.1"], [other])


def test_rows_too_many_or_too_few_or_in_another_order_do_not_fit() -> None:
    rows: list[object] = ["1 1 10.1.1.1", "2 2 open"]
    assert told(rows, ["1 1 10.1.1.1", "2 2 open"])
    assert not told(rows, ["1 1 10.1.1.1"])
    assert not told(rows, ["1 1 10.1.1.1", "2 2 open", "3 2 open"])
    assert not told(rows, ["2 2 open", "1 1 10.1.1.1"])
    assert not told(rows, [])


def test_where_time_is_real_an_rtt_may_be_any_but_a_star_is_a_star() -> None:
    assert told(["1 10 * 10.1.1.1"], ["1 99 * 10.1.1.1"], has_real_time=True)
    assert not told(["1 10 * 10.1.1.1"], ["1 99 99 10.1.1.1"], has_real_time=True)
    assert not told(["1 10 * 10.1.1.1"], ["1 * * 10.1.1.1"], has_real_time=True)


def test_what_chance_decides_is_left_to_it() -> None:
    rows: list[object] = ["1 ? ?* 10.1.1.1|10.1.2.1", "2 [*] [*] ? open"]
    for first in ("1 5 * 10.1.1.1", "1 7 8 10.1.2.1", "1 7 8 10.1.2.1 10.1.1.1"):
        for last in ("2 9 open", "2 * 9 open", "2 * * 9 open"):
            assert told(rows, [first, last])
    assert not told(rows, ["1 * 5 10.1.1.1", "2 9 open"])
    assert not told(rows, ["1 5 * 10.1.3.1", "2 9 open"])
    assert not told(rows, ["1 5 *", "2 9 open"])
    assert not told(rows, ["1 5 * 10.1.1.1", "2 * * open"])
    assert not told(rows, ["1 5 * 10.1.1.1", "2 * * * 9 open"])
    either: list[object] = ["1 1 10.1.1.1", ["2 2 open", ["2 3 10.2.1.1", "3 2 open"]]]
    assert told(either, ["1 1 10.1.1.1", "2 2 open"])
    assert told(either, ["1 1 10.1.1.1", "2 3 10.2.1.1", "3 2 open"])
    assert not told(either, ["1 1 10.1.1.1", "2 2 open", "3 2 open"])


def test_rows_of_several_hops_and_ports_are_spelled_out_in_the_order_of_the_report() -> None:
    assert told(
        ["1-2,4 N * 10.N.1.1", "3 * *"], ["1 1 * 10.1.1.1", "2 2 * 10.2.1.1", "3 * *", "4 4 * 10.4.1.1"]
    )
    rows: list[object] = ["22,25-26: 1 1 open", "others: 1 *"]
    assert told(rows, ["22: 1 1 open", "23: 1 *", "25: 1 1 open", "24: 1 *"], "TARGET:22,23,25,24")
    assert not told(rows, ["22: 1 1 open", "23: 1 *", "24: 1 1 open"], "TARGET:22-24")
    assert not told(rows, ["1 1 open", "1 *"], "TARGET:22,23")


def test_over_ipv6_a_row_names_the_same_places_by_their_ipv6_addresses() -> None:
    assert told(["1 1 10.1.1.1", "2 2 203.0.113.80"], ["1 1 fd00:1:1::1", "2 2 2001:db8::80"], family=6)
    own = network("1", expect=["1 1 10.1.1.1"], expect6=["1 * 10.1.1.1"])
    assert expectation(own, 6).fitted([]) == ["1 * fd00:1:1::1"]
    assert expectation(own, 4).fitted([]) == ["1 1 10.1.1.1"]


def test_a_scenario_that_expects_nothing_is_refused() -> None:
    with pytest.raises(ScenarioError, match="'quiet' has no expect: state the rows"):
        expectation(network("1", title="quiet"), 4)
    with pytest.raises(ScenarioError, match="has no expect"):
        expectation(network("1", expect6=["1 1 fd00:1:1::1"]), 4)


def test_a_command_is_the_programs_own() -> None:
    assert arguments("-p 1 TARGET:25,80", "203.0.113.80") == ["-p", "1", "203.0.113.80:25,80"]
    config = read_command("-p 1 -h 3 TARGET:25,80", "2001:db8::80").config
    assert (config.host, config.ports, config.pings, config.start_hop) == ("2001:db8::80", (25, 80), 1, 3)
    for command, complaint in (
        ("-p 0 TARGET", "out of range"),
        ("-p 1", "no host"),
        ("--help", "traces nothing"),
    ):
        with pytest.raises(ScenarioError, match=complaint):
            read_command(command, TARGET)


def test_printed_rows_are_read_from_both_forms_of_output() -> None:
    verbose = """
Tracing route to 203.0.113.80 [www.example] on port 80
Over a maximum of 30 hops.
1       1 ms    *       12 ms   10.1.1.1        10.1.2.1
2       *       *       *       Request timed out.
3       *       Destination Reached in 20 ms. Connection established to 203.0.113.80
Trace Complete.
"""
    plain = TraceConfig(host=TARGET)
    rows = ["1 1 * 12 10.1.1.1 10.1.2.1", "2 * * *", "3 * 20 open"]
    assert printed_rows(verbose, plain) == rows
    condensed = """
[203.0.113.80:25]  3    8 ms    10.3.1.1 reports: Network unreachable

[203.0.113.80:26]  9    Dest. in 7 ms. Port CLOSED on 203.0.113.80
"""
    several = TraceConfig(host=TARGET, ports=(25, 26))
    assert printed_rows(condensed, several) == ["25: 3 8 10.3.1.1 unreachable", "26: 9 7 closed"]
    scan = TraceConfig(host=TARGET, ports=(80,), start_hop=128, max_hops=1)
    assert printed_rows("[203.0.113.80:80]  1    Dest. in 3 ms. Port OPEN on 203.0.113.80\n", scan) == [
        "128 3 open"
    ]


@pytest.mark.parametrize("family", [4, 6])
def test_a_report_has_the_rows_and_what_they_cost(family: int) -> None:
    path = network("1 * 3[unreachable 1 25] | rtt 9 | open 80")
    report = trace(path, TraceConfig(host="h", ports=(80, 25), pings=1), family)
    assert report.all_lines() == [
        f"80: 1 1 {path.routes[0].hops[0][0].addresses[family]}",
        "80: 2 *",
        f"80: 3 3 {path.routes[0].hops[2][0].addresses[family]}",
        "80: 4 9 open",
        f"25: 1 1 {path.routes[0].hops[0][0].addresses[family]}",
        "25: 2 *",
        f"25: 3 3 {path.routes[0].hops[2][0].addresses[family]}",
        f"25: 4 3 {path.routes[0].hops[2][0].addresses[family]} unreachable",
    ]
    assert [row.partition(": ")[2] for row in report.all_lines()] == report.lines()
    assert report.lines(25) == report.lines()[4:]
    assert report.sent_with(1)[0] == 0.0
    assert report.sent_beyond(1) == len(report.prober.sent) - len(report.sent_with(1))
    assert report.seconds == report.prober.clock() > 0.009


# What the tests of the engine rely on


def test_a_destination_as_hosts_are_answers_one_syn_of_a_flow_and_repeats_a_lost_answer() -> None:
    path = "1 | rtt 10 | again silent | retransmit"
    assert len(replies_to(network(path), probe(2, token=1), probe(2, token=2), probe(2, flow=1))) == 2
    at = [
        seen(replies_to(network(path, destination={"loss_back": 0.5}, seed=seed), probe(2)))
        for seed in range(40)
    ]
    assert {round(replies[0][2]) for replies in at if replies} >= {10, 1010, 3010}


def test_an_answer_in_the_destinations_name_may_leave_expiring_syns_to_the_router() -> None:
    forged = {ttl: kinds(network("1[passing rst 80] 2"), probe(ttl)) for ttl in (1, 2, 3)}
    assert forged == {1: [EXCEEDED], 2: [CLOSED], 3: [CLOSED]}
    beside = {ttl: kinds(network("1[passing injected rst] 2"), probe(ttl)) for ttl in (1, 2, 3)}
    assert beside == {1: [EXCEEDED], 2: [CLOSED, EXCEEDED], 3: [CLOSED, OPEN]}


def test_further_paths_share_the_flows_or_come_later() -> None:
    shared = [replies_to(network("1 2 / 1 2"), probe(2, flow=flow))[0].sender for flow in range(40)]
    assert {*shared} == {"10.2.1.1", "10.2.2.1"}
    simulation = Simulation(network("1 2 / 1 2", route_2={"since": 200}))
    for at in (0.0, 0.199, 0.201):
        simulation.send(at, syn(2))
    senders = [answer.sender for _, answer in everything(simulation) if isinstance(answer, IcmpError)]
    assert senders == ["10.2.1.1", "10.2.1.1", "10.2.2.1"]


def test_equal_runs_of_the_engine_are_equal_and_other_seeds_are_not() -> None:
    def run(seed: int) -> list[tuple[float, str]]:
        report = Report(VirtualProber(network("1~9 2~9 3~9", loss=0.2, seed=seed)), TraceConfig(host="h"))
        return [(at, str(event)) for at, event in report.events]

    assert run(1) == run(1)
    assert run(1) != run(2)


# Files


def test_a_file_that_is_no_toml_is_refused_by_name(tmp_path: Any) -> None:
    (tmp_path / "broken.toml").write_text("hop = [")
    with pytest.raises(ScenarioError, match=r"broken\.toml"):
        load(tmp_path / "broken.toml")


@pytest.mark.parametrize("file", sorted(SCENARIOS.glob("*.toml")), ids=lambda file: file.stem)
@pytest.mark.parametrize("family", [4, 6])
def test_every_scenario_file_describes_a_network_that_answers(file: Any, family: int) -> None:
    scenario = load(file)
    assert scenario.title
    assert scenario == Scenario.of(json.loads(json.dumps(scenario.table)))
    ports = sorted(scenario.destination.open)[:3] or [80]
    probes = [probe(ttl, port=port, flow=ttl) for ttl in range(1, 31) for port in ports]
    assert replies_to(scenario, *probes, family=family)


def test_documented_networks_are_as_documented() -> None:
    path = load("documented-open-silent-hop")
    rows = {r.sender: round(r.received_at * 1000) for r in replies_to(path, *map(probe, range(1, 16)))}
    assert len(rows) == 14
    assert (rows["208.172.146.100"], rows["66.135.207.253"], rows["66.135.192.41"]) == (182, 168, 170)
    three = load("documented-three-hops-range")
    answered = {
        port: [r.sender for r in replies_to(three, *(probe(ttl, port=port) for ttl in (1, 2, 3)))]
        for port in (134, 135, 137)
    }
    home, head_end, far = "192.168.0.1", "10.78.128.1", "62.30.193.33"
    assert {port: set(rows) for port, rows in answered.items()} == {
        134: {home, head_end, far},
        135: {home, head_end},
        137: {home},
    }


# Bytes


def bytes_of(simulation: Simulation, packet: bytes) -> list[tuple[Answer, bytes]]:
    read = wire.read(packet)
    assert isinstance(read, Syn)
    simulation.send(0.0, read)
    return [(answer, wire.write(answer)) for _, answer in everything(simulation)]


WIRE_SCENARIOS = [
    "short-quotes",
    "mpls",
    "unreachable-codes",
    "refuses-low-ttl",
    "injected-rst",
    *(file.stem for file in sorted(SCENARIOS.glob("quoted-*.toml"))),
]


@pytest.mark.parametrize("name", WIRE_SCENARIOS)
@pytest.mark.parametrize("family", [4, 6])
def test_both_worlds_say_the_same_of_every_answer(name: str, family: int) -> None:
    """The program's packet code reads from the wire what the virtual prober returns."""
    scenario = load(name)
    load_scapy(family)
    codec = open_codec(scenario.clients[family], scenario.destination.addresses[family], 40_000)
    compared = 0
    for ttl in range(1, 14):
        for port in (80, 5555, 9003):
            packet = codec.encode(probe(ttl, port=port, flow=ttl))
            for answer, written in bytes_of(Simulation(scenario), packet):
                expected = reply_of(answer, 1.5)
                if isinstance(codec, Ipv4Codec):
                    got = codec.decode(written, 1.5)
                else:
                    hop_limit, sender = written[7], ip_address(written[8:24])
                    got = codec.decode(written[6], written[40:], str(sender), hop_limit, 1.5)
                assert got == expected
                compared += expected is not None
    assert compared > 10


@pytest.mark.parametrize("family", [4, 6])
def test_scapy_builds_the_same_bytes(family: int) -> None:
    """Dissected and rebuilt by scapy with new lengths and checksums, every packet is the same."""
    load_scapy(family)
    from scapy.layers.inet import IP, TCP, ICMPerror, IPerror, TCPerror
    from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6TimeExceeded, IPerror6, IPv6

    first = IP if family == 4 else IPv6
    checksummed = (
        IP,
        TCP,
        IPerror,
        TCPerror,
        ICMPerror,
        IPv6,
        IPerror6,
        ICMPv6TimeExceeded,
        ICMPv6DestUnreach,
    )
    for name in (
        "unreachable-codes",
        "documented-proxy-port-80",
        "quoted-both-ends",
        "wrong-acknowledgement",
    ):
        scenario = load(name)
        codec = open_codec(scenario.clients[family], scenario.destination.addresses[family], 40_000)
        for ttl in range(1, 8):
            for port in (80, 5555, 9001):
                packet = codec.encode(probe(ttl, port=port))
                for _, written in bytes_of(Simulation(scenario), packet):
                    again = first(written)
                    for layer in again.layers():
                        if issubclass(layer, checksummed) or layer.__name__ == "ICMP":
                            for field in {"chksum", "cksum", "len", "plen"} & set(again[layer].fields):
                                del again[layer].fields[field]
                    assert bytes(again) == written


def test_scapy_reads_the_labels() -> None:
    load_scapy(4)
    from scapy.contrib.mpls import MPLS
    from scapy.layers.inet import ICMP, IP

    codec = open_codec("198.18.0.2", TARGET, 40_000)
    ((_, written),) = bytes_of(Simulation(load("mpls")), codec.encode(probe(2)))
    message = IP(written)[ICMP]
    assert message.length == 32
    stack = written[20 + 8 + 128 + 8 :]
    assert [(MPLS(stack[at:]).label, MPLS(stack[at:]).s) for at in (0, 4)] == [(16_005, 0), (305, 1)]
    assert wire.checksum_of(written[20 + 8 + 128 :]) in (0, 0xFFFF)


def test_what_is_no_syn_of_the_client_is_not_read_as_one() -> None:
    packet = wire.quote(syn(5))
    assert wire.read(packet) == syn(5)
    udp = packet[:9] + b"\x11" + packet[10:]
    assert wire.read(udp) is None
    assert wire.read(packet[:30]) is None
    rst = wire.ip_packet(4, *syn(1).flow[:2], 6, wire.tcp_segment(syn(1).flow, 77, 0, 4, 0, b""), 64)
    reset = wire.read(rst)
    assert reset is not None
    assert reset.destination == wire.packed(TARGET)
    synack = wire.ip_packet(4, *syn(1).flow[:2], 6, wire.tcp_segment(syn(1).flow, 77, 0, SYN_ACK, 0, b""), 64)
    assert wire.read(synack) is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", [4, 6])
def test_noise_is_never_an_answer(kind: str, family: int) -> None:
    load_scapy(family)
    ends = {4: ("198.18.0.2", TARGET), 6: ("2001:db8:ffff::2", "2001:db8::80")}[family]
    codec = open_codec(*ends, 40_000)
    chance = Random(4)
    for flow in range(50):
        own = wire.read(codec.encode(probe(9, flow=flow, token=chance.getrandbits(32))))
        assert isinstance(own, Syn)
        packet = noise(kind, own, chance)
        if isinstance(codec, Ipv4Codec):
            assert codec.decode(packet, 0.0) is None
        else:
            sender = str(ip_address(packet[8:24]))
            assert codec.decode(packet[6], packet[40:], sender, packet[7], 0.0) is None
        assert wire.packed(STRANGER[family]) in packet or own.destination in packet


# Names


def ask_dns(wording: Dns, name: str, kind: str) -> Any:
    import dns.message
    import dns.reversename

    question = dns.reversename.from_address(name) if kind == "PTR" else name
    query = dns.message.make_query(question, kind)
    reply = dns_answer(wording, query, subject_of(query))
    return None if reply is None else dns.message.from_wire(reply)


def test_the_name_server_says_what_the_scenario_says() -> None:
    import dns.exception
    import dns.message
    import dns.reversename

    wording = load("documented-open-silent-hop").dns
    assert str(ask_dns(wording, "192.168.0.1", "PTR").answer[0][0]) == "wintermute."
    assert str(ask_dns(wording, "www.ebay.co.uk", "A").answer[0][0]) == "66.135.192.41"
    assert not ask_dns(wording, "www.ebay.co.uk", "AAAA").answer
    own = load("failing-dns").dns
    assert str(ask_dns(own, "www.example", "AAAA").answer[0][0]) == "2001:db8::80"
    assert ask_dns(wording, "10.9.9.9", "PTR").rcode() == 3
    assert not ask_dns(wording, "www.ebay.co.uk", "MX").answer
    failing = load("failing-dns").dns
    assert ask_dns(failing, "10.1.1.1", "PTR") is None
    assert ask_dns(failing, "10.2.1.1", "PTR").rcode() == 2
    assert ask_dns(failing, "10.4.1.1", "PTR").rcode() == 5
    garbled = load("failing-dns").dns
    query = dns.message.make_query(dns.reversename.from_address("10.3.1.1"), "PTR")
    garbage = dns_answer(garbled, query, subject_of(query))
    assert garbage is not None
    with pytest.raises(dns.exception.DNSException):
        dns.message.from_wire(garbage)
    hostile = load("hostile-dns").dns
    assert ask_dns(hostile, "10.1.1.1", "PTR").answer[0][0].target.labels[0] == b"\x1b[31mred\x1b[0m\x07"
    assert len(ask_dns(hostile, "10.4.1.1", "PTR").answer[0]) == 2


# In a namespace

needs_traceroute = pytest.mark.skipif(
    shutil.which("traceroute") is None or shutil.which("tcptraceroute") is None,
    reason="traceroute and tcptraceroute are the clients of this test",
)


@pytest.mark.netns
@needs_traceroute
@pytest.mark.parametrize(("option", "family"), [("-4", 4), ("-6", 6)])
def test_traceroute_finds_its_way_through(option: str, family: int) -> None:
    with simulated(network("1 20 * 30=8 | rtt 40 | open 443")) as internet:
        target = internet.scenario.destination.addresses[family]
        finished = internet.run(["traceroute", option, "-T", "-n", "-w", "1", "-p", "443", target])
        counts = internet.counts()
    rows = [line.split() for line in finished.stdout.splitlines()[1:]]
    addresses = [network("1 1 1 1").routes[0].hops[n][0].addresses[family] for n in range(4)]
    assert [row[1] for row in rows] == [addresses[0], addresses[1], "*", addresses[3], target]
    assert float(rows[1][2]) >= 20
    assert float(rows[4][2]) >= 40
    assert counts["ttl"]["3"]["syns"] == 3
    assert counts["router"][addresses[2]]["syns"] == 3
    assert counts["destination"] == {"443": counts["destination_syns"]}
    assert counts["destination_syns"] >= 3
    assert counts["resets"] >= 3
    assert counts["strays"] == counts["refused"] == 0


@pytest.mark.netns
@needs_traceroute
def test_tcptraceroute_sees_open_and_closed() -> None:
    with simulated(network("1 5 | rtt 10 | open 80 | closed 81")) as internet:
        for port, word in (("80", "[open]"), ("81", "[closed]")):
            finished = internet.run(["tcptraceroute", "-n", "-w", "1", "-q", "1", internet.destination, port])
            assert word in finished.stdout.splitlines()[-1]
            assert len(finished.stdout.splitlines()) == 3


@pytest.mark.netns
@needs_traceroute
class Unlucky(Random):
    """Draws ``bits`` wherever they are among what may be drawn."""

    bits = 0

    def choice(self, among: Any) -> Any:
        return self.bits if isinstance(among, list) and self.bits in among else super().choice(among)


def test_no_wrong_checksum_is_one_that_a_network_card_would_complete() -> None:
    """The prober takes the sum of the pseudo header for a right one: over a veth pair it stays so."""
    own, tried = syn(9), 0
    for seed in range(5_000):
        right = noise_made._segment(own, Random(seed))
        pseudo = wire.pseudo_header((own.destination, own.source), wire.TCP, len(right))
        partial = (0xFFFF - wire.checksum_of(pseudo)).to_bytes(2, "big")
        if right[17] == partial[1] and right[16] != partial[0]:
            chance = Unlucky(seed)
            chance.bits = right[16] ^ partial[0]
            packet = noise("tcp checksum", own, chance)
            assert packet[wire.HEADER[4] + 16 :][:2] not in (partial, right[16:18])
            tried += 1
    assert tried > 5


def test_noise_begins_with_the_first_syn_and_the_kernel_takes_all_of_it() -> None:
    with simulated(network("1 5 | open 80", noise={"per_second": 300})) as internet:
        assert internet.counts()["noise"] == 0
        internet.run(["traceroute", "-T", "-n", "-q", "1", "-m", "2", "-w", "1", internet.destination])
        before = internet.counts()["noise"]
        time.sleep(0.5)
        counts = internet.counts()
    assert counts["noise"] > before + 50
    assert counts["last_ttl"] == 2
    assert counts["refused"] == 0


@pytest.mark.netns
def test_the_namespace_knows_names_and_has_no_other_way_out() -> None:
    scenario = network(
        "1 2 | open 80", dns={"names": {"10.1.1.1": "one.example"}, "hosts": {"far.example": TARGET}}
    )
    with simulated(scenario) as internet:
        assert internet.run(["getent", "hosts", "far.example"]).stdout.split() == [TARGET, "far.example"]
        assert internet.run(["getent", "hosts", "10.1.1.1"]).stdout.split() == ["10.1.1.1", "one.example"]
        links = json.loads(internet.run(["ip", "-json", "link"]).stdout)
        assert [link["ifname"] for link in links] == ["lo", "internet0"]
        assert internet.counts()["strays"] == 0


@pytest.mark.netns
def test_the_simulator_reports_as_it_ends() -> None:
    with simulated(network("1")) as internet:
        internet._simulator.terminate()
        out, _ = internet._simulator.communicate(timeout=10)
    assert json.loads(out)["syns"] == 0
    assert internet._simulator.returncode == 0
