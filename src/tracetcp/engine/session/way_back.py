"""The packets that come back: whether a size is lost among them. Sizes are whole packets in bytes.

R1. The same request is answered differently: in full if our SYN announces a small MSS, and with less than a
    segment, or with nothing but what came ahead of a gap, if it announces what the link allows. Then larger
    packets are lost on the way back. An answer that ended (FIN, RST) was not lost; one that came in smaller
    segments behind a gap was, and the other side has healed it itself (RFC 4821).
R2. That takes an answer of more than one small segment; of shorter ones nothing is concluded.
R3. A size is confirmed as lost once ``ENOUGH_THOROUGH`` connections have waited for it thoroughly.
R4. A question that cannot be put any more, since our SYNs announce less by now, leaves the way back open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.engine.session.span import Span
from tracetcp.engine.session.waves import Fate, Result, Trial
from tracetcp.model.connection import ENDS
from tracetcp.model.sizes import Answers

if TYPE_CHECKING:
    from tracetcp.model.connection import Report

ENOUGH_THOROUGH = 2
SLACK = 64
"""Bytes by which two answers to one request may differ, as by the length of a signature."""


class WayBack:
    """What is known of the way back. ``headers`` are the bytes of IP and TCP headers without options."""

    def __init__(self, headers: int, small_mss: int) -> None:
        self.span: Span | None = None
        self._headers = headers
        self._small_mss = small_mss
        self._length = 0
        self._largest = 0
        self._allowed = 0
        self._confirmed: list[int] = []

    @property
    def answers(self) -> Answers | None:
        """What came back, None where nothing did or something is lost."""
        has_hole = self.span is not None and self.span.lost is not None
        return None if has_hole or not self._length else Answers(self._length, self._largest, self._allowed)

    def opening(self) -> list[Trial]:
        """The first look: the answer as it usually comes, and in small segments."""
        small = Trial(announced_mss=self._small_mss, wants_answer=True, is_control=True)
        return [Trial(wants_answer=True), small]

    def begin(self, whole: Result, small: Result) -> None:
        """Judge the first look."""
        self._note(small)
        self._note(whole)
        if small.report is None or whole.report is None or whole.fate is Fate.UNSENT:
            return
        self._length = small.report.received
        is_long = self._length > small.report.allowed  # R2
        if is_long and self._is_lost(whole.report):
            high = min(whole.report.allowed, self._length)
            self.span = Span(small.report.allowed + small.report.headers, high + whole.report.headers)

    def look(self, size: int) -> Trial:
        """A look at one size."""
        return Trial(announced_mss=size - self._headers, wants_answer=True)

    def learn(self, result: Result) -> bool | None:
        """Take a look into account; whether the size passed, None where that is not known."""
        if result.report is None or result.fate is Fate.UNSENT or self.span is None:
            return None
        self._note(result)
        has_passed = not self._is_lost(result.report)
        self.span.learn(_allowed(result.report), has_passed=has_passed)
        return has_passed

    def questions(self) -> list[Trial]:
        """What is still to be confirmed, in the background; last a look at what passes."""
        span = self.span
        if span is None or span.lost is None or self._confirmed.count(span.lost) >= ENOUGH_THOROUGH:  # R3
            return []
        lost = self.look(span.lost)._replace(is_thorough=True, in_background=True)
        return [lost, lost, self.look(span.passed)]

    def weigh(self, result: Result) -> None:
        """Take the answer to a thorough question into account."""
        if self.span is None or result.report is None or result.trial.announced_mss is None:
            return
        size = _allowed(result.report)
        if size != result.trial.announced_mss + self._headers:
            self.span, self._length = None, 0  # R4
            return
        if self.learn(result) is False:
            self._confirmed.append(size)

    def _note(self, result: Result) -> None:
        report = result.report
        if report is not None and report.received:
            self._length = max(self._length, report.received)
            self._largest = max(self._largest, min(report.largest, report.received) + report.headers)
            self._allowed = max(self._allowed, _allowed(report))

    def _is_lost(self, report: Report) -> bool:
        if report.received >= report.allowed <= report.largest:
            return False
        if report.ahead or report.state in ENDS:
            return report.ahead > 0  # R1
        return report.received < self._length - SLACK  # R1


def _allowed(report: Report) -> int:
    """The largest packet that our SYN allowed the other side."""
    return report.allowed + report.headers
