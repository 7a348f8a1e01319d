"""What is this machine's own fault: told as that, and what was asked meanwhile counts for nothing. Pure.

R1. A local cause is told as one, and its end. While it lasts nothing is concluded from silence, nor of hops.
R2. Questions that left before it ended count for nothing, and so do those before a sleep.
"""

from __future__ import annotations

from math import inf, isinf
from typing import TYPE_CHECKING

from tracetcp.model.watching import Cause, LocalCause, LocalTrouble
from tracetcp.watch.questions import Role

if TYPE_CHECKING:
    from tracetcp.watch import Machine
    from tracetcp.watch.news import News
    from tracetcp.watch.questions import Question


class LocalCauses:
    """The causes on ``machine``; what changes goes to ``news``."""

    def __init__(self, machine: Machine, news: News) -> None:
        self._machine, self._news = machine, news
        self.lasting: LocalTrouble | None = None
        """The one that lasts."""
        self._void_before = -inf
        self._expected_at = inf
        """When the watch should be woken at the latest."""
        self._late = 0.0
        """How late a probe left since: the program was stopped before it could."""

    def is_void(self, question: Question) -> bool:
        """Whether what came of ``question`` counts for nothing."""
        says_little = question.reply is None or question.role is Role.ROUTER
        return question.sent_at < self._void_before or (self.lasting is not None and says_little)  # R1, R2

    def count_from(self, now: float) -> None:
        """What left before ``now`` counts for nothing."""
        self._void_before = now

    def blame(self, cause: LocalCause, now: float) -> bool:
        """Tell ``cause``, unless that is done; whether nothing is known from now on."""
        if not cause.is_lasting:
            self._news.tell(LocalTrouble(now, now, cause))
            self.count_from(now)
            return False
        if self.lasting is not None and self.lasting.cause.cause is cause.cause:
            return False
        self.lasting = LocalTrouble(now, now if self.lasting is None else self.lasting.since, cause)  # R1
        self._news.tell(self.lasting)
        return True

    def end(self, now: float) -> None:
        """Tell that the one that lasted is over."""
        assert self.lasting is not None, "it lasts"
        self._news.tell(self.lasting._replace(at=now, is_over=True))
        self.lasting = None
        self.count_from(now)

    def expect(self, wakes_at: float) -> None:
        """The watch waits until ``wakes_at``."""
        self._expected_at = max(wakes_at, self._news.now)

    def sent(self, at: float) -> None:
        """A probe left at ``at``."""
        self._late = max(self._late, at - self._expected_at)

    def has_slept(self, now: float, longest: float) -> bool:
        """Whether machine or watch slept until ``now``, for ``longest`` seconds or more; that is told."""
        asleep = self._machine.seconds_asleep()
        late = max(self._late, 0.0 if isinf(self._expected_at) else now - self._expected_at)
        self._late = 0.0
        self._expected_at = now  # it may be stopped before it says until when it waits
        missed = max(asleep, late)
        if missed < longest:
            return False
        who = "this machine slept" if asleep else "this program stood still"
        sentence = f"nothing was asked for {missed:.0f} s: {who}"
        self._news.tell(LocalTrouble(now, now - late, LocalCause(Cause.ASLEEP, sentence, is_lasting=False)))
        self.count_from(now)
        return True
