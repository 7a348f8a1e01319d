"""How likely silence is mere chance: the guard of every verdict that rests on missing answers. Pure."""

from __future__ import annotations

BY_CHANCE = 0.01
"""Silence this likely to be chance is no finding: one false alarm in a hundred such silences at most."""
BY_CHANCE_CERTAIN = 0.0001
"""Silence less likely than this to be chance is certain: one false alarm in 10,000."""


def loss_rate(answered: int, lost: int) -> float:
    """The loss to be expected where ``answered`` and ``lost`` were counted.

    The rule of succession: few probes prove little, so no count of answers makes the rate zero.
    """
    return (lost + 1) / (answered + lost + 2)
