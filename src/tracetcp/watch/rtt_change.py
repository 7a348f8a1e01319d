"""Whether the RTT of the destination is another one now. Pure; durations in seconds.

The last ``RECENT`` RTTs are compared with those before by ranks alone, so that neither outliers nor the shape
of the jitter matter: the test of Wilcoxon (1945) and Mann and Whitney (1947), and the shift of Hodges and
Lehmann (1963), the median of all differences. A change is told where

R1. the rank test finds the two apart by ``APART`` standard errors, and ``ORDERED`` of all pairs are ordered
    alike,
R2. and the shift is larger than ``SPREADS`` times the spread of either (median absolute deviation, scaled to
    the standard deviation of normal errors), and than ``RESOLUTION``;
R3. or where the RTTs are back at what was usual before the last change that was told, and apart from those
    that it was told for: short changes end, too, before anything new is usual.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from math import sqrt
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

RECENT = 10
"""RTTs that a change must have lasted for: fewer are a queue that fills and drains."""
REFERENCE = 60
LEAST_REFERENCE = 20
"""RTTs without which nothing is known to be usual."""
APART, APART_IF_BACK = 3.5, 3.0
"""Standard errors: one false finding in some four thousand independent comparisons, before R2; and for R3."""
ORDERED = 0.95
"""Nine of ten recent RTTs, if they are all beyond what is usual: the rest still is what was before."""
SPREADS = 3.0
RESOLUTION = 0.001
"""Clocks and schedulers move an RTT by as much."""
NORMAL = 1.4826
"""A standard deviation in median absolute deviations, for normal errors."""


class Shift(NamedTuple):
    """The medians before and after."""

    before: float
    after: float


class RttTest:
    """The test for one destination."""

    def __init__(self) -> None:
        self._usual: deque[float] = deque(maxlen=REFERENCE)
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._usual_before: tuple[float, ...] = ()
        """What was usual before the last change that was told,"""
        self._changed_to: tuple[float, ...] = ()
        """and the RTTs that it was told for."""

    def add(self, rtt: float) -> Shift | None:
        """Take an RTT into account; the change if it completes one."""
        if len(self._recent) == RECENT:
            self._usual.append(self._recent[0])
        self._recent.append(rtt)
        if len(self._recent) < RECENT:
            return None
        if self._is_back():  # R3
            found = Shift(median(self._changed_to), median(self._recent))
            self._usual = deque(self._usual_before, maxlen=REFERENCE)
            self._usual_before = self._changed_to = ()
            return found
        if len(self._usual) < LEAST_REFERENCE or not is_shifted(self._usual, self._recent):
            return None
        found = Shift(median(self._usual), median(self._recent))
        self._usual_before, self._changed_to = tuple(self._usual), tuple(self._recent)
        self._usual.clear()
        return found

    def _is_back(self) -> bool:
        return (
            bool(self._changed_to)
            and is_shifted(self._changed_to, self._recent, APART_IF_BACK)
            and not is_shifted(self._usual_before, self._recent)
        )

    def begin_anew(self) -> None:
        """Forget what was usual: the path is another."""
        self._usual.clear()
        self._recent.clear()
        self._usual_before = self._changed_to = ()


def is_shifted(usual: Sequence[float], recent: Sequence[float], apart: float = APART) -> bool:
    """Whether ``recent`` differs from ``usual`` by more than chance and jitter explain."""
    count, others = len(recent), len(usual)
    ordered = sorted(usual)
    above = sum(bisect_left(ordered, rtt) + bisect_right(ordered, rtt) for rtt in recent) / 2
    error = sqrt(count * others * (count + others + 1) / 12)
    excess = abs(above - count * others / 2)
    if excess < apart * error or excess < (ORDERED - 0.5) * count * others:  # R1
        return False
    shift = abs(median(r - u for r in recent for u in usual))
    return shift > max(RESOLUTION, SPREADS * spread(usual), SPREADS * spread(recent))  # R2


def spread(values: Sequence[float]) -> float:
    """The median absolute deviation, scaled."""
    middle = median(values)
    return NORMAL * median(abs(value - middle) for value in values)
