"""A row: one numbered place on the path, its cells, and the raw record behind each. Frozen values."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from tracetcp.model.probe import Probe, ProbeKind
from tracetcp.model.reply import Reply, ReplyKind


class Outcome(Enum):
    """How the trace of one port ended, the strongest first.

    Where answers contradict each other, the one of the lowest ``rank`` counts: a SYN-ACK outranks a RST,
    either outranks a router.
    """

    OPEN = "open"
    CLOSED = "closed"
    UNREACHABLE = "unreachable"
    NOT_REACHED = "not reached"

    __hash__ = object.__hash__  # in C: that of Enum is Python, and scans ask for it thousands of times

    def __init__(self, _words: str) -> None:
        self.rank = len(type(self).__members__)


class Ping(NamedTuple):
    """One cell of a row: an attempt and what came of it. ``rtt`` is in seconds, None for a lost probe."""

    attempt: int
    rtt: float | None
    reply: Reply | None


class ProbeRecord(NamedTuple):
    """Everything known of one probe that was sent: the raw evidence behind rows and verdicts.

    ``is_control`` marks probes that never show as a cell. ``replies`` are in order of arrival; more than one
    means duplicates or a forger. ``unsupported`` are ICMP errors that quote the probe with a port, address or
    sequence number changed, where nothing else shows such a rewriting: no row rests on them.
    """

    probe: Probe
    sent_at: float
    replies: tuple[Reply, ...]
    is_control: bool = False
    unsupported: tuple[Reply, ...] = ()


class Hop(NamedTuple):
    """One numbered place on the path: a row.

    ``outcome`` is None for a router and names the end of the trace on the last row of a path that ended:
    OPEN and CLOSED rows are the destination, UNREACHABLE ones a router that said so. ``pings`` are in
    attempt order; on a destination row only the lost ones before the answer and the answer itself.
    """

    ttl: int
    pings: tuple[Ping, ...]
    outcome: Outcome | None = None

    @property
    def senders(self) -> tuple[str, ...]:
        """The addresses that answered, in order of first answer, each once."""
        answered = sorted((p.reply for p in self.pings if p.reply is not None), key=lambda r: r.received_at)
        return tuple(dict.fromkeys(reply.sender for reply in answered))

    @property
    def final_reply(self) -> Reply | None:
        """The reply that ended the trace, for a hop with an outcome."""
        for ping in reversed(self.pings):
            if ping.reply is not None and ping.reply.kind is not ReplyKind.TIME_EXCEEDED:
                return ping.reply
        return None


OUTCOMES: dict[ProbeKind, dict[ReplyKind, Outcome]] = {
    ProbeKind.SYN: {
        ReplyKind.SYN_ACK: Outcome.OPEN,
        ReplyKind.RST: Outcome.CLOSED,
        ReplyKind.UNREACHABLE: Outcome.UNREACHABLE,
    },
}
"""By the kind of probe: the answers that are terminal, and what each says of the port."""


def outcome_of(probe: Probe, reply: Reply) -> Outcome | None:
    """What ``reply`` to ``probe`` says of the port; None if it is not terminal: the trace goes on."""
    return OUTCOMES[probe.kind].get(reply.kind)
