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
CHANCE = re.compile(r"^(loss|jitter|\[\[route\]\]|\[\[hop\.router\]\]|routers)", re.MULTILINE)


def has_the_rows_expected(scenario: Scenario, family: int) -> None:
    expected = expectation(scenario, family)
    rows = trace(scenario, expected.config, family).all_lines()
    assert rows == expected.fitted(rows)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_rows_of_a_scenario_are_those_that_it_expects(file: Path, family: int) -> None:
    has_the_rows_expected(load(file), family)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "file", [f for f in FILES if CHANCE.search(f.read_text())], ids=lambda file: file.stem
)
def test_they_are_so_however_the_dice_fall(file: Path, seed: int) -> None:
    has_the_rows_expected(Scenario.of(load(file).table | {"seed": seed}), 4)
