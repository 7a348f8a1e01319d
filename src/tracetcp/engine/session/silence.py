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
R4. The place is searched among the hops that answered the trace, with the connections that are left: they
    have the same age. A hop where the words expire lies before it. A hop where they meet a RST, or silence
    where a new connection's words expire, lies behind it; one that is silent to both proves nothing.
R5. A RST, or three transmissions, use a connection up; words that expired leave again with another TTL,
    ``MOST_AIMS`` times. The next hop is chosen such that as few questions as can be suffice for so many
    connections, whatever the answers.
R6. Two connections must agree. If no hop was silent a second one is asked at the destination.
R7. A connection that ends before it is spoken over was closed. Once all are nothing is waited for any more.
R8. One connection is *deaf*: it listens only to what comes from nearer than the answers of the destination
    do. An end that it does not hear, within ``GRACE`` of the others', comes from as far as the destination.
    What it does hear counts only once new connections have shown again that the destination's answers cannot
    be meant.
"""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING

from tracetcp.engine.session.waves import AT_ONCE, Fate, OutOfConnections, Result, Trial
from tracetcp.engine.session.way_there import CONTROL, SMALL, TRIES
from tracetcp.model.connection import State
from tracetcp.model.silence import Closed, Lost, Origin, Sign, SilenceFound

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from typing import TypeAlias, TypeVar

    from tracetcp.engine.session.waves import Plan
    from tracetcp.model.connection import Report

    Found = TypeVar("Found")
    Asking: TypeAlias = Generator[list[Trial], list[Result], Found]

GRACE = 1.0
"""Seconds that connections closed by one timer may lie apart; a FIN that was lost is sent again by then."""
LEAST_WAIT = 0.25
"""Seconds and ``WAIT_RTTS`` RTTs for a SYN-ACK that has a smaller TTL than asked for, if it does not come."""
WAIT_RTTS = 3
LAST_TTL = 255
USUAL_TTLS = (64, 128, 255)
"""What hosts send with."""
PROOFS = 3
"""SYNs that must be silent before it is believed that the destination's answers have a smaller TTL."""
MOST_AIMS = 2
"""Times that words which expired are aimed elsewhere: they leave ever more seldom (RFC 6298 section 5.5)."""


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
        self._distance = distance
        self._reply_ttl = reply_ttl
        self._has_opening = has_opening
        self._rtt = 0.0
        self._is_connected = self._ends_at_once = False
        self._pool: list[int] = []
        """The connections that are silent; the deaf one is the last."""
        self._before: dict[int, Report] = {}
        """How each was when it fell silent."""
        self._deaf: int | None = None
        self._opened = 0
        self._was_used = False
        self._lived: list[int] = []
        self._lost: Lost | None = None
        self._ends: list[Report] = []
        self._closed_by = Origin.UNKNOWN
        self._has_closed_all = False
        self._segments = 0
        self._is_out_of_sight = self._is_contradictory = False

    def plan(self) -> Plan[SilenceFound]:
        """The waves of the whole search, and what they found."""
        try:
            yield from self._try_out()
            if self._is_connected:
                yield from self._find_reply_ttl()
                yield from self._fall_silent()
            if self._pool:
                yield from self._ask_all()
        except OutOfConnections:
            pass  # what is known of the place by then is true
        return self.so_far()

    def so_far(self) -> SilenceFound:
        """What is known by now."""
        asked = len(self._lived) + (self._lost is not None)
        return SilenceFound(
            is_connected=self._is_connected,
            ends_at_once=self._ends_at_once,
            opened=self._opened,
            lived=tuple(self._lived),
            unasked=() if self._has_closed_all else self.ages[asked:],
            lost=self._lost,
            closed=self._closed(),
            is_early=bool(self._ends) and not self._has_closed_all,
            segments=self._segments,
            was_used=self._was_used,
            is_out_of_sight=self._is_out_of_sight,
            is_contradictory=self._is_contradictory,
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
                self._is_connected, self._rtt = True, report.rtt
                return

    def _find_reply_ttl(self) -> Asking[None]:
        """By halving, from what it would be on a way back as long as the way there."""
        if self._reply_ttl is not None:
            return
        low, high = 1, LAST_TTL + 1
        alike = [start - self._distance + 1 for start in USUAL_TTLS]
        guesses = [guess for ttl in alike for guess in (ttl, ttl + 1)]
        while high - low > 1:
            middle = next((guess for guess in guesses if low < guess < high), (low + high) // 2)
            if (yield from self._opens(middle)):
                low = middle
            else:
                high = middle
        self._reply_ttl = low

    def _opens(self, min_reply_ttl: int) -> Asking[bool]:
        """Whether the SYN-ACK comes with that TTL at least."""
        wait = LEAST_WAIT + WAIT_RTTS * self._rtt
        (result,) = yield [Trial(is_wordless=True, min_reply_ttl=min_reply_ttl, opens_within=wait)]
        return result.fate is Fate.OPEN

    def _fall_silent(self) -> Asking[None]:
        """Open the connections, and note how they are as the silence begins."""
        deaf_to = 0 if self._reply_ttl in (None, LAST_TTL) else (self._reply_ttl or 0) + 1
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
        if deaf_to and kept:
            self._deaf = self._pool[-1]
            waits = Trial(over=self._deaf, is_wordless=True, keeps=True)
            yield [waits._replace(min_reply_ttl=deaf_to)]  # R8

    def _open(self, *, is_used: bool) -> Asking[list[Report]]:
        """Open connections that are kept, as they are then."""
        trial = Trial(keeps=True, wants_answer=is_used, is_wordless=not is_used)
        results = yield [trial] * AT_ONCE  # R2
        return [each.report for each in results if each.report is not None and _is_open(each)]

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
        (result,) = yield [_words(connection)]
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
            self._note_end(connection, result)  # R7
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
        if result.fate is Fate.OPEN:  # R8
            self._closed_by = Origin.HOST
            self._pool.remove(deaf)
        else:
            self._note_end(deaf, result)
            self._closed_by = Origin.UNKNOWN if result.report is None else (yield from self._nearer())
        self._has_closed_all = True

    def _nearer(self) -> Asking[Origin]:
        """Whether the destination's answers still have the TTL that was found, or this proves nothing."""
        for _ in range(PROOFS):  # R8
            if (yield from self._opens((self._reply_ttl or 0) + 1)):
                return Origin.UNKNOWN
        return Origin.NEARER if (yield from self._opens(1)) else Origin.UNKNOWN

    # What does not live -----------------------------------------------------------------------------------

    def _explain(self, age: int, result: Result) -> Asking[None]:
        if not (yield from self._is_new_one_heard()):  # R3
            self._is_out_of_sight = True
            return
        sign = _sign(result)
        place = _Place(self._hops if sign is not Sign.REJECTION else (), sign)
        self._lost = place.lost(age)
        yield from self._search(age, place)

    def _is_new_one_heard(self) -> Asking[bool]:
        for _ in range(TRIES):
            (control,) = yield [CONTROL]
            if _is_heard(control):
                return True
        return False

    def _search(self, age: int, place: _Place) -> Asking[None]:
        aimed: int | None = None
        aims = 0
        while place.candidates and (aimed is not None or self._pool):
            if aimed is not None and (aims >= MOST_AIMS or place.are_enough(len(self._pool) - 1)):
                yield from self._discard(aimed)
                aimed = None
                continue
            aims = aims + 1 if aimed is not None else 0
            connection = self._pool.pop(0) if aimed is None else aimed
            ttl = place.candidates[pick(len(place.candidates), len(self._pool) + 1)]  # R5
            (result,) = yield [_words(connection, ttl)._replace(keeps=True)]
            aimed = connection if result.fate is Fate.EXPIRED else None
            if self._is_heard(result):
                self._lost, self._is_contradictory = None, True
                return
            yield from self._judge(place, ttl, result)
            self._lost = place.lost(age)
        if aimed is not None:
            yield from self._discard(aimed)
        yield from self._settle(age, place)

    def _judge(self, place: _Place, ttl: int, result: Result) -> Asking[None]:
        """What the fate of words with ``ttl`` says of the place."""
        if result.fate is Fate.EXPIRED:  # R4
            place.lies_behind(ttl)
        elif result.fate is Fate.ARRIVED:
            place.sign = Sign.RESET
            place.lies_before(ttl)
        elif result.fate is Fate.SILENT:
            (control,) = yield [CONTROL._replace(ttl=ttl)]
            if control.fate is Fate.EXPIRED:
                place.lies_before(ttl)
            else:
                place.leave_out(ttl)

    def _settle(self, age: int, place: _Place) -> Asking[None]:
        """Ask a second connection where that is needed; for a RST of the last hop or the host a deaf one."""
        while place.before is None and self._pool:  # R6
            connection = self._pool.pop(0)
            is_deaf = place.sign is Sign.RESET and self._reply_ttl is not None
            deaf_to = (self._reply_ttl or 0) + 1 if is_deaf and self._reply_ttl != LAST_TTL else 0
            (result,) = yield [_words(connection)._replace(min_reply_ttl=deaf_to)]
            if result.fate is Fate.UNSENT:
                continue
            if self._is_heard(result):
                self._lost, self._is_contradictory = None, True
                return
            place.connections += 1
            if deaf_to:
                has_heard = result.fate is Fate.ARRIVED
                place.origin = (yield from self._nearer()) if has_heard else Origin.HOST
            elif result.fate is Fate.ARRIVED:
                place.sign = Sign.RESET
            break
        self._lost = place.lost(age)

    def _is_heard(self, result: Result) -> bool:
        """Whether words over a connection that was silent arrived."""
        report = result.report
        return report is not None and _is_heard(result, self._before[report.connection])

    def _discard(self, connection: int) -> Asking[None]:
        yield [Trial(over=connection, is_wordless=True)]


class _Place:
    """What is known of the place: behind hop ``after``, before hop ``before`` (None: the destination)."""

    def __init__(self, hops: Sequence[int], sign: Sign) -> None:
        self.sign = sign
        self.candidates = list(hops)
        self.after = 0
        self.before: int | None = None
        self.connections = 1
        self.origin = Origin.UNKNOWN

    def lies_behind(self, ttl: int) -> None:
        self.after = ttl
        self.candidates = [each for each in self.candidates if each > ttl]

    def lies_before(self, ttl: int) -> None:
        self.before = ttl
        self.connections += 1
        self.candidates = [each for each in self.candidates if each < ttl]

    def leave_out(self, ttl: int) -> None:
        self.candidates.remove(ttl)

    def are_enough(self, connections: int) -> bool:
        """Whether so many suffice if each is used up by one hop at most."""
        return connections >= len(self.candidates).bit_length()

    def lost(self, age: int) -> Lost:
        """What is known by now; whose ICMP errors came is not told, so they have no place."""
        is_placed = self.sign is not Sign.REJECTION
        return Lost(age, self.sign, self.connections, is_placed, self.after, self.before, self.origin)


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


def _words(connection: int, ttl: int = CONTROL.ttl) -> Trial:
    return Trial(over=connection, ttl=ttl, size=SMALL, is_thorough=True)


def _is_open(result: Result) -> bool:
    """Whether the connection was opened, and put to use if that was asked for, and was kept."""
    is_ready = result.fate in (Fate.OPEN, Fate.ARRIVED)
    return is_ready and result.report is not None and result.report.state is State.OPEN


def _is_heard(result: Result, before: Report | None = None) -> bool:
    """Whether words arrived, by what was acknowledged ``before`` and now."""
    report = result.report
    return report is not None and report.acknowledged > (before.acknowledged if before else 0)


def _sign(result: Result) -> Sign:
    if result.fate is Fate.ARRIVED:
        return Sign.RESET
    return Sign.REJECTION if result.fate is Fate.EXPIRED else Sign.SILENCE
