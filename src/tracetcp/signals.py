"""The signals that end a run, and what they raise. Knows no run."""

from __future__ import annotations

import signal

ENDING_SIGNALS = ("SIGTERM", "SIGHUP", "SIGQUIT")
"""They end a run as Ctrl-C does: what was decided is written first."""
EXIT_STATUS = 128
"""The signal's number is added: what a shell reports of a program that the signal ended."""


class Ended(KeyboardInterrupt):
    """One of ``ENDING_SIGNALS`` came."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_status = EXIT_STATUS + number
        self.name = signal.Signals(number).name


def end_runs() -> None:
    """Let Ctrl-C raise ``KeyboardInterrupt``, and each of ``ENDING_SIGNALS`` an ``Ended``."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in _numbers():
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup has SIGHUP ignored, which is to stay
            signal.signal(number, _end)


def ignore() -> None:
    """Let none of them disturb the end of the program."""
    for number in (signal.SIGINT, *_numbers()):
        signal.signal(number, signal.SIG_IGN)


def _numbers() -> list[signal.Signals]:
    return [getattr(signal, name) for name in ENDING_SIGNALS if hasattr(signal, name)]


def _end(number: int, _frame: object) -> None:
    signal.signal(number, signal.SIG_IGN)
    raise Ended(number)
