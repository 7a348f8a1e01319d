"""Traces of simulated networks as lines of ``--json``, and as what ``--diff`` reads of them."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from internet import VirtualProber, virtual
from internet.report import SECRET
from internet.virtual import SOURCE_PORTS_FROM
from tracetcp.config import TraceConfig
from tracetcp.differences.reading import read_trace
from tracetcp.engine import Engine, open_engine
from tracetcp.engine.run_state import RunState
from tracetcp.explain.explaining import ExplainingEngine
from tracetcp.formatters import open_presenter
from tracetcp.formatters.display import Display
from tracetcp.model import AddressTexts
from tracetcp.runner import run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from internet.scenario import Scenario
    from tracetcp.model.saved_trace import SavedTrace


def saved(
    scenario: Scenario,
    *,
    dice: int = 0,
    family: int = 4,
    config: TraceConfig | None = None,
    explain: bool = False,
    origins: Mapping[str, str] | None = None,
    source_ports_from: int = SOURCE_PORTS_FROM,
    **options: Any,
) -> bytes:
    """One trace as a line of NDJSON. ``dice`` decides losses and delays, and nothing else of the network."""
    config = replace(config or TraceConfig(host="target.example", **options), source_port=source_ports_from)
    prober = VirtualProber(scenario, family)
    prober._simulation.network._chance = Random(dice)
    state = RunState(SECRET)

    def fresh(config: TraceConfig) -> Engine:
        return open_engine(config, state)

    engine = ExplainingEngine(config, prober.destination, fresh, state, may_probe=explain)
    presenter = open_presenter(config, Display(json=True, explain=explain), prober.destination, 1.7e9)
    texts = AddressTexts(origins=origins or {})
    with patch.object(virtual, "SOURCE_PORTS_FROM", source_ports_from):
        batches = list(run(engine, prober, wait=prober.wait))
    lines = [presenter.render(event, texts) for events in batches for event in events]
    (line,) = filter(None, lines)
    return line.encode()


def read(scenario: Scenario, **options: Any) -> SavedTrace:
    """``saved``, read again."""
    return read_trace(saved(scenario, **options))
