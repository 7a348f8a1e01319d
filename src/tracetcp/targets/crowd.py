"""``run_crowd()``: the loop of many targets, a bounded number of them at a time, on one wait.

As in ``runner``, whose ``Running`` drives each of them. Here only those are looked at that have something to
do: their instant has come, or a reply has; the longest under way first, so that targets end in about the
order in which they began, and none waits for ever for a router that all of them ask.
"""

from __future__ import annotations

import heapq
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

from tracetcp.errors import TracetcpError
from tracetcp.runner import Pair, Running

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from tracetcp.model import Event
    from tracetcp.probers.prober import Prober
    from tracetcp.runner import Lookup, Wait
    from tracetcp.targets.rate import RatePacer

Item = TypeVar("Item")
_Arriving_co = TypeVar("_Arriving_co", covariant=True)


class Arrivals(Protocol[_Arriving_co]):
    """Where the targets come from."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes."""

    def take(self) -> _Arriving_co | None:
        """The next one; None if none is there now."""

    def fileno(self) -> int | None:
        """A descriptor that becomes readable when one more is there; None where nobody need wait."""

    def acknowledge(self) -> None:
        """Make the descriptor unreadable until the next one comes."""


class Hub(Protocol):
    """Where the probers of a run hear of replies."""

    def clock(self) -> float:
        """The clock of all of them."""

    def descriptors(self) -> Sequence[int]:
        """The descriptors to wait for."""

    def collect(self, readable: Collection[int]) -> Iterable[Prober]:
        """The probers that have something to drain, now that these descriptors are readable."""


class Step(NamedTuple, Generic[Item]):
    """What came of ``item`` just now: events, and at its end perhaps the ``error`` that ended it."""

    item: Item
    events: list[Event]
    is_over: bool
    error: TracetcpError | None = None


class _Member(Generic[Item]):
    """A target under way; ``age`` is its number, ``due_at`` when it is to be looked at next.

    ``is_starved`` while the rate keeps it from sending.
    """

    __slots__ = ("age", "due_at", "is_starved", "item", "running")

    def __init__(self, age: int, item: Item, running: Running) -> None:
        self.age = age
        self.item = item
        self.running = running
        self.due_at = inf
        self.is_starved = False


class Crowd(Generic[Item]):
    """Targets from ``arrivals``, ``most`` at a time, each opened by ``open_pair`` and closed by this."""

    def __init__(
        self,
        arrivals: Arrivals[Item],
        open_pair: Callable[[Item], Pair],
        hub: Hub,
        pacer: RatePacer,
        most: int,
        lookups: Sequence[Lookup] = (),
    ) -> None:
        self._arrivals = arrivals
        self._open_pair = open_pair
        self._hub = hub
        self._pacer = pacer
        self._most = most
        self._lookups = lookups
        self._ages = count()
        self._members: dict[int, _Member[Item]] = {}
        """By age."""
        self._ages_of: dict[Prober, int] = {}
        self._calendar: list[tuple[float, int]] = []
        """When members are due, by age; an entry other than its member's ``due_at`` is void."""
        self._starved: list[int] = []
        """The ages of those that the rate keeps from sending."""

    def run(self, wait: Wait) -> Iterator[Step[Item]]:
        """Trace them all; yields what is decided of each.

        On Ctrl-C what is decided comes before the ``KeyboardInterrupt``.
        """
        try:
            while True:
                yield from self._admit()
                if not self._members and self._arrivals.is_over:
                    return
                for member in self._due():
                    yield self._serve(member)
                self._let_time_pass(wait)
        except KeyboardInterrupt:
            for member in self._members.values():
                if member.running.held:
                    yield Step(member.item, list(member.running.held), is_over=False)
            raise
        finally:
            for member in self._members.values():
                member.running.pair.prober.close()

    def _admit(self) -> Iterator[Step[Item]]:
        while len(self._members) < self._most and (item := self._arrivals.take()) is not None:
            try:
                pair = self._open_pair(item)
            except TracetcpError as error:
                yield Step(item, [], is_over=True, error=error)
                continue
            member = _Member(next(self._ages), item, Running(pair, self._lookups, self._pacer))
            self._members[member.age] = member
            self._ages_of[pair.prober] = member.age
            self._schedule(member, -inf)

    def _schedule(self, member: _Member[Item], at: float) -> None:
        member.due_at = at
        if at < inf:
            heapq.heappush(self._calendar, (at, member.age))

    def _due(self) -> Iterator[_Member[Item]]:
        """The members to be looked at now, the oldest first; then those that may send again."""
        now, calendar = self._hub.clock(), self._calendar
        due: set[int] = set()
        while calendar and calendar[0][0] <= now:
            entry = heapq.heappop(calendar)
            if not self._is_void(entry):
                due.add(entry[1])
        yield from (self._members[age] for age in sorted(due))
        while self._starved and self._pacer.allowance(now) > 0:
            member = self._members.get(heapq.heappop(self._starved))
            if member is not None:
                member.is_starved = False
                yield member

    def _is_void(self, entry: tuple[float, int]) -> bool:
        at, age = entry
        member = self._members.get(age)
        return member is None or member.due_at != at

    def _serve(self, member: _Member[Item]) -> Step[Item]:
        running = member.running
        member.due_at = inf
        try:
            running.listen()
            running.send()
            events = running.release()
        except TracetcpError as error:
            self._close(member)
            return Step(member.item, list(running.held), is_over=True, error=error)
        if running.is_over:
            self._close(member)
            return Step(member.item, events, is_over=True)
        if running.wants_to_send and not member.is_starved:
            member.is_starved = True
            heapq.heappush(self._starved, member.age)
        at = running.wakes_at()
        self._schedule(member, max(at, self._pacer.next_at) if member.is_starved else at)
        return Step(member.item, events, is_over=False)

    def _close(self, member: _Member[Item]) -> None:
        prober = member.running.pair.prober
        del self._members[member.age], self._ages_of[prober]
        member.running.close()
        prober.close()

    def _let_time_pass(self, wait: Wait) -> None:
        """Wait until there is something to do, not at all if there is already; note who was heard from."""
        is_waiting = len(self._members) < self._most and not self._arrivals.is_over
        if not self._members and not is_waiting:
            return
        descriptors = [*self._hub.descriptors(), *(lookup.fileno() for lookup in self._lookups)]
        news = self._arrivals.fileno() if is_waiting else None
        if news is not None:
            descriptors.append(news)
        readable = wait(descriptors, -inf if is_waiting and news is None else self._wakes_at())
        if news is not None and news in readable:
            self._arrivals.acknowledge()
        for lookup in self._lookups:
            if lookup.fileno() in readable:
                lookup.acknowledge()
                self._look_at_those_that_wait()
        for prober in self._hub.collect(readable):
            age = self._ages_of.get(prober)
            if age is not None and self._members[age].due_at > -inf:
                self._schedule(self._members[age], -inf)

    def _wakes_at(self) -> float:
        """When the first member is due, or the rate lets one of those that wait for it send."""
        while self._calendar and self._is_void(self._calendar[0]):
            heapq.heappop(self._calendar)
        until = self._calendar[0][0] if self._calendar else inf
        return min(until, self._pacer.next_at) if self._starved else until

    def _look_at_those_that_wait(self) -> None:
        """A name has come: the rows of any member may have waited for it."""
        for member in self._members.values():
            if member.running.held:
                self._schedule(member, -inf)
