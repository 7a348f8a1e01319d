"""The hops of the watched source port: who is asked next, who answers, what changed. No clock.

R1. One router at a time, and none within ``REST`` seconds of its last question, while nothing changes.
R2. The destination's place is asked as well: a router that answers there shows a longer path.
R3. Where a hop is in doubt, every hop is asked in rounds until all are settled (``rounds``).
R4. The path ends at the first hop where the destination answers. While it is known to answer and does not
    there, one hop more is asked, up to the last one allowed.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from tracetcp.watch.figures import Figures
from tracetcp.watch.hop_addresses import HopAddresses
from tracetcp.watch.loss import Tally, is_limited
from tracetcp.watch.rounds import Rounds

if TYPE_CHECKING:
    from collections.abc import Iterator

REST = 15.0
"""Seconds in which a router gets one probe at most."""
DESTINATION = ""
"""Stands for the destination among the addresses of a hop: a router may answer from the same address."""
FIRST_ROUNDS = 7
"""Rounds in which the addresses of each hop are learnt."""
LONGER_ROUNDS = 2
"""Rounds for the next hop of a path that is longer than was known."""
PAIRS = 40
"""Questions to a router, each with one to the destination, from which a limit is concluded."""


class PathChange(NamedTuple):
    """Hops from ``first`` on: their addresses before and after (see ``PathChanged``)."""

    first: int
    before: tuple[tuple[str, ...], ...]
    after: tuple[tuple[str, ...], ...]
    length_before: int | None
    length_after: int | None


class PathHop:
    """One hop: its addresses and figures."""

    def __init__(self) -> None:
        self.addresses = HopAddresses()
        self.figures = Figures()
        self.asked_at = -inf
        self.pairs: deque[bool] = deque(maxlen=PAIRS)
        """For each question whose control was answered: whether it was lost."""
        self.rtts: deque[float] = deque(maxlen=PAIRS)
        self.round_rtts: deque[float] = deque(maxlen=PAIRS)
        """The same of the rounds since they were last begun."""
        self.round_asked = self.round_lost = 0

    @property
    def is_destination(self) -> bool:
        """Whether the destination answers here."""
        return DESTINATION in self.addresses.settled

    def is_limited(self, path_loss: float) -> bool:
        """Whether it limits its answers, as the destination proves that answered in the same moments."""
        return is_limited(Tally(len(self.pairs), sum(self.pairs)), path_loss)


class WatchedPath:
    """The hops ``first`` to ``last`` at most; ``length`` is how far they are asked."""

    def __init__(self, first: int, last: int) -> None:
        self._first, self._last = first, last
        self._hops: dict[int, PathHop] = {}
        self._before: dict[int, tuple[str, ...]] = {}
        """The addresses of the hops that changed, as they were last told."""
        self._length_before: int | None = None
        self.length = first - 1
        self.is_up = True
        """Whether the destination is known to answer."""
        self.rounds = Rounds()

    # Who is asked --------------------------------------------------------------------------------------

    def expect(self, length: int) -> None:
        """A trace came ``length`` hops far; learn who is there."""
        self.length = max(self.length, min(length, self._last))
        self.want_rounds(FIRST_ROUNDS)

    def want_rounds(self, count: int) -> None:
        """Ask every hop in ``count`` rounds, those that are left included."""
        if not self.has_rounds:
            for hop in self._hops.values():
                hop.round_asked = hop.round_lost = 0
                hop.round_rtts.clear()
        self.rounds.want(count)

    @property
    def has_rounds(self) -> bool:
        """Whether a round is under way or to come."""
        return self.rounds.is_any

    def next_of_round(self, now: float) -> int | None:
        """The hop that a round asks next, None for none now; ``asked_in_round`` takes it off."""
        return self.rounds.next(now, self._asked_hops())

    def asked_in_round(self, hop: int, at: float) -> None:
        """The question of a round to ``hop`` left."""
        self.rounds.asked(hop)
        self.at(hop).asked_at = at

    def next_in_turn(self, now: float) -> int | None:
        """The hop to be asked now while nothing changes."""
        if self.length < self._first or self.has_rounds:
            return None
        hops = range(self._first, self.length + 1)
        longest_ago = min(hops, key=lambda hop: self.at(hop).asked_at)
        return longest_ago if self.at(longest_ago).asked_at + REST <= now else None  # R1, R2

    def asked_in_turn(self, hop: int, at: float) -> None:
        """The question of its turn to ``hop`` left."""
        self.at(hop).asked_at = at

    def at(self, hop: int) -> PathHop:
        """The record of ``hop``, made at first use."""
        if hop not in self._hops:
            self._hops[hop] = PathHop()
        return self._hops[hop]

    # What they answer ----------------------------------------------------------------------------------

    def answered(self, number: int, address: str, rtt: float, *, is_in_round: bool) -> None:
        """``address``, or ``DESTINATION``, answered at hop ``number``."""
        hop = self.at(number)
        hop.figures.add(rtt)
        if is_in_round:
            hop.round_asked += 1
            hop.round_rtts.append(rtt)
        else:
            hop.rtts.append(rtt)
        if number > self.length:
            return
        was_in_doubt, length = self._is_in_doubt, self.met_at
        change = hop.addresses.add(address)
        if change is not None:
            if not self._before:
                self._length_before = length
            self._before.setdefault(number, change.before)
        self._adjust_length(number)
        if not self._is_in_doubt:
            self.rounds.settle()
        elif not was_in_doubt:
            self.rounds.doubt()  # R3

    def lost(self, number: int, *, is_in_round: bool) -> None:
        """Nothing answered at hop ``number``."""
        hop = self.at(number)
        hop.figures.add(None)
        if is_in_round:
            hop.round_asked += 1
            hop.round_lost += 1

    def _adjust_length(self, number: int) -> None:
        hop = self.at(number)
        if hop.is_destination:  # R4
            self.length = min(self.length, number)
            return
        is_known = bool(hop.addresses.settled) and not hop.addresses.is_in_doubt
        if is_known and number == self.length < self._last and self.is_up:
            self.length += 1
            self.want_rounds(LONGER_ROUNDS)

    @property
    def _is_in_doubt(self) -> bool:
        return any(self.at(hop).addresses.is_in_doubt for hop in self._asked_hops())

    def _asked_hops(self) -> range:
        return range(self._first, self.length + 1)

    @property
    def met_at(self) -> int | None:
        """The hop at which the destination answers."""
        return next((hop for hop in self._asked_hops() if self.at(hop).is_destination), None)

    # What changed --------------------------------------------------------------------------------------

    def take_change(self) -> PathChange | None:
        """What changed, once every hop is settled or nothing more is asked."""
        is_open = self._is_in_doubt or (self.is_up and self.met_at is None)
        if not self._before or (is_open and self.has_rounds):
            return None
        changed, self._before = self._before, {}
        first, length = min(changed), self.met_at
        is_longer = length is not None and self._length_before is not None and length > self._length_before
        last = max(changed)
        before = tuple(changed.get(hop, self._settled(hop)) for hop in range(first, last + 1))
        last = max(last, length or 0) if is_longer else min(last, self.length)
        after = tuple(self._settled(hop) for hop in range(first, last + 1))
        self._hops = {hop: each for hop, each in self._hops.items() if hop <= self.length}
        return PathChange(first, before, after, self._length_before, length)

    def _settled(self, hop: int) -> tuple[str, ...]:
        return self._hops[hop].addresses.settled if hop in self._hops else ()

    # What is shown -------------------------------------------------------------------------------------

    def hops(self) -> Iterator[tuple[int, PathHop]]:
        """The hops that are asked, in order."""
        for hop in self._asked_hops():
            yield hop, self.at(hop)

    def round_tallies(self) -> dict[int, Tally]:
        """By hop, the destination's left out: what came of the rounds."""
        return {
            number: Tally(hop.round_asked, hop.round_lost)
            for number, hop in self.hops()
            if hop.round_asked and not hop.is_destination
        }

    def begin_figures_anew(self) -> None:
        """Count from zero."""
        for hop in self._hops.values():
            hop.figures = Figures()
