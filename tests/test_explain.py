"""Verdicts drawn while traces run, on a virtual clock: faults are named, and clean paths raise none."""

from __future__ import annotations

import errno
import json
from typing import Any

import pytest

from internet import Scenario, VirtualProber, network
from internet.report import SECRET
from tracetcp.config import TraceConfig
from tracetcp.engine import Engine, open_engine
from tracetcp.engine.run_state import RunState
from tracetcp.explain.block_search import MOST_SILENT_HOPS
from tracetcp.explain.controls import MOST_SEARCHED, UNPACED_SEARCH_PINGS
from tracetcp.explain.explaining import ExplainingEngine
from tracetcp.formatters import open_presenter
from tracetcp.formatters.display import Display
from tracetcp.model import (
    NO_TEXTS,
    HopFinished,
    Reply,
    ReplyKind,
    SendFailure,
    TraceFinished,
    VerdictReached,
)
from tracetcp.model.verdict import Kind
from tracetcp.runner import run

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
    ) -> None:
        self.prober = VirtualProber(path, tells_reply_ttls=tells_reply_ttls)
        self._state = RunState(SECRET)
        engine = ExplainingEngine(
            config, self.prober.destination, self._open_engine, self._state.tokens, may_probe=may_probe
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
        return open_engine(config, self._state)


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
    engine = ExplainingEngine(config, prober.destination, lambda each: open_engine(each, state), state.tokens)
    events = [event for batch in run(engine, prober, wait=prober.wait) for event in batch]
    assert isinstance(events[-1], VerdictReached)
    assert events[-1].verdicts[0].kind.value == "no-answer"


def test_a_reply_to_a_token_that_no_engine_drew_is_ignored() -> None:
    state = RunState(SECRET)
    config = TraceConfig(host="target")
    engine = ExplainingEngine(config, "192.0.2.9", lambda each: open_engine(each, state), state.tokens)
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
    assert "which may drop the port itself" in found.text


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
