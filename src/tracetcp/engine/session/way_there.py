"""The packets that go there: what size is lost among them, and behind which hop. Whole packets in bytes.

R1. The largest packet that the system sends is asked in order of TTL. Where a router tells of a smaller path
    MTU, it is the one before the first TTL that was told so; the way goes on with that size.
R2. The way has a hole where a small packet arrives at the destination and the largest does not. A whole wave
    of silent hops makes that likely: the destination is asked next.
R3. The hole is behind the last hop that answers a lost size, and before the next one that answers the size
    that passes and, in the same wave, not the one that is lost. A hop that answers neither proves nothing;
    nor does one that answers what passes only when it is sent again, and is asked ``COMPARISONS`` times at
    most.
R4. A size is confirmed as lost once ``ENOUGH_THOROUGH`` connections lost it in each of their transmissions.
R5. A size that passed before and is lost thoroughly contradicts all that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from tracetcp.engine.session.span import Span
from tracetcp.engine.session.waves import LARGEST_PACKET, Fate, Result, Trial
from tracetcp.model.connection import FULL_TTL
from tracetcp.model.sizes import Place, Told

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    Asking: TypeAlias = Generator[list[Trial], list[Result], None]

SMALL = 128
"""Bytes of a packet that arrives if any does: not much more than headers and options take."""
ENOUGH_THOROUGH = 2
TRIES = 2
"""Times that the destination is asked whether it takes anything at all."""
COMPARISONS = 3
"""A router that earns an error a second has one for the trial that comes first by the second time."""
CONTROL = Trial(size=SMALL, is_control=True)
HOST = Trial()


class WayThere:
    """What is known of the way there. ``hops`` are TTLs below ``distance``, which is the destination's."""

    def __init__(self, hops: Sequence[int], distance: int) -> None:
        self.span: Span | None = None
        self.place: Place | None = None
        self.told: list[Told] = []
        self.largest = 0
        """The largest packet that arrived, as far as no hole is known."""
        self.limit: int | None = None
        """The largest packet that the MSS of the SYN-ACK allows, if the path allows larger ones."""
        self.is_open = True
        """Whether anything arrives at all."""
        self.is_contradictory = False
        """Whether a size was lost and passed, each more often than chance allows."""
        self.hops = tuple(hops)
        self._distance = distance
        self._reached = 0
        self._silent: list[int] = []
        self._confirmed: list[int] = []
        self._compared = 0
        """Times that the first of the silent hops was asked both sizes, and its answers proved nothing."""

    def climb(self, at_once: int) -> Asking:
        """Ask every hop, and the destination, with the largest packet; ``at_once`` (2 or more) in a wave."""
        hops: Sequence[int] = self.hops
        while told := (yield from self._climb_once(hops, at_once)):  # R1
            self.told.append(told)
            hops = [ttl for ttl in hops if ttl >= told.before]
        self._note_hidden()

    def _note_hidden(self) -> None:
        """A second router may have told of its size before it was asked, by pieces that the first caused."""
        if self.told and 0 < self.largest < self.told[-1].size and self.limit is None:
            self.told.append(Told(self.largest, self.told[-1].after + 1, self._distance))  # R1

    def _climb_once(
        self, hops: Sequence[int], at_once: int
    ) -> Generator[list[Trial], list[Result], Told | None]:
        """The first that is told of a smaller size; None if all of the way was asked with one."""
        self._silent = []
        for start in range(0, len(hops), at_once):
            asked = hops[start : start + at_once]
            results = yield [Trial(ttl=ttl) for ttl in asked]
            for ttl, result in zip(asked, results, strict=True):
                if told := self._told_at(ttl, result):
                    return told
                if result.fate in (Fate.EXPIRED, Fate.ARRIVED):
                    self._reached, self._silent = ttl, []
                else:
                    self._silent.append(ttl)
            if all(result.fate is Fate.SILENT for result in results):
                break  # R2
        return (yield from self._ask_host())

    def _ask_host(self) -> Generator[list[Trial], list[Result], Told | None]:
        for _ in range(TRIES):
            host, control = yield [HOST, CONTROL]
            if told := self._told_at(self._distance, host):
                return told
            self.is_open = control.fate is Fate.ARRIVED
            self._note_limit(host)
            if host.fate is Fate.ARRIVED:
                self.is_open, self.largest = True, host.size
                return None
            if host.fate is not Fate.UNSENT and self.is_open:
                self.span = Span(SMALL, host.size)  # R2
                return None
        self.is_open = False
        return None

    def _note_limit(self, host: Result) -> None:
        report = host.report
        is_limited = report is not None and host.size < min(report.path_mtu, LARGEST_PACKET)
        self.limit = host.size if is_limited and host.size else None

    def _told_at(self, ttl: int, result: Result) -> Told | None:
        if result.fate is not Fate.TOLD or result.report is None:
            return None
        return Told(result.report.path_mtu, self._reached, ttl)  # R1

    def look(self, size: int) -> Trial:
        """A look at one size, as far as the destination."""
        return Trial(size=size)

    def learn(self, result: Result) -> bool | None:
        """Take a look into account; whether the size passed, None where that is not known."""
        if result.fate not in (Fate.ARRIVED, Fate.SILENT) or self.span is None:
            return None
        has_passed = result.fate is Fate.ARRIVED
        self.span.learn(result.size, has_passed=has_passed)
        if has_passed and self.span.lost is None:
            self.largest = max(self.largest, self.span.passed)
        return has_passed

    def questions(self) -> list[Trial]:
        """What is still to be confirmed, the most important first; the hop where that ends goes with it."""
        span = self.span
        if span is None or span.lost is None:
            return []
        is_confirmed = self._confirmed.count(span.lost) >= ENOUGH_THOROUGH  # R4
        if is_confirmed and self.place is not None:
            return []
        lost = Trial(size=span.lost, is_thorough=True)
        passed = Trial(size=span.passed, is_control=True)
        if not self._silent:
            return [passed, lost, lost]
        ttl = self._silent[0]
        return [passed, lost, passed._replace(ttl=ttl), lost._replace(ttl=ttl)]

    def weigh(self, results: Sequence[Result]) -> None:
        """Take the answers to questions into account."""
        span = self.span
        assert span is not None, "there is something to confirm"
        asked_for = span.lost
        for result in (each for each in results if each.trial.ttl == FULL_TTL):
            has_passed = self.learn(result)
            if has_passed is False and result.trial.is_control:
                self.is_contradictory = True  # R5
            elif has_passed is False:
                self._confirmed.append(result.size)
        if span.lost is not None and span.lost == asked_for:
            at_hop = [each for each in results if each.trial.ttl != FULL_TTL]
            self._find_place(at_hop)

    def _find_place(self, at_hop: Sequence[Result]) -> None:
        """R3."""
        if not self._silent or not at_hop:
            self.place = self.place or Place(self._reached, None)  # R3
            return
        passed, lost = at_hop
        ttl = self._silent[0]
        is_between = passed.fate is Fate.EXPIRED and lost.fate is Fate.SILENT
        if lost.fate is Fate.EXPIRED:
            self._reached = ttl
        elif is_between and not _was_sent_again(passed):
            self.place = Place(self._reached, ttl)
            self._confirmed.append(lost.size)
            self._silent = []
            return
        elif is_between and self._compared + 1 < COMPARISONS:
            self._compared += 1
            return
        self._silent, self._compared = self._silent[1:], 0


def _was_sent_again(result: Result) -> bool:
    """Whether the answer came only after the system had sent again."""
    return result.report is not None and result.report.retransmissions > 0
