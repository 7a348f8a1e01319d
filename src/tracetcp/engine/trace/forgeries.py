"""Which TCP answers of a path come from somebody else than the destination. No clock.

An answer bears marks of its sender: its kind, and the TTL with which it arrives.

R1. A probe that a router reported expired never reached the destination, so whoever answered it as well is
    somebody on the way. ``EXPIRED_PROBES`` such probes with answers of the same marks show it: a single one
    may be a packet doubled on the way, or the router's report may be forged.
R2. From then on an answer with those marks tells nothing, whichever probe it came to: it is set aside, and
    its probe waits for whoever else may answer.
R3. Where the prober is not told with what TTL an answer arrives, it has no marks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.engine.trace.hops import TCP_KINDS
from tracetcp.model import ReplyKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracetcp.engine.trace.flight import Flight
    from tracetcp.model import Reply

EXPIRED_PROBES = 2
"""Probes that expired and were answered all the same, before that answer is known to be somebody else's."""


class ForgedAnswers:
    """The marks of forged answers on one path."""

    def __init__(self) -> None:
        self.marks: set[tuple[ReplyKind, int]] = set()
        self._expired: dict[tuple[ReplyKind, int], list[Flight]] = {}
        """By marks: the probes that expired and were answered so, up to ``EXPIRED_PROBES``."""

    def learn(self, flight: Flight) -> bool:
        """Take what answered ``flight`` into account; whether that shows new marks."""
        expired = flight.reply_of(ReplyKind.TIME_EXCEEDED)
        if expired is None or len(flight.replies) == 1:
            return False
        known = len(self.marks)
        for reply in flight.replies:
            marks = _marks(reply)
            if marks is None or marks in self.marks or reply.sender == expired.sender:
                continue
            flights = self._expired.setdefault(marks, [])
            if flight not in flights:
                flights.append(flight)
            if len(flights) >= EXPIRED_PROBES:  # R1
                self.marks.add(marks)
        return len(self.marks) > known

    def knows(self, reply: Reply) -> bool:
        """Whether ``reply`` bears the marks of a forged answer."""
        return bool(self.marks) and _marks(reply) in self.marks

    def set_aside(self, flights: Iterable[Flight]) -> list[Flight]:
        """Set the forged answers to ``flights`` aside; those of them that nothing else has answered."""
        bare = []
        for flight in flights:
            forged = [reply for reply in flight.replies if self.knows(reply)]  # R2
            if forged:
                flight.forged += forged
                flight.replies = [reply for reply in flight.replies if reply not in forged]
                if not flight.replies:
                    bare.append(flight)
        return bare


def _marks(reply: Reply) -> tuple[ReplyKind, int] | None:
    if reply.kind not in TCP_KINDS or reply.reply_ttl is None:  # R3
        return None
    return reply.kind, reply.reply_ttl
