"""The signals that end a run, and what they raise. Knows no run."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

ENDING_SIGNALS = ("SIGTERM", "SIGHUP", "SIGQUIT")
"""They end a run as Ctrl-C does: what was decided is written first."""
EXIT_STATUS = 128
"""The signal's number is added: what a shell reports of a program that the signal ended."""
RAISED_AGAIN_AFTER = 0.01
"""Seconds: where Python can only ignore an exception it is not for longer."""


class Ended(KeyboardInterrupt):
    """One of ``ENDING_SIGNALS`` came."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_status = EXIT_STATUS + number
        self.name = signal.Signals(number).name


def end_runs() -> None:
    """Let Ctrl-C raise ``KeyboardInterrupt``, and each of ``ENDING_SIGNALS`` an ``Ended``.

    A signal may come where Python can only ignore what it raises: in a finalizer, or in a callback, such as
    every import has one. It is raised again then, a moment later.
    """
    sys.unraisablehook = _take_ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in _numbers():
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup has SIGHUP ignored, which is to stay
            signal.signal(number, _end)


def ignore() -> None:
    """Let none of them disturb the end of the program."""
    for number in (signal.SIGINT, *_numbers((*ENDING_SIGNALS, "SIGALRM"))):
        signal.signal(number, signal.SIG_IGN)


def _numbers(names: tuple[str, ...] = ENDING_SIGNALS) -> list[signal.Signals]:
    return [getattr(signal, name) for name in names if hasattr(signal, name)]


def _end(number: int, _frame: object) -> None:
    signal.signal(number, signal.SIG_IGN)
    raise Ended(number)


def _take_ignored(ignored: UnraisableHookArgs) -> None:
    """Have an interrupt that Python ignores raised again; say of anything else what Python says."""
    error = ignored.exc_value
    if not isinstance(error, KeyboardInterrupt) or not hasattr(signal, "setitimer"):
        sys.__unraisablehook__(ignored)
        return

    def raise_again(_number: int, _frame: object) -> None:
        raise error

    signal.signal(signal.SIGALRM, raise_again)
    signal.setitimer(signal.ITIMER_REAL, RAISED_AGAIN_AFTER)
