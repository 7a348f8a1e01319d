"""Every scenario file through the real engine on the virtual clock: its rows are those that it expects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from internet import expectation, load, trace
from internet.scenario import SCENARIOS

if TYPE_CHECKING:
    from pathlib import Path

FILES = sorted(SCENARIOS.glob("*.toml"))


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_rows_of_a_scenario_are_those_that_it_expects(file: Path, family: int) -> None:
    scenario = load(file)
    expected = expectation(scenario, family)
    rows = trace(scenario, expected.config, family).all_lines()
    assert rows == expected.fitted(rows)
