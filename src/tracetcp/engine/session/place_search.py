"""Searches the place where silent connections are forgotten, with those that are left.

R1. The hops that answered the trace are asked. A hop where the words expire lies before the place. A hop
    where they meet a RST, or silence where those of a new connection, said right behind them, expire at
    once, lies behind it. One that is silent to both proves nothing, nor one that answers only what is sent
    again: it may have been out of errors. Nor does silence once a RST has shown how the place answers.
R2. A RST, or three transmissions, use a connection up; words that expired leave again with another TTL,
    ``MOST_AIMS`` times, if nothing else of theirs can be on its way. The next hop is chosen such that as few
    questions as can be suffice for so many connections, whatever the answers.
R3. Two connections must agree on what was silent: a second one is asked at the hop that was, or else at the
    destination. If its words expire after all, the search goes on from there.
R4. A RST that only words to the destination meet is the destination's own, or comes from right before it. A
    connection that listens only to what is nearer tells.
"""

from __future__ import annotations

from math import comb, inf
from typing import TYPE_CHECKING

from tracetcp.engine.session.waves import Fate, Result, Trial
from tracetcp.engine.session.way_there import CONTROL, SMALL
from tracetcp.model.connection import FULL_TTL
from tracetcp.model.silence import Lost, Origin, Sign

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tracetcp.engine.session.answer_ttl import AnswerTtl, Asking

MOST_AIMS = 2
"""They leave ever more seldom (RFC 6298 section 5.5)."""


