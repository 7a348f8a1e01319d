"""The TTL with which the destination's answers arrive, and what comes from nearer. Asks by new connections.

R1. A SYN-ACK that is not listened to, for its TTL is less than asked for, looks like a lost one. So the TTL
    is found by halving, from what it would be on a way back as long as the way there, and the least that was
    met by silence is asked once more at the end.
R2. That something comes from nearer is believed only if the destination's answers still have no larger TTL:
    ``PROOFS`` new connections that ask for one must be silent, and one that does not must open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, TypeVar

from tracetcp.engine.session.waves import Fate, Trial
from tracetcp.model.silence import Origin

if TYPE_CHECKING:
    from collections.abc import Generator

    from tracetcp.engine.session.waves import Result

    Found = TypeVar("Found")
    Asking: TypeAlias = Generator[list[Trial], list[Result], Found]

LEAST_WAIT = 0.25
"""Seconds and ``WAIT_RTTS`` RTTs for a SYN-ACK."""
WAIT_RTTS = 3
LAST_TTL = 255
USUAL_TTLS = (64, 128, 255)
"""What hosts send with."""
PROOFS = 3


class AnswerTtl:
    """The TTL of the answers of a destination at ``distance``; ``known`` is it, or None."""

    def __init__(self, known: int | None, distance: int) -> None:
        self.rtt = 0.0
        """Seconds; what the waits go by."""
        self._ttl = known
        self._distance = distance

    @property
    def nearer(self) -> int:
        """The least TTL of what comes from nearer; 0 where nothing can, or it is not known."""
        return self._ttl + 1 if self._ttl is not None and self._ttl < LAST_TTL else 0

    def find(self) -> Asking[None]:
        """Find it, if it is not known."""
        if self._ttl is not None:
            return
        self._ttl = yield from self._search(1)
        while self.nearer and (yield from self._opens(self.nearer)):  # R1
            self._ttl = yield from self._search(self.nearer)

    def _search(self, low: int) -> Asking[int]:
        """The TTL, which is ``low`` or more."""
        high = LAST_TTL + 1
        alike = [start - self._distance + 1 for start in USUAL_TTLS]
        guesses = [guess for ttl in alike for guess in (ttl, ttl + 1)]
        while high - low > 1:
            middle = next((guess for guess in guesses if low < guess < high), (low + high) // 2)
            if (yield from self._opens(middle)):
                low = middle
            else:
                high = middle
        return low

    def origin(self) -> Asking[Origin]:
        """Whether what came with a larger TTL shows that somebody is nearer."""
        for _ in range(PROOFS):
            if (yield from self._opens(self.nearer)):  # R2
                return Origin.UNKNOWN
        for _ in range(PROOFS):
            if (yield from self._opens(1)):  # R2
                return Origin.NEARER
        return Origin.UNKNOWN

    def _opens(self, min_reply_ttl: int) -> Asking[bool]:
        """Whether the SYN-ACK comes with that TTL at least."""
        wait = LEAST_WAIT + WAIT_RTTS * self.rtt
        (result,) = yield [Trial(is_wordless=True, min_reply_ttl=min_reply_ttl, opens_within=wait)]
        return result.fate is Fate.OPEN
