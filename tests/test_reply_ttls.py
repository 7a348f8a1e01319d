"""The TTL of an answer where the prober is not told it: found by asking, where a verdict needs it."""

from __future__ import annotations

import pytest

from internet import Scenario, network
from test_explain import Explained
from tracetcp.config import TraceConfig
from tracetcp.engine.tokens import TokenRegistry
from tracetcp.explain.reply_ttls import LAST_FLOW, ReplyTtlSearch
from tracetcp.formatters.display import Display
from tracetcp.model import Probe, Reply, ReplyKind

WAIT = 0.25


def search() -> ReplyTtlSearch:
    return ReplyTtlSearch(Probe(1, 80, 9, 1, 0), WAIT, TokenRegistry(b"secret of a test"))


def drive(asked: ReplyTtlSearch, reply_ttl: int, lost: tuple[int, ...] = ()) -> list[Probe]:
    """Answer with ``reply_ttl``, but not the probes with these numbers; what was sent."""
    sent: list[Probe] = []
    now = 0.0
    while not asked.is_done:
        (probe,) = asked.next_probes(now, 1)
        assert asked.next_probes(now, 1) == ()
        asked.sent(probe, now)
        if reply_ttl >= probe.min_reply_ttl and len(sent) not in lost:
            asked.receive(Reply(probe.token, ReplyKind.SYN_ACK, "h", now))
        sent.append(probe)
        now = max(now, min(asked.wake_at(), now + 1))
        asked.advance(now)
    assert asked.next_probes(now, 1) == ()
    return sent


@pytest.mark.parametrize("reply_ttl", range(2, 256))
def test_every_ttl_is_found_in_nine_syns_of_one_flow_each(reply_ttl: int) -> None:
    asked = search()
    sent = drive(asked, reply_ttl)
    assert asked.reply_ttl == reply_ttl
    assert len(sent) <= 9
    assert [probe.flow for probe in sent] == [LAST_FLOW - number for number in range(len(sent))]
    assert {(probe.port, probe.ttl) for probe in sent} == {(80, 9)}


def test_a_lost_answer_is_met_by_the_second_look() -> None:
    for lost in range(8):
        asked = search()
        drive(asked, 61, (lost,))
        assert asked.reply_ttl == 61, lost


def test_nothing_heard_is_nothing_known() -> None:
    asked = search()
    drive(asked, 0)
    assert asked.reply_ttl is None


def test_a_system_that_cannot_ask_is_not_asked_again() -> None:
    asked = search()
    (probe,) = asked.next_probes(0.0, 1)
    asked.failed(probe, 0.0)
    assert (asked.is_done, asked.reply_ttl) == (True, None)
    assert asked.events() == []


def test_a_stranger_and_an_answer_too_late_change_nothing() -> None:
    asked = search()
    (probe,) = asked.next_probes(0.0, 1)
    asked.sent(probe, 0.0)
    asked.receive(Reply(probe.token + 1, ReplyKind.SYN_ACK, "h", 0.1))
    asked.advance(0.1)
    assert asked.next_probes(0.1, 1) == ()
    asked.advance(WAIT)
    asked.receive(Reply(probe.token, ReplyKind.SYN_ACK, "h", 0.3))
    assert asked.next_probes(0.3, 1)[0].min_reply_ttl < probe.min_reply_ttl


NEAR = "1 10[syn-ack 80] * 30 40 50 60 70 80 | rtt 95 | open 443 | closed 80"


def explained(path: Scenario, *, tells: bool) -> Explained:
    config = TraceConfig(host="target", ports=(80,))
    return Explained(path, config, Display(explain=True), tells_reply_ttls=tells, shares_flows=tells)


def test_a_near_proxy_has_the_same_evidence_whether_the_prober_tells_or_is_asked() -> None:
    """No router before it answers, so that only the TTLs show that it is another machine."""
    told, asked = (explained(network(NEAR, hop_1={"silent": True}), tells=tells) for tells in (True, False))
    assert told.kinds[0] == asked.kinds[0] == "proxy"
    ttls = [fact for verdict in told.verdicts for fact in verdict.evidence if "hops back" in fact]
    assert ttls
    assert [fact for verdict in asked.verdicts for fact in verdict.evidence if "hops back" in fact] == ttls
    extra = [probe for _, probe in asked.prober.sent if probe.min_reply_ttl]
    assert 0 < len(extra) <= 20
    assert not any(probe.min_reply_ttl for _, probe in told.prober.sent)


def test_where_nothing_is_suspicious_no_syn_is_spent() -> None:
    found = explained(network("1 10 20 30 | rtt 40 | open 80"), tells=False)
    assert found.kinds[0] == "open"
    assert not any(probe.min_reply_ttl for _, probe in found.prober.sent)
