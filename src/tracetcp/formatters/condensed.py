"""The condensed output: every non-empty line is a record. Turns events into text; opens nothing."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from tracetcp.formatters.columns import columns, milliseconds
from tracetcp.formatters.rows import cells
from tracetcp.model import NO_TEXTS, Event, HopFinished, Outcome, PortScanned, TraceStarted

if TYPE_CHECKING:
    from tracetcp.model import AddressTexts, Hop

REACHED_SENTENCES = {
    Outcome.OPEN: "Dest. in {rtt}. Port OPEN on {address}",
    Outcome.CLOSED: "Dest. in {rtt}. Port CLOSED on {address}",
}


class CondensedFormatter:
    """Turns the events of the traces to ``destination`` (an address) into text.

    With ``is_scan`` every row is numbered 1, because the TTL of a port scan is no place on a path. An empty
    line separates a port with several rows from the next port.
    """

    def __init__(self, destination: str, *, is_scan: bool = False, precision: int = 0) -> None:
        self._address = f"[{destination}]" if ":" in destination else destination
        self._is_scan = is_scan
        self._precision = precision
        self._rows = 0

    def render(self, event: Event, texts: AddressTexts = NO_TEXTS) -> str:
        """The text of ``event`` with the names and origins in ``texts``; empty if it is not shown."""
        if isinstance(event, PortScanned):
            return self._row(event.port, event.hop, texts)
        if isinstance(event, HopFinished):
            self._rows += 1
            return self._row(event.port, event.hop, texts)
        if isinstance(event, TraceStarted):
            had_several_rows, self._rows = self._rows > 1, 0
            return "\n" if had_several_rows else ""
        return ""

    def _row(self, port: int, hop: Hop, texts: AddressTexts) -> str:
        number = "1" if self._is_scan else str(hop.ttl)
        prefix = f"[{self._address}:{port}]  "
        first = hop.pings[0]
        if len(hop.pings) == 1 and hop.outcome in REACHED_SENTENCES and first.reply and first.rtt is not None:
            rtt = milliseconds(first.rtt, self._precision)
            return prefix + _answered_at_once(len(prefix), number, hop.outcome, rtt, first.reply.sender)
        return columns([number, *cells(hop, texts, self._precision, REACHED_SENTENCES)], prefix)


@lru_cache(maxsize=1024)
def _answered_at_once(width: int, number: str, outcome: Outcome, rtt: str, address: str) -> str:
    """The row after a prefix of ``width`` characters. Cached: most rows of a scan are alike."""
    sentence = REACHED_SENTENCES[outcome].format(rtt=rtt, address=address)
    return columns([number, sentence], " " * width)[width:]
