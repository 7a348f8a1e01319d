"""Counts what a hunt saw and words it. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from math import sqrt
from typing import TYPE_CHECKING

from hunting.judge import Rating

if TYPE_CHECKING:
    from hunting.judge import Judgement

NINETY_FIVE = 1.96
"""Standard deviations either side of the mean that hold 95 % of a normal distribution."""
KINDS = ("false row", "false alarm", "false note", "wrong", "error")
COLUMNS = (Rating.RIGHT_HOP, Rating.RIGHT_KIND, Rating.UNNAMED, Rating.WRONG, Rating.UNSEEN)


def wilson(count: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a rate of which ``count`` in ``of`` were seen (Wilson 1927)."""
    if not of:
        return 0.0, 1.0
    rate, z = count / of, NINETY_FIVE
    middle = (rate + z * z / (2 * of)) / (1 + z * z / of)
    reach = z * sqrt(rate * (1 - rate) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return max(0.0, middle - reach), min(1.0, middle + reach)


class Tally:
    """All runs of a hunt."""

    def __init__(self) -> None:
        self.runs = 0
        self.by_chance = 0
        self.failures: Counter[str] = Counter()
        self._ratings: dict[str, Counter[Rating]] = defaultdict(Counter)

    def add(self, fault: str, judgement: Judgement) -> None:
        """Count a run; one with several complaints of a kind is one failure of that kind."""
        self.runs += 1
        self.by_chance += bool(judgement.by_chance)
        self._ratings[fault][judgement.rating] += 1
        self.failures.update({complaint.kind for complaint in judgement.complaints})

    def add_error(self, fault: str) -> None:
        """Count a run that came to nothing."""
        self.runs += 1
        self.failures["error"] += 1
        self._ratings.setdefault(fault, Counter())

    @property
    def has_failed(self) -> bool:
        """Whether anything was seen that must never be."""
        return self.failures.total() > 0

    def lines(self) -> list[str]:
        """The closing table. A rate is of the runs in which the fault can be seen, with its 95 % interval."""
        heads = " ".join(f"{column.value:>12}" for column in COLUMNS)
        lines = [f"{'fault':<18} {'runs':>5} {heads}   at the right hop"]
        for fault, ratings in sorted(self._ratings.items()):
            counts = " ".join(f"{ratings[column]:>12}" for column in COLUMNS)
            in_sight = ratings.total() - ratings[Rating.UNSEEN]
            share = _share(ratings[Rating.RIGHT_HOP], in_sight)
            lines.append(f"{fault:<18} {ratings.total():>5} {counts}   {share}")
        lines += [f"{kind + ':':<13}{_rate(self.failures[kind], self.runs)}" for kind in KINDS]
        return [*lines, f"lost from sight by chance, in {self.by_chance} runs"]


def _share(count: int, of: int) -> str:
    low, high = wilson(count, of)
    return f"{count / of:4.0%} ({low:.0%} to {high:.0%})" if of else "-"


def _rate(count: int, of: int) -> str:
    low, high = wilson(count, of)
    return f"{count} of {of} runs ({low:.2%} to {high:.2%})"
