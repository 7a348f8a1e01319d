"""One seed's network, fault and command line. Pure."""

from __future__ import annotations

import tomllib
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from hunting.faults import FAULTS, Fault, apply
from hunting.paths import PORTS, Draft
from internet.expectation import read_command
from internet.noise import KINDS
from internet.scenario import Scenario

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hunting.paths import Values
    from tracetcp.config import TraceConfig

BASE = ("-n", "-e", "--json")
KERNEL_BELIEVES = frozenset({"malformed icmp", "quoted header length"})
"""Noise that carries the very ports and sequence number of a probe: Linux hands it to the socket although the
quoted header is broken, so a program without privilege cannot refuse it."""
PORT_BESIDE = 9
"""One that no case is about."""
TIMEOUTS = (400, 500, 800, 1000, 1500, 2000, 4000)


class Case(NamedTuple):
    """What a seed makes; ``family`` is 4 or 6, ``config`` that of the command.

    ``asked`` is the fault that was to be: ``fault`` is none where the network has no place for it.
    """

    seed: int
    asked: str
    fault: Fault
    family: int
    port: int
    scenario: Scenario
    config: TraceConfig
    is_raw: bool = True
    """Whether it is for a program with raw sockets."""

    @property
    def command(self) -> str:
        """Options and target, as in a scenario file."""
        return self.scenario.command


def case_of(seed: int, faults: Sequence[str] = tuple(FAULTS), *, is_raw: bool = True) -> Case:
    """The case of ``seed``: its fault is one of ``faults``, taken in turn.

    Without ``is_raw`` the network is the same, less the noise that no program without privilege can refuse.
    """
    name = faults[seed % len(faults)]
    chance = Random(f"{seed} {name}")
    draft = Draft(chance)
    port = chance.choice(PORTS)
    fault = apply(name, draft, port)
    family = chance.choice((4, 6))
    command = f"{_options(chance, draft)} TARGET:{port}".strip()
    table = draft.table(f"{fault.name} at hop {fault.hop}, IPv{family}, seed {seed}", command)
    if "noise" in table and not is_raw:
        table["noise"] |= {"kinds": sorted(KINDS.keys() - KERNEL_BELIEVES)}
    scenario = Scenario.of(table)
    config = read_command(command, scenario.destination.addresses[family]).config
    return Case(seed, name, fault, family, port, scenario, config, is_raw)


def beside(case: Case, *, is_first: bool) -> Case:
    """``case`` with another port of the host traced as well, before its own or, ``is_first``, behind it."""
    other = PORT_BESIDE
    ports = f"{case.port},{other}" if is_first else f"{other},{case.port}"
    command = case.command.replace(f"TARGET:{case.port}", f"TARGET:{ports}")
    config = read_command(command, case.scenario.destination.addresses[case.family]).config
    scenario = Scenario.of(case.scenario.table | {"command": command}, case.scenario.title)
    return case._replace(scenario=scenario, config=config)


def kept(path: Path) -> Case:
    """The case of a file that ``tests/hunt --show`` printed: a scenario with a table ``hunt``."""
    table = tomllib.loads(path.read_text())
    hunt = table.pop("hunt")
    fields: Values = {key: tuple(v) if isinstance(v, list) else v for key, v in hunt["fault"].items()}
    fault = Fault(**fields)
    scenario, family = Scenario.of(table, path.stem), hunt["family"]
    config = read_command(scenario.command, scenario.destination.addresses[family]).config
    is_raw = hunt.get("is_raw", True)
    return Case(0, fault.name, fault, family, hunt["port"], scenario, config, is_raw)


def as_kept(case: Case) -> Values:
    """The table of a file for ``kept``."""
    hunt = {"fault": case.fault._asdict(), "family": case.family, "port": case.port}
    if not case.is_raw:
        hunt["is_raw"] = False
    return case.scenario.table | {"hunt": hunt}


def _options(chance: Random, draft: Draft) -> str:
    """Flags of a trace; a timeout leaves the slowest answer room."""
    words = []
    if chance.random() < 0.3:
        words.append(f"-p {chance.choice((1, 1, 2, 5, 8))}")
    start = chance.randint(2, 5) if chance.random() < 0.1 else 1
    if start > 1:
        words.append(f"-h {start}")
    last = chance.random()
    if last < 0.15:
        words.append(f"-m {chance.randint(1, draft.length + 1)}")
    elif last < 0.5:
        words.append(f"-m {chance.randint(draft.length + 1, 30)}")
    slowest = 2 * draft.rtt + 150
    fitting = [timeout for timeout in TIMEOUTS if timeout > slowest]
    if chance.random() < 0.7:
        words.append(f"-t {chance.choice(fitting[:4])}")
    if chance.random() < 0.07:
        words.append("-F")
    return " ".join(words)
