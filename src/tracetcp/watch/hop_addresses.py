"""Who answers at one hop: a changed path is told from shared load. Pure.

The probes of a hop leave from one source port, so routers that share load by flow send them one way. What
answers there is a *settled* set of addresses, nearly always one.

R1. The first address that answers is settled; nothing has changed.
R2. Another one puts the hop in doubt. If a settled one answers after it, both share the load (packet by
    packet, or a router answers from two interfaces): the new one is settled, too.
R3. A settled address is gone once so many answers in a row were others' that chance explains them with
    ``CHANCE`` at most, given its share of the answers before: after 48 answers of one address four others do,
    after seven, seven. Where several are settled, their shares are known less well, and ``CHANCE_SHARED``
    holds.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

CHANCE = 1e-6
"""Of a false change at one hop, the first time that a second address answers there."""
CHANCE_SHARED = 1e-9
"""The same where several addresses share the load: there it is put to the test with every answer."""
REMEMBERED = 64
"""Answers that shares are drawn from; then all count half, so that the latest count most."""


class AddressChange(NamedTuple):
    """The settled addresses of a hop before and after; each at least one."""

    before: tuple[str, ...]
    after: tuple[str, ...]


class HopAddresses:
    """The addresses of one hop, from its answers in order."""

    def __init__(self) -> None:
        self.settled: tuple[str, ...] = ()
        self._answers: Counter[str] = Counter()
        self._shares: dict[str, float] = {}
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
        self._shares[address] = self._answers[address] / (total + 1)
        self._missed.update(each for each in self._shares if each != address)
        self._missed[address] = 0

    def _settle(self) -> None:
        self.settled = (*self.settled, *self._new)
        self._new.clear()

    def _gone(self) -> AddressChange | None:
        chance = CHANCE if len(self.settled) == 1 else CHANCE_SHARED
        gone = [each for each in self.settled if (1 - self._shares[each]) ** self._missed[each] <= chance]
        if not gone:  # R3
            return None
        before = self.settled
        for each in gone:
            del self._answers[each], self._shares[each], self._missed[each]
        self.settled = tuple(each for each in before if each not in gone)
        self._settle()
        return AddressChange(before, self.settled)
