"""The attempts at one port of a scan, from its first SYN to its row.

State only; the rules that move it stand in ``port_scan``.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from tracetcp.model import (
    OUTCOMES,
    Ping,
    Probe,
    ProbeRecord,
)

if TYPE_CHECKING:
    from tracetcp.model import Reply
RANKS = {kind: rank for rank, kind in enumerate(OUTCOMES)}


class Attempt:
    """One attempt at one port; the first of them is the ``Port`` itself."""

    __slots__ = ("is_in_network", "probe", "reply", "sent_at")

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self.sent_at = inf  # until it has left: no time passes for it before
        self.is_in_network = True
        self.reply: Reply | None = None

    @property
    def rank(self) -> int:
        """How much the answer says of the port, 0 for the most."""
        return RANKS[self.reply.kind] if self.reply else len(RANKS)

    def ping(self) -> Ping:
        """The attempt as a cell."""
        reply = self.reply
        if reply is None:
            return Ping(self.probe.attempt, None, None)
        return Ping(self.probe.attempt, max(0.0, reply.received_at - self.sent_at), reply)

    def record(self) -> ProbeRecord:
        """The attempt as evidence."""
        return ProbeRecord(self.probe, self.sent_at, (self.reply,) if self.reply else ())


class Port(Attempt):
    """One port from its first attempt, which it is, to its row."""

    __slots__ = ("answers", "final", "is_done", "repeats")

    def __init__(self, probe: Probe) -> None:
        super().__init__(probe)
        self.repeats: tuple[Repeat, ...] = ()
        self.answers = 0
        self.final: Attempt | None = None
        self.is_done = False

    @property
    def port(self) -> Port:
        """Itself: what any attempt is an attempt at."""
        return self

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """All of them, in order."""
        return (self, *self.repeats)

    def answered(self, attempt: Attempt, reply: Reply) -> None:
        """Take an answer; a SYN-ACK outranks a RST, either outranks a router."""
        attempt.reply = reply
        if reply.kind not in OUTCOMES:
            return
        if self.final is None or self.final.rank > attempt.rank:
            self.final = attempt


class Repeat(Attempt):
    """A second or later attempt at ``port``."""

    __slots__ = ("port",)

    def __init__(self, probe: Probe, port: Port) -> None:
        super().__init__(probe)
        self.port = port
