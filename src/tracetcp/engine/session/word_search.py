"""Finds who stops or answers certain words: the plan of ``--say``. The asked word comes last.

R1. Controls come first, each the control of the next: neutral bytes, then the control word, then that word in
    two segments; what a host never takes says nothing about a name. Where neither neutral bytes nor the
    control is taken, the place is looked for, and nothing else is said; but for a host that resets neutral
    bytes and not the control.
R2. Where the control is not taken, its place is looked for, and the asked word is said once, to the host.
R3. Where it is, it is said to every hop: only those that answer it can show that another word is missing.
R4. A word is said in order of TTL and to the host last, all handshakes of a wave before its first word: what
    it brings about cannot hide where. No farther than ``ENOUGH_BEYOND`` hops beyond the place.
R5. A silence is believed once the word was sent ``ENOUGH_LOST`` times in vain. That of a hop next to the
    place proves something only with an answered control right behind it: its router may have no error left.
    Where no word passes at all, it is sent for longer than such a router needs; where no connection opens any
    more, the first silence stands.
R6. A RST is believed once it came twice. One that follows an answer is the host's own way to end, unless it
    does not end so upon the control, and the answer is no refusal.
R7. Who answers nearer than the host may copy the TTL of what he saw, and then shows only where it is large
    enough to come back: at hop 2k - 1 if he is at hop k. One more word that is deaf to answers of low TTL
    tells; where only the host seems to answer, words of the host's TTL and more.
R8. Where the asked word is stopped, or answered from nearer, the control is said once more after it.
R9. A host that speaks first is let speak first.
R10. A search that runs out of connections ends with what it knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.engine.session.waves import AT_ONCE, ENOUGH_SENT, Fate, OutOfConnections, Trial
from tracetcp.model.answers import REFUSALS, alert_of, status_of
from tracetcp.model.connection import ENDS, FULL_TTL, Seen, State
from tracetcp.model.speech import Sign, Signs, WordsFound

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from typing import TypeAlias

    from tracetcp.engine.session.waves import Plan, Result
    from tracetcp.model.speech import Script

    Asking: TypeAlias = Generator[list[Trial], list[Result], None]

ENOUGH_BEYOND = 2
"""One silent hop may be a loss."""
ENOUGH_LOST = 6
"""By chance that is less than one in a million where one packet in twenty is lost each way."""
ENOUGH_RESETS = 2
LOW = 32
"""No RST of the usual TTL of 64 and more arrives with less from nearer than this many hops."""
SENDS = 2
LONG = 4
"""At 0, 0.2, 0.6 and 1.4 s on a short path: a Linux router that is out of errors sends one a second."""
ALONE = 5
"""The same where no control follows: until 3 s, so that an error spent on something else moves no place."""
MOST_PAIRS = 8
TRIES = 2
"""Times that the host is asked again at most where silence or a RST is not yet believed."""


class _Word:
    """One word and its signs."""

    def __init__(self, distance: int, *segments: bytes) -> None:
        self.segments = segments
        self._distance = distance
        self.wants_answer = False
        self.after_greeting = False
        self.may_be_cut = False
        self._signs: list[Sign] = []
        self.hops: frozenset[int] = frozenset()
        self.proven: set[int] = set()

    @property
    def signs(self) -> Signs:
        """Those so far."""
        return Signs(tuple(self._signs), self.hops, frozenset(self.proven), self._distance)

    def trial(self, ttl: int, *, sends: int = 1, leads: bool = False, deaf_below: int = 0) -> Trial:
        """One way to say it."""
        return Trial(
            ttl=ttl,
            says=self.segments,
            wants_answer=self.wants_answer,
            listens=True,
            leads=leads,
            sends=sends,
            min_reply_ttl=deaf_below,
            after_greeting=self.after_greeting,
        )

    def sign(self, result: Result) -> Sign:
        """What one result shows."""
        sign = _sign(result)
        is_cut = self.may_be_cut and sign.end is State.RESET and _goes_on(sign.heard)
        return sign._replace(is_cut=is_cut)  # R6

    def learn(self, results: Iterable[Result]) -> None:
        """Take results into account."""
        self._signs += map(self.sign, results)


class WordSearch:
    """One search with ``script``.

    ``hops`` are the TTLs at which routers answered the trace, ``distance`` the TTL of the SYN's answer, and
    ``is_near`` says that the answer is known to be a proxy's. ``hellos`` gives hellos whose answers tell who
    gave them; they are said where one comes from nearer than the host.
    """

    def __init__(
        self,
        script: Script,
        hops: Sequence[int],
        distance: int,
        *,
        is_near: bool = False,
        hellos: Callable[[], Sequence[bytes]] = tuple,
    ) -> None:
        self._distance = min(distance, FULL_TTL)
        self._hops = sorted(ttl for ttl in hops if ttl < self._distance)
        self._is_near = is_near
        self._hellos = hellos
        self._neutral, self._control = self._word(script.neutral), self._word(script.control)
        self._segments, self._asked = self._word(*script.segments), self._word(script.asked)
        self._words = (self._neutral, self._control, self._segments, self._asked)
        self._has_control, self._has_segments = bool(script.control), bool(script.segments)
        self._again: Sign | None = None
        self._copies: bool | None = None
        self._identified: tuple[bytes, ...] = ()
        self._is_cut_short = False

    def _word(self, *segments: bytes) -> _Word:
        return _Word(self._distance, *segments)

    def plan(self) -> Plan[WordsFound]:
        """The waves of the whole search, and what they found."""
        try:
            yield from self._search()
        except OutOfConnections:
            self._is_cut_short = True  # R10
        return WordsFound(
            is_connected=self._neutral.signs.last is not None,
            distance=self._distance,
            neutral=self._neutral.signs,
            control=self._control.signs,
            segments=self._segments.signs,
            asked=self._asked.signs,
            again=self._again,
            copies=self._copies,
            identified=self._identified,
            is_cut_short=self._is_cut_short,
        )

    def _search(self) -> Asking:
        yield from self._begin()
        neutral, control, asked = self._neutral, self._control, self._asked
        if neutral.signs.last is None:
            return
        if not neutral.signs.is_taken and not control.signs.is_taken:
            yield from self._sweep(neutral, self._hops, None)  # R1
            is_reset_too = control.signs.last is not None and control.signs.last.is_answered
            if not neutral.signs.is_received or is_reset_too:
                return
        if self._has_control and not control.signs.is_taken:
            yield from self._sweep(control, self._hops, neutral)  # R2
            if not control.signs.is_taken:
                asked.wants_answer = True
                yield from self._say(asked, [FULL_TTL], sends=SENDS)
                return
        yield from self._ask(control if self._has_control else neutral)

    def _ask(self, compared: _Word) -> Asking:
        """Say the asked word; ``compared`` is the control that passes."""
        asked, last = self._asked, compared.signs.last
        yield from self._say_to_hops(compared)  # R3
        if self._has_segments:
            yield from self._say_in_segments()  # R1
        asked.may_be_cut = last is not None and last.end is None
        asked.wants_answer = compared.wants_answer or not self._has_control
        yield from self._sweep(asked, range(1, self._distance), compared)
        yield from self._look_for_copies()
        yield from self._identify()
        if self._copies or asked.signs.nearer or not asked.signs.is_taken:
            self._again = yield from self._say_again(compared)  # R8

    def _begin(self) -> Asking:
        """Neutral bytes and the control, to the host, until one of them could be said."""
        self._control.wants_answer = True
        for _ in range(TRIES):
            trials = [self._neutral.trial(FULL_TTL, sends=ENOUGH_SENT)]
            if self._has_control:
                trials.append(self._control.trial(FULL_TTL, sends=ENOUGH_SENT))
            neutral, *control = yield [trial._replace(hesitates=True) for trial in trials]
            self._neutral.learn([neutral])
            self._control.learn(control)
            for word in self._words if neutral.greeting else ():
                word.after_greeting = True  # R9
            if self._neutral.signs.last is not None:
                break
        heard = self._control.signs.last
        self._control.wants_answer = heard is not None and heard.is_answered
        self._segments.wants_answer = self._control.wants_answer

    def _say_to_hops(self, word: _Word) -> Asking:
        """Which hops answer for a word that passes."""
        trials = [word.trial(ttl)._replace(listens=False) for ttl in self._hops]
        for start in range(0, len(trials), AT_ONCE):
            word.learn((yield trials[start : start + AT_ONCE]))
        expired = [sign.ttl for sign in word.signs.signs if sign.is_expired]
        for each in self._words:
            each.hops = frozenset(expired)

    def _say_in_segments(self) -> Asking:
        """The control in two segments; where it is lost, that of them which is lost to every hop."""
        word = self._segments
        yield from self._say(word, [FULL_TTL], sends=SENDS)
        if word.signs.is_taken:
            return
        lead = self._word(*word.segments[:-1])
        lead.hops = word.hops
        yield from self._say(lead, [FULL_TTL], sends=SENDS)
        if lead.signs.is_taken:
            yield from self._sweep(word, sorted(word.hops), self._control, leads=True)
        else:
            yield from self._sweep(lead, sorted(word.hops), self._control)
            self._segments = lead

    def _sweep(
        self, word: _Word, ttls: Iterable[int], compared: _Word | None, *, leads: bool = False
    ) -> Asking:
        """Say ``word`` to ``ttls`` and to the host, as far as it takes to find where it is stopped.

        ``compared`` is a word that passes, None where none does.
        """
        if not word.hops:
            word.hops = frozenset(self._hops)
        todo = list(ttls)
        while todo and not _is_past(word.signs):  # R4
            wave, todo = todo[:AT_ONCE], todo[AT_ONCE:]
            yield from self._say(word, wave, leads=leads)
        yield from self._settle(word, compared, leads=leads)
        for _ in range(TRIES):
            if _is_believed(word.signs):  # R5, R6
                break
            yield from self._say(word, [FULL_TTL], sends=SENDS, leads=leads)

    def _settle(self, word: _Word, compared: _Word | None, *, leads: bool) -> Asking:
        """Say it to the host, and with a control behind it to the hops next to the place."""
        asked: dict[int, int] = {}
        host = [word.trial(FULL_TTL, sends=SENDS, leads=leads)]
        for _ in range(MOST_PAIRS):
            ttl = self._next_to_settle(word, asked)
            pair = [] if ttl is None else _pair(word, compared, ttl, leads=leads)
            if not (pair or host):
                break
            results = yield [*pair, *host]
            word.learn(results[:1] if pair else [])
            word.learn(results[len(pair) :])
            host = []
            if ttl is not None:
                asked[ttl] = asked.get(ttl, 0) + 1
                self._weigh(word, results[: len(pair)])
            if word.signs.is_taken:
                break

    def _next_to_settle(self, word: _Word, asked: dict[int, int]) -> int | None:
        """A hop between the last that answers and the first that shows a difference; None for none."""
        signs = word.signs
        if not (signs.lost or signs.nearer):
            return None
        first = min([signs.answered_at or self._distance, *(ttl for ttl in word.proven if ttl > signs.after)])
        gap = [ttl for ttl in self._hops if signs.after < ttl < first and asked.get(ttl, 0) < TRIES]
        if not gap:
            return None
        if asked:
            return gap[len(gap) // 2]
        return gap[-1] if signs.nearer else gap[0]

    def _weigh(self, word: _Word, results: Sequence[Result]) -> None:
        """What a pair proves: R5."""
        sign = word.sign(results[0])
        control = _sign(results[1]) if len(results) > 1 else None
        if not sign.was_said:
            lost = [each.ttl for each in word.signs.lost if each.ttl < self._distance]
            word.proven |= set(lost[:1])  # R5
        elif sign.is_silent and (control is None or (control.is_expired and control.sent == 1)):
            word.proven.add(sign.ttl)  # R5

    def _look_for_copies(self) -> Asking:
        """R7."""
        signs, last = self._asked.signs, self._asked.signs.last
        resets = [sign.ttl for sign in signs.nearer if sign.is_reset]
        is_of_host = last is not None and last.is_reset and not signs.nearer
        if self._distance >= LOW or not (resets or is_of_host):
            return
        ttl = max(resets, default=self._distance)
        (result,) = yield [self._asked.trial(ttl, sends=SENDS, deaf_below=self._distance)]
        sign = self._asked.sign(result)
        if is_of_host:
            self._copies = sign.is_taken  # R7
        elif sign.was_said:
            self._copies = not sign.is_reset  # R7
        if is_of_host and self._copies:
            yield from self._say(self._asked, range(self._distance, 2 * self._distance))

    def _identify(self) -> Asking:
        """Ask who answers from nearer than the host: of whoever does, words of that TTL reach none else."""
        heard = [sign for sign in self._asked.signs.nearer if sign.heard]
        if not heard and not (self._is_near and self._asked.signs.is_taken):
            return
        ttl = heard[0].ttl if heard else self._distance
        trials = []
        for hello in self._hellos():
            word = self._word(hello)
            word.wants_answer, word.after_greeting = True, self._asked.after_greeting
            trials.append(word.trial(ttl))
        if trials:
            self._identified = tuple(_sign(result).heard for result in (yield trials))

    def _say_again(self, compared: _Word) -> Generator[list[Trial], list[Result], Sign]:
        if not self._asked.signs.nearer and self._asked.signs.last is None:
            return Sign(FULL_TTL, was_said=False)  # R8: not even a connection opens any more
        results = yield [compared.trial(FULL_TTL, sends=SENDS)]
        return _sign(results[0])

    def _say(self, word: _Word, ttls: Iterable[int], *, sends: int = 1, leads: bool = False) -> Asking:
        trials = [word.trial(ttl, sends=sends, leads=leads) for ttl in ttls]
        for start in range(0, len(trials), AT_ONCE):
            word.learn((yield trials[start : start + AT_ONCE]))


def _sign(result: Result) -> Sign:
    report, trial = result.report, result.trial
    if report is None or result.fate is Fate.UNSENT:
        return Sign(trial.ttl, was_said=False)
    end = report.state if report.state in ENDS else None
    seen = report.seen or Seen()
    return Sign(
        trial.ttl,
        is_expired=report.errors > 0 or seen.is_expired,
        is_acknowledged=report.is_acknowledged and end is None,
        end=end,
        heard=result.answer,
        sent=1 + report.retransmissions,
        end_ttl=seen.end_ttl,
        host_ttl=seen.host_ttl,
        refusal=seen.refusal,
    )


def _goes_on(heard: bytes) -> bool:
    """Whether ``heard`` begins an answer that is no refusal."""
    return bool(heard) and alert_of(heard) is None and status_of(heard) not in REFUSALS


def _pair(word: _Word, compared: _Word | None, ttl: int, *, leads: bool) -> list[Trial]:
    """``word`` to one hop, and right behind it what passes; alone, but for longer, where nothing does."""
    if compared is None:
        return [word.trial(ttl, sends=ALONE)]
    control = compared.trial(ttl, sends=LONG)._replace(is_control=True, listens=False)
    return [word.trial(ttl, sends=SENDS, leads=leads), control]


def _is_past(signs: Signs) -> bool:
    """Whether the place was passed."""
    beyond = {sign.ttl for sign in signs.lost}
    return bool(signs.nearer) or len(beyond) >= ENOUGH_BEYOND  # R4


def _is_believed(signs: Signs) -> bool:
    """Whether no more words are needed to believe what they show."""
    last = signs.last
    if last is None:
        return bool(signs.lost)  # R5
    if signs.is_taken:
        return True
    if last.is_reset:
        return sum(sign.is_reset for sign in signs.signs) >= ENOUGH_RESETS  # R6
    return signs.transmissions_lost >= ENOUGH_LOST  # R5
