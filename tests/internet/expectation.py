"""The rows that a scenario expects of the program (``expect``), and their comparison with rows found. Pure.

A row is written as ``Report.lines`` writes it, ``[PORTS: ]HOPS CELL... ANSWER...``:

    3 10 * 12 10.3.1.1          hop 3: RTTs in whole milliseconds, a star for a lost probe, what answered
    7 20 open                   the destination; also ``7 20 closed``
    4 8 8 8 10.3.1.1 unreachable    a router that reports the destination unreachable
    5 * * *                     no answer

Short forms
    7-30 * * *                  such a row for each of these hops; also ``3,5,7``
    1-254 N N N 10.N.1.1        N stands for the hop's number
    135,137-139: 3 *            a row of these ports; ``others:`` means the ports that no other row names

Results that depend on chance (jitter, loss, the choice of a path) are not fixed to those of one run
    ?       answered, after any time
    ?*      answered or lost
    [*]     an optional star before the cell of a destination
    10.2.1.1|10.2.2.1           one or several of these routers, in any order
    a list instead of a row     any one of these lists of rows
"""

from __future__ import annotations

import re
import shlex
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from internet.tables import ScenarioError, read_ports
from tracetcp.cli.parsing import Invocation, parse
from tracetcp.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from internet.scenario import Scenario
    from tracetcp.config import TraceConfig

TARGET = "TARGET"
_ROW = re.compile(
    r"((?P<ports>[\d,-]+|others): )?(?P<hops>[\d,-]+)"
    r"(?P<cells>( (\d+|N|\*|\?|\?\*|\[\*\]))+)"
    r"(?P<senders>( \S*[.:|]\S*)*)(?P<end>( (open|closed|unreachable))?)"
)
_CELLS = {"*": r" \*", "?": r" \d+", "?*": r" (?:\d+|\*)", "[*]": r"(?: \*)?"}
_ANY_TIME = r" \d+"


class Row(NamedTuple):
    """One row of ``expect``, including short forms. ``ports`` is None for ``others`` and for a lone port."""

    text: str
    ports: frozenset[int] | None
    hops: tuple[int, ...]
    cells: tuple[str, ...]
    senders: tuple[str, ...]
    end: str


class Line(NamedTuple):
    """A row expected at one place of the report: its port, its text, and the patterns that fit it."""

    front: str
    text: str
    exact: re.Pattern[str]
    timeless: re.Pattern[str]

    def fits(self, found: str, *, has_real_time: bool) -> bool:
        """Whether ``found`` is this row."""
        pattern = self.timeless if has_real_time else self.exact
        row = found.removeprefix(self.front)
        return found.startswith(self.front) and pattern.fullmatch(row) is not None


class Expectation:
    """The rows that a scenario expects over one family, under ``config``."""

    def __init__(self, config: TraceConfig, choices: Sequence[Sequence[Line]]) -> None:
        self.config = config
        self._choices = choices

    def fitted(self, found: Sequence[str], *, has_real_time: bool = False) -> list[str]:
        """The expected rows; a row that fits ``found`` is returned exactly as in ``found``.

        So a test asserts ``found == fitted(found)``, and if it fails the difference is the error.
        With ``has_real_time`` any RTT fits.
        """

        def fit(lines: Sequence[Line]) -> list[str]:
            shown = [line.front + line.text for line in lines]
            for index, (line, row) in enumerate(zip(lines, found, strict=False)):
                if line.fits(row, has_real_time=has_real_time):
                    shown[index] = row
            return shown

        fits = [fit(lines) for lines in self._choices]
        return next((fit for fit in fits if fit == [*found]), fits[0])


def expectation(scenario: Scenario, family: int) -> Expectation:
    """The rows that ``scenario`` expects over ``family``; raises ``ScenarioError`` if it has none."""
    rows = scenario.expect6 if family == 6 and scenario.expect6 else scenario.expect
    if not rows:
        raise ScenarioError(f"{scenario.title!r} has no expect: state the rows of this network")
    config = read_command(scenario.command, scenario.destination.addresses[family]).config
    mates = _mates(scenario) if family == 6 else {}
    return Expectation(config, [_spelled_out(choice, config.ports, mates) for choice in rows])


