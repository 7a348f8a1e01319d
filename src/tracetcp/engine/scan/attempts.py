"""The attempts at one port of a scan, from its first probe to its row.

State only; the rules that move it stand in ``port_scan``.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from tracetcp.model import OUTCOMES, Outcome, Ping, Probe, ProbeRecord

if TYPE_CHECKING:
    from tracetcp.model import Reply


class Attempt:
    """One attempt at one port; the first of them is the ``Port`` itself.

    ``is_in_flight`` until it is answered, expired or given up. ``outcome`` is what its reply says of the
    port, None without a terminal one.
    """

    __slots__ = ("is_in_flight", "outcome", "probe", "reply", "sent_at")

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self.sent_at = inf  # until it has left: no time passes for it before
        self.is_in_flight = True
        self.reply: Reply | None = None
        self.outcome: Outcome | None = None

    @property
    def rank(self) -> int:
        """How much the answer says of the port, 0 for the most."""
        return len(Outcome) if self.outcome is None else self.outcome.rank

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
    """One port from its first attempt, which it is, to its row.

    ``answers`` counts the attempts that were answered, by whomever; ``final`` is the attempt with the
    strongest terminal answer. ``is_done`` once the port is decided.
    """

    __slots__ = ("answers", "final", "is_done", "retransmissions")

    def __init__(self, probe: Probe) -> None:
        Attempt.__init__(self, probe)  # quicker than super(), for every port
        self.retransmissions: tuple[Retransmission, ...] = ()
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
        return (self, *self.retransmissions)

    def answered(self, attempt: Attempt, reply: Reply) -> None:
        """Take a reply to ``attempt``; the strongest terminal answer counts (``Outcome``)."""
        attempt.reply = reply
        attempt.outcome = outcome = OUTCOMES[attempt.probe.kind].get(reply.kind)
        if outcome is not None and (self.final is None or self.final.rank > outcome.rank):
            self.final = attempt


class Retransmission(Attempt):
    """A second or later attempt at ``port``."""

    __slots__ = ("port",)

    def __init__(self, probe: Probe, port: Port) -> None:
        super().__init__(probe)
        self.port = port
