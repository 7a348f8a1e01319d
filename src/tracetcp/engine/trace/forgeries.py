"""Which TCP answers of a path come from somebody else than the destination. No clock.

An answer bears marks of its sender: its kind, and the TTL with which it arrives. Where the prober is not told
with what TTL an answer arrives, it has no marks, and nothing is known.

R1. A probe that a router reported expired never reached the destination, so whoever answered it as well is
    somebody on the way.
R2. A probe that was answered twice, with TTLs that differ by ``TWO_MACHINES`` or more, met two machines. The
    one that also answers nearer is the one on the way.
R3. Answers with the same marks are forged once ``CONTRADICTED`` probes show one of this: a single one may be
    doubled on the way, or what contradicts it may be forged. After one of R1 any two answers with different
    marks to another probe are enough.
R4. From then on an answer with those marks tells nothing, whichever probe it came to: it is set aside, and
    its probe waits for whoever else may answer.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from tracetcp.engine.trace.hops import TCP_KINDS
from tracetcp.model import ReplyKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracetcp.engine.trace.flight import Flight
    from tracetcp.model import Reply

CONTRADICTED = 2
"""Probes whose answer is contradicted, before it is known to be somebody else's."""
TWO_MACHINES = 3
"""TTLs that ways back of different length hardly differ by."""


class Marks(NamedTuple):
    """What the answers of one machine have in common."""

    kind: ReplyKind
    reply_ttl: int


class ForgedAnswers:
    """The marks of forged answers on one path."""

    def __init__(self) -> None:
        self._forged: set[Marks] = set()
        self._nearest: dict[Marks, int] = {}
        """By marks: the lowest TTL that was answered so."""
        self.proof: Flight | None = None
        """The one probe that contradicts an answer, while there is no second one."""
        self._several: list[Flight] = []
        """The probes that got several answers, one with marks among them."""

    def learn(self, flight: Flight) -> bool:
        """Take what answered ``flight`` into account; whether that shows new marks."""
        ttl, seen = flight.probe.ttl, _all_marks(flight)
        for marks in seen:
            self._nearest[marks] = min(ttl, self._nearest.get(marks, ttl))
        if not seen or len(flight.replies) + len(flight.forged) < 2:
            return False
        if flight not in self._several:
            self._several.append(flight)
        proofs = {marks: self._proofs(marks) for marks in seen - self._forged}
        new = {marks for marks, flights in proofs.items() if len(flights) >= CONTRADICTED}  # R3
        self._forged |= new
        lone = [flights[0] for flights in proofs.values() if len(flights) == 1]
        self.proof = None if new else lone[0] if lone else self.proof
        return bool(new)

    def _proofs(self, marks: Marks) -> list[Flight]:
        """The probes that contradict the answers with ``marks``."""
        answered = [flight for flight in self._several if marks in _all_marks(flight)]
        proofs = [flight for flight in answered if _has_expired(flight) or self._met_two(flight, marks)]
        if any(map(_has_expired, answered)):
            proofs += [flight for flight in answered if flight not in proofs and self._farther(flight, marks)]
        return proofs

    def _met_two(self, flight: Flight, marks: Marks) -> bool:
        """Whether ``flight`` met another machine, farther than the one with ``marks``."""
        return any(_are_two(other, marks) for other in self._farther(flight, marks))  # R2

    def _farther(self, flight: Flight, marks: Marks) -> list[Marks]:
        """The marks of the answers to ``flight`` that were not seen as near as ``marks``."""
        return [other for other in _all_marks(flight) if self._nearest[other] > self._nearest[marks]]

    def knows(self, reply: Reply) -> bool:
        """Whether ``reply`` bears the marks of a forged answer."""
        return bool(self._forged) and _marks(reply) in self._forged

    def set_aside(self, flights: Iterable[Flight]) -> None:
        """Set the forged answers to ``flights`` aside."""
        for flight in flights:
            forged = [reply for reply in flight.replies if self.knows(reply)]  # R4
            if forged:
                flight.forged += forged
                flight.replies = [reply for reply in flight.replies if reply not in forged]


def met_two_machines(flight: Flight) -> bool:
    """Whether two machines answered ``flight``."""
    return any(_are_two(one, other) for one, other in combinations(_all_marks(flight), 2))


def _are_two(one: Marks, other: Marks) -> bool:
    return abs(one.reply_ttl - other.reply_ttl) >= TWO_MACHINES


def _has_expired(flight: Flight) -> bool:
    """Whether a router said so, and not the destination itself."""
    expired = flight.reply_of(ReplyKind.TIME_EXCEEDED)
    answers = (reply for reply in (*flight.forged, *flight.replies) if reply.kind in TCP_KINDS)
    return expired is not None and any(reply.sender != expired.sender for reply in answers)  # R1


def _all_marks(flight: Flight) -> set[Marks]:
    return {marks for reply in (*flight.forged, *flight.replies) if (marks := _marks(reply)) is not None}


def _marks(reply: Reply) -> Marks | None:
    if reply.kind not in TCP_KINDS or reply.reply_ttl is None:
        return None
    return Marks(reply.kind, reply.reply_ttl)
