"""No router gets more than 3 probes in a tenth of a second nor more than 20 in a second, whatever is asked.

Counted by the simulated network at the router where each probe expires, ``-e`` included: the engines of a run
share one memory of routers.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from internet import Scenario, VirtualProber, expectation, load, network
from internet.counts import most_within
from internet.report import SECRET
from internet.scenario import SCENARIOS
from tracetcp.config import TraceConfig
from tracetcp.engine import Engine, open_engine
from tracetcp.engine.run_state import RunState
from tracetcp.explain.explaining import ExplainingEngine
from tracetcp.runner import run

if TYPE_CHECKING:
    from pathlib import Path

IN_100_MS, IN_1_S = 3, 20
BLOCKED = range(1000, 1020)
LOOP = "loop"
"""Here a router gets more at first: nobody can know it before the loop has come round."""
FILES = [file for file in sorted(SCENARIOS.glob("*.toml")) if file.stem != LOOP]


def explained(scenario: Scenario, config: TraceConfig, family: int = 4) -> VirtualProber:
    """A whole run under ``-e``; what it sent."""
    prober, state = VirtualProber(scenario, family), RunState(SECRET)

    def opened(each: TraceConfig) -> Engine:
        return open_engine(each, state, prober.capacity)

    engine = ExplainingEngine(config, prober.destination, opened, state)
    for _ in run(engine, prober, wait=prober.wait):
        pass
    return prober


def impolite(prober: VirtualProber) -> dict[str, tuple[int, int]]:
    """The routers that got more than they should: the most in a tenth of a second, and in a second."""
    meters = prober.counts.router.items()
    most = {address: (meter.in_100_ms, meter.in_1_s) for address, meter in meters}
    return {a: (short, long) for a, (short, long) in most.items() if short > IN_100_MS or long > IN_1_S}


@pytest.mark.repeats
@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_under_explain_every_scenario_spares_its_routers(file: Path, family: int) -> None:
    scenario = load(file)
    config = expectation(scenario, family).config
    if family == 6:
        config = replace(config, ports=(443, 135, 80))
    if config.is_scan:
        config = TraceConfig(host="target", ports=config.ports[:20])
    assert impolite(explained(scenario, config, family)) == {}


@pytest.mark.repeats
@pytest.mark.parametrize(
    ("hop", "limit", "start"), [(2, "", 1), (4, "", 1), (6, "!", 1), (2, "", 7), (4, "!", 7), (6, "!", 7)]
)
def test_twenty_blocked_ports_spare_the_routers(hop: int, limit: str, start: int) -> None:
    rule = f"[drop {BLOCKED.start}-{BLOCKED.stop - 1}]"
    hops = (f"{10 * number}{limit}{rule if number == hop else ''}" for number in range(1, 9))
    path = network(" ".join(hops) + " | open 80,443 | rtt 90")
    config = TraceConfig(host="target", ports=BLOCKED, start_hop=start, max_hops=3 if start > 1 else 30)
    assert impolite(explained(path, config)) == {}


def test_a_routing_loop_is_paced_as_soon_as_it_has_come_round() -> None:
    scenario = load(LOOP)
    prober = explained(scenario, expectation(scenario, 4).config)
    first, second = (
        [at for at, probe in prober.sent if probe.ttl in range(start, 31, 2)] for start in (3, 4)
    )
    known_at = 0.02
    for instants in (first, second):
        assert most_within(instants, 1.0) <= IN_1_S
        assert most_within([at for at in instants if at > known_at], 0.1) <= IN_100_MS
        assert most_within(instants, 0.1) <= 5
        assert all(later >= earlier for earlier, later in pairwise(instants))
