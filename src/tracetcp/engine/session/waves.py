"""Waves of connections: opened together, spoken over in order of TTL, closed as soon as they are decided.

What is asked is a *plan*: a generator that yields waves, each a list of trials, and is sent the list of their
results. What comes of a trial is decided here, by the rules below; what it means is the plan's.

R1. Nothing is spoken before every handshake of the wave is over: whoever watches connections has seen them
    all begin, and what the first words bring about does not reach the later handshakes.
R2. At most ``AT_ONCE`` connections are open, and at most ``IN_A_RUN`` are opened in a run. A plan that asks
    for more is told that it may not (``OutOfConnections``).
R3. Within a wave TTLs ascend; of equal TTLs a control comes last, right behind the trial before it. A router
    that limits its errors and answers the control has had room for that trial. When both are sent again,
    which comes first is the system's affair: a control that is answered only then shows that the router
    limits.
R4. A trial that may expire is paced with its router, as every probe of the run is.
R5. An answer decides at once: an acknowledgement, or an end by the other side; a path MTU that is smaller
    than what was sent; an ICMP error. The path MTU comes before an error: the smaller pieces that the system
    sends then may have earned it. One that falls only when the system sends again may have been told to
    another connection, and says nothing of a TTL. Where the system gives a size up for no reason but silence
    (RFC 4821), its pieces prove nothing.
R6. Silence decides only once every control of the wave is decided, and then after ``patience``: what three in
    four answers of its kind took (acknowledgements, ICMP errors, data), several times over. A control, and
    where nothing was answered yet anybody, is waited for until it was sent ``ENOUGH_SENT`` times.
R7. A *thorough* trial is silent only after it was sent ``ENOUGH_SENT`` times: one packet in twenty is lost on
    some paths, so once proves nothing. How often the other side has sent an answer cannot be seen from here:
    that is given ``THOROUGH_ANSWER`` seconds.
R8. A trial *in the background* holds nothing up: it has spoken when its wave ends, and goes on beside the
    next ones. Its result comes when the plan asks for it, by a wave of nothing.
R9. An answer that is wanted (``wants_answer``) has come when it ends, or nothing more comes for
    ``patience``; for all but controls also once it has shown a segment as large as our SYN allows.
R10. A trial may *keep* its connection open (``keeps``), for a later trial that names it (``over``) and may be
    put off (``speaks_at``). It lives among those of R2, and what is told of it is noted. If it ends before it
    is spoken over, that is decided at once.
R11. Words that expired leave again before long. A connection that is spoken over once more only gets another
    TTL for them. The plan must do that as soon as they are known to have expired, and only if they were sent
    once (``sent``): another error on its way would be taken for the new TTL's. They leave ever more seldom:
    if not ``TWICE`` in the time that there is, their silence tells nothing.
R12. A *wordless* trial is decided once its handshake is over, or ``opens_within`` has gone by; if it is put
    off, once that time has come.
R13. A trial that ``says`` words of its own is about who answers them. The end of the connection decides at
    once, but for a RST where raw sockets may hear of more; of other signs one that does not listen is decided
    by the first, and one that ``listens`` when ``LEAST_PATIENCE`` has passed without another: who answers
    beside the path answers beside a router. Mere acknowledgement is waited on for ``ANSWER_WAIT`` where an
    answer is wanted. What comes is an answer only as far as the words arrived: a host may speak first.
R14. Of words in several segments, with ``leads`` all but the last leave with ``FULL_TTL``, and the last one
    once those were acknowledged: what expires is that one.
R15. A trial that ``hesitates`` lets the other side speak first for ``LEAST_PATIENCE``; one that is said
    ``after_greeting``, or to a port of that custom, for ``GREETING_WAIT``.
"""

from __future__ import annotations

from enum import Enum
from itertools import chain
from math import inf
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeAlias, TypeVar

from tracetcp.model.connection import ENDS, FULL_TTL, Close, Connect, Heed, Report, Speak, State

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from tracetcp.engine.trace.routers import Routers
    from tracetcp.model.connection import Order, Words

