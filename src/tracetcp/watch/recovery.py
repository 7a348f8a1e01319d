"""While the port is not reached: what an answer leads to, and when to look. Pure; instants are arguments.

R1. A port that was not reached and answers is looked at at once; it is up again since that answer. If looks
    do not find what ``ANSWERS_ENOUGH`` answers in a row have shown, those count. In the name of a destination
    whose answers are forged, a RST is no answer, and only a look can tell.
R2. A look is also taken, now and then, where the destination's answers become others for ``SAME_ANSWERS`` in
    a row, or a hop beyond the break answers.
R3. What two looks in a row agree on is told.
"""

from __future__ import annotations

from enum import Enum
from math import inf
from typing import TYPE_CHECKING

from tracetcp.model import Outcome
from tracetcp.model.verdict import Kind

if TYPE_CHECKING:
    from typing import TypeAlias

    from tracetcp.model import Reply, ReplyKind
    from tracetcp.model.watching import PortState

    Answer: TypeAlias = tuple[ReplyKind | None, str]
    """What the destination answers, and who does; of silence None and nobody."""

ANSWERS_ENOUGH = 3
SAME_ANSWERS = 3
LOOK_PAUSE, LONGEST_LOOK_PAUSE = 30.0, 960.0
"""Seconds between looks at a port that is not reached; doubled by each that finds nothing new."""


class Step(Enum):
    """What to do next."""

    WAIT = "wait"
    LOOK = "look"
    """At once."""
    LOOK_IN_TIME = "look in time"
    """If the last look was long ago."""
    BELIEVE = "believe"
    """The answers: the port is up again."""


class Recovery:
    """What a port that is not reached answers, and what looks found meanwhile."""

    def __init__(self) -> None:
        self.began_at: float | None = None
        """Since when the port answers again, None while it does not."""
        self._answers_in_row = 0
        self._usual: Answer | None = None
        self._other: Answer | None = None
        self._others_in_row = 0
        self._candidate: PortState | None = None
        """What the last look found, where it has to be found again."""
        self._pause, self._may_look_at = LOOK_PAUSE, -inf

    def begin(self, now: float) -> None:
        """The state of the port is another since now."""
        self.began_at = self._usual = None
        self._answers_in_row = self._others_in_row = 0
        self._pause, self._may_look_at = LOOK_PAUSE, now + LOOK_PAUSE

    def stop(self) -> None:
        """Whether it answers again is not known any more."""
        self.began_at = None

    def meet(self, state: PortState, reply: Reply | None, outcome: Outcome | None, now: float) -> Step:
        """What ``outcome`` calls for: what ``reply``, or a missing one, says of the port in ``state``."""
        self._answers_in_row = 0 if outcome is None else self._answers_in_row + 1
        is_forged = state.kind is Kind.FORGED
        if outcome is None or (is_forged and outcome is Outcome.CLOSED):
            self.began_at = None
            return Step.LOOK_IN_TIME if self._is_another(reply) else Step.WAIT
        if self.began_at is None:
            self.began_at = now
        if is_forged:
            return Step.LOOK_IN_TIME
        return Step.BELIEVE if self._answers_in_row >= ANSWERS_ENOUGH else Step.LOOK  # R1

    def _is_another(self, reply: Reply | None) -> bool:
        """Whether the destination has come to answer something else."""
        answer: Answer = (None, "") if reply is None else (reply.kind, reply.sender)
        if self._usual is None:
            self._usual = answer
        if answer == self._usual:
            self._others_in_row = 0
            return False
        self._others_in_row = self._others_in_row + 1 if self._other == answer else 1
        self._other = answer
        if self._others_in_row < SAME_ANSWERS:  # R2
            return False
        self._usual, self._others_in_row = answer, 0
        return True

    def may_look(self, now: float) -> bool:
        """Whether the last look was long enough ago; if so, the next one may come later yet."""
        if now < self._may_look_at:
            return False
        self._may_look_at = now + self._pause
        self._pause = min(2 * self._pause, LONGEST_LOOK_PAUSE)
        return True

    def expect(self, state: PortState) -> None:
        """``state`` was told before a look had found it: the next look counts, whatever it finds."""
        self._candidate = state

    def is_sure(self, state: PortState, found: PortState) -> bool | None:
        """Whether ``found`` is told in place of ``state``; None if another look must find it first."""
        candidate, self._candidate = self._candidate, None
        if found.is_up:
            return True
        if found.is_like(state):
            return False
        if candidate is not None and (found.is_like(candidate) or candidate is state):  # R3
            return True
        self._candidate = found
        return None
