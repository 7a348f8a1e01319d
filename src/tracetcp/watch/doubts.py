"""While the port is up: what a missing answer, or another one than before, leads to. Pure.

R1. It is a *doubt*: the destination is asked again at once, on another source port. If that bears the doubt
    out, a look is taken. A path that loses packets raises doubts often: each look in vain of the last
    ``FORGIVEN_AFTER`` seconds adds a question before the next one.
R2. An answer as before to a question asked since, or to that one, late, ends the doubt, also during the look.
R3. A destination that ``ONCE`` times in a row left a flow in turn unanswered and a rested one not answers
    each flow once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.watch.questions import FLOWS_IN_TURN

if TYPE_CHECKING:
    from tracetcp.watch.questions import Question

FORGIVEN_AFTER = 600.0
MOST_AGAIN = 4
"""Questions that bear a doubt out, at most."""
ONCE = 4


class Doubt:
    """Something that may have changed: ``began_at`` the question that met it was sent."""

    def __init__(self, began_at: float, questions: int) -> None:
        self.began_at = began_at
        self.to_ask = questions
        """Questions still to be asked, one after the other."""
        self.asking: Question | None = None
        """The one under way."""
        self.is_borne_out = False

    @property
    def wants_question(self) -> bool:
        """Whether the next question may leave."""
        return self.to_ask > 0 and self.asking is None


class Doubts:
    """The doubt there is, and what became of those before."""

    def __init__(self) -> None:
        self.current: Doubt | None = None
        self._looks_in_vain: list[float] = []
        self._once_in_row = 0

    @property
    def answers_once(self) -> bool:
        """Whether the destination answers each flow once only."""
        return self._once_in_row >= ONCE

    @property
    def wants_question(self) -> bool:
        """Whether the next question that is to bear a doubt out may leave."""
        return self.current is not None and self.current.wants_question

    def begin(self, question: Question, now: float) -> None:
        """``question`` met what was not met before."""
        if self.current is None:
            since = now - FORGIVEN_AFTER
            self._looks_in_vain = [at for at in self._looks_in_vain if at > since]
            self.current = Doubt(question.sent_at, min(MOST_AGAIN, 1 + len(self._looks_in_vain)))  # R1

    def refute(self, question: Question) -> None:
        """``question`` met the same as ever."""
        if question.probe.flow in FLOWS_IN_TURN:
            self._once_in_row = 0
        if self.current is not None and question.sent_at >= self.current.began_at:
            self.current = None  # R2

    def drop(self) -> None:
        """Nothing is doubtful: the state is another, or what was under way counts for nothing."""
        self.current = None

    def bear_out(self, question: Question, *, is_as_before: bool) -> bool:
        """``question`` was asked again; whether what it met leaves nothing but to look."""
        doubt = self.current
        if doubt is None or doubt.asking is not question:
            return False
        doubt.asking = None
        if is_as_before:
            self.current = None
            self._once_in_row += 1  # R3
            return False
        doubt.to_ask -= 1
        return not doubt.to_ask

    def looked_in_vain(self, at: float) -> None:
        """A look found nothing new."""
        self._looks_in_vain.append(at)