AT_ONCE = 6
"""Connections open at a time: as many ICMP errors as a Linux router sends without a pause."""
IN_A_RUN = 64
HANDSHAKE_WAIT = 3.3
"""Seconds for the handshakes of a wave at most: a lost SYN leaves again after 1 s, then after 2 s more."""
GREETING_WAIT = 4.0
"""Seconds for a greeting at most; a mail server may look up our name first."""
ENOUGH_SENT = 3
"""Times that something was sent before its silence is believed: at 0, 0.2 and 0.6 s on a short path."""
LEAST_PATIENCE = 0.06
"""Seconds: no scheduler of either side is as late as that."""
LONGEST_PATIENCE = 0.25
"""Seconds and some RTTs for what no application has to think about: hosts delay acknowledgements by 0.2 s at
most, but for a few (RFC 9293 section 3.8.6.3 allows 0.5 s), and a silence that matters is asked again."""
TWICE = 2
DATA = "data"
PATIENCE_TIMES = 2.5
"""Patience in times of what an answer takes."""
FIRST_RESENDING = 0.2
"""Seconds and an RTT after which Linux sends again at the earliest (TCP_RTO_MIN)."""
ANSWER_WAIT = 1.5
"""Seconds for an application to answer what its system has acknowledged."""
THOROUGH_ANSWER = 0.65
"""Seconds: an answer has been sent at 0, 0.2 and 0.6 s by then, where the path is short."""
LONG_ANSWER = 1 << 14
"""Bytes after which the length of an answer is of no more interest."""
LARGEST_PACKET = 16_000
"""Bytes; a loopback allows more, and no link does."""
LONGEST_SILENCE = 4.0
"""Seconds until silence is believed, however seldom the system has sent: on a long path it sends seldom."""


LEAST_TIMEOUT = 1.0
"""Seconds: less would not let anything be sent ``ENOUGH_SENT`` times."""


class Fate(Enum):
    """What came of a trial."""

    ARRIVED = "arrived"
    EXPIRED = "expired"
    """An ICMP error came; on a trial of less than ``FULL_TTL``: a router says that its TTL ran out."""
    TOLD = "told"
    """A router told of a smaller path MTU, or the system knew of it by then and sent smaller pieces."""
    SILENT = "silent"
    UNSENT = "unsent"
    """The connection was not opened, or not greeted; or one that was kept ended before it was spoken over."""
    OPEN = "open"
    """It is open, and there was nothing to say."""


KEPT = (Fate.OPEN, Fate.ARRIVED, Fate.EXPIRED)
"""Fates after which a connection can be spoken over (again)."""


class Trial(NamedTuple):
    """One connection and what is said over it; ``size`` is the packet (bytes) that it makes.

    ``size`` 0 stands for the largest that the system sends. ``over`` is the number of a kept connection;
    ``speaks_at`` is an instant. With ``min_reply_ttl`` nothing that arrives with a smaller TTL is listened
    to, nor are ICMP errors: by a connection that is kept only once it is open. ``says`` are words of its own,
    in segments (R13, R14); their silence is believed after they were sent ``sends`` times.
    """

    ttl: int = FULL_TTL
    size: int = 0
    announced_mss: int | None = None
    is_control: bool = False
    is_thorough: bool = False
    wants_answer: bool = False
    in_background: bool = False
    keeps: bool = False
    over: int | None = None
    is_wordless: bool = False
    speaks_at: float = -inf
    opens_within: float = inf
    min_reply_ttl: int = 0
    says: tuple[bytes, ...] = ()
    listens: bool = False
    leads: bool = False
    sends: int = 1
    hesitates: bool = False
    after_greeting: bool = False


class Result(NamedTuple):
    """A trial, its fate, and the last report on its connection (None if there was none).

    ``size`` is the packet that was sent, ``sent`` how often. ``greeting`` is the number of bytes that came
    before anything was said, ``answer`` the beginning of what came of words of its own.
    """

    trial: Trial
    fate: Fate
    size: int
    report: Report | None
    greeting: int = 0
    answer: bytes = b""
    sent: int = 1


Found = TypeVar("Found")
Plan: TypeAlias = "Generator[list[Trial], list[Result], Found]"
"""What yields waves of trials, is sent the results of those in the foreground in the same order, and returns
what it has found."""


class OutOfConnections(Exception):
    """A plan asked for more connections than a run may open."""


