"""A row: one numbered place on the path, its cells, and the record of each probe. Frozen values."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from tracetcp.model.probe import Probe, ProbeKind
from tracetcp.model.reply import Reply, ReplyKind


class Outcome(Enum):
    """How the trace of one port ended, strongest first.

    Where answers contradict each other, the one with the lowest ``rank`` counts: a SYN-ACK outranks a RST,
    and either outranks a router's report.
    """

    OPEN = "open"
    CLOSED = "closed"
    UNREACHABLE = "unreachable"
    NOT_REACHED = "not reached"

    __hash__ = object.__hash__  # in C; Enum's is in Python, and scans need it thousands of times

    def __init__(self, _words: str) -> None:
        self.rank = len(type(self).__members__)


class Ping(NamedTuple):
    """One cell of a row: an attempt and what came of it. ``rtt`` is in seconds, None for a lost probe."""

    attempt: int
    rtt: float | None
    reply: Reply | None


class ProbeRecord(NamedTuple):
    """Everything known about one probe that was sent: the raw evidence for rows and verdicts.

    ``is_control`` marks probes that are never shown as a cell. ``replies`` are in order of arrival; more than
    one means duplicates or a forgery. ``forged`` are those of them that are known to come from somebody on
    the way: no row uses them. ``unsupported`` are ICMP errors that quote the probe with a changed port,
    address or sequence number, where nothing else shows that rewriting: no row uses them.
    """

    probe: Probe
    sent_at: float
    replies: tuple[Reply, ...]
    is_control: bool = False
    unsupported: tuple[Reply, ...] = ()
    forged: tuple[Reply, ...] = ()


class Hop(NamedTuple):
    """One numbered place on the path: a row.

    ``outcome`` is None for a router. On the last row of a path that ended it says how: OPEN and CLOSED rows
    are the destination, an UNREACHABLE row is the router that reported it. ``pings`` are in attempt order; a
    destination row has only the pings lost before the answer, and the answer itself.
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
"""For each kind of probe: the terminal answers, and what each says about the port."""


def outcome_of(probe: Probe, reply: Reply) -> Outcome | None:
    """What ``reply`` to ``probe`` says about the port; None if it is not terminal, so the trace goes on."""
    return OUTCOMES[probe.kind].get(reply.kind)
