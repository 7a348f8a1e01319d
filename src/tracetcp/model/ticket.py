"""What a report for a ticket is made of: a trace for each family, and who runs what. Frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tracetcp.model.contact import Contact
    from tracetcp.model.evidence import Evidence
    from tracetcp.model.texts import AddressTexts
    from tracetcp.model.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketTrace:
    """The trace over one family.

    ``verdicts`` name no names; ``tested`` are those of the tests of connections that follow a trace.
    ``is_raw`` says that raw sockets were used. The instants have a time zone.
    """

    evidence: Evidence
    verdicts: tuple[Verdict, ...]
    tested: tuple[Verdict, ...]
    contact: Contact
    texts: AddressTexts
    source: str
    started_at: datetime
    ended_at: datetime
    is_raw: bool

    @property
    def family(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.evidence.destination else 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A report on ``port`` of ``host``.

    ``untraced`` maps a family to the sentence that says why it was not traced. ``networks`` maps ``AS64500``
    to a name. ``command`` is the command line in a form that a shell takes, ``precision`` the decimals of an
    RTT in ms.
    """

    host: str
    port: int
    command: str
    version: str
    traces: tuple[TicketTrace, ...]
    untraced: Mapping[int, str]
    networks: Mapping[str, str]
    precision: int = 1
