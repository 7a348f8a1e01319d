"""What the program said of a network: rows, outcome and verdicts, from events or from JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from tracetcp.model import HopFinished, TraceFinished, VerdictReached

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracetcp.model import Event, Hop, Ping
    from tracetcp.model.verdict import Verdict


class Cell(NamedTuple):
    """One cell of a row. ``kind`` and ``sender`` are of the reply, None for a star."""

    flow: int | None
    kind: str | None
    sender: str | None


class Row(NamedTuple):
    """One row; ``lost`` counts the probes of its TTL that nobody answered."""

    ttl: int
    outcome: str | None
    cells: tuple[Cell, ...]
    lost: int


class Said(NamedTuple):
    """A verdict or a note."""

    kind: str
    hop: int | None
    certainty: str
    sentence: str


class Sighting(NamedTuple):
    """All that was said. ``output`` is the text of it."""

    outcome: str
    rows: tuple[Row, ...]
    verdicts: tuple[Said, ...]
    output: str


def from_events(events: Iterable[Event], port: int) -> Sighting:
    """What a run of the engine under ``-e`` said of ``port``."""
    hops: list[Hop] = []
    verdicts: tuple[Verdict, ...] = ()
    finished: TraceFinished | None = None
    for event in events:
        if isinstance(event, HopFinished) and event.port == port:
            hops.append(event.hop)
        elif isinstance(event, TraceFinished) and event.port == port:
            finished = event
        elif isinstance(event, VerdictReached) and event.port == port:
            verdicts = event.verdicts
    assert finished is not None, "the trace came to no end"
    flows = {record.probe.token: record.probe.flow for record in finished.records}
    lost = [record.probe.ttl for record in finished.records if not record.replies and not record.is_control]
    rows = tuple(
        Row(
            hop.ttl,
            hop.outcome and _slug(hop.outcome.value),
            tuple(_cell(ping, flows) for ping in hop.pings),
            lost.count(hop.ttl),
        )
        for hop in hops
    )
    said = tuple(Said(v.kind.value, v.hop, v.certainty.value, v.sentence) for v in verdicts)
    return Sighting(_slug(finished.outcome.value), rows, said, _text(rows, said))


def _cell(ping: Ping, flows: dict[int, int]) -> Cell:
    reply = ping.reply
    if reply is None:
        return Cell(None, None, None)
    return Cell(flows.get(reply.token), _slug(reply.kind.value), reply.sender)


def _slug(words: str) -> str:
    return words.replace(" ", "-")


def from_json(lines: str, port: int) -> Sighting:
    """What a run of the program with ``--json -e`` said of ``port``."""
    trace = next(each for each in map(json.loads, lines.splitlines()) if each["port"] == port)
    pings = trace["config"]["pings"]
    rows = tuple(_row(hop, pings) for hop in trace["hops"])
    said = tuple(Said(v["kind"], v["hop"], v["certainty"], v["sentence"]) for v in trace["verdicts"])
    return Sighting(trace["outcome"], rows, said, _text(rows, said))


def _row(hop: dict[str, Any], pings: int) -> Row:
    """The row that is shown of ``hop``: the cell of an attempt is its answered probe, if it has one.

    Probes without a cell count on behind the attempts.
    """
    probes = [probe for probe in hop["probes"] if not probe["control"]]
    cells = []
    for attempt in range(1, pings + 1):
        mine = [probe for probe in probes if probe["attempt"] == attempt]
        answered = next((probe for probe in mine if probe["kind"] is not None), None)
        if answered is not None:
            cells.append(Cell(answered["flow"], answered["kind"], answered["sender"]))
        elif mine:
            cells.append(Cell(None, None, None))
    lost = sum(probe["kind"] is None for probe in probes)
    return Row(hop["ttl"], hop["outcome"], tuple(cells), lost)


def _text(rows: Iterable[Row], said: Iterable[Said]) -> str:
    """All of it, a line each, for people."""
    lines = []
    for row in rows:
        cells = " ".join(f"{cell.sender}/{cell.kind}" if cell.kind else "*" for cell in row.cells)
        lines.append(f"{row.ttl:3} {cells} {row.outcome or ''} ({row.lost} lost)".rstrip())
    lines += [f"{each.sentence} [{each.certainty}] ({each.kind}, hop {each.hop})" for each in said]
    return "\n".join(lines)
