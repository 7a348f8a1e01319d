"""The program's packets, read by tshark: checksums, options, counts, and no connection left open."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from lab import SERVER, SERVER_6, rules

if TYPE_CHECKING:
    from lab import Capture, Chain

pytestmark = pytest.mark.netns

SYN = "tcp.flags.syn == 1 and tcp.flags.ack == 0"
SYN_ACK = "tcp.flags.syn == 1 and tcp.flags.ack == 1"
GOOD = "1"
"""tshark's value for a correct checksum."""
RETRANSMISSION_WAIT = 1.6
"""A Linux server repeats its SYN-ACK after one second."""


@pytest.fixture(scope="module")
def trace_4(chain: Chain) -> Capture:
    return captured(chain, SERVER)


@pytest.fixture(scope="module")
def trace_6(chain: Chain) -> Capture:
    return captured(chain, SERVER_6)


def captured(chain: Chain, target: str) -> Capture:
    """A capture of a default trace of an open port on the client's link, until a second after its end."""
    capture = chain.capture(only="tcp")
    with capture:
        finished = chain.run(f"-n {target}")
        time.sleep(RETRANSMISSION_WAIT)
    assert finished.status == 0
    return capture


def test_sums_of_every_packet_sent(trace_4: Capture) -> None:
    sums = trace_4.fields("ip.src == 10.0.1.2", "ip.checksum.status", "tcp.checksum.status")
    assert len(sums) > 6 * 3
    assert set(sums) == {(GOOD, GOOD)}


def test_sums_of_every_packet_sent_over_ipv6(trace_6: Capture) -> None:
    sums = trace_6.fields("ipv6.src == fd00:1::2", "tcp.checksum.status")
    assert len(sums) > 6 * 3
    assert set(sums) == {(GOOD,)}


OPTIONS = ("tcp.options.mss_val", "tcp.options.sack_perm", "tcp.options.wscale.shift", "tcp.len")


def test_syn_looks_like_one_of_a_real_stack(trace_4: Capture) -> None:
    for mss, sack_permitted, window_scale, payload in trace_4.fields(SYN, *OPTIONS):
        assert int(mss) == 1460
        assert sack_permitted != ""
        assert 0 <= int(window_scale) <= 14
        assert payload == "0"


def test_syn_over_ipv6_makes_room_for_the_larger_header(trace_6: Capture) -> None:
    syns = trace_6.fields(SYN, *OPTIONS)
    assert {int(mss) for mss, *_ in syns} == {1440}
    assert all(sack_permitted and window_scale for _, sack_permitted, window_scale, _ in syns)


def test_syn_asks_not_to_be_fragmented(trace_4: Capture) -> None:
    assert {
        int(bit, 0) if bit.isdigit() else bit == "True" for (bit,) in trace_4.fields(SYN, "ip.flags.df")
    } == {1}


@pytest.mark.parametrize(("fixture", "hops"), [("trace_4", "ip.ttl"), ("trace_6", "ipv6.hlim")])
def test_one_syn_per_ttl_and_attempt(request: pytest.FixtureRequest, fixture: str, hops: str) -> None:
    capture: Capture = request.getfixturevalue(fixture)
    per_probe = Counter(capture.fields(SYN, hops, "tcp.srcport"))
    assert set(per_probe.values()) == {1}
    per_ttl = Counter(int(ttl) for ttl, _ in per_probe)
    assert [per_ttl[ttl] for ttl in range(1, 7)] == [3] * 6


def test_sequence_numbers_are_spread_over_the_whole_space(trace_4: Capture) -> None:
    numbers = [int(number) for (number,) in trace_4.fields(SYN, "tcp.seq_raw")]
    assert len(set(numbers)) == len(numbers)
    assert max(numbers) - min(numbers) > 2**30


def test_few_syns_reach_the_destination(lab: Chain) -> None:
    with lab.capture("server", only="tcp") as capture:
        lab.run(f"-n {SERVER}")
    assert 1 <= len(capture.fields(SYN, "tcp.srcport")) <= 5


@pytest.mark.parametrize("fixture", ["trace_4", "trace_6"])
def test_no_half_open_connection_is_left(request: pytest.FixtureRequest, fixture: str) -> None:
    assert_torn_down(request.getfixturevalue(fixture))


@pytest.mark.parametrize("target", [SERVER, SERVER_6])
def test_no_half_open_connection_is_left_behind_a_host_firewall(lab: Chain, target: str) -> None:
    lab.nft("client", rules.ONLY_ESTABLISHED)
    assert_torn_down(captured(lab, target))
    assert lab.nodes["server"].run(["ss", "-Htan", "state", "syn-recv"]) == ""


def assert_torn_down(capture: Capture) -> None:
    """The client reset each connection that the server accepted, and no SYN-ACK was retransmitted."""
    offered = Counter(capture.fields(SYN_ACK, "tcp.dstport", "tcp.ack_raw"))
    reset = set(capture.fields("tcp.flags.reset == 1 and tcp.dstport == 80", "tcp.srcport"))
    assert offered
    assert set(offered.values()) == {1}
    assert {(port,) for port, _ in offered} <= reset


def test_no_syn_beyond_the_last_ttl_asked_for(lab: Chain) -> None:
    with lab.capture(only="tcp") as capture:
        lab.run(f"-n -h 2 -m 3 -p 2 -t 500 {SERVER}")
    ttls = Counter(int(ttl) for (ttl,) in capture.fields(SYN, "ip.ttl"))
    assert ttls == {2: 2, 3: 2, 4: 2}


def test_second_look_at_a_refusing_host_uses_ttl_127(lab: Chain) -> None:
    with lab.capture("server", only="tcp") as capture:
        lab.run(f"-n {SERVER}:22")
    arrived = [int(ttl) for (ttl,) in capture.fields(SYN, "ip.ttl")]
    assert 127 - 6 in arrived
