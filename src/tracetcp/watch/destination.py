"""The destination that is watched: hands on what comes of questions and looks. No I/O, no clock.

``asking`` decides what is asked next, ``port`` what answers and looks say of the port, ``local_causes`` what
counts for nothing; ``measurements`` add up the rest. Here is what lies between them:

R1. A doubt that nothing on this machine explains has a look taken. So has a port of which nothing is known,
    at once or, where this machine cannot send, with the next interval.
R2. A look counts for nothing where questions do: it is not ended but forgotten.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from tracetcp.model import AddressSeen
from tracetcp.model.watching import Cause, LocalCause
from tracetcp.watch.asking import Asking
from tracetcp.watch.look import Looks
from tracetcp.watch.measurements import Measurements
from tracetcp.watch.port import WatchedPort
from tracetcp.watch.questions import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tracetcp.config import TraceConfig
    from tracetcp.engine import Engine
    from tracetcp.engine.run_state import RunState
    from tracetcp.model import Probe, Reply
    from tracetcp.watch import Machine
    from tracetcp.watch.figures import Figures
    from tracetcp.watch.intervals import Intervals
    from tracetcp.watch.local_causes import LocalCauses
    from tracetcp.watch.look import Look
    from tracetcp.watch.look_ups import LookUps
    from tracetcp.watch.news import News
    from tracetcp.watch.questions import Question, Questions
    from tracetcp.watch.times import Times


class WatchedDestination:
    """The one at ``address``, of which nothing is known at first; what is given to it outlives it."""

    def __init__(
        self,
        config: TraceConfig,
        address: str,
        open_engine: Callable[[TraceConfig, RunState], Engine],
        state: RunState,
        machine: Machine,
        *,
        questions: Questions,
        figures: Figures,
        look_ups: LookUps,
        intervals: Intervals,
        times: Times,
        causes: LocalCauses,
        news: News,
    ) -> None:
        self.address = address
        self.looks = Looks(config, address, open_engine, state, machine)
        self.measured = Measurements(config, address, figures, news)
        self.port = WatchedPort(config.ports[0], address, self.measured, self.looks, times, news)
        self._asking = Asking(config, machine, state, questions, self.measured.path, owner=self)
        self._tokens, self._addresses = state.tokens, state.addresses
        self._machine, self._questions, self._intervals = machine, questions, intervals
        self._look_ups, self._causes, self._news = look_ups, causes, news

    # What is asked -------------------------------------------------------------------------------------

    def begin_interval(self, now: float) -> None:
        """An interval begins."""
        self._asking.begin_interval()
        if self._causes.lasting is not None:
            self._has_local_cause(now)
        self.look_if_unknown()

    def look_if_unknown(self) -> None:
        """Have a look at a port of which nothing is known, if none is under way and one may be."""
        may_look = self._causes.lasting is None and self._intervals.are_running
        if self.port.state is None and self.looks.current is None and may_look:
            self.looks.take_far(self._news.now)  # R1

    def next_probes(self, now: float, most: int) -> Sequence[Probe]:
        """The next probe: of the destination, of what bears a doubt out, of a look, of a hop."""
        question = self._asking.question_in_turn() or self._question_again()
        if question is None and self.looks.current is not None:
            probes = self.looks.current.engine.next_probes(now, most)
            if probes:
                return probes
        question = question or self._asking.question_to_hop(now, may_ask=self._may_ask_hops)
        return () if question is None else (question.probe,)

    def _question_again(self) -> Question | None:
        doubt = self.port.doubts.current
        if doubt is None or not doubt.wants_question:
            return None
        doubt.asking = self._asking.question_again()
        return doubt.asking

    @property
    def _may_ask_hops(self) -> bool:
        is_free = self.looks.current is None and self._causes.lasting is None
        return is_free and self._intervals.are_running

    @property
    def is_undecided(self) -> bool:
        """Whether a question or a look is under way or to come, but for that of an interval or a hop."""
        wants_again = self.port.doubts.wants_question
        return bool(self._questions.under_way) or self.looks.current is not None or wants_again

    def wakes_at(self) -> float:
        """When to ask, or to conclude something, if no reply comes before."""
        look = self.looks.current
        return min(
            self.port.tells_silence_at(self._intervals.length),
            self._asking.wakes_at(may_ask_hops=self._may_ask_hops),
            inf if look is None or look.engine.is_done else look.engine.wake_at(),
        )

    def forget_what_is_under_way(self) -> None:
        """What was asked so far counts for nothing."""
        self.port.forget_what_is_under_way()
        self._asking.forget_what_is_due()
        self._end_look()  # R2

    def _end_look(self) -> None:
        self.looks.end()
        self._tokens.keep(self)

    def abandon(self) -> None:
        """Wait for no answer any more."""
        self.forget_what_is_under_way()
        self._questions.under_way.clear()
        self._tokens.close()

    # What came of it -----------------------------------------------------------------------------------

    def sent(self, probe: Probe, at: float) -> None:
        """See ``Engine``."""
        if self._asking.sent(probe, at):
            self.looks.state.routers.on_sent(probe.ttl, at)
        elif self.looks.current is not None and self._tokens.owner_of(probe.token) is not None:
            self.looks.current.engine.sent(probe, at)

    def failed(self, probe: Probe, at: float) -> None:
        """See ``Engine``: this machine cannot send, which says nothing of the network."""
        self._asking.failed(probe)
        fallback = LocalCause(Cause.CANNOT_SEND, "probes cannot be sent")
        self._blame_machine(at, self._machine.trouble() or fallback)

    def receive(self, reply: Reply) -> None:
        """See ``Engine``."""
        owner = self._tokens.owner_of(reply.token)
        if owner is not self:
            if owner is not None and self.looks.current is not None:
                self.looks.current.engine.receive(reply)
            return
        question = self._asking.answered(reply)
        if reply.sender not in self._addresses:
            self._addresses.add(reply.sender)
            self._news.tell(AddressSeen(reply.sender))
        self._decide(question)

    def advance(self, now: float) -> None:
        """See ``Engine``."""
        for question in self._questions.newly_missing(now):
            if question.role is not Role.ROUTER and not self._causes.is_void(question):
                self._take_in(question, now)
        for question in self._asking.take_lost(now):
            self._decide(question)
        if self.looks.current is not None:
            self.looks.current.engine.advance(now)

    def _decide(self, question: Question) -> None:
        """``question`` was answered or is lost."""
        reply = question.reply
        if self._causes.is_void(question):
            return
        if question.role is Role.ROUTER:
            if self.measured.add_hop(question, is_down=self.port.is_down) and reply is not None:
                self.port.meet_hop(question.probe.ttl, reply.received_at)
            return
        if reply is not None:
            if self._causes.lasting is not None:
                self._end_local_cause(reply.received_at)
            self._take_in(question, reply.received_at)
        if question.role is Role.DESTINATION:
            self.measured.add(question, is_sound=self.port.is_expected(question))

    def _take_in(self, question: Question, now: float) -> None:
        """What the destination's answer says of the port, or that this is overdue."""
        if question.role is Role.DESTINATION:
            if self.port.state is not None:
                self._look_ups.meet(question)
            self.port.meet(question, now)
            return
        if self.port.bear_out(question) and not self._has_local_cause(now):
            self.port.look_into_doubt()  # R1
        self._questions.is_resting_always |= self.port.doubts.answers_once

    # What a look found ---------------------------------------------------------------------------------

    def take_look(self) -> None:
        """Take what the look under way has found by now."""
        look = self.looks.current
        if look is None:
            return
        self._news.tell(*look.take())
        if look.engine.is_done:
            self._finish(look)
        elif self._news.now >= self.port.tells_silence_at(self._intervals.length):
            self.port.tell_silence(look)

    def _finish(self, look: Look) -> None:
        self._end_look()
        is_first = self.port.state is None
        self.port.conclude(look)
        if is_first and self.looks.current is None:
            self._intervals.begin_by(self._news.now)

    # This machine --------------------------------------------------------------------------------------

    def _has_local_cause(self, now: float) -> bool:
        """Whether this machine has a cause for silence, now or a moment ago."""
        cause = self._machine.trouble()
        if cause is not None:
            self._blame_machine(now, cause)
        elif self._causes.lasting is not None:
            self._end_local_cause(now)
        return cause is not None

    def _blame_machine(self, now: float, cause: LocalCause) -> None:
        self.forget_what_is_under_way()
        if self._causes.blame(cause, now):
            self.port.hold(now)
        if self.port.state is None:
            self._intervals.begin_by(now + self._intervals.length)  # R1

    def _end_local_cause(self, now: float) -> None:
        self._causes.end(now)
        self.port.go_on(now)
        self.look_if_unknown()
