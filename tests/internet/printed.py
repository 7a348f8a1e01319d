"""Reads the rows from the program's output, verbose or condensed, and writes them as in ``expect``. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from internet.expectation import line_of

if TYPE_CHECKING:
    from tracetcp.config import TraceConfig

HEADER = re.compile(r"Tracing route to .* on port (\d+)")
RECORD = re.compile(r"\[\S+:(?P<port>\d+)\]\s+(?P<hop>\d+)\s+(?P<rest>.*)")
ROW = re.compile(r"(?P<hop>\d+)\s+(?P<rest>.*)")
CELL = re.compile(r"(\d+) ms|(\*)")
ENDS = {
    "Connection established to": "open",
    "Port closed on": "closed",
    "Port OPEN on": "open",
    "Port CLOSED on": "closed",
}


def printed_rows(out: str, config: TraceConfig) -> list[str]:
    """The rows in ``out``, the output of a run under ``config``."""
    found = []
    port = config.ports[0]
    for line in out.splitlines():
        if header := HEADER.match(line):
            port = int(header[1])
        record = RECORD.match(line)
        row = record or ROW.match(line)
        if row is None:
            continue
        # The condensed output of a port scan numbers its rows 1: its TTL is no place on a path.
        is_numbered_1 = record is not None and config.max_hops == 1
        hop = str(config.start_hop) if is_numbered_1 else row["hop"]
        found.append(line_of(int(record["port"]) if record else port, _row(hop, row["rest"]), config.ports))
    return found


def _row(hop: str, text: str) -> str:
    """The row of ``hop``, with ``text`` after its number."""
    cells = [rtt or star for rtt, star in CELL.findall(text)]
    end = next((end for words, end in ENDS.items() if words in text), None)
    if end is not None:
        return " ".join([hop, *cells, end])
    answer, reports, _ = CELL.sub("", text.removesuffix("Request timed out.")).partition(" reports: ")
    return " ".join([hop, *cells, *answer.split(), *(["unreachable"] if reports else [])])
