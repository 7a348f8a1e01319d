"""Verdicts drawn while traces run, on a virtual clock: faults are named, and clean paths raise none."""

from __future__ import annotations

import errno
import json
from typing import Any

import pytest

from simnet.network import Host, Network, Router, Rule, chain
from simnet.virtual import SECRET, VirtualProber
from tracetcp.config import TraceConfig
from tracetcp.engine import Engine, open_engine
from tracetcp.explain.block_search import MOST_UNTOLD
from tracetcp.explain.explaining import CONFIRMATIONS, MOST_LOCATED, Explaining
from tracetcp.formatters.display import Display
from tracetcp.formatters.presenter import JsonPresenter, TextPresenter
from tracetcp.model import HopFinished, SendFailure, TraceFinished, VerdictReached
from tracetcp.model.verdict import Kind
from tracetcp.runner import run

FAULTS = {"blocked", "rejected", "unreachable", "forged", "proxy", "loop", "path-goes-on", "nat"}
FAULTS |= {"mss-rewritten", "options-stripped", "options-rewritten", "dscp-rewritten", "ecn-rewritten"}
WEB = frozenset({80})


class Explained:
    """A run under ``-e``: its events, its probes, and its text."""

    def __init__(
        self, network: Network, config: TraceConfig, display: Display, *, may_probe: bool = True
    ) -> None:
        self.prober = VirtualProber(network)
        self.opened = 0
        engine = Explaining(
            open_engine(config, SECRET), config, "10.9.9.9", self._open_control, {}, may_probe=may_probe
        )
        if display.json:
            presenter: JsonPresenter | TextPresenter = JsonPresenter(config, display, {}, 0.0)
        else:
            presenter = TextPresenter(config, display, "10.9.9.9")
        self.events = [
            event for events in run(engine, self.prober, wait=self.prober.wait) for event in events
        ]
        self.text = "".join(presenter.render(event, []) for event in self.events) + presenter.closing()
        self.verdicts = [v for e in self.events if isinstance(e, VerdictReached) for v in e.verdicts]
        self.kinds = [verdict.kind.value for verdict in self.verdicts]
        self.ports_done = engine.ports_done

    def _open_control(self, config: TraceConfig) -> Engine:
        self.opened += 1
        return open_engine(config, SECRET + bytes([self.opened]))


def explain(network: Network, *ports: int, display: Display | None = None, **options: object) -> Explained:
    config = TraceConfig(host="target", ports=ports or (80,), **options)  # type: ignore[arg-type]
    return Explained(network, config, display or Display(explain=True))


def test_a_port_dropped_on_the_way_is_blocked_behind_the_last_hop_that_answered() -> None:
    found = explain(chain(1, 10, 20, 30, host=50, rules=[Rule("drop", frozenset({135}), 2)]), 135)
    assert found.kinds[0] == "blocked"
    assert found.verdicts[0].hop == 2
    assert "10.0.2.1" in found.verdicts[0].sentence


def test_a_proxy_is_told_by_a_control_port_that_goes_farther() -> None:
    found = explain(chain(1, 10, *range(20, 90, 10), host=95, rules=[Rule("proxy", WEB, 2)]), 80)
    assert found.kinds[0] == "proxy"


def test_a_rejected_port_names_who_says_so() -> None:
    found = explain(chain(1, 10, 20, host=50, rules=[Rule("unreachable", WEB, 2)]))
    assert found.kinds[0] == "rejected"
    assert found.verdicts[0].address == "10.0.2.1"


@pytest.mark.parametrize(("port", "kind"), [(80, "open"), (81, "closed")])
def test_a_plain_port_is_what_it_is(port: int, kind: str) -> None:
    assert explain(chain(1, 10, 20, host=50), port).kinds[0] == kind


