"""Who answers at one hop: a changed path is told from shared load. Pure.

The probes of a hop leave from one source port, so routers that share load by flow send them one way. What
answers there is a *settled* set of addresses, nearly always one.

R1. The first address that answers is settled; nothing has changed.
R2. Another one puts the hop in doubt. If a settled one answers after it, both share the load (packet by
    packet, or a router answers from two interfaces): the new one is settled, too.
R3. A settled address is gone once so many answers in a row were others' that chance explains them with
    ``CHANCE`` at most, given its share of the answers before: after 48 answers of one address four of another
    do, after seven, seven.
R4. Where several are settled, or several are new, load may be shared by many routers of which few were seen.
    Then ``CHANCE_SHARED`` holds, and of its share only what is sure (two standard errors less).
"""

from __future__ import annotations

from collections import Counter
from math import sqrt
from typing import NamedTuple

CHANCE = 1e-6
"""Of a false change at one hop, the first time that a second address answers there."""
CHANCE_SHARED = 1e-9
"""The same where load may be shared: there it is put to the test with every answer."""
REMEMBERED = 64
"""Answers that shares are drawn from; then all count half, so that the latest count most."""


class AddressChange(NamedTuple):
    """The settled addresses of a hop before and after; each at least one."""

    before: tuple[str, ...]
    after: tuple[str, ...]


class Share(NamedTuple):
    """A part of so many answers."""

    part: float
    answers: float


class HopAddresses:
    """The addresses of one hop, from its answers in order."""

    def __init__(self) -> None:
        self.settled: tuple[str, ...] = ()
        self._answers: Counter[str] = Counter()
        self._shares: dict[str, Share] = {}
        """By address: its share of the answers when it answered last."""
        self._missed: Counter[str] = Counter()
        """By address: the answers of others since."""
        self._new: dict[str, None] = {}
        """Addresses that answered and are not settled, in order."""

    @property
    def is_in_doubt(self) -> bool:
        """Whether an address answered of which it is not known whether it took another's place."""
        return bool(self._new)

    def add(self, address: str) -> AddressChange | None:
        """Take an answer into account; a change if it settles one."""
        self._count(address)
        if not self.settled:  # R1
            self.settled = (address,)
        elif address not in self.settled:
            self._new[address] = None
        elif self._new:  # R2
            self._settle()
        return self._gone()

    def _count(self, address: str) -> None:
        self._answers[address] += 1
        total = self._answers.total()
        if total > REMEMBERED:
            self._answers = Counter({each: count / 2 for each, count in self._answers.items()})
            total = self._answers.total()
        self._shares[address] = Share(self._answers[address] / (total + 1), total)
        self._missed.update(each for each in self._shares if each != address)
        self._missed[address] = 0

    def _settle(self) -> None:
        self.settled = (*self.settled, *self._new)
        self._new.clear()

    def _gone(self) -> AddressChange | None:
        gone = [each for each in self.settled if self._is_gone(each)]
        if not gone:
            return None
        before = self.settled
        for each in gone:
            del self._answers[each], self._shares[each], self._missed[each]
        self.settled = tuple(each for each in before if each not in gone)
        self._settle()
        total = self._answers.total()
        self._shares = {each: Share(self._answers[each] / (total + 1), total) for each in self._shares}
        return AddressChange(before, self.settled)

    def _is_gone(self, address: str) -> bool:
        (share, answers), missed = self._shares[address], self._missed[address]
        if len(self.settled) == 1 and len(self._new) <= 1:
            return (1 - share) ** missed <= CHANCE  # R3
        sure = max(0.0, share - 2 * sqrt(share * (1 - share) / answers))
        return (1 - sure) ** missed <= CHANCE_SHARED  # R4
