"""The engine of a watch: what is asked when, and what has changed. No I/O, no clock.

It asks by itself (``questions``) and has a *look* taken, a trace with controls (``look``), wherever something
seems to have changed:

R1. The destination is asked once an interval, one hop in turn with it (``path``). Nothing else is sent while
    nothing changes.
R2. A missing answer, or another one than before, is a *doubt*: the destination is asked again at once, on
    another source port. If that bears the doubt out, and nothing on this machine explains it, a look is
    taken. A path that loses packets raises doubts often: each look in vain of the last ``FORGIVEN_AFTER``
    seconds adds a question before the next one.
R3. An outage is told once a look finds it, unless the destination answered since the doubt began. It began
    with the first question that was not answered.
    If a look takes long, ``TELL_WITHIN`` intervals after that it is told where everything has become silent.
R4. A port that was not reached and answers is looked at at once; it is up again since that answer. If looks
    do not find what ``ANSWERS_ENOUGH`` answers in a row have shown, those count.
R5. While the port is not reached, a look is taken where the destination's answers become others for
    ``SAME_ANSWERS`` in a row, or a hop beyond the break answers; what two looks in a row agree on is told.
R6. What the destination loses counts (``loss``) but for outages and for what this machine kept away; so do
    its RTTs (``rtt_change``), but for those of rested flows, which may go another way.
R7. A destination that ``ONCE`` times in a row left a flow in turn unanswered and a rested one not answers
    each flow once: it is asked on rested flows from then on.
R8. A local cause is told as one. While it lasts nothing is concluded and no time counts as up or down; what
    was under way then counts for nothing.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf, isinf
from typing import TYPE_CHECKING

from tracetcp.model import AddressSeen, Outcome, Probe, ReplyKind
from tracetcp.model.evidence import TCP_KINDS
from tracetcp.model.verdict import Certainty, Kind
from tracetcp.model.watching import (
    Asked,
    Cause,
    Heartbeat,
    LocalCause,
    LocalTrouble,
    PathChanged,
    PortState,
    Snapshot,
    StateChanged,
    TargetMoved,
    WatchEnded,
)
from tracetcp.watch import QuietMachine
from tracetcp.watch.figures import Figures
from tracetcp.watch.look import Look
from tracetcp.watch.path import DESTINATION, WatchedPath
from tracetcp.watch.quality import Quality
from tracetcp.watch.questions import FLOWS_IN_TURN, Question, Questions, Role
from tracetcp.watch.rows import addresses_of, rows
from tracetcp.watch.times import Times

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tracetcp.config import TraceConfig, Watch
    from tracetcp.engine import Engine
    from tracetcp.engine.run_state import RunState
    from tracetcp.model import Event, Reply
    from tracetcp.watch import Machine

LOOK_TIMEOUT = 0.5
"""Seconds that a look waits for a reply, at least: the RTTs are known by then."""
LOOK_TIMEOUT_RTTS = 4
TELL_WITHIN = 2.25
LOOKED_FOR = 1.25
"""Seconds that a look has taken before its silence is told, at least."""
FARTHER_HOPS = 2
"""Hops beyond those known that a look goes; a path that goes on there is looked at anew, as far as it may."""
ROUTER_TIMEOUT = 1.0
"""Seconds that a router's answer is waited for, at least, where nothing else waits for its flow."""
FORGIVEN_AFTER = 600.0
MOST_AGAIN = 4
"""Questions that bear a doubt out, at most."""
ANSWERS_ENOUGH = 3
SAME_ANSWERS = 3
LOOK_PAUSE, LONGEST_LOOK_PAUSE = 30.0, 960.0
"""Seconds between looks at a port that is not reached; doubled by each that finds nothing new."""
ONCE = 4
LOST_BEFORE_LOOK_UP = 10
"""Intervals without an answer after which the target's name is looked up again; then twice as many."""
ASLEEP = 5.0
"""Seconds (and two intervals) that the watch must have missed for its machine to have slept, or it itself."""

_OUTCOMES = {ReplyKind.SYN_ACK: Outcome.OPEN, ReplyKind.RST: Outcome.CLOSED}


class Doubt:
    """Something that may have changed: ``began_at`` the question that met it was sent."""

    def __init__(self, began_at: float, questions: int) -> None:
        self.began_at = began_at
        self.to_ask = questions
        """Questions still to be asked, one after the other."""
        self.is_asking = False
        self.is_borne_out = False