def arguments(command: str, address: str) -> list[str]:
    """The words of ``command``, with ``address`` in place of TARGET."""
    return shlex.split(command.replace(TARGET, f"[{address}]" if ":" in address else address))


def read_command(command: str, address: str) -> Invocation:
    """``command`` as the program parses it; raises ``ScenarioError`` if it refuses it."""
    try:
        invocation = parse(arguments(command, address))
    except UsageError as error:
        raise ScenarioError(f"command {command!r}: {error}") from None
    if not isinstance(invocation, Invocation):
        raise ScenarioError(f"command {command!r} traces nothing")
    return invocation


def read_rows(rows: Sequence[object]) -> tuple[tuple[Row, ...], ...]:
    """Every possible list of rows of an ``expect``; none if it is empty.

    Raises ``ScenarioError`` for an invalid row.
    """
    options = [row if isinstance(row, list) else [[row]] for row in rows]
    spelled = [[each if isinstance(each, list) else [each] for each in option] for option in options]
    return tuple(
        tuple(read_row(row) for part in picked for row in part) for picked in product(*spelled) if picked
    )


def read_row(text: object) -> Row:
    """Parse a row; raises ``ScenarioError`` if ``text`` is none."""
    found = _ROW.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ScenarioError(f"{text!r} is no row: write '3 10 * 12 10.3.1.1' or '7 20 open'")
    try:
        ports = None if found["ports"] in (None, "others") else read_ports(found["ports"])
        hops = tuple(sorted(read_ports(found["hops"])))
    except ValueError:
        raise ScenarioError(f"{text!r}: write ports and hops as 3, 3-5 or 3,7") from None
    senders = tuple(found["senders"].split())
    return Row(found[0], ports, hops, tuple(found["cells"].split()), senders, found["end"].strip())


def line_of(port: int, row: str, ports: Sequence[int]) -> str:
    """``row`` of ``port`` as in a report on ``ports``: with the port in front if there are several."""
    return row if len(ports) == 1 else f"{port}: {row}"


def _mates(scenario: Scenario) -> dict[str, str]:
    """For each IPv4 address in ``scenario``, the IPv6 address of the same place."""
    routers = [router for route in scenario.routes for hop in route.hops for router in hop]
    addresses = [*(router.addresses for router in routers), scenario.destination.addresses]
    return {each[4]: each[6] for each in addresses}


def _spelled_out(rows: Sequence[Row], ports: Sequence[int], mates: Mapping[str, str]) -> list[Line]:
    """A line for each port and hop, in the order of the report."""
    named = frozenset().union(*(row.ports for row in rows if row.ports))
    patterns: dict[tuple[int, int], tuple[str, re.Pattern[str], re.Pattern[str]]] = {}
    lines = []
    for port in ports:
        mine = [row for row in rows if (port in row.ports if row.ports else port not in named)]
        front = line_of(port, "", ports)
        for hop, index in sorted((hop, index) for index, row in enumerate(mine) for hop in row.hops):
            key = id(mine[index]), hop
            if key not in patterns:
                patterns[key] = _patterns(mine[index], hop, mates)
            lines.append(Line(front, *patterns[key]))
    return lines


def _patterns(row: Row, hop: int, mates: Mapping[str, str]) -> tuple[str, re.Pattern[str], re.Pattern[str]]:
    """The row of ``hop`` as text, as a pattern with its RTTs, and as one without."""
    cells = [str(hop) if cell == "N" else cell for cell in row.cells]
    senders = []
    for sender in row.senders:
        addresses = sender.replace(".N.", f".{hop}.").split("|")
        senders.append([mates.get(address, address) for address in addresses])
    behind = "".join(f"(?: (?:{'|'.join(map(re.escape, each))}))+" for each in senders)
    behind += f" {row.end}" if row.end else ""
    text = " ".join([str(hop), *cells, *map("|".join, senders), *filter(None, [row.end])])
    exact = "".join(_CELLS.get(cell, f" {cell}") for cell in cells)
    timeless = "".join(_CELLS.get(cell, _ANY_TIME) for cell in cells)
    return text, re.compile(f"{hop}{exact}{behind}"), re.compile(f"{hop}{timeless}{behind}")
