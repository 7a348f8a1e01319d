"""What is known of a trace before it ends, or of one that was asked at single TTLs only. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.model import Hop, Outcome, Ping, ProbeRecord, ReplyKind, outcome_of
from tracetcp.model.evidence import TCP_KINDS, TracedPort

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tracetcp.model import Probe, Reply


MOST_AHEAD = 8
"""TTLs ahead of the last answer from which on a trace has met silence: no answer is on its way any more."""


class LiveTrace:
    """The probes of ``port`` as they leave, and what has answered them; ``last_ttl`` is the last of a row."""

    def __init__(self, port: int, last_ttl: int) -> None:
        self.farthest_ttl = 0
        """The highest TTL of a row that was asked."""
        self.farthest_answer_ttl = 0
        """The highest TTL that anything answered."""
        self.nearest_answer_ttl = 0
        """The lowest TTL at which the destination, or who speaks in its name, answered; 0 for none."""
        self.farthest_router_ttl = 0
        """The highest TTL that was answered because it ran out."""
        self.changes = 0
        """How many probes and replies there were."""
        self._port = port
        self._last_ttl = last_ttl
        self._sent: dict[int, tuple[Probe, float, list[Reply]]] = {}

    def sent(self, probe: Probe, at: float) -> None:
        """``probe`` left at ``at``."""
        self.changes += 1
        self._sent[probe.token] = (probe, at, [])
        if probe.ttl <= self._last_ttl:
            self.farthest_ttl = max(self.farthest_ttl, probe.ttl)

    @property
    def is_heard(self) -> bool:
        """Whether it was answered, or met silence."""
        return self.nearest_answer_ttl > 0 or self.farthest_ttl > self.farthest_answer_ttl + MOST_AHEAD

    def received(self, reply: Reply) -> bool:
        """Take a reply to one of them; whether it is one. A reply to one that did not leave is none."""
        if reply.token not in self._sent:
            return False
        probe, _, replies = self._sent[reply.token]
        self.changes += 1
        replies.append(reply)
        if probe.ttl > self._last_ttl:
            return True
        self.farthest_answer_ttl = max(self.farthest_answer_ttl, probe.ttl)
        if reply.kind in TCP_KINDS:
            self.nearest_answer_ttl = min(self.nearest_answer_ttl or probe.ttl, probe.ttl)
        elif reply.kind is ReplyKind.TIME_EXCEEDED and not reply.is_loose:
            self.farthest_router_ttl = max(self.farthest_router_ttl, probe.ttl)
        return True

    def traced(self) -> TracedPort:
        """All of it; a probe in flight looks like a lost one."""
        records = [ProbeRecord(probe, at, tuple(replies)) for probe, at, replies in self._sent.values()]
        return traced_so_far(self._port, records, self._last_ttl)

    def answered(self) -> TracedPort:
        """What was answered of it: that more is on its way says nothing of the rest."""
        records = [record for record in self.traced().records if record.replies]
        return traced_so_far(self._port, records, self._last_ttl)


def traced_so_far(port: int, records: Iterable[ProbeRecord], last_ttl: int) -> TracedPort:
    """The trace that ``records`` make: its rows end at the nearest answer that can end one."""
    records = tuple(records)
    hops = []
    for ttl in sorted({record.probe.ttl for record in records if record.probe.ttl <= last_ttl}):
        asked = [record for record in records if record.probe.ttl == ttl]
        outcome = min(_outcomes(asked), key=lambda outcome: outcome.rank, default=None)
        hops.append(Hop(ttl, tuple(map(_ping, asked)), outcome))
        if outcome is not None:
            return TracedPort(port=port, outcome=outcome, hops=tuple(hops), records=records)
    return TracedPort(port=port, outcome=Outcome.NOT_REACHED, hops=tuple(hops), records=records)


def _outcomes(records: Iterable[ProbeRecord]) -> Iterator[Outcome]:
    for record in records:
        for reply in record.replies:
            outcome = outcome_of(record.probe, reply)
            if outcome is not None:
                yield outcome


def _ping(record: ProbeRecord) -> Ping:
    """The probe as a cell: what can end a trace tells more than what cannot."""
    replies = sorted(record.replies, key=lambda reply: outcome_of(record.probe, reply) is None)
    reply = replies[0] if replies else None
    return Ping(record.probe.attempt, max(0.0, reply.received_at - record.sent_at) if reply else None, reply)
