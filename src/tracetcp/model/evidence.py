"""What a finished trace knows: the material that verdicts are drawn from.

Frozen values and questions about them; no thresholds, no words, no I/O.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING

from tracetcp.limits import LAST_PATH_TTL
from tracetcp.model.hop import Outcome
from tracetcp.model.reply import ReplyKind
from tracetcp.model.texts import NO_ENTRIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tracetcp.model.hop import Hop, ProbeRecord
    from tracetcp.model.reply import Reply

REACHED = (Outcome.OPEN, Outcome.CLOSED)
TCP_KINDS = (ReplyKind.SYN_ACK, ReplyKind.RST)


@dataclass(frozen=True, kw_only=True)
class TracedPort:
    """The trace of one port: its rows and every probe behind them.

    ``records`` may hold control probes of other ports; the questions below leave them out.
    """

    port: int
    outcome: Outcome
    hops: tuple[Hop, ...]
    records: tuple[ProbeRecord, ...]

    @cached_property
    def own_records(self) -> tuple[ProbeRecord, ...]:
        """The probes of this very port."""
        return tuple(r for r in self.records if r.probe.port == self.port and not r.is_control)

    @cached_property
    def routers(self) -> Mapping[int, tuple[str, ...]]:
        """By TTL, ascending: the addresses that said a probe's TTL ran out there."""
        found: dict[int, dict[str, None]] = {}
        for record, reply in replies(self.own_records, ReplyKind.TIME_EXCEEDED):
            found.setdefault(record.probe.ttl, {})[reply.sender] = None
        return {ttl: tuple(found[ttl]) for ttl in sorted(found)}

    def flows_through(self, ttl: int, address: str) -> set[int]:
        """The flows on which ``address`` said that a probe's TTL ran out at ``ttl``."""
        expired = replies(self.own_records, ReplyKind.TIME_EXCEEDED)
        return {r.probe.flow for r, reply in expired if r.probe.ttl == ttl and reply.sender == address}

    @property
    def last_router(self) -> int | None:
        """The highest TTL at which a router answered."""
        return max(self.routers, default=None)

    @cached_property
    def answered(self) -> Counter[int]:
        """By TTL: how many probes got an answer of any kind."""
        return Counter(record.probe.ttl for record in self.own_records if record.replies)

    @cached_property
    def lost(self) -> Counter[int]:
        """By TTL: how many probes got no answer."""
        return Counter(record.probe.ttl for record in self.own_records if not record.replies)

    @property
    def last_row(self) -> Hop | None:
        """The row that ended the trace, None where it ran out of hops."""
        return self.hops[-1] if self.hops and self.hops[-1].outcome is not None else None

    @property
    def answer(self) -> Reply | None:
        """The reply that ended the trace."""
        return self.last_row.final_reply if self.last_row else None

    @cached_property
    def nearest_answer(self) -> float:
        """The lowest TTL at which the destination, or who speaks in its name, answered; infinity for none."""
        return min((record.probe.ttl for record, _ in replies(self.own_records, *TCP_KINDS)), default=inf)

    @property
    def distance(self) -> int | None:
        """The hop at which the destination (or whoever speaks in its name) gave its TCP answer."""
        return self.last_row.ttl if self.last_row and self.outcome in REACHED else None


@dataclass(frozen=True, kw_only=True)
class Evidence(TracedPort):
    """A trace with all that helps to judge it.

    ``controls`` are traces of other ports to the same destination, over some or all of the same TTLs.
    ``destination`` is the address on the wire; ``start_hop`` and ``last_ttl`` bound the TTLs asked for.
    ``names`` are those known when it was drawn up; the mapping never grows. ``tos`` is that of the probes.
    """

    destination: str
    start_hop: int
    last_ttl: int
    controls: tuple[TracedPort, ...] = ()
    names: Mapping[str, str] = field(default_factory=lambda: NO_ENTRIES)
    tos: int = 0

    def place(self, ttl: int, address: str | None = None) -> str:
        """The words for a hop: its number and, where known, its address and name.

        Without ``address`` it is the first router that answered at ``ttl``. The one TTL of a scan is no
        place on the path: there the address stands alone.
        """
        where = address or next(iter(self.routers.get(ttl, ())), None)
        is_scan = ttl == self.start_hop == self.last_ttl and ttl > LAST_PATH_TTL
        if where is None:
            return "any hop" if is_scan else f"hop {ttl}"
        name = self.names.get(where)
        if is_scan:
            return f"{where} ({name})" if name else where
        return f"hop {ttl} ({where}, {name})" if name else f"hop {ttl} ({where})"

    def router(self, ttl: int | None) -> str | None:
        """The first router that answered at ``ttl``."""
        return next(iter(self.routers.get(ttl, ())), None) if ttl is not None else None


def replies(records: Iterable[ProbeRecord], *kinds: ReplyKind) -> Iterator[tuple[ProbeRecord, Reply]]:
    """The replies of ``kinds``, each with the record of its probe."""
    return ((record, reply) for record in records for reply in record.replies if reply.kind in kinds)


def reply_of(record: ProbeRecord, *kinds: ReplyKind) -> Reply | None:
    """The first reply of ``kinds`` to one probe."""
    return next((reply for reply in record.replies if reply.kind in kinds), None)
