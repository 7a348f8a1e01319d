"""Watches simulated networks for hours on the virtual clock and prints what was told; see ``tests/soak``."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from internet import expectation, load, network
from internet.scenario import SCENARIOS
from tracetcp.config import TraceConfig
from watching import Watched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from internet import Scenario

AWKWARD = {
    "limited-routers": "1! 2! 5! 8! 12! 15! 20! 22! 25!2 30! 31! 32! 33! 34! | rtt 40",
    "shared-load": "1 2 5:4 8:4 12:2 15 | rtt 20",
    "branches-of-different-length": "1 2 5 8 / 1 2 6 7 9 | rtt 20",
    "jitter": "1~5 2~9 5~30 8~100 12~200 15~200 20~300 | rtt 20 | jitter 300",
    "silent-routers": "1 * * 8 * 15 20 22 * 30 * 32 33 * | rtt 40",
    "all-of-that": "1!~3 2~9 5:3~30 8!~50 *12 15:2~100 20!~100 | rtt 40 | jitter 100",
}
LOSS = 0.01
"""Each way, on the awkward paths."""


def paths() -> Iterator[tuple[str, Scenario, TraceConfig]]:
    """Every path with its name and how it is asked."""
    for name, notation in AWKWARD.items():
        yield name, network(notation, loss=LOSS, seed=5), TraceConfig(host="target")
    for file in sorted(SCENARIOS.glob("*.toml")):
        scenario = load(file)
        config = expectation(scenario, 4).config
        yield (
            file.stem,
            scenario,
            TraceConfig(host="target", ports=config.ports) if config.is_scan else config,
        )


def main(hours: float, names: list[str]) -> None:
    """Watch, and print a line for each path and prober, and one for each event but the first."""
    for name, scenario, config in paths():
        if names and name not in names:
            continue
        for shares_flows in (True, False):
            count = round(hours * 3600)
            watched = Watched(
                scenario,
                config.ports[0],
                count=count,
                config=replace(config, ports=config.ports[:1]),
                shares_flows=shares_flows,
            )
            probes = len(watched.prober.sent) / count
            sys.stdout.write(f"{name}: {len(watched.events) - 1} events, {probes:.2f} probes an interval\n")
            for event in watched.events[1:]:
                sys.stdout.write(f"    {event}\n")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 10.0, sys.argv[2:])
