"""Whether the destination loses probes more than it should, and from which hop on. Pure.

The test is the CUSUM of Page (1954) for a share (Reynolds and Stoumbos 1999): it adds up how much better each
probe fits ``LOSSY`` than ``USUAL`` loss, never below zero, and calls a change where the sum passes ``LIMIT``.
A loss of 30 % does so within some forty probes. The probes since the sum was last zero are those that the
change is drawn from. The way back to usual is the same test the other way round, with a gap between, so that
a loss in between does not flap.

Where the loss begins is found by asking every hop in the same rounds:

R1. A hop that leaves more unanswered than everything beyond it, the destination included, limits its answers:
    the probes beyond it, in the same rounds from the same source port, are the control that proves it. What
    it leaves unanswered is nobody's loss.
R2. The first hop with loss is the one that makes what was counted most likely: ``QUIET`` before it, one share
    of loss from there on.
"""

from __future__ import annotations

from math import comb, log
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

USUAL, LOSSY = 0.05, 0.20
"""Shares of loss between which the test decides: what many paths lose on a bad day, and what users notice."""
WELL, STILL_LOSSY = 0.03, 0.15
"""The same for the way back."""
LIMIT = 12.0
"""About the logarithm of the probes between two false alarms."""
QUIET = 0.02
"""The loss of a hop without loss: some answers of routers get lost on any path."""
LIMITED_BY_CHANCE = 1e-4
"""Of a router that does not limit its answers to be called so."""
LEAST_LOST = 3
"""Unanswered probes below which no router is called limited."""
WORST = 0.99
"""The largest share reckoned with: at 1 a single answer would be impossible."""


class Tally(NamedTuple):
    """Decided probes and those of them that nothing answered."""

    asked: int
    lost: int

    @property
    def share(self) -> float:
        """The lost part, 0 where nothing was asked."""
        return self.lost / self.asked if self.asked else 0.0


class LossTest:
    """The test for one destination; starts with usual loss."""

    def __init__(self) -> None:
        self.is_lossy = False
        self._sum = 0.0
        self._asked = self._lost = 0
        self.found = Tally(0, 0)
        """The probes that the last change was drawn from."""

    @property
    def is_suspicious(self) -> bool:
        """Whether loss is on its way to be called: half of ``LIMIT`` is passed."""
        return not self.is_lossy and self._sum > LIMIT / 2

    def add(self, *, is_lost: bool) -> bool:
        """Take a decided probe into account; whether the loss became another with it."""
        before, now = (STILL_LOSSY, WELL) if self.is_lossy else (USUAL, LOSSY)
        self._sum += log(now / before) if is_lost else log((1 - now) / (1 - before))
        self._asked += 1
        self._lost += is_lost
        if self._sum <= 0:
            self._sum, self._asked, self._lost = 0.0, 0, 0
        if self._sum < LIMIT:
            return False
        self.is_lossy = not self.is_lossy
        self.found = Tally(self._asked, self._lost)
        self.begin_anew()
        return True

    def begin_anew(self) -> None:
        """Add up from zero: what was added up is told, or was no loss."""
        self._sum, self._asked, self._lost = 0.0, 0, 0


def first_lossy_hop(destination: Tally, hops: Mapping[int, Tally]) -> int | None:
    """The first hop from which on packets are lost, None where the loss shows at the destination alone.

    ``hops`` are tallies of the same rounds by TTL; those that answered nothing say nothing.
    """
    limited = limited_hops(destination, hops)  # R1
    honest = {ttl: tally for ttl, tally in hops.items() if tally.lost < tally.asked and ttl not in limited}
    candidates: list[int | None] = [None, *sorted(honest)]
    return max(candidates, key=lambda first: _likelihood(destination, honest, first))  # R2


def limited_hops(destination: Tally, hops: Mapping[int, Tally]) -> tuple[int, ...]:
    """The hops that limit their answers: what lies beyond proves that the path is not what loses them."""
    limited: list[int] = []
    asked, lost = destination
    for ttl in sorted(hops, reverse=True):
        hop = hops[ttl]
        if is_limited(hop, lost / asked if asked else 0.0):  # R1
            limited.append(ttl)
        elif hop.lost < hop.asked:
            asked, lost = asked + hop.asked, lost + hop.lost
    return tuple(reversed(limited))


def is_limited(hop: Tally, path_loss: float) -> bool:
    """Whether a hop that does answer leaves more unanswered than ``path_loss`` explains."""
    if hop.lost < LEAST_LOST or hop.lost == hop.asked:
        return False
    return _at_least(hop.lost, hop.asked, max(QUIET, path_loss)) <= LIMITED_BY_CHANCE


def _likelihood(destination: Tally, hops: Mapping[int, Tally], first: int | None) -> float:
    """The logarithm of the chance of these tallies if ``first`` is the first hop that loses."""
    lossy = [destination, *(tally for ttl, tally in hops.items() if first is not None and ttl >= first)]
    asked, lost = (sum(column) for column in zip(*lossy, strict=True))
    share = min(WORST, max(QUIET, lost / asked))
    before = [tally for ttl, tally in hops.items() if first is None or ttl < first]
    return sum(_fit(tally, QUIET) for tally in before) + sum(_fit(tally, share) for tally in lossy)


def _fit(tally: Tally, share: float) -> float:
    return tally.lost * log(share) + (tally.asked - tally.lost) * log(1 - share)


def _at_least(lost: int, asked: int, share: float) -> float:
    """The chance of ``lost`` or more of ``asked``, each lost with chance ``share``."""
    share = min(WORST, share)
    return sum(comb(asked, k) * share**k * (1 - share) ** (asked - k) for k in range(lost, asked + 1))
