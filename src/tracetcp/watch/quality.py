"""What the destination loses, how long its answers take, and from which hop on that changed. No clock.

A change is found by the tests of ``loss`` and ``rtt_change``, then every hop is asked in rounds, and once
those are over it is told.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from tracetcp.model.watching import LossChanged, RttChanged
from tracetcp.watch.loss import LossTest, first_lossy_hop, limited_hops
from tracetcp.watch.rtt_change import RttTest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetcp.watch.path import WatchedPath
    from tracetcp.watch.rtt_change import Shift

LOSS_ROUNDS = 30
RTT_ROUNDS = 5


class Quality:
    """The two tests of one watch; rounds are asked for at ``path``."""

    def __init__(self, path: WatchedPath) -> None:
        self._path = path
        self._loss, self._rtts = LossTest(), RttTest()
        self._shift: Shift | None = None
        """A change of the RTT that is not told yet."""
        self._is_loss_open = False
        """Whether a change of the loss is not told yet."""

    def count(self, rtt: float | None, *, is_comparable: bool) -> None:
        """A question was decided: its RTT, None if lost, and whether that ``is_comparable`` with others."""
        if self._loss.add(is_lost=rtt is None):
            self._is_loss_open = True
            if self._loss.is_lossy:
                self._path.want_rounds(LOSS_ROUNDS)
        elif self._loss.is_suspicious and not self._path.has_rounds:
            self._path.want_rounds(LOSS_ROUNDS)
        if rtt is not None and is_comparable and (shift := self._rtts.add(rtt)) is not None:
            self._shift = shift
            self._path.want_rounds(RTT_ROUNDS)

    def on_other_state(self) -> None:
        """The port was not reached, or is again: losses before say nothing of those to come."""
        self._loss.begin_anew()

    def on_other_path(self) -> None:
        """The path is another, and so may be its RTT."""
        self._rtts.begin_anew()

    def take(self, now: float) -> Iterator[LossChanged | RttChanged]:
        """What changed, to be told at ``now``, when no round is under way."""
        if self._is_loss_open:
            self._is_loss_open = False
            yield self._loss_changed(now)
        if self._shift is not None:
            shift, self._shift = self._shift, None
            yield RttChanged(now, shift.before, shift.after, self._first_shifted_hop(shift))

    def _loss_changed(self, now: float) -> LossChanged:
        tally = self._loss.found
        if not self._loss.is_lossy:
            return LossChanged(now, tally.lost, tally.asked, None, (), is_over=True)
        hops = self._path.round_tallies()
        hop, limited = first_lossy_hop(tally, hops), limited_hops(tally, hops)
        return LossChanged(now, tally.lost, tally.asked, hop, limited, is_over=False)

    def _first_shifted_hop(self, shift: Shift) -> int | None:
        """The first hop from which on the RTT of every one that answers moved by half as much or more."""
        least = abs(shift.after - shift.before) / 2
        first = None
        for number, hop in self._path.hops():
            if hop.is_destination or not hop.round_rtts or not hop.rtts:
                continue
            moved = median(hop.round_rtts) - median(hop.rtts)
            if (moved if shift.after > shift.before else -moved) < least:
                first = None
            elif first is None:
                first = number
        for _, hop in self._path.hops():
            if hop.round_rtts:
                hop.rtts.clear()
                hop.rtts.extend(hop.round_rtts)
        return first
