"""The default output: a header, a row for each hop, a closing line. Pure: ``render(event)`` returns text."""

from __future__ import annotations

from tracetcp.formatters.columns import address_cells, columns
from tracetcp.formatters.rows import cells
from tracetcp.model import (
    NO_TEXTS,
    AddressTexts,
    Event,
    HopFinished,
    Outcome,
    PortScanned,
    TraceFinished,
    TraceStarted,
    spelled_out,
)

REACHED_SENTENCES = {
    Outcome.OPEN: "Destination Reached in {rtt}. Connection established to {address}",
    Outcome.CLOSED: "Destination Reached in {rtt}. Port closed on {address}",
}


class VerboseFormatter:
    """Turns the events of the traces to ``destination`` (an address) over ``max_hops`` hops into text."""

    def __init__(self, destination: str, max_hops: int, precision: int = 0) -> None:
        self._destination = destination
        self._max_hops = max_hops
        self._precision = precision

    def render(self, event: Event, texts: AddressTexts = NO_TEXTS) -> str:
        """The text of ``event`` with the names and origins in ``texts``; empty if it is not shown."""
        match event:
            case TraceStarted(port):
                to = " ".join(address_cells(self._destination, texts))
                return f"\nTracing route to {to} on port {port}\nOver a maximum of {self._max_hops} hops.\n"
            case HopFinished(_, hop):
                return columns([str(hop.ttl), *cells(hop, texts, self._precision, REACHED_SENTENCES)])
            case TraceFinished():
                return "Trace Complete.\n"
            case PortScanned():
                return "".join([self.render(part, texts) for part in spelled_out([event])])
        return ""
