"""Finds the packet size that a connection loses, and where: the plan of ``--mtu``.

R1. The way back is looked at first, while nobody has told this machine of a smaller path MTU: its SYNs would
    announce a smaller MSS from then on.
R2. Of both ways the exact size is searched with one look at each size: in wide waves, or in narrow ones where
    a long path leaves fewer connections for it.
R3. Then the edges are asked again, thoroughly, until they are confirmed; that of the way back in the
    background. A size that passes after all has the search go on.
R4. A search that runs out of connections, or contradicts itself, concludes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.engine.session.waves import AT_ONCE, IN_A_RUN, Fate, OutOfConnections, Result, Trial
from tracetcp.engine.session.way_back import WayBack
from tracetcp.engine.session.way_there import CONTROL, TRIES, WayThere
from tracetcp.model.connection import IP_AND_TCP
from tracetcp.model.sizes import Hole, SizesFound

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from typing import TypeAlias

    from tracetcp.engine.session.span import Span
    from tracetcp.engine.session.waves import Plan
    from tracetcp.model.connection import Report

    Asking: TypeAlias = Generator[list[Trial], list[Result], None]

SMALL_MSS = {4: 536, 6: 1220}
"""The MSS that every host must accept (RFC 9293 section 3.7.1), by family."""
RESERVE = 10
"""Connections kept for the questions at the end."""
CONNECTIONS_OF_AN_EDGE = 26
"""What the way there takes at most besides its hops, in narrow waves: search and questions."""
BACKGROUND = 2
"""Connections in which the way back is confirmed beside the rest."""


class SizeSearch:
    """One search. ``hops`` are the TTLs at which routers answered the trace, ``distance`` the destination's.

    ``link`` is the MTU of this machine's own link.
    """

    def __init__(self, family: int, link: int, hops: Sequence[int], distance: int) -> None:
        self._link = link
        self._there = WayThere(sorted(ttl for ttl in hops if ttl < distance), distance)
        self._back = WayBack(IP_AND_TCP[family], SMALL_MSS[family])
        self._first: Report | None = None
        self._asked = 0
        self._in_background = False
        self._is_cut_short = False

    def plan(self) -> Plan[SizesFound]:
        """The waves of the whole search, and what they found."""
        try:
            yield from self._begin()
            if self._first is not None:
                yield from self._ask_back()
                yield from self._ask_there()
                yield from self._settle_back()
        except OutOfConnections:
            self._is_cut_short = True  # R4
        return self._found()

    def _begin(self) -> Asking:
        """Whether connections work at all, and what comes back."""
        for _ in range(TRIES):
            control, *answers = yield from self._ask([CONTROL, *self._back.opening()])
            if control.fate is Fate.ARRIVED:
                self._first = control.report
                self._back.begin(*answers)  # R1
                return

    def _ask_back(self) -> Asking:
        """Search the edge of the way back, and begin to confirm it."""
        reserve = len(self._there.hops) + CONNECTIONS_OF_AN_EDGE
        yield from self._narrow(self._back, AT_ONCE, reserve)
        questions = self._back.questions()
        if questions:
            for result in (yield from self._ask(questions)):
                self._back.learn(result)
            self._in_background = True

    def _ask_there(self) -> Asking:
        there = self._there
        at_once = AT_ONCE - BACKGROUND if self._in_background else AT_ONCE
        yield from there.climb(at_once)
        yield from self._narrow(there, at_once, RESERVE)
        while not there.is_contradictory and (questions := there.questions()):
            there.weigh((yield from self._ask(questions)))
            yield from self._narrow(there, at_once, RESERVE)  # R3

    def _settle_back(self) -> Asking:
        """Take what the background has found; go on until the edge is confirmed."""
        while self._in_background:
            for result in (yield from self._ask([])):
                self._back.weigh(result)
            self._in_background = False
            yield from self._ask_back()  # R3

    def _narrow(self, way: WayThere | WayBack, at_once: int, reserve: int) -> Asking:
        while (span := way.span) is not None and not span.is_narrow:
            room = IN_A_RUN - reserve - self._asked
            width = next((count for count in range(at_once, 1, -1) if span.cost(count) <= room), 1)  # R2
            for result in (yield from self._ask([way.look(size) for size in span.points(width)])):
                way.learn(result)

    def _ask(self, trials: list[Trial]) -> Generator[list[Trial], list[Result], list[Result]]:
        self._asked += len(trials)
        return (yield trials)

    def _found(self) -> SizesFound:
        first, there, back = self._first, self._there, self._back
        if first is None or not there.is_open:
            return SizesFound(is_connected=False, link=self._link)
        is_conclusive = not (there.is_contradictory or self._is_cut_short)
        hole = _hole(there.span) if is_conclusive else None
        return SizesFound(
            is_connected=True,
            link=self._link,
            remembered=first.path_mtu if first.path_mtu < self._link else None,
            limit=there.limit,
            passed=hole.passed if hole else there.largest,
            told=tuple(there.told),
            hole=hole,
            place=there.place if hole else None,
            back_hole=_hole(back.span) if is_conclusive else None,
            answers=back.answers if is_conclusive else None,
            is_contradictory=there.is_contradictory,
            is_cut_short=self._is_cut_short,
        )


def _hole(span: Span | None) -> Hole | None:
    if span is None or span.lost is None:
        return None
    return Hole(span.passed, span.lost, span.passes, span.losses)
