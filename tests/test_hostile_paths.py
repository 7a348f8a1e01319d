"""Hostile, lossy and limited paths: the installed program on the simulated Internet, scenario by scenario.

The rows are those that a scenario's file expects, as in ``engine/test_scenarios.py``; here RTTs are real.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from internet import expectation, load
from internet.expectation import arguments
from internet.lab import simulated
from internet.printed import printed_rows
from internet.scenario import SCENARIOS
from tracetcp.icmp_words import icmp_words

if TYPE_CHECKING:
    from pathlib import Path

    from internet.lab import SimulatedInternet

pytestmark = pytest.mark.netns

REPORTS = re.compile(r"\d+ .* reports: (.*)")


def traced(net: SimulatedInternet, *options: str) -> list[str]:
    """The rows that the program prints under ``options``, as far as the scenario's own command goes."""
    finished = net.tracetcp("-n", *options, net.destination, timeout=50)
    assert finished.err == ""
    return printed_rows(finished.out, expectation(net.scenario, 4).config)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("file", sorted(SCENARIOS.glob("*.toml")), ids=lambda file: file.stem)
def test_the_program_prints_the_rows_that_a_scenario_expects(file: Path, family: int) -> None:
    scenario = load(file)
    expected = expectation(scenario, family)
    words = arguments(scenario.command, scenario.destination.addresses[family])
    with simulated(scenario) as net:
        finished = net.tracetcp("-n", *words, timeout=50)
    assert finished.err == ""
    rows = printed_rows(finished.out, expected.config)
    assert rows == expected.fitted(rows, has_real_time=True)
