"""Runs a case: the engine on the virtual clock, or the installed program on a TUN device."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from hunting.case import BASE
from hunting.sighting import from_events, from_json
from internet.expectation import arguments
from internet.lab import simulated
from internet.report import SECRET
from internet.virtual import ConnectingProber, VirtualProber
from lab import program
from tracetcp.engine import open_engine
from tracetcp.engine.run_state import RunState
from tracetcp.explain.explaining import ExplainingEngine
from tracetcp.runner import run

if TYPE_CHECKING:
    from hunting.case import Case
    from hunting.sighting import Sighting
    from tracetcp.config import TraceConfig
    from tracetcp.engine import Engine

LONGEST_RUN = 120.0
"""Seconds after which the program is stopped."""
STATUSES = (0, 1)
"""Of a program that has run: reached, and not reached."""


class RunFailed(Exception):
    """A run that came to nothing; the text says how."""


def run_virtually(case: Case, user: str | None = None) -> Sighting:
    """The real engine under ``-e``, in no time, as root's or as that of ``user``; raises ``RunFailed``."""
    prober = (
        ConnectingProber(case.scenario, case.family) if user else VirtualProber(case.scenario, case.family)
    )
    state, shares_flows = RunState(SECRET), prober.shares_flows

    def opened(config: TraceConfig) -> Engine:
        return open_engine(config, state, prober.capacity, shares_flows=shares_flows)

    engine = ExplainingEngine(case.config, prober.destination, opened, state, shares_flows=shares_flows)
    try:
        events = [event for events in run(engine, prober, wait=prober.wait) for event in events]
    except AssertionError as error:
        raise RunFailed(f"the engine: {error}") from error
    return from_events(events, case.port)


def run_on_wire(case: Case, user: str | None = None) -> Sighting:
    """The installed program as root, or as ``user``; raises ``RunFailed``."""
    words = [*BASE, *arguments(case.command, case.scenario.destination.addresses[case.family])]
    try:
        with simulated(case.scenario) as net:
            finished = program.run(net.namespace, words, user=user, timeout=LONGEST_RUN)
    except subprocess.TimeoutExpired:
        raise RunFailed(f"no end after {LONGEST_RUN:.0f} s") from None
    if finished.status not in STATUSES or not finished.out:
        raise RunFailed(f"status {finished.status}: {finished.err.strip()[-300:]}")
    return from_json(finished.out, case.port)
