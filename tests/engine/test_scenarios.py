"""Every scenario file through the real engine on the virtual clock: its rows are those that it expects."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from internet import Scenario, expectation, load, trace
from internet.scenario import SCENARIOS

if TYPE_CHECKING:
    from pathlib import Path

FILES = sorted(SCENARIOS.glob("*.toml"))
ONE_AT_A_TIME = [f for f in FILES if not f.stem.startswith(("route-changes", "injected"))]
"""Not routes that change, where who asks again meets the new one, nor a RST ahead of a router's error: the
next probe of the flow takes the place of the one that waits for it.
"""
CHANCE = re.compile(r"^(loss|jitter|\[\[route\]\]|\[\[hop\.router\]\]|routers)", re.MULTILINE)


def has_the_rows_expected(scenario: Scenario, family: int, *, shares_flows: bool = True) -> None:
    expected = expectation(scenario, family)
    rows = trace(scenario, expected.config, family, shares_flows=shares_flows).all_lines()
    assert rows == expected.fitted(rows)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_rows_of_a_scenario_are_those_that_it_expects(file: Path, family: int) -> None:
    has_the_rows_expected(load(file), family)


@pytest.mark.repeats
@pytest.mark.parametrize("file", ONE_AT_A_TIME, ids=lambda file: file.stem)
def test_they_are_the_same_where_a_flow_has_one_probe_in_flight(file: Path) -> None:
    has_the_rows_expected(load(file), 4, shares_flows=False)


@pytest.mark.repeats
@pytest.mark.parametrize("shares_flows", [True, False])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "file", [f for f in FILES if CHANCE.search(f.read_text())], ids=lambda file: file.stem
)
def test_they_are_so_however_the_dice_fall(file: Path, seed: int, shares_flows: bool) -> None:
    if shares_flows or file in ONE_AT_A_TIME:
        scenario = Scenario.of(load(file).table | {"seed": seed})
        has_the_rows_expected(scenario, 4, shares_flows=shares_flows)
