"""The events that an engine emits, in display order. Frozen values."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from tracetcp.model.hop import Hop, Outcome, ProbeRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tracetcp.model.branches import Branches
    from tracetcp.model.evidence import Evidence
    from tracetcp.model.verdict import Verdict
    from tracetcp.model.watching import WatchEvent


class TraceStarted(NamedTuple):
    """The trace of ``port`` is the next to be shown."""

    port: int


class AddressSeen(NamedTuple):
    """``address`` answered for the first time: emitted at once, before display order, for name look-ups."""

    address: str


class NameFound(NamedTuple):
    """The name of ``address`` is known: emitted before the rows that waited for it; if late, after them."""

    address: str
    name: str


class OriginFound(NamedTuple):
    """The origin AS of ``address`` is known (``AS64500``); emitted like ``NameFound``."""

    address: str
    origin: str


class HopFinished(NamedTuple):
    """A row of the trace of ``port`` is decided. Hops of one port come in ascending TTL, ports in order."""

    port: int
    hop: Hop


class TraceFinished(NamedTuple):
    """The trace of ``port`` is over; follows its last row.

    ``records`` holds every probe sent for this port in order of sending, controls included.
    """

    port: int
    outcome: Outcome
    records: tuple[ProbeRecord, ...]


class PortScanned(NamedTuple):
    """The only row of a port of a scan is decided: the three events of a trace in one, for speed."""

    port: int
    hop: Hop
    records: tuple[ProbeRecord, ...]

    @property
    def outcome(self) -> Outcome:
        """The outcome as in ``TraceFinished``."""
        return self.hop.outcome or Outcome.NOT_REACHED


class VerdictReached(NamedTuple):
    """The trace of ``port`` was judged; follows its ``TraceFinished`` where verdicts were asked for.

    ``sizes``, ``silence`` and ``words`` are the verdicts on packet sizes, on silent connections and on what
    was said, where those were tested; ``branches`` are the paths of the port, where those were searched for;
    ``conclusions`` are the verdicts on all addresses of the host, with the last one.
    """

    port: int
    evidence: Evidence
    verdicts: tuple[Verdict, ...]
    sizes: tuple[Verdict, ...] = ()
    silence: tuple[Verdict, ...] = ()
    words: tuple[Verdict, ...] = ()
    branches: Branches | None = None
    conclusions: tuple[Verdict, ...] = ()

    @property
    def tested(self) -> tuple[Verdict, ...]:
        """Those of every test over connections, in the order of the tests."""
        return (*self.sizes, *self.silence, *self.words)


Event: TypeAlias = """(
    TraceStarted
    | AddressSeen
    | NameFound
    | OriginFound
    | HopFinished
    | TraceFinished
    | PortScanned
    | VerdictReached
    | WatchEvent
)"""


def spelled_out(events: Iterable[Event]) -> Iterator[Event]:
    """``events``, with each ``PortScanned`` replaced by the three events of a trace."""
    for event in events:
        if isinstance(event, PortScanned):
            yield TraceStarted(event.port)
            yield HopFinished(event.port, event.hop)
            yield TraceFinished(event.port, event.outcome, event.records)
        else:
            yield event
