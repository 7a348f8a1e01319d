"""Which question of the watch itself leaves next. No I/O, no clock; knows nothing of the port's state.

R1. The destination is asked once an interval, one hop in turn with it. Nothing else is sent while nothing
    changes.
R2. What bears a doubt out is asked at once.
R3. Hops are asked on one flow, in their turn only if it is free then, in rounds once it is; and not while a
    look asks them all.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from tracetcp.model import Probe
from tracetcp.watch.questions import FLOWS_IN_TURN, Question, Role

if TYPE_CHECKING:
    from tracetcp.config import TraceConfig
    from tracetcp.engine.run_state import RunState
    from tracetcp.engine.tokens import TokenOwner
    from tracetcp.model import Reply
    from tracetcp.watch import Machine
    from tracetcp.watch.path import WatchedPath
    from tracetcp.watch.questions import Questions

HOPS_FLOW = FLOWS_IN_TURN[0]
ROUTER_TIMEOUT = 1.0
"""Seconds that a router's answer is waited for, at least, where nothing else waits for its flow."""


class Asking:
    """Asks along ``path`` for ``owner``, to whom the tokens of the probes lead."""

    def __init__(
        self,
        config: TraceConfig,
        machine: Machine,
        state: RunState,
        questions: Questions,
        path: WatchedPath,
        *,
        owner: TokenOwner,
    ) -> None:
        self._config, self._machine, self._owner = config, machine, owner
        self._questions, self._path = questions, path
        self._tokens, self._timeouts = state.tokens, state.timeouts
        self._due: list[Role] = []
        self._control: Question | None = None
        """The last question of an interval to the destination."""
        self._sending: Question | None = None

    # What leaves next ----------------------------------------------------------------------------------

    def begin_interval(self) -> None:
        """An interval begins."""
        self._due = [Role.DESTINATION, Role.ROUTER]  # R1

    def forget_what_is_due(self) -> None:
        """Ask nothing before the next interval, and finish no round."""
        self._due.clear()
        self._path.rounds.stop()

    def question_in_turn(self) -> Question | None:
        """The question of this interval to the destination, None once it was asked."""
        if Role.DESTINATION not in self._due:
            return None
        self._due.remove(Role.DESTINATION)
        self._control = self._question(
            Role.DESTINATION, self._config.last_ttl, self._questions.flow_in_turn()
        )
        return self._control

    def question_again(self) -> Question:
        """One that bears a doubt out."""
        return self._question(Role.AGAIN, self._config.last_ttl, self._questions.rested_flow())  # R2

    def question_to_hop(self, now: float, *, may_ask: bool) -> Question | None:
        """The one to a hop that may leave now; none leaves unless it ``may_ask`` hops."""
        is_turn, is_free = Role.ROUTER in self._due, self._questions.is_free(HOPS_FLOW)
        if is_turn:
            self._due.remove(Role.ROUTER)
        if not is_free or not may_ask:  # R3
            return None
        hop = self._path.next_in_turn(now) if is_turn else None
        if hop is not None:
            self._path.asked_in_turn(hop, now)
            return self._question(Role.ROUTER, hop, HOPS_FLOW)
        hop = self._path.next_of_round(now)
        if hop is None:
            return None
        self._path.asked_in_round(hop, now)
        question = self._question(Role.ROUTER, hop, HOPS_FLOW)
        question.is_in_round = True
        return question

    def _question(self, role: Role, ttl: int, flow: int) -> Question:
        probe = Probe(self._tokens.draw(self._owner), self._config.ports[0], ttl, 1, flow)
        timeout = min(self._config.timeout, self._machine.longest_wait)
        patience = min(timeout, self._patience(ttl))
        longest, control = timeout, None
        if role is Role.ROUTER:
            is_alone = not self._machine.shares_flows  # the next one on its flow takes its place
            longest = patience if is_alone else min(timeout, max(ROUTER_TIMEOUT, 2 * patience))
            control = self._control
        self._sending = Question(role, probe, patience, longest, control=control)
        return self._sending

    def _patience(self, ttl: int) -> float:
        if self._timeouts.longest_srtt is None:
            return inf
        return self._timeouts.timeout(min(ttl, max(1, self._path.length)))

    def wakes_at(self, *, may_ask_hops: bool) -> float:
        """When a hop may be asked, or a question is missing or lost."""
        instants = [*self._questions.instants()]
        if may_ask_hops:
            instants.append(max(self._path.rounds.next_at, self._hops_free_at))
        return min(instants, default=inf)

    @property
    def _hops_free_at(self) -> float:
        """When the flow of the hops is free."""
        if self._questions.is_free(HOPS_FLOW):
            return -inf
        under_way = self._questions.under_way.values()
        return min(each.ends_at for each in under_way if each.probe.flow == HOPS_FLOW)

    # What became of it ---------------------------------------------------------------------------------

    def sent(self, probe: Probe, at: float) -> bool:
        """``probe`` left at ``at``; whether it is one of these questions."""
        question = self._take_sending(probe)
        if question is None:
            return False
        question.sent_at = at
        self._questions.under_way[probe.token] = question
        return True

    def failed(self, probe: Probe) -> bool:
        """``probe`` could not be sent; whether it is one of these questions."""
        if self._take_sending(probe) is None:
            return False
        self._tokens.release(probe.token)
        return True

    def _take_sending(self, probe: Probe) -> Question | None:
        question = self._sending
        if question is None or question.probe.token != probe.token:
            return None
        self._sending = None
        return question

    def answered(self, reply: Reply) -> Question:
        """The question that ``reply`` answers, which is under way no longer."""
        question = self._questions.under_way.pop(reply.token)
        question.reply = reply
        self._tokens.release(reply.token)
        self._timeouts.add(question.probe.ttl, question.rtt or 0.0)
        return question

    def take_lost(self, now: float) -> list[Question]:
        """Those of which nothing can be heard any more."""
        lost = self._questions.take_lost(now)
        for question in lost:
            self._tokens.release(question.probe.token)
        return lost
