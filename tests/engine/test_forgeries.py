"""Answers in the destination's name from somebody on the way: without ``-e``, on a virtual clock."""

from __future__ import annotations

import pytest

from internet import Report, VirtualProber, network, trace
from tracetcp.config import TraceConfig
from tracetcp.model import Probe, Reply, ReplyKind, SendFailure

TARGET = "203.0.113.80"
ROWS = ["1 5 5 5 10.1.1.1", "2 16 16 16 10.2.1.1", "3 * * *"]


@pytest.mark.parametrize("action", ["syn-ack", "rst"])
def test_an_answer_to_probes_that_expired_is_known_by_its_ttl_at_silent_hops_too(action: str) -> None:
    report = trace(network(f"5 16[injected {action} 80] * 30 40 | rtt 50"), TraceConfig(host="target"))
    assert report.lines() == [*ROWS, "4 30 30 30 10.4.1.1", "5 40 40 40 10.5.1.1", "6 50 open"]


def test_a_host_that_says_nothing_beside_the_forger_is_not_reached() -> None:
    path = network("5 16[injected rst 80] * 30 | rtt 50 | silent 80")
    report = trace(path, TraceConfig(host="target", max_hops=8))
    assert report.lines() == [*ROWS, "4 30 30 30 10.4.1.1", *(f"{ttl} * * *" for ttl in range(5, 9))]


def test_a_limited_router_behind_a_forger_is_asked_again() -> None:
    path = network("5 16[injected rst 80] 30! 40 | rtt 50")
    assert trace(path, TraceConfig(host="target", pings=8)).lines()[2].count("30") == 8


@pytest.mark.parametrize("ttl", [4, 5, 6])
@pytest.mark.parametrize("kind", [ReplyKind.RST, ReplyKind.SYN_ACK])
def test_one_forged_answer_makes_no_forger(ttl: int, kind: ReplyKind) -> None:
    """It comes beside the answer of a router, or of the host, and with another TTL."""
    prober, forged = VirtualProber(network("5 16 20 30 | rtt 50")), list[Probe]()

    def listen(probe: Probe) -> SendFailure | None:
        if probe.ttl == ttl and not forged:
            forged.append(probe)
            at = prober.clock() + 0.06
            prober.inject(Reply(probe.token, kind, TARGET, at, reply_ttl=200))
        return None

    prober.failing = listen
    rows = Report(prober, TraceConfig(host="target")).lines()
    assert rows[:4] == [*ROWS[:2], "3 20 20 20 10.3.1.1", "4 30 30 30 10.4.1.1"]
    assert rows[4:] == ["5 50 open"]