class PlaceSearch:
    """A search among ``hops`` (TTLs, ascending), after one connection silent for ``age`` has shown ``sign``.

    ``pool`` are other such connections; those that are used are taken out. ``is_heard`` tells whether the
    words of a result over one of them arrived.
    """

    def __init__(
        self,
        age: int,
        hops: Sequence[int],
        sign: Sign,
        pool: list[int],
        is_heard: Callable[[Result], bool],
        answer_ttl: AnswerTtl,
    ) -> None:
        self.is_contradictory = False
        """Whether one of the connections lives."""
        self._age = age
        self._hops = hops if sign is not Sign.REJECTION else ()
        self._sign = sign
        self._pool = pool
        self._is_heard = is_heard
        self._answer_ttl = answer_ttl
        self._after = 0
        self._before: int | None = None
        self._mute: set[int] = set()
        self._connections = 1
        self._origin = Origin.UNKNOWN

    @property
    def lost(self) -> Lost:
        """What is known by now; whose ICMP errors came is not told, so they have no place."""
        is_placed = self._sign is not Sign.REJECTION
        return Lost(
            self._age, self._sign, self._connections, is_placed, self._after, self._before, self._origin
        )

    def plan(self) -> Asking[None]:
        """Search, and let a second connection agree."""
        is_settled = False
        while not is_settled and not self.is_contradictory:
            yield from self._narrow()
            is_settled = self.is_contradictory or (yield from self._settle())

    @property
    def _candidates(self) -> list[int]:
        end = inf if self._before is None else self._before
        return [ttl for ttl in self._hops if self._after < ttl < end and ttl not in self._mute]

    # The hops ----------------------------------------------------------------------------------------------

    def _narrow(self) -> Asking[None]:
        """Ask hops until none is left between, or no connection to ask with."""
        aimed, aims = None, 0
        while (hops := self._candidates) and (aimed is not None or self._pool) and not self.is_contradictory:
            if aimed is not None and (aims >= MOST_AIMS or self._has_enough_for(hops)):
                yield from self._discard(aimed)
                aimed = None
                continue
            aims = aims + 1 if aimed is not None else 0
            connection = self._pool.pop(0) if aimed is None else aimed
            ttl = hops[pick(len(hops), len(self._pool) + 1)]  # R2
            result = yield from self._say(connection, ttl, is_aimed=aimed is not None)
            aimed = connection if result.fate is Fate.EXPIRED and result.sent == 1 else None  # R2
            if result.fate is Fate.EXPIRED and aimed is None:
                yield from self._discard(connection)
        if aimed is not None:
            yield from self._discard(aimed)

    def _has_enough_for(self, hops: Sequence[int]) -> bool:
        """Whether others suffice even if each is used up by one hop, and one is left to agree."""
        return len(self._pool) > len(hops).bit_length()

    def _say(self, connection: int, ttl: int, *, is_aimed: bool = False) -> Asking[Result]:
        """Say something to a hop, and note what that says of the place.

        A control goes with it. What was said before cannot wait for that: it leaves again by itself.
        """
        words, control = words_over(connection, ttl)._replace(keeps=True), CONTROL._replace(ttl=ttl)
        result, *beside = yield [words] if is_aimed else [words, control]
        if self._is_heard(result):
            self.is_contradictory = True
        elif result.fate is Fate.EXPIRED:  # R1
            self._lies_behind(ttl)
        elif result.fate is Fate.ARRIVED:
            self._note_reset(ttl)
        elif result.fate is Fate.SILENT and self._sign is Sign.SILENCE:
            (answer,) = beside or (yield [control])
            self._note_silence(ttl, answer)
        return result

    def _note_silence(self, ttl: int, control: Result) -> None:
        """Whether a new connection's words expire where those of a silent one met silence."""
        was_at_once = control.report is None or not control.report.retransmissions
        if control.fate is Fate.EXPIRED and was_at_once:  # R1
            self._before = ttl
            self._connections += 1
        else:
            self._mute.add(ttl)

    def _lies_behind(self, ttl: int) -> None:
        self._after = ttl
        if self._before is not None and self._before <= ttl:  # R3: its silence was chance
            self._before = None
            self._connections -= 1

    def _note_reset(self, ttl: int) -> None:
        self._sign, self._before = Sign.RESET, ttl
        self._connections += 1

    def _discard(self, connection: int) -> Asking[None]:
        yield [Trial(over=connection, is_wordless=True)]

    # Who agrees --------------------------------------------------------------------------------------------

    def _settle(self) -> Asking[bool]:
        """Ask one more connection where that is needed; whether that is all."""
        if not self._pool or (self._before is not None and self._sign is Sign.RESET):
            return True
        connection = self._pool.pop(0)
        if self._before is not None:
            before = self._before
            result = yield from self._say(connection, before)  # R3
            if result.fate is Fate.EXPIRED:
                yield from self._discard(connection)
            return result.fate is Fate.SILENT and self._before == before
        deaf_to = self._answer_ttl.nearer if self._sign is Sign.RESET else 0
        (result,) = yield [words_over(connection)._replace(min_reply_ttl=deaf_to)]
        if result.fate is Fate.UNSENT:
            return False
        if self._is_heard(result):
            self.is_contradictory = True
            return True
        self._connections += 1
        if deaf_to:
            is_nearer = result.fate is Fate.ARRIVED  # R4
            self._origin = (yield from self._answer_ttl.origin()) if is_nearer else Origin.HOST
        elif result.fate is Fate.ARRIVED:
            self._sign = Sign.RESET
        return True


def pick(count: int, connections: int) -> int:
    """Which of ``count`` hops (from 0) to ask next, with so many connections (1 or more) to use up.

    The one with which as few questions as can be suffice, whatever the answers: ``t`` questions that use up
    at most ``n`` connections can search ``reach(t, n)`` hops.
    """
    questions = 1
    while reach(questions, connections) < count:
        questions += 1
    return min(count - 1, reach(questions - 1, connections - 1))


def reach(questions: int, connections: int) -> int:
    """How many hops so many questions can search, if as many of them as connections may be used up."""
    return sum(comb(questions, used) for used in range(1, connections + 1))


def words_over(connection: int, ttl: int = FULL_TTL) -> Trial:
    """What asks whether a silent connection lives."""
    return Trial(over=connection, ttl=ttl, size=SMALL, is_thorough=True)