class _Running:
    """A trial under way."""

    def __init__(self, trial: Trial, connection: int) -> None:
        self.trial = trial
        self.connection = connection
        self.opened_at = inf
        self.lead_at: float | None = None
        self.spoken_at: float | None = None
        self.changed_at = inf
        self.settled_at = inf
        self.size = 0
        self.errors = 0
        self.greeting = 0
        self.answer = b""
        self.resent = 0
        """How often words had been sent again when these were spoken."""
        self.has_spoken_before = False
        self.report: Report | None = None
        self.fate: Fate | None = None

    @property
    def is_settled(self) -> bool:
        """Whether its handshake is over."""
        return self.fate is not None or (self.report is not None and self.report.state is not State.OPENING)

    @property
    def leads_still(self) -> bool:
        """Whether what goes ahead of its last segment is on its way."""
        report = self.report
        if not self.trial.leads or report is None:
            return False
        is_newer = self.lead_at is not None and report.at > self.lead_at
        return not (is_newer and report.is_acknowledged)

    @property
    def is_open(self) -> bool:
        """Whether its handshake is over and it has not ended."""
        return self.report is not None and self.report.state is State.OPEN

    @property
    def is_greeted(self) -> bool:
        """Whether the other side has said something."""
        return self.report is not None and self.report.received > 0

    def sent(self, report: Report) -> int:
        """How often the words of this trial have left."""
        return report.retransmissions - self.resent + (not self.has_spoken_before)

    def take_over(self, kept: _Running) -> None:
        """Go on with the connection of ``kept``."""
        self.report, self.opened_at = kept.report, kept.opened_at
        self.has_spoken_before = kept.fate is Fate.EXPIRED  # R11

    @property
    def result(self) -> Result:
        """What came of it."""
        assert self.fate is not None, "a wave ends when every trial is decided"
        sent = self.sent(self.report) if self.report is not None else 0
        return Result(self.trial, self.fate, self.size, self.report, self.greeting, self.answer, sent)


