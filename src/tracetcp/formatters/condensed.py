"""The condensed output: every non-empty line is a record. Remembers only what separates two ports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.formatters.columns import columns
from tracetcp.formatters.rows import cells
from tracetcp.model import Event, HopFinished, Outcome, TraceStarted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

REACHED = {
    Outcome.OPEN: "Dest. in {rtt}. Port OPEN on {address}",
    Outcome.CLOSED: "Dest. in {rtt}. Port CLOSED on {address}",
}


class CondensedFormatter:
    """Words the traces to ``destination`` (an address).

    ``is_scan`` numbers every row 1: the TTL of a port scan is no place on a path. An empty line separates
    a port of several rows from the next.
    """

    def __init__(self, destination: str, *, is_scan: bool = False, precision: int = 0) -> None:
        self._address = f"[{destination}]" if ":" in destination else destination
        self._is_scan = is_scan
        self._precision = precision
        self._rows = 0

    def render(self, event: Event, texts: Sequence[Mapping[str, str]] = ()) -> str:
        """The text of ``event``, empty where there is nothing to show (``texts``: see VerboseFormatter)."""
        if isinstance(event, HopFinished):
            self._rows += 1
            number = "1" if self._is_scan else str(event.hop.ttl)
            row = [number, *cells(event.hop, texts, self._precision, REACHED)]
            return columns(row, f"[{self._address}:{event.port}]  ")
        if isinstance(event, TraceStarted):
            had_several_rows, self._rows = self._rows > 1, 0
            return "\n" if had_several_rows else ""
        return ""