class WatchEngine:
    """The engine (see ``Engine``) that watches the one port of ``config`` as ``watch`` says.

    ``open_engine`` makes the engines of looks, each with the state that it is given.
    """

    def __init__(
        self,
        config: TraceConfig,
        watch: Watch,
        destination: str,
        open_engine: Callable[[TraceConfig, RunState], Engine],
        state: RunState,
        *,
        machine: Machine | None = None,
    ) -> None:
        self.ports_done = 0
        self._config, self._watch, self._destination = config, watch, destination
        self._port = config.ports[0]
        self._open_engine = open_engine
        self._state = state
        self._machine = machine or QuietMachine()
        self._questions = Questions(self._machine)
        self._path = WatchedPath(config.start_hop, config.last_ttl)
        self._figures = Figures()
        self._quality = Quality(self._path)
        self._events: list[Event] = []
        self._now = self._began_at = -inf
        self._times = Times(0.0)
        self._port_state: PortState | None = None
        self._state_since = 0.0
        self._candidate: PortState | None = None
        self._look: Look | None = None
        self._looks_in_vain: list[float] = []
        self._look_pause, self._may_look_at = LOOK_PAUSE, -inf
        self._doubt: Doubt | None = None
        self._recovered_at: float | None = None
        self._answers_in_row = 0
        self._lost_in_row = 0
        self._look_up_after = LOST_BEFORE_LOOK_UP
        self._once_in_row = 0
        self._answer_class: object = None
        self._other_class: object = None
        self._others_in_row = 0
        self._outage: tuple[float, float] = (inf, -inf)
        """When the last outage began and ended."""
        self._local: LocalTrouble | None = None
        self._void_before = -inf
        """Questions that left before this instant count for nothing."""
        self._asked_count = 0
        self._next_at = inf
        self._heartbeat_at = inf
        self._due: list[Role] = []
        self._control: Question | None = None
        self._again: Question | None = None
        self._sending: Question | None = None
        self._expected_at = inf
        self._path_changes = 0
        self._is_ending = self._is_over = False
        self.is_paused = False

    # The calls that every engine has -------------------------------------------------------------------

    @property
    def is_done(self) -> bool:
        """Whether the watch has ended and its events were taken."""
        return self._is_over and not self._events

    def next_probes(self, now: float, most: int) -> Sequence[Probe]:
        """The next probe: of the destination, of what bears a doubt out, of a look, of a hop."""
        if self._began_at == -inf:
            self._begin(now)
        if most < 1 or self._is_over:
            return ()
        self._note_interval(now)
        question = self._next_question(now)
        if question is None and self._look is not None:
            probes = self._look.engine.next_probes(now, most)
            if probes:
                return probes
        question = question or self._next_hop(now)
        if question is None:
            return ()
        self._sending = question
        return (question.probe,)

    def sent(self, probe: Probe, at: float) -> None:
        """See ``Engine``."""
        question = self._sending
        if question is None or question.probe.token != probe.token:
            if self._look is not None:
                self._look.engine.sent(probe, at)
            return
        self._sending = None
        question.sent_at = at
        self._questions.under_way[probe.token] = question
        self._state.routers.on_sent(probe.ttl, at)

    def failed(self, probe: Probe, at: float) -> None:
        """See ``Engine``: this machine cannot send, which says nothing of the network."""
        if self._sending is not None and self._sending.probe.token == probe.token:
            self._sending = None
            self._state.tokens.release(probe.token)
            if self._doubt is not None:
                self._doubt = None
        elif self._look is not None:
            self._look.engine.failed(probe, at)
            self._look.has_failed = True
        self._blame_machine(at, LocalCause(Cause.CANNOT_SEND, "probes cannot be sent"))

    def receive(self, reply: Reply) -> None:
        """See ``Engine``."""
        owner = self._state.tokens.owner_of(reply.token)
        if owner is not self:
            if owner is not None and self._look is not None:
                self._look.engine.receive(reply)
            return
        question = self._questions.under_way.pop(reply.token, None)
        if question is None:
            return
        question.reply = reply
        self._state.tokens.release(reply.token)
        if reply.sender not in self._state.addresses:
            self._state.addresses.add(reply.sender)
            self._events.append(AddressSeen(reply.sender))
        self._state.timeouts.add(question.probe.ttl, question.rtt or 0.0)
        self._decide(question)

    def advance(self, now: float) -> None:
        """See ``Engine``."""
        self._now = max(self._now, now)
        self._notice_sleep(now)
        for question in self._questions.newly_missing(now):
            self._miss(question, now)
        for question in self._questions.take_lost(now):
            self._state.tokens.release(question.probe.token)
            self._decide(question)
        if self._look is not None:
            self._look.engine.advance(now)
        self._notice_target(now)

    def wake_at(self) -> float:
        """See ``Engine``."""
        instants = [self._next_at, self._heartbeat_at, self._tells_silence_at, *self._questions.instants()]
        if self._may_ask_hops:
            instants.append(max(self._path.rounds.next_at, self._hops_free_at))
        if self._due or self._wants_again:
            instants.append(-inf)
        if self._look is not None and not self._look.engine.is_done:
            instants.append(self._look.engine.wake_at())
        wake_at = min(instants)
        self._expected_at = max(wake_at, self._now)
        return wake_at

    def events(self) -> list[Event]:
        """See ``Engine``."""
        if self._look is not None:
            self._events += self._look.take()
            if self._look.engine.is_done:
                self._finish_look(self._look)
            elif self._now >= self._tells_silence_at:
                self._tell_silence(self._look)
        self._tell_path()
        self._tell_loss_and_rtt()
        if self._now >= self._heartbeat_at and self._watch.heartbeat is not None:
            self._heartbeat_at += self._watch.heartbeat
            self._events.append(Heartbeat(self._now, self.snapshot()))
        if self._is_ending and not self._questions.under_way and self._look is None and not self._wants_again:
            self.end(self._now)
        decided, self._events = self._events, []
        return decided

    # What the user asks --------------------------------------------------------------------------------

    def end(self, now: float) -> None:
        """End the watch; its summary is the last event."""
        self._now = max(self._now, now)
        if not self._is_over:
            self._is_over = True
            self._events.append(WatchEnded(self._now, self.snapshot()))

    def pause(self, now: float, *, is_paused: bool) -> None:
        """Ask nothing, or go on."""
        self._now = max(self._now, now)
        if is_paused == self.is_paused:
            return
        self.is_paused = is_paused
        if is_paused:
            self._forget_what_is_under_way()
            self._next_at = inf
            self._times.turn(None, self._now)
        else:
            self._resume(self._now)

    def begin_figures_anew(self) -> None:
        """Count from zero; what is known of the port and its path stays known."""
        self._figures = Figures()
        self._path.begin_figures_anew()

    # The interval --------------------------------------------------------------------------------------

    def _begin(self, now: float) -> None:
        self._now = self._began_at = self._state_since = now
        self._times = Times(now)
        if self._watch.heartbeat is not None:
            self._heartbeat_at = now + self._watch.heartbeat
        self._take_look(self._config)

    def _resume(self, now: float) -> None:
        """Go on after a time in which nothing was asked."""
        self._void_before = now
        self._times.turn(None if self._local or self._port_state is None else self._port_state.is_up, now)
        if self._port_state is None:
            self._take_look(self._config)
        else:
            self._next_at = now

    def _note_interval(self, now: float) -> None:
        if now < self._next_at or self._is_ending:
            return
        if self._asked_count:
            self._events.append(Asked(now))
        if self._asked_count == self._watch.intervals:
            self._is_ending, self._next_at = True, inf
            return
        self._asked_count += 1
        missed = int((now - self._next_at) // self._watch.interval)
        self._next_at += self._watch.interval * (missed + 1)
        self._due = [Role.DESTINATION, Role.ROUTER]  # R1
        if self._local is not None:
            self._poll_machine(now)
        if self._port_state is None and self._look is None and self._local is None:
            self._take_look(self._config)

    def _next_question(self, now: float) -> Question | None:  # noqa: ARG002 - as its sister
        if Role.DESTINATION in self._due:
            self._due.remove(Role.DESTINATION)
            flow = self._questions.flow_in_turn()
            self._control = self._question(Role.DESTINATION, self._config.last_ttl, flow)
            return self._control
        if self._wants_again:
            assert self._doubt is not None, "it is what wants to be borne out"
            self._doubt.is_asking = True
            self._again = self._question(Role.AGAIN, self._config.last_ttl, self._questions.rested_flow())
            return self._again
        return None

    @property
    def _wants_again(self) -> bool:
        doubt = self._doubt
        return doubt is not None and doubt.to_ask > 0 and not doubt.is_asking and not self.is_paused

    @property
    def _may_ask_hops(self) -> bool:
        """Whether hops may be asked in rounds: not while a look is taken, which asks them all."""
        return self._look is None and not self.is_paused and self._local is None and not self._is_ending

    @property
    def _hops_free_at(self) -> float:
        """When the flow of the hops is free."""
        if self._questions.is_free(FLOWS_IN_TURN[0]):
            return -inf
        flow = FLOWS_IN_TURN[0]
        return min(each.ends_at for each in self._questions.under_way.values() if each.probe.flow == flow)

    def _next_hop(self, now: float) -> Question | None:
        is_turn = Role.ROUTER in self._due
        if is_turn and not self._questions.is_free(FLOWS_IN_TURN[0]):
            self._due.remove(Role.ROUTER)
            return None
        if not self._may_ask_hops:
            self._due.clear()
            return None
        if is_turn:
            self._due.remove(Role.ROUTER)
            hop = self._path.next_in_turn(now)
            if hop is not None:
                self._path.asked_in_turn(hop, now)
                question = self._question(Role.ROUTER, hop, FLOWS_IN_TURN[0])
                question.control = self._control
                return question
        return self._next_of_round(now)

    def _next_of_round(self, now: float) -> Question | None:
        if not self._questions.is_free(FLOWS_IN_TURN[0]):
            return None
        hop = self._path.next_of_round(now)
        if hop is None:
            return None
        self._path.asked_in_round(hop, now)
        question = self._question(Role.ROUTER, hop, FLOWS_IN_TURN[0])
        question.is_in_round = True
        question.control = self._control
        return question

    def _question(self, role: Role, ttl: int, flow: int) -> Question:
        probe = Probe(self._state.tokens.draw(self), self._port, ttl, 1, flow)
        timeout = min(self._config.timeout, self._machine.longest_wait)
        patience = min(timeout, self._patience(ttl))
        longest = timeout
        if role is Role.ROUTER:
            is_alone = not self._machine.shares_flows  # the next one on its flow takes its place
            longest = patience if is_alone else min(timeout, max(ROUTER_TIMEOUT, 2 * patience))
        return Question(role, probe, patience, longest)

    def _patience(self, ttl: int) -> float:
        timeouts = self._state.timeouts
        if timeouts.longest_srtt is None:
            return inf
        return timeouts.timeout(min(ttl, max(1, self._path.length)))

    # What came of a question ---------------------------------------------------------------------------

    def _miss(self, question: Question, now: float) -> None:
        """The answer is overdue, though it may still come."""
        if self._is_void(question):
            return
        if question.role is Role.DESTINATION:
            self._meet(question, now)
        elif question is self._again:
            self._bear_out(question, now)

    def _decide(self, question: Question) -> None:
        """``question`` was answered or is lost."""
        if self._is_void(question):
            return
        if question.role is Role.ROUTER:
            self._decide_hop(question)
            return
        if question.reply is not None:
            if self._local is not None:
                self._end_trouble(question.reply.received_at)
            if question is self._again:
                self._bear_out(question, question.reply.received_at)
            else:
                self._meet(question, question.reply.received_at)
        if question.role is Role.DESTINATION:
            self._count(question)

    def _is_void(self, question: Question) -> bool:
        return question.sent_at < self._void_before or (self._local is not None and question.reply is None)

    def _meet(self, question: Question, now: float) -> None:
        """The destination's answer, or that it is missing."""
        outcome = _outcome(question)
        state = self._port_state
        if state is None:
            return
        self._answers_in_row = 0 if outcome is None else self._answers_in_row + 1
        self._lost_in_row = 0 if question.reply is not None else self._lost_in_row + 1
        if question.reply is not None:
            self._look_up_after = LOST_BEFORE_LOOK_UP
        elif self._lost_in_row >= self._look_up_after:
            self._look_up_after *= 2
            self._machine.look_up_again()
        if not state.is_up:
            self._meet_while_down(question, outcome, now)
        elif outcome is state.outcome:
            self._once_in_row = 0 if question.probe.flow in FLOWS_IN_TURN else self._once_in_row
            doubt = self._doubt
            if doubt is not None and question.sent_at > doubt.began_at:
                self._doubt = None
            elif doubt is not None and question.sent_at == doubt.began_at:
                self._doubt = None  # it was late
        elif self._doubt is None and self._look is None:
            since = now - FORGIVEN_AFTER
            self._looks_in_vain = [at for at in self._looks_in_vain if at > since]
            self._doubt = Doubt(question.sent_at, min(MOST_AGAIN, 1 + len(self._looks_in_vain)))  # R2

    def _bear_out(self, question: Question, now: float) -> None:
        """What was asked again met the same, or not."""
        self._again = None
        doubt, state = self._doubt, self._port_state
        if doubt is None or state is None:
            return
        doubt.is_asking = False
        if _outcome(question) is state.outcome:
            self._doubt = None
            self._once_in_row += 1
            self._questions.is_resting_always |= self._once_in_row >= ONCE  # R7
            return
        doubt.to_ask -= 1
        if doubt.to_ask:
            return
        if self._poll_machine(now):
            self._doubt = None
            return
        doubt.is_borne_out = True
        self._take_look(self._quick_config())  # R2

    def _meet_while_down(self, question: Question, outcome: Outcome | None, now: float) -> None:
        state = self._port_state
        assert state is not None, "it is down"
        is_forged = state.kind is Kind.FORGED
        if outcome is not None and outcome is not (Outcome.CLOSED if is_forged else state.outcome):
            if self._recovered_at is None:
                self._recovered_at = now
            if is_forged:
                self._look_while_down(now)
            elif self._answers_in_row >= ANSWERS_ENOUGH and self._look is None:  # R4
                self._turn_to(self._state_of_answer(outcome), self._recovered_at, question.rtt)
            elif self._look is None:
                self._take_look(self._quick_config())
            return
        self._recovered_at = None
        answer = None if question.reply is None else (question.reply.kind, question.reply.sender)
        if self._answer_class is None:
            self._answer_class = (answer,)
        elif self._answer_class == (answer,):
            self._others_in_row = 0
        else:
            self._others_in_row = self._others_in_row + 1 if self._other_class == (answer,) else 1
            self._other_class = (answer,)
            if self._others_in_row >= SAME_ANSWERS:  # R5
                self._answer_class, self._others_in_row = (answer,), 0
                self._look_while_down(now)

    def _look_while_down(self, now: float) -> None:
        if self._look is None and now >= self._may_look_at:
            self._may_look_at = now + self._look_pause
            self._look_pause = min(2 * self._look_pause, LONGEST_LOOK_PAUSE)
            self._take_look(self._quick_config())

    def _state_of_answer(self, outcome: Outcome) -> PortState:
        kind = Kind.OPEN if outcome is Outcome.OPEN else Kind.CLOSED
        sentence = f"Port {self._port} is {kind.value} at {self._destination}."
        return PortState(outcome, kind, Certainty.LIKELY, sentence, self._path.met_at, self._destination)

    def _decide_hop(self, question: Question) -> None:
        reply, number = question.reply, question.probe.ttl
        control = question.control
        if control is not None and control.reply is not None and control.reply.kind in TCP_KINDS:
            self._path.at(number).pairs.append(reply is None)
        if reply is None or reply.kind is ReplyKind.UNREACHABLE:  # which says nothing of this hop
            self._path.lost(number, is_in_round=question.is_in_round)
            return
        if reply.kind in TCP_KINDS and self._port_state is not None and not self._port_state.is_up:
            return  # who answers in the destination's name is no end of the path
        address = DESTINATION if reply.kind in TCP_KINDS else reply.sender
        self._path.answered(number, address, question.rtt or 0.0, is_in_round=question.is_in_round)
        state = self._port_state
        if state is not None and not state.is_up and number > (state.hop or 0) and self._doubt is None:
            self._look_while_down(reply.received_at)  # R5

    def _count(self, question: Question) -> None:
        """Count a decided question of the destination."""
        state = self._port_state
        is_answered = question.reply is not None and question.reply.kind in TCP_KINDS
        self._figures.add(question.rtt if is_answered else None)
        began_at, ended_at = self._outage
        if state is None or not state.is_up or began_at <= question.sent_at <= ended_at:  # R6
            return
        if self._doubt is not None and self._doubt.is_borne_out:
            return
        is_comparable = question.probe.flow in FLOWS_IN_TURN
        self._quality.count(question.rtt if is_answered else None, is_comparable=is_comparable)

    # Looks ---------------------------------------------------------------------------------------------

    def _quick_config(self) -> TraceConfig:
        longest = self._state.timeouts.longest_srtt or 0.0
        wait = min(self._config.timeout, max(LOOK_TIMEOUT, LOOK_TIMEOUT_RTTS * longest))
        hops = max(1, self._path.length - self._config.start_hop + 1 + FARTHER_HOPS)
        return replace(self._config, timeout=wait, max_hops=min(self._config.max_hops, hops))

    def _take_look(self, config: TraceConfig) -> None:
        self._state = self._state.renewed()
        shares_flows = self._machine.shares_flows
        self._look = Look(
            config, self._destination, self._open_engine, self._state, shares_flows=shares_flows
        )
        self._look.began_at = self._now

    def _finish_look(self, look: Look) -> None:
        self._look = None
        self._state.tokens.keep(self)
        if look.has_failed or self._local is not None or look.found is None:
            if self._port_state is None:
                self._begin_without_look()
            return
        found, state, doubt = look.found, self._port_state, self._doubt
        if found.kind is Kind.PATH_GOES_ON and look.config.max_hops < self._config.max_hops:
            self._take_look(replace(look.config, max_hops=self._config.max_hops))
            return
        if state is None:
            self._turn_to(found, self._now, look.rtt)
            self._learn_path(look)
            self._next_at = min(self._next_at, self._now)
        elif state.is_up:
            self._finish_look_while_up(found, doubt, look)
        else:
            self._finish_look_while_down(found, look)

    @property
    def _tells_silence_at(self) -> float:
        """When a look that still goes on has taken too long to wait for."""
        state, doubt = self._port_state, self._doubt
        is_in_doubt = state is not None and state.is_up and doubt is not None and doubt.is_borne_out
        if self._look is None or doubt is None or not is_in_doubt:
            return inf
        at = doubt.began_at + TELL_WITHIN * self._watch.interval
        return max(at, self._look.began_at + max(LOOKED_FOR, 2 * self._look.config.timeout))

    def _tell_silence(self, look: Look) -> None:
        doubt, silence = self._doubt, look.silent_after()
        assert doubt is not None, "silence is told of a doubt"
        if silence is None:
            doubt.is_borne_out = False  # what it met tells at its end
            return
        self._turn_to(silence, doubt.began_at, None)  # R3
        self._candidate = silence

    def _begin_without_look(self) -> None:
        """This machine could not look; try again at the next interval."""
        if self._next_at == inf:
            self._next_at = self._now + self._watch.interval

    def _finish_look_while_up(self, found: PortState, doubt: Doubt | None, look: Look) -> None:
        assert self._port_state is not None, "it is up"
        self._doubt = None
        if found.is_like(self._port_state):
            self._looks_in_vain.append(self._now)
        elif found.is_up:
            self._turn_to(found, self._now if doubt is None else doubt.began_at, look.rtt)
        elif doubt is not None:  # R3
            self._turn_to(found, doubt.began_at, None)
        else:
            self._looks_in_vain.append(self._now)

    def _finish_look_while_down(self, found: PortState, look: Look) -> None:
        assert self._port_state is not None, "it is down"
        if found.is_up:
            self._candidate = None
            self._turn_to(found, self._now if self._recovered_at is None else self._recovered_at, look.rtt)
            self._learn_path(look)
        elif found.is_like(self._port_state):
            self._candidate = None
        elif self._candidate is not None and (
            found.is_like(self._candidate) or self._candidate is self._port_state
        ):
            self._candidate = None
            self._look_pause = LOOK_PAUSE
            self._turn_to(found, self._now, None)
            self._learn_path(look)
        else:
            self._candidate = found
            self._take_look(self._quick_config())  # R5

    def _learn_path(self, look: Look) -> None:
        """Ask the hops that ``look`` met from now on; where it met a break, the one beyond it, too (R5)."""
        self._path.expect(look.length + (self._port_state is not None and not self._port_state.is_up))

    def _turn_to(self, state: PortState, since: float, rtt: float | None) -> None:
        before = self._port_state
        down = None
        began_at = self._times.down_since
        if state.is_up and began_at is not None:
            down = since - began_at
            self._outage = began_at, since
        self._port_state, self._state_since = state, since
        self._path.is_up = state.is_up
        self._times.turn(state.is_up, since)
        self._now = max(self._now, since)
        self._events.append(StateChanged(self._now, since, state, before, rtt, down))
        self._doubt = self._recovered_at = None
        self._answer_class = None
        self._answers_in_row = self._others_in_row = 0
        self._may_look_at = self._now + LOOK_PAUSE
        self._quality.on_other_state()

    # What is told of the path --------------------------------------------------------------------------

    def _tell_path(self) -> None:
        change = self._path.take_change()
        if change is None:
            return
        self._path_changes += 1
        before, after = (
            tuple(addresses_of(hop, self._destination) for hop in hops)
            for hops in (change.before, change.after)
        )
        self._events.append(
            PathChanged(self._now, change.first, before, after, change.length_before, change.length_after)
        )
        self._quality.on_other_path()

    def _tell_loss_and_rtt(self) -> None:
        if self._path.has_rounds or any(each.is_in_round for each in self._questions.under_way.values()):
            return
        self._events += self._quality.take(self._now)

    # This machine --------------------------------------------------------------------------------------

    def _poll_machine(self, now: float) -> bool:
        """Whether this machine has a cause for silence, now or a moment ago."""
        cause = self._machine.trouble()
        if cause is None:
            if self._local is not None:
                self._end_trouble(now)
            return False
        self._blame_machine(now, cause)
        return True

    def _blame_machine(self, now: float, fallback: LocalCause) -> None:
        """Tell of a local cause, ``fallback`` if the machine knows none."""
        cause = self._machine.trouble() or fallback
        self._forget_what_is_under_way()
        if not cause.is_lasting:
            self._events.append(LocalTrouble(now, now, cause))
            self._void_before = now
        elif self._local is None or self._local.cause.cause is not cause.cause:
            self._local = LocalTrouble(now, now if self._local is None else self._local.since, cause)  # R8
            self._events.append(self._local)
            self._times.turn(None, now)

    def _forget_what_is_under_way(self) -> None:
        self._doubt = self._again = self._recovered_at = None
        self._due.clear()
        self._path.rounds.stop()

    def _end_trouble(self, now: float) -> None:
        assert self._local is not None, "it lasts"
        self._events.append(self._local._replace(at=now, is_over=True))
        self._local = None
        self._void_before = now
        self._times.turn(None if self._port_state is None else self._port_state.is_up, now)
        if self._port_state is None and self._look is None:
            self._take_look(self._config)

    def _notice_sleep(self, now: float) -> None:
        asleep = self._machine.seconds_asleep()
        late = 0.0 if isinf(self._expected_at) else now - self._expected_at
        self._expected_at = now  # it may be stopped before it says until when it waits
        missed = max(asleep, late)
        if self._began_at == -inf or missed < max(ASLEEP, 2 * self._watch.interval):
            return
        cause = LocalCause(
            Cause.ASLEEP, f"nothing was asked for {missed:.0f} s: this machine slept", is_lasting=False
        )
        self._forget_what_is_under_way()
        self._events.append(LocalTrouble(now, now - late, cause))
        self._void_before = now
        if self._next_at < now:
            self._next_at = now

    def _notice_target(self, now: float) -> None:
        address = self._machine.new_destination()
        if address is None:
            return
        self._events.append(TargetMoved(now, self._destination, address))
        self._destination = address
        self._forget_what_is_under_way()
        self._questions.under_way.clear()
        self._path = WatchedPath(self._config.start_hop, self._config.last_ttl)
        self._quality = Quality(self._path)
        self._void_before = now
        self._port_state = None
        self._next_at = inf
        self._times.turn(None, now)
        self._take_look(self._config)

    # What is known -------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """What is known now."""
        spent = self._times.spent(self._now)
        return Snapshot(
            at=self._now,
            started_at=self._began_at,
            state=self._port_state,
            since=self._state_since,
            local=None if self._local is None else self._local.cause,
            hops=tuple(rows(self._path, self._figures, self._port_state, self._destination)),
            asked=self._figures.asked,
            answered=self._figures.answered,
            up=spent.up,
            down=spent.down,
            unknown=spent.unknown,
            longest_outage=spent.longest_outage,
            outages=spent.outages,
            path_changes=self._path_changes,
            is_paused=self.is_paused,
        )


def _outcome(question: Question) -> Outcome | None:
    """What the answer says of the port; None without one, and for one that a router sent."""
    return None if question.reply is None else _OUTCOMES.get(question.reply.kind)