def test_controls_never_show_as_rows_and_stay_within_the_hops_asked_for() -> None:
    found = explain(chain(1, 10, 20, 30, host=50, rules=[Rule("drop", frozenset({135}), 2)]), 135, max_hops=4)
    assert {event.port for event in found.events if isinstance(event, HopFinished | TraceFinished)} == {135}
    assert {probe.port for _, probe in found.prober.sent} > {135}
    assert max(probe.ttl for _, probe in found.prober.sent if probe.ttl != 127) <= 4


def test_without_leave_to_probe_no_other_port_is_touched() -> None:
    network = chain(1, 10, 20, host=50, rules=[Rule("drop", frozenset({135}), 2)])
    config = TraceConfig(host="target", ports=(135,))
    found = Explained(network, config, Display(), may_probe=False)
    assert {probe.port for _, probe in found.prober.sent} == {135}
    assert len(found.verdicts) >= 1


def test_the_verdict_follows_the_end_of_its_trace_and_ports_stay_in_order() -> None:
    network = chain(1, 10, 20, 30, host=50, rules=[Rule("drop", frozenset({135}), 2)])
    found = explain(network, 135, 80, 81, timeout=0.5)
    order = [
        (type(e).__name__, e.port) for e in found.events if isinstance(e, TraceFinished | VerdictReached)
    ]
    assert order == [(name, port) for port in (135, 80, 81) for name in ("TraceFinished", "VerdictReached")]
    assert found.ports_done == 3


def test_several_ports_end_in_a_matrix_and_compared_ones_side_by_side() -> None:
    network = chain(1, 10, 20, 30, host=50, rules=[Rule("drop", frozenset({135, 136}), 2)])
    shown = explain(network, 135, 136, 80, timeout=0.5).text
    assert "135-136" in shown.splitlines()[-2] + shown.splitlines()[-1] + shown
    assert "PORTS" in shown
    compared = explain(network, 135, 80, timeout=0.5, display=Display(explain=True, compare=True)).text
    assert "PORT 135" in compared


def test_condensed_verdicts_are_comments() -> None:
    text = explain(chain(1, 10, host=50), 80, 81, display=Display(condensed=True, explain=True)).text
    rest = [line for line in text.splitlines() if line and not line.startswith("[")]
    assert len(rest) >= 4
    assert all(line.startswith("# ") for line in rest)


def test_json_is_one_object_a_trace_with_verdicts_on_request() -> None:
    with_verdicts = explain(chain(1, 10, host=50), 80, 81, display=Display(json=True, explain=True)).text
    objects = [json.loads(line) for line in with_verdicts.splitlines()]
    assert [trace["port"] for trace in objects] == [80, 81]
    assert all(trace["verdicts"] for trace in objects)
    plain = explain(chain(1, 10, host=50), 80, display=Display(json=True)).text
    assert json.loads(plain)["verdicts"] == []


def test_a_control_that_cannot_be_sent_leaves_the_verdict_without_it() -> None:
    network = chain(1, 10, 20, host=50, rules=[Rule("drop", frozenset({135}), 2)])
    config = TraceConfig(host="target", ports=(135,), timeout=0.5)
    prober = VirtualProber(network)
    prober.failures = lambda probe: SendFailure(errno.EPERM, "refused") if probe.port != 135 else None
    engine = Explaining(
        open_engine(config, SECRET), config, "10.9.9.9", lambda each: open_engine(each, SECRET + b"2"), {}
    )
    events = [event for batch in run(engine, prober, wait=prober.wait) for event in batch]
    assert isinstance(events[-1], VerdictReached)
    assert events[-1].verdicts[0].kind.value == "no-answer"


ONE_HOP: dict[str, Any] = {"start_hop": 5, "max_hops": 1, "pings": 1, "timeout": 0.5}
"""Hop 5 alone is asked: what drops a port before it has to be searched."""


def dropping(hop: int, *ports: int) -> Network:
    """Six routers; the one at ``hop`` drops ``ports``."""
    return chain(1, 10, 20, 30, 40, 50, host=60, rules=[Rule("drop", frozenset(ports), hop)])


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
    assert f"dropped after hop {hop} (10.0.{hop}.1)" in found.text


