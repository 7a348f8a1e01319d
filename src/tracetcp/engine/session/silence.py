"""Finds out where a silent connection is forgotten: the plan of ``--idle``.

R1. A connection that speaks at once must be heard, else nothing is tried: all the others are compared with
    it.
R2. All connections are opened together (and, where the protocol has a word for it, put to use), and then
    silent, ``AT_ONCE`` of them whatever the number of ages: servers bound the number of strangers. Each age
    speaks over one of them, the youngest that there is, for a SYN may have been lost: whatever is asked
    after it is no younger. The shortest age is the control of the others.
R3. Words are heard if they are acknowledged. A RST or an ICMP error instead, or silence in each of
    ``ENOUGH_SENT`` transmissions, show that the connection does not live any more; then a new one must be
    heard, or it is not age that matters.
R4. Longer ages than the first that does not live are not waited for; its place is searched with the
    connections that are left (``place_search``).
R5. A connection that ends before it is spoken over was closed. Once all are nothing is waited for any more.
R6. One connection is *deaf*: it listens only to what comes from nearer than the answers of the destination
    do. An end that it does not hear, within ``GRACE`` of the others', comes from as far as the destination.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.engine.session.answer_ttl import AnswerTtl
from tracetcp.engine.session.place_search import PlaceSearch, words_over
from tracetcp.engine.session.waves import AT_ONCE, KEPT, Fate, OutOfConnections, Trial
from tracetcp.engine.session.way_there import CONTROL, TRIES
from tracetcp.model.connection import ENDS, State
from tracetcp.model.silence import Closed, Origin, Sign, SilenceFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracetcp.engine.session.answer_ttl import Asking
    from tracetcp.engine.session.waves import Plan, Result
    from tracetcp.model.connection import Report

GRACE = 1.0
"""Seconds that connections closed by one timer may lie apart; a FIN that was lost is sent again by then."""
ENOUGH_TO_HEAR = 3
"""Connections of which one may be deaf."""


class SilenceSearch:
    """One search. ``hops`` are the TTLs at which routers answered the trace, ``distance`` the destination's.

    ``ages`` are whole seconds. ``reply_ttl`` is the TTL with which the destination's SYN-ACK arrived, None
    where that is to be found out. ``has_opening`` says that there is a word to put a connection to use.
    """

    def __init__(
        self,
        ages: Sequence[int],
        hops: Sequence[int],
        distance: int,
        *,
        reply_ttl: int | None,
        has_opening: bool,
    ) -> None:
        self.started_at: float | None = None
        """The instant at which the silence began, None before."""
        self.ages = tuple(sorted(set(ages)))
        self._hops = sorted(ttl for ttl in hops if ttl < distance)
        self._answer_ttl = AnswerTtl(reply_ttl, distance)
        self._has_opening = has_opening
        self._is_connected = self._ends_at_once = False
        self._pool: list[int] = []
        """The connections that are silent; the deaf one is the last."""
        self._before: dict[int, Report] = {}
        """How each was when it fell silent."""
        self._deaf: int | None = None
        self._opened = 0
        self._was_used = False
        self._lived: list[int] = []
        self._place: PlaceSearch | None = None
        self._ends: list[Report] = []
        self._closed_by = Origin.UNKNOWN
        self._has_closed_all = False
        self._segments = 0
        self._is_out_of_sight = False

    def plan(self) -> Plan[SilenceFound]:
        """The waves of the whole search, and what they found."""
        try:
            yield from self._try_out()
            if self._is_connected:
                yield from self._answer_ttl.find()
                yield from self._fall_silent()
            if self._pool:
                yield from self._ask_all()
        except OutOfConnections:
            pass  # what is known of the place by then is true
        return self.so_far()

    def so_far(self) -> SilenceFound:
        """What is known by now."""
        is_contradictory = self._place is not None and self._place.is_contradictory
        lost = self._place.lost if self._place is not None and not is_contradictory else None
        asked = len(self._lived) + (lost is not None)
        return SilenceFound(
            is_connected=self._is_connected,
            ends_at_once=self._ends_at_once,
            opened=self._opened,
            lived=tuple(self._lived),
            unasked=() if self._has_closed_all else self.ages[asked:],
            lost=lost,
            closed=self._closed(),
            is_early=bool(self._ends) and not self._has_closed_all,
            segments=self._segments,
            was_used=self._was_used,
            is_out_of_sight=self._is_out_of_sight,
            is_contradictory=is_contradictory,
        )

    def _closed(self) -> Closed | None:
        if not self._ends:
            return None
        times = [self._age(report) for report in self._ends]
        is_reset = any(report.state is State.RESET for report in self._ends)
        return Closed(len(times), min(times), max(times), is_reset, self._closed_by)

    def _age(self, report: Report) -> float:
        """How long a connection had been silent when this was told of it."""
        return report.at - self._before[report.connection].at

    # Before the silence ----------------------------------------------------------------------------------

    def _try_out(self) -> Asking[None]:
        """Whether connections work at all."""
        for _ in range(TRIES):
            (result,) = yield [CONTROL]  # R1
            report = result.report
            if report is None:
                continue
            self._ends_at_once = result.fate is Fate.UNSENT and report.state in (State.FINISHED, State.RESET)
            if _is_heard(result):
                self._is_connected, self._answer_ttl.rtt = True, report.rtt
                return

    def _fall_silent(self) -> Asking[None]:
        """Open the connections, and note how they are as the silence begins."""
        is_used = self._has_opening
        kept = yield from self._open(is_used=is_used)
        if is_used and len(kept) <= AT_ONCE // 2:
            for report in kept:
                yield from self._discard(report.connection)
            is_used, kept = False, (yield from self._open(is_used=False))
        self._before = {report.connection: report for report in kept}
        self._pool = sorted(self._before, key=lambda each: self._before[each].at, reverse=True)  # R2
        self._was_used, self._opened = is_used, len(kept)
        self.started_at = max((report.at for report in kept), default=None)
        deaf_to = self._answer_ttl.nearer
        if deaf_to and len(kept) >= ENOUGH_TO_HEAR:
            self._deaf = self._pool[-1]
            waits = Trial(over=self._deaf, is_wordless=True, keeps=True)
            yield [waits._replace(min_reply_ttl=deaf_to)]  # R6

    def _open(self, *, is_used: bool) -> Asking[list[Report]]:
        """Open connections that are kept, as they are then."""
        trial = Trial(keeps=True, wants_answer=is_used, is_wordless=not is_used)
        results = yield [trial] * AT_ONCE  # R2
        kept = [each.report for each in results if each.fate in KEPT and each.report is not None]
        for report in kept:
            if report.state in ENDS:  # while another one was still being opened
                yield from self._discard(report.connection)
        return [report for report in kept if report.state not in ENDS]

    # The ages ----------------------------------------------------------------------------------------------

    def _ask_all(self) -> Asking[None]:
        for age in self.ages:
            heard = yield from self._ask(age)
            if heard is None:
                return
            if not heard:
                return
            self._lived.append(age)

    def _ask(self, age: int) -> Asking[bool | None]:
        """Whether a connection of ``age`` lives, None if there is none left."""
        connection = yield from self._wait(age)
        if connection is None:
            return None
        self._pool.remove(connection)
        (result,) = yield [words_over(connection)]
        if self._is_heard(result):
            return True
        if result.fate is Fate.UNSENT:
            return (yield from self._ask(age))
        yield from self._explain(age, result)
        return False

    def _wait(self, age: int) -> Asking[int | None]:
        """A connection that has not ended at ``age``, None if there is none."""
        while self._pool:
            connection = self._pool[0]
            if connection == self._deaf and self._have_just_ended():
                yield from self._listen_on(connection)
                return None
            until = self._before[connection].at + age
            (result,) = yield [Trial(over=connection, is_wordless=True, keeps=True, speaks_at=until)]
            if result.fate is Fate.OPEN and result.report is not None:
                self._segments = result.report.segments - self._before[connection].segments
                return connection
            self._note_end(connection, result)  # R5
        self._has_closed_all = bool(self._ends)
        return None

    def _note_end(self, connection: int, result: Result) -> None:
        self._pool.remove(connection)
        if result.report is not None:
            self._ends.append(result.report)

    def _have_just_ended(self) -> bool:
        """Whether more than one connection ended now, as by one timer."""
        ages = [self._age(report) for report in self._ends]
        return sum(age > max(ages) - GRACE for age in ages) > 1

    def _listen_on(self, deaf: int) -> Asking[None]:
        """Whether the deaf one hears an end as well, once all the others have ended."""
        last = max(report.at for report in self._ends)
        (result,) = yield [Trial(over=deaf, is_wordless=True, speaks_at=last + GRACE)]
        if result.fate is Fate.OPEN:  # R6
            self._closed_by = Origin.HOST
            self._pool.remove(deaf)
        else:
            self._note_end(deaf, result)
            if result.report is not None:
                self._closed_by = yield from self._answer_ttl.origin()
        self._has_closed_all = True

    # What does not live -----------------------------------------------------------------------------------

    def _explain(self, age: int, result: Result) -> Asking[None]:
        if not (yield from self._is_new_one_heard()):  # R3
            self._is_out_of_sight = True
            return
        self._place = PlaceSearch(
            age, self._hops, _sign(result), self._pool, self._is_heard, self._answer_ttl
        )
        yield from self._place.plan()  # R4

    def _is_new_one_heard(self) -> Asking[bool]:
        for _ in range(TRIES):
            (control,) = yield [CONTROL]
            if _is_heard(control):
                return True
        return False

    def _is_heard(self, result: Result) -> bool:
        """Whether words over a connection that was silent arrived."""
        report = result.report
        return report is not None and _is_heard(result, self._before[report.connection])

    def _discard(self, connection: int) -> Asking[None]:
        yield [Trial(over=connection, is_wordless=True)]


def _is_heard(result: Result, before: Report | None = None) -> bool:
    """Whether words arrived, by what was acknowledged ``before`` and now."""
    report = result.report
    return report is not None and report.acknowledged > (before.acknowledged if before else 0)


def _sign(result: Result) -> Sign:
    if result.fate is Fate.ARRIVED:
        return Sign.RESET
    return Sign.REJECTION if result.fate is Fate.EXPIRED else Sign.SILENCE