class WaveEngine(Generic[Found]):
    """Carries out a plan, wave by wave; ``found`` is what it returned.

    ``words`` are what is said. ``timeout`` (seconds) bounds every wait for silence, but lets it be believed.
    """

    found: Found

    def __init__(self, plan: Plan[Found], words: Words, routers: Routers, timeout: float) -> None:
        self._plan = plan
        self._words = words
        self._routers = routers
        self._timeout = max(timeout, LEAST_TIMEOUT)
        self._asked: list[_Running] = []
        self._background: list[_Running] = []
        self._wave: list[_Running] = []
        self._kept: dict[int, _Running] = {}
        self._orders: list[Order] = []
        self._opened = 0
        self._delays: dict[str, list[float]] = {}
        self._has_begun = self._is_finished = False

    # What the loop calls -------------------------------------------------------------------------------

    @property
    def is_done(self) -> bool:
        """Whether everything is decided and every connection was closed."""
        return self._is_finished and not self._orders

    def next_orders(self, now: float) -> Sequence[Order]:
        """What to do now; tell ``done`` or ``failed`` of each before the next call."""
        if not self._has_begun:
            self._has_begun = True
            self._next_wave(None)
        orders, self._orders = self._orders, []
        return orders or list(self._due(now))

    def done(self, order: Order, at: float) -> None:
        """Tell that ``order`` was carried out at ``at``."""
        running = self._find(order.connection)
        if running is None:
            return
        if isinstance(order, Connect):
            running.opened_at = at
        elif isinstance(order, Speak) and running.lead_at is None and running.trial.leads:
            running.lead_at = at
        elif isinstance(order, Speak):
            running.spoken_at = running.changed_at = at
            if order.ttl < FULL_TTL:
                self._routers.on_sent(order.ttl, at)

    def failed(self, order: Order) -> None:
        """Tell that ``order`` could not be carried out."""
        if order.connection in self._kept:
            self._kept[order.connection].report = None  # it cannot be used
            self._orders.append(Close(order.connection))
            return
        running = self._find(order.connection)
        if running is not None:
            self._decide(running, Fate.UNSENT)

    def receive(self, report: Report) -> None:
        """Take a report into account."""
        if report.connection in self._kept:
            self._kept[report.connection].report = report  # R10
            return
        running = self._find(report.connection)
        if running is None or running.fate is not None:
            return
        before, running.report = running.report or report, report
        if report.retransmissions > before.retransmissions and running.trial.ttl < FULL_TTL:
            self._routers.on_sent(running.trial.ttl, report.at)  # R4
        if _progress(report) != _progress(before):
            running.changed_at = report.at
        if running.spoken_at is None:
            self._wait_to_speak(running, report)
            return
        is_first = _is_first(running, before, report)
        fate = _answer(running, report)
        if fate is not None or is_first:
            self._delays.setdefault(_kind(running.trial), []).append(report.at - running.spoken_at)
        if fate is not None:
            if fate is Fate.EXPIRED and running.trial.is_control and report.retransmissions:
                self._routers.at(running.trial.ttl).is_limited = True  # R3
            self._decide(running, fate)

    def _wait_to_speak(self, running: _Running, report: Report) -> None:
        """Take a report on one that has not been spoken over into account."""
        if report.state is State.OPEN:
            running.settled_at = min(running.settled_at, report.at)
        if report.state in ENDS:
            self._decide(running, Fate.UNSENT)
        elif running.trial.is_wordless and running.trial.over is None and self._is_ready(running):
            self._decide(running, Fate.OPEN)  # R12

    def _is_ready(self, running: _Running) -> bool:
        """Whether it is open, and greeted where that is to be waited for."""
        awaits_greeting = self._words.waits_for_greeting and running.trial.keeps
        return running.is_open and (not awaits_greeting or running.is_greeted)

    def advance(self, now: float) -> None:
        """Let time pass; every report until ``now`` must have been told."""
        for running in self._wave:
            if running.fate is None and self._expires_at(running) <= now:
                self._decide(running, _fate_of_silence(running))
        if self._has_begun and not self._is_finished and self._is_over():
            self._next_wave(self._take_results())

    def wake_at(self) -> float:
        """When to call ``advance`` and ``next_orders`` again if no report comes before."""
        waits = [self._expires_at(running) for running in self._wave if running.fate is None]
        if self._may_speak():
            waits += [self._speaks_at(running) for running in self._unspoken()][:1]
        return min(waits, default=-inf)

    # Waves ---------------------------------------------------------------------------------------------

    def _is_over(self) -> bool:
        """Whether the plan's turn has come."""
        awaited = [each for each in self._asked if not each.trial.in_background]  # R8
        if not self._asked:
            awaited = self._background  # R8
        return self._has_spoken() and all(running.fate is not None for running in awaited)

    def _has_spoken(self) -> bool:
        return all(each.fate is not None or each.spoken_at is not None for each in self._asked)

    def _take_results(self) -> list[Result]:
        if not self._asked:
            finished, self._background = self._background, []
            return [running.result for running in finished]
        self._background += [running for running in self._asked if running.trial.in_background]
        return [running.result for running in self._asked if not running.trial.in_background]

    def _next_wave(self, results: list[Result] | None) -> None:
        try:
            trials = next(self._plan) if results is None else self._plan.send(results)
            while self._opened + sum(trial.over is None for trial in trials) > IN_A_RUN:  # R2
                trials = self._plan.throw(OutOfConnections())
        except StopIteration as end:
            self.found = end.value
            self._orders += [Close(each.connection) for each in self._background if each.fate is None]
            self._orders += map(Close, self._kept)
            self._asked, self._wave, self._is_finished = [], [], True
            return
        self._asked = [self._begin(trial) for trial in trials]
        in_order = sorted(self._asked, key=lambda each: (each.trial.ttl, each.trial.is_control))  # R3
        self._wave = [*self._background, *in_order]
        undecided = sum(each.fate is None for each in self._wave)
        assert undecided + len(self._kept) <= AT_ONCE, "R2: a plan divides what it asks into waves"
        for running in in_order:
            for order in self._beginning(running):
                self._orders.append(order)

    def _begin(self, trial: Trial) -> _Running:
        if trial.over is not None:
            running = _Running(trial, trial.over)
            if trial.over in self._kept:
                running.take_over(self._kept.pop(trial.over))
            return running
        self._opened += 1
        return _Running(trial, self._opened - 1)

    def _beginning(self, running: _Running) -> Iterator[Order]:
        """The orders with which a trial begins."""
        trial, number = running.trial, running.connection
        if trial.over is None:
            yield Connect(number, trial.announced_mss, 0 if trial.keeps else trial.min_reply_ttl)
        elif not running.is_open:
            self._decide(running, Fate.UNSENT)  # R10
        elif not trial.is_wordless:
            yield Heed(number, trial.min_reply_ttl)

    def _find(self, connection: int) -> _Running | None:
        return next((running for running in self._wave if running.connection == connection), None)

    def _unspoken(self) -> list[_Running]:
        waiting = (running for running in self._wave if running.fate is None and running.spoken_at is None)
        return [running for running in waiting if not running.trial.is_wordless]

    def _may_speak(self) -> bool:
        return all(running.is_settled for running in self._wave)  # R1

    def _due(self, now: float) -> Iterator[Order]:
        """The next of the wave to speak, one at a time: each tells before the next is asked."""
        unspoken = self._unspoken() if self._may_speak() else []
        if not unspoken or self._speaks_at(unspoken[0]) > now:
            return
        running = unspoken[0]
        trial, report = running.trial, running.report
        assert report is not None, "its handshake is over"
        running.errors, running.resent = report.errors, report.retransmissions
        running.greeting = report.received
        if trial.leads and running.lead_at is None:
            for segment in trial.says[:-1]:  # R14
                yield Speak(running.connection, FULL_TTL, segment)
            return
        segments = trial.says[-1:] if trial.leads else trial.says
        for segment in segments or (self._words_of(running, report),):
            yield Speak(running.connection, trial.ttl, segment)

    def _words_of(self, running: _Running, report: Report) -> bytes:
        if running.has_spoken_before:
            return b""  # R11
        if running.trial.keeps and running.trial.over is None:
            return self._words.opening()
        if running.trial.wants_answer:
            return self._words.request()
        running.size = running.trial.size or min(report.packet, LARGEST_PACKET)
        return self._words.beginning(running.size - report.headers)

    def _speaks_at(self, running: _Running) -> float:
        report = running.report
        if self._awaits_greeting(running) and report is not None and not report.received:
            return inf
        if running.leads_still:
            return -inf if running.lead_at is None else inf  # R14
        if running.trial.hesitates:
            return running.settled_at + LEAST_PATIENCE  # R15
        ttl = running.trial.ttl
        at_hop = sum(each.trial.ttl == ttl for each in self._asked)
        if ttl == FULL_TTL or (running.trial.is_control and at_hop > 1):  # R3
            return running.trial.speaks_at  # R10
        return self._routers.next_send_at(ttl, at_hop)  # R4

    def _awaits_greeting(self, running: _Running) -> bool:
        trial = running.trial
        return trial.over is None and (self._words.waits_for_greeting or trial.after_greeting)  # R15

    # Silence -------------------------------------------------------------------------------------------

    def _expires_at(self, running: _Running) -> float:
        """The instant at which silence decides about ``running``."""
        report = running.report
        if running.spoken_at is None:
            if report is None or report.state is State.OPENING:
                return running.opened_at + min(HANDSHAKE_WAIT, self._timeout, running.trial.opens_within)
            if running.trial.over is not None:
                return running.trial.speaks_at if running.trial.is_wordless else inf  # R10, R12
            if running.lead_at is not None:
                return running.lead_at + ANSWER_WAIT
            return running.opened_at + GREETING_WAIT if self._awaits_greeting(running) else inf
        last = running.spoken_at + min(LONGEST_SILENCE, self._timeout)
        if running.trial.says:
            return min(last, self._sign_due(running))
        return min(last, self._answer_due(running) if running.trial.wants_answer else self._due_at(running))

    def _due_at(self, running: _Running) -> float:
        """When silence decides about one that only has to arrive; infinity where something is awaited."""
        trial, report = running.trial, running.report
        is_waited_for = trial.is_thorough or trial.is_control or not self._delays
        if is_waited_for and (report is None or running.sent(report) < ENOUGH_SENT):  # R6, R7
            return inf
        return inf if self._awaits_control(running) else running.changed_at + self._patience(running)

    def _sign_due(self, running: _Running) -> float:
        """When the signs of words of its own are taken for complete (R13), or for missing."""
        trial, report = running.trial, running.report
        if report is not None and any(signs := _signs(running, report)):
            has_more = signs.answered or signs.errors or report.state in ENDS or not trial.wants_answer
            wait = LEAST_PATIENCE if has_more else ANSWER_WAIT  # R13
            return running.changed_at + wait
        enough = max(trial.sends, 1 if self._delays else ENOUGH_SENT)
        if self._awaits_control(running) or report is None or 1 + report.retransmissions < enough:
            return inf
        return running.changed_at + self._patience(running)

    def _answer_due(self, running: _Running) -> float:
        """When an answer is taken for complete, or for lost."""
        assert running.spoken_at is not None, "an answer is due to what was said"
        report = running.report
        quiet_at = running.changed_at + self._patience(running)
        if running.trial.is_thorough:
            return max(quiet_at, running.spoken_at + THOROUGH_ANSWER)  # R7
        if report is not None and (report.received or report.ahead):
            return quiet_at  # R9
        return inf if running.trial.is_control or self._awaits_control(running) else quiet_at

    def _awaits_control(self, running: _Running) -> bool:
        """Whether a control of the wave is undecided; one that is a control itself awaits none."""
        controls = (each for each in self._asked if each.trial.is_control and each.fate is None)
        return not running.trial.is_control and any(controls)  # R6

    def _patience(self, running: _Running) -> float:
        rtt = running.report.rtt if running.report else 0.0
        kind = _kind(running.trial)
        delays = sorted(self._delays.get(kind) or chain.from_iterable(self._delays.values())) or [0.0]
        patience = max(LEAST_PATIENCE, PATIENCE_TIMES * max(delays[len(delays) * 3 // 4], rtt))
        return patience if kind == DATA else min(patience, LONGEST_PATIENCE + PATIENCE_TIMES * rtt)

    def _decide(self, running: _Running, fate: Fate) -> None:
        running.fate = fate
        if running.trial.keeps and running.is_open and fate in KEPT:
            self._kept[running.connection] = running  # R10
            if running.trial.min_reply_ttl:
                self._orders.append(Heed(running.connection, running.trial.min_reply_ttl))
        else:
            self._orders.append(Close(running.connection))


def _kind(trial: Trial) -> str:
    """Whose answer a trial awaits: each takes a time of its own."""
    if trial.wants_answer:
        return DATA
    return "acknowledgement" if trial.ttl == FULL_TTL else "error"


class _Signs(NamedTuple):
    """What has come of words so far; false where nothing has."""

    answered: int
    errors: int
    is_acknowledged: bool


def _signs(running: _Running, report: Report) -> _Signs:
    assert running.spoken_at is not None, "it was said"
    is_acknowledged = report.is_acknowledged and report.at > running.spoken_at
    answered = report.received - running.greeting if is_acknowledged else 0  # R13
    return _Signs(answered, report.errors - running.errors, is_acknowledged)


def _progress(report: Report) -> tuple[int, ...]:
    """What shows that something still happens on a connection."""
    return report.received, report.ahead, report.retransmissions


def _answer(running: _Running, report: Report) -> Fate | None:
    """What ``report`` decides at once about a trial that was spoken, None if nothing."""
    spoken_at = running.spoken_at
    assert spoken_at is not None, "what was said is answered"
    if running.trial.says:
        return _answer_to_words(running, report)
    if running.trial.wants_answer:
        return Fate.ARRIVED if report.state in ENDS or _is_long_enough(running.trial, report) else None
    if report.path_mtu < running.size:  # R5
        is_told = running.trial.ttl == FULL_TTL or report.at < spoken_at + FIRST_RESENDING + report.rtt
        return Fate.TOLD if is_told else Fate.SILENT
    if report.errors > running.errors:
        return Fate.EXPIRED
    if report.packet < running.size:  # R5
        return Fate.SILENT
    return Fate.ARRIVED if report.is_acknowledged or report.state in ENDS else None


def _is_first(running: _Running, before: Report, report: Report) -> bool:
    """Whether ``report`` tells of the first sign since the one ``before``; notes what of words of its own."""
    if not running.trial.says:
        return bool(report.received and not before.received)
    known, signs = _signs(running, before), _signs(running, report)
    running.answer = report.heard[running.greeting :] if signs.answered else b""
    running.changed_at = running.changed_at if signs == known else report.at
    return any(signs) and not any(known)


def _answer_to_words(running: _Running, report: Report) -> Fate | None:
    """R13."""
    trial, signs = running.trial, _signs(running, report)
    if report.state in ENDS:
        has_ears = report.seen is not None and report.state is State.RESET
        return None if trial.listens and has_ears else Fate.ARRIVED  # R13
    if trial.listens or not any(signs):  # R13
        return None
    if signs.answered:
        return None if trial.wants_answer else Fate.ARRIVED
    if signs.errors:
        return Fate.EXPIRED
    return None if trial.wants_answer else Fate.ARRIVED


def _is_long_enough(trial: Trial, report: Report) -> bool:
    """Whether an answer has shown what it can show."""
    if trial.is_control:
        return report.received >= LONG_ANSWER
    return report.received >= report.allowed <= report.largest  # R9


def _fate_of_silence(running: _Running) -> Fate:
    if running.spoken_at is None:
        return Fate.OPEN if running.trial.is_wordless and running.is_open else Fate.UNSENT  # R12
    if running.has_spoken_before and running.report is not None and running.sent(running.report) < TWICE:
        return Fate.UNSENT  # R11
    if running.trial.says and running.report is not None:
        signs = _signs(running, running.report)
        if signs.is_acknowledged:
            return Fate.ARRIVED
        return Fate.EXPIRED if signs.errors else Fate.SILENT
    has_answer = running.trial.wants_answer and running.report is not None and running.report.received
    return Fate.ARRIVED if has_answer else Fate.SILENT
