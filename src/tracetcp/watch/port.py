"""The port that is watched: what answers, and looks at it, say of its state. No I/O, no clock.

R1. While it is up, silence or another answer is a doubt (``doubts``), and one that was borne out has a look
    taken. While it is down, ``recovery`` says which answers do.
R2. An outage is told once a look finds it, unless the destination answered since the doubt began. It began
    with the first question that was not answered. If a look takes long, ``TELL_WITHIN`` intervals after that
    it is told where everything has become silent.
R3. While nothing is known of this machine's side (``hold``), no time counts as up or down.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from tracetcp.model import Outcome, ReplyKind
from tracetcp.model.verdict import Certainty, Kind
from tracetcp.model.watching import PortState, StateChanged
from tracetcp.watch.doubts import Doubts
from tracetcp.watch.recovery import Recovery, Step

if TYPE_CHECKING:
    from tracetcp.watch.look import Look, Looks
    from tracetcp.watch.measurements import Measurements
    from tracetcp.watch.news import News
    from tracetcp.watch.questions import Question
    from tracetcp.watch.times import Times

TELL_WITHIN = 2.25

_OUTCOMES = {ReplyKind.SYN_ACK: Outcome.OPEN, ReplyKind.RST: Outcome.CLOSED}


class WatchedPort:
    """Port ``number`` of ``destination``; what changes goes to ``news``, and to what is ``measured``."""

    def __init__(
        self,
        number: int,
        destination: str,
        measured: Measurements,
        looks: Looks,
        times: Times,
        news: News,
    ) -> None:
        self.state: PortState | None = None
        """What is known of it, None before a look found something."""
        self.since = news.now
        self.doubts = Doubts()
        self._recovery = Recovery()
        self._number, self._destination = number, destination
        self._path, self._quality = measured.path, measured.quality
        self._looks, self._times, self._news = looks, times, news

    @property
    def is_up(self) -> bool:
        """Whether the destination is known to answer."""
        return self.state is not None and self.state.is_up

    @property
    def is_down(self) -> bool:
        """Whether the destination is known not to answer."""
        return self.state is not None and not self.state.is_up

    def is_expected(self, question: Question) -> bool:
        """Whether an answer to ``question`` is: the port is up, was when it was asked, and is in no doubt."""
        doubt = self.doubts.current
        is_in_doubt = doubt is not None and doubt.is_borne_out
        return self.is_up and not is_in_doubt and not self._times.is_in_last_outage(question.sent_at)

    # While nothing can be known ------------------------------------------------------------------------

    def forget_what_is_under_way(self) -> None:
        """What questions met so far counts for nothing."""
        self.doubts.drop()
        self._recovery.stop()

    def hold(self, now: float) -> None:
        """From ``now`` on nothing is known."""
        self._times.turn(None, now)  # R3

    def go_on(self, now: float) -> None:
        """The state is what it was before ``hold``."""
        self._times.turn(None if self.state is None else self.state.is_up, now)

    # What answers say ----------------------------------------------------------------------------------

    def meet(self, question: Question, now: float) -> None:
        """The destination answered ``question``, or has not in time."""
        state, outcome = self.state, _outcome(question)
        if state is None:
            return
        if not state.is_up:
            self._meet_while_down(state, question, outcome, now)
        elif outcome is state.outcome:
            self.doubts.refute(question)
        elif self._looks.current is None:
            self.doubts.begin(question, now)  # R1

    def _meet_while_down(
        self, state: PortState, question: Question, outcome: Outcome | None, now: float
    ) -> None:
        step = self._recovery.meet(state, question.reply, outcome, now)
        if self._looks.current is not None:
            return
        if step is Step.BELIEVE:
            assert outcome is not None, "only answers are believed"
            assert self._recovery.began_at is not None, "the first of them"
            self._turn_to(self._state_of_answer(outcome), self._recovery.began_at, question.rtt)
        elif step is Step.LOOK or (step is Step.LOOK_IN_TIME and self._recovery.may_look(now)):
            self._look()

    def meet_hop(self, number: int, now: float) -> None:
        """Somebody answered at hop ``number``."""
        state = self.state
        if state is None or state.is_up or number <= (state.hop or 0):
            return
        if self._looks.current is None and self._recovery.may_look(now):
            self._look()

    def bear_out(self, question: Question) -> bool:
        """``question`` was asked again and is decided; whether nothing is left but to look."""
        is_as_before = self.state is not None and _outcome(question) is self.state.outcome
        return self.doubts.bear_out(question, is_as_before=is_as_before)

    def look_into_doubt(self) -> None:
        """Have a look at what was borne out."""
        assert self.doubts.current is not None, "it is what was borne out"
        self.doubts.current.is_borne_out = True
        self._look()

    def _look(self) -> None:
        self._looks.take(self._news.now, self._path.length)

    def _state_of_answer(self, outcome: Outcome) -> PortState:
        kind = Kind.OPEN if outcome is Outcome.OPEN else Kind.CLOSED
        sentence = f"Port {self._number} is {kind.value} at {self._destination}."
        return PortState(outcome, kind, Certainty.LIKELY, sentence, self._path.met_at, self._destination)

    # What looks say ------------------------------------------------------------------------------------

    def conclude(self, look: Look) -> None:
        """Take what ``look`` found, and perhaps another one."""
        found, state = look.found, self.state
        assert found is not None, "it is over"
        if self._looks.take_farther(look, self._news.now):
            return
        if state is None:
            self._turn_to(found, self._news.now, look.rtt)
            self._learn_path(look)
        elif state.is_up:
            self._conclude_while_up(state, found, look)
        else:
            self._conclude_while_down(state, found, look)

    def _conclude_while_up(self, state: PortState, found: PortState, look: Look) -> None:
        doubt = self.doubts.current
        self.doubts.drop()
        if found.is_like(state) or (doubt is None and not found.is_up):  # R2
            self.doubts.looked_in_vain(self._news.now)
        else:
            since = self._news.now if doubt is None else doubt.began_at
            self._turn_to(found, since, look.rtt if found.is_up else None)

    def _conclude_while_down(self, state: PortState, found: PortState, look: Look) -> None:
        is_sure = self._recovery.is_sure(state, found)
        if is_sure is None:
            self._look()
        elif is_sure:
            began_at = self._recovery.began_at if found.is_up else None
            since = self._news.now if began_at is None else began_at
            self._turn_to(found, since, look.rtt if found.is_up else None)
            self._learn_path(look)

    def tells_silence_at(self, interval: float) -> float:
        """When a look that still goes on has taken too long to wait for; infinity where none does."""
        look, doubt = self._looks.current, self.doubts.current
        if look is None or doubt is None or not doubt.is_borne_out:
            return inf
        return max(doubt.began_at + TELL_WITHIN * interval, look.tells_silence_at)

    def tell_silence(self, look: Look) -> None:
        """Tell what ``look`` shows so far, if that is silence."""
        doubt, silence = self.doubts.current, look.silent_after()
        assert doubt is not None, "silence is told of a doubt"
        if silence is None:
            doubt.is_borne_out = False  # what it met tells at its end
            return
        self._turn_to(silence, doubt.began_at, None)  # R2
        self._recovery.expect(silence)

    def _learn_path(self, look: Look) -> None:
        """Ask the hops that ``look`` met from now on; where it met a break, the one beyond it, too."""
        self._path.expect(look.length + self.is_down)

    def _turn_to(self, state: PortState, since: float, rtt: float | None) -> None:
        before, began_at = self.state, self._times.down_since
        down = since - began_at if state.is_up and began_at is not None else None
        self.state, self.since = state, since
        self._path.is_up = state.is_up
        self._times.turn(state.is_up, since)
        self._news.advance(since)
        self._news.tell(StateChanged(self._news.now, since, state, before, rtt, down))
        self.doubts.drop()
        self._recovery.begin(self._news.now)
        self._quality.on_other_state()


def _outcome(question: Question) -> Outcome | None:
    """What the answer says of the port; None without one, and for one that a router sent."""
    return None if question.reply is None else _OUTCOMES.get(question.reply.kind)