def test_a_silent_router_on_the_way_is_left_out_of_the_search() -> None:
    network = chain(1, None, None, 30, 40, 50, host=60, rules=[Rule("drop", frozenset({135}), 4)])
    assert places(explain(network, 134, 135, 136, **ONE_HOP)) == {135: 4}


@pytest.mark.parametrize("loss", [0.0, 0.05])
@pytest.mark.parametrize("limit", [None, 1.0])
def test_limited_routers_and_lost_probes_mislead_no_search(loss: float, limit: float | None) -> None:
    network = dropping(3, 135)
    network.loss = loss
    for router in network.paths[0]:
        router.limit = limit
    found = places(explain(network, *range(131, 140), **ONE_HOP))
    assert found.get(135) in (3, None)
    assert found.keys() <= {135}


def test_a_search_that_nothing_answers_is_given_up() -> None:
    silent = [None] * 8
    network = chain(*silent, 40, host=60, rules=[Rule("drop", frozenset({135}), 8)])
    found = explain(network, 134, 135, 136, **ONE_HOP | {"start_hop": 9})
    assert places(found) == {135: None}
    assert len({probe.ttl for _, probe in found.prober.sent}) == MOST_UNTOLD + 1


def test_without_pacing_silence_is_asked_three_times() -> None:
    found = explain(dropping(2, 135), 134, 135, 136, **ONE_HOP, anti_flood=False)
    assert places(found) == {135: 2}
    assert sum((probe.port, probe.ttl) == (135, 3) for _, probe in found.prober.sent) == CONFIRMATIONS


def test_ports_that_the_host_keeps_silent_about_are_told_apart_in_a_scan() -> None:
    network = chain(1, 10, 20, host=30)
    network.host.silent_ports = frozenset({23, 25})
    found = explain(network, *range(20, 30), start_hop=128, max_hops=1, pings=1, timeout=0.5)
    assert places(found) == {23: 3, 25: 3}
    assert "which may drop the port itself" in found.text


def test_only_so_many_ports_are_searched_for() -> None:
    ports = range(100, 100 + MOST_LOCATED + 4)
    found = explain(dropping(2, *ports), 80, *ports, **ONE_HOP)
    assert list(places(found).values()) == [2] * MOST_LOCATED + [None] * 4


def clean_paths() -> dict[str, tuple[Network, int]]:
    def lanes() -> Network:
        paths = [[Router(f"10.{lane}.{hop}.1", hop / 100) for hop in range(1, 7)] for lane in (1, 2, 3)]
        return Network(paths, Host("10.9.9.9", 0.08))

    limited, jittery = chain(1, 10, 20, 30, host=50), chain(10, 10, 10, 10, host=10)
    for router in limited.paths[0]:
        router.limit = 1.0
    jittery.host.jitter = 0.1
    for router in jittery.paths[0]:
        router.jitter = 0.1
    lengths = Network(
        [[Router(f"10.{lane}.{hop}.1", hop / 100) for hop in range(1, 5 + lane)] for lane in (1, 2)],
        Host("10.9.9.9", 0.08),
    )
    return {
        "plain": (chain(1, 10, 20, 30, host=50), 80),
        "lossy": (chain(1, 10, 20, 30, 40, host=50, loss=0.1), 80),
        "limited": (limited, 80),
        "load-balanced": (lanes(), 80),
        "lengths": (lengths, 80),
        "long rtt": (chain(600, 800, 900, host=1000), 80),
        "closed": (chain(1, 10, 20, 30, host=50), 81),
        "silent router": (chain(1, None, 20, 30, host=50), 80),
        "silent host": (chain(1, 10, 20, 30), 80),
        "jitter": (jittery, 80),
    }


@pytest.mark.parametrize("name", clean_paths())
def test_a_clean_path_raises_no_fault(name: str) -> None:
    network, port = clean_paths()[name]
    found = explain(network, port, timeout=1.5, max_hops=9)
    assert not set(found.kinds) & FAULTS, found.text
