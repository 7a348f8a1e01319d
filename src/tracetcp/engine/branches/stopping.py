"""How many flows rule a further branch out: the stopping points of multipath detection. Pure arithmetic.

Where one next hop more than those found shared the load alike, so many flows would have met all of them with
the probability asked for (B. Augustin, T. Friedman, R. Teixeira, "Measuring load-balanced paths in the
Internet", IMC 2007): 6, 11, 16, 21, 27, ... flows for 95 % with 1, 2, 3, 4, 5, ... found.
"""

from __future__ import annotations

from functools import cache
from math import comb


@cache
def missed(found: int, flows: int) -> float:
    """The chance that ``flows`` meet not all of ``found`` + 1 next hops which share the load alike.

    By inclusion and exclusion over those that no flow met.
    """
    hops = found + 1
    chance = sum(
        (-1) ** (none + 1) * comb(hops, none) * (1 - none / hops) ** flows for none in range(1, hops)
    )
    return min(1.0, max(0.0, chance)) if flows else 1.0


@cache
def stopping_point(found: int, percent: int) -> int:
    """The flows that rule one more next hop out with ``percent`` certainty where ``found`` were met."""
    flows = found + 1
    while missed(found, flows) > 1 - percent / 100:
        flows += 1
    return flows
