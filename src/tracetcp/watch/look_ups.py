"""When the name of the target is looked up again. No I/O, no clock.

R1. After ``FIRST_AFTER`` intervals without an answer, then after twice as many. Another address that does not
    answer either is looked up no sooner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracetcp.watch import Machine
    from tracetcp.watch.questions import Question

FIRST_AFTER = 10


class LookUps:
    """Those of a watch, by ``machine``."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._lost_in_row, self._after = 0, FIRST_AFTER

    def meet(self, question: Question) -> None:
        """The destination answered ``question``, or has not in time."""
        if question.reply is not None:
            self._lost_in_row, self._after = 0, FIRST_AFTER
            return
        self._lost_in_row += 1
        if self._lost_in_row >= self._after:  # R1
            self._after *= 2
            self._machine.look_up_again()
