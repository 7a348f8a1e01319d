"""Searches the edge between the sizes that pass and those that are lost. Knows sizes only.

R1. Sizes are taken to be monotonous: whatever passes proves that everything smaller does, and a loss of
    something smaller was chance.
R2. Sizes that links are known to have come first: most edges are at one of them.
R3. A loss alone is no edge: the nearest size that was lost is asked again, thoroughly, by whoever uses this.
"""

from __future__ import annotations

USUAL = (1280, 1400, 1420, 1450, 1480, 1492)
"""Packets that links take at most: IPv6's minimum, many tunnels, WireGuard, VXLAN, IP in IP, PPPoE."""


class Span:
    """What is known of one direction: ``passed`` is known to pass, ``lost`` was lost."""

    def __init__(self, passed: int, lost: int) -> None:
        self.passed = passed
        self._losses: list[int] = [lost]
        self._passes: list[int] = [passed]

    @property
    def lost(self) -> int | None:
        """The smallest size that was lost though larger than all that passed; None if all that was passed."""
        return min((size for size in self._losses if size > self.passed), default=None)  # R1

    @property
    def is_narrow(self) -> bool:
        """Whether nothing lies between what passes and what is lost."""
        return self.lost is None or self.lost - self.passed <= 1

    def points(self, count: int) -> list[int]:
        """Up to ``count`` sizes that lie between, ascending: usual ones, else such as part it equally."""
        lost = self.lost
        assert lost is not None, "where nothing is lost nothing lies between"
        usual = self._usual()
        if len(usual) > 1:  # R2
            places = range(1, count + 1)
            return usual if len(usual) <= count else [usual[len(usual) * n // (count + 1)] for n in places]
        between = lost - self.passed
        parts = min(count + 1, between)
        return [self.passed + between * part // parts for part in range(1, parts)]

    def cost(self, count: int) -> int:
        """How many looks the search takes if each wave has ``count`` of them."""
        left, looks = (self.lost or self.passed) - self.passed, min(count, len(self._usual()))
        while left > 1:
            looks += min(count, left - 1)
            left = -(-left // (count + 1))
        return looks

    def _usual(self) -> list[int]:
        return [size for size in USUAL if self.passed < size < (self.lost or 0)]

    def learn(self, size: int, *, has_passed: bool) -> None:
        """Take the fate of a packet of ``size`` into account."""
        (self._passes if has_passed else self._losses).append(size)
        if has_passed:
            self.passed = max(self.passed, size)  # R1

    @property
    def passes(self) -> int:
        """How many packets passed, of those no larger than ``passed``."""
        return len(self._passes)

    @property
    def losses(self) -> int:
        """How many packets of ``lost`` bytes and more were lost."""
        lost = self.lost
        return 0 if lost is None else sum(size >= lost for size in self._losses)  # R3
