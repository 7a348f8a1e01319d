"""main(argv) -> exit status: parses, writes, and turns every error into a message. The only writer.

What is not in ``session``, because it is the process's and not a run's: streams, signals, the garbage
collector, and the decision to give the privileges up. Rows go to standard output; where that is taken by the
packets of ``--pcap -``, they go to standard error.
"""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from tracetcp.errors import MissingHost, TracetcpError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from tracetcp.cli.parsing import Check, Invocation
    from tracetcp.formatters.display import Display
    from tracetcp.formatters.presenter import Presenter
    from tracetcp.formatters.progress import ProgressLine
    from tracetcp.session import Options, Session

EXIT_REACHED = 0
EXIT_NOT_REACHED = 1
EXIT_COULD_NOT_RUN = 3
EXIT_SIGNAL = 128
"""A signal's number is added: what a shell reports of a program that the signal ended."""
EXIT_INTERRUPTED = EXIT_SIGNAL + signal.SIGINT
EXIT_BROKEN_PIPE = 141
ENDING_SIGNALS = ("SIGTERM", "SIGHUP", "SIGQUIT")
"""They end a run as Ctrl-C does: what was decided is written first."""
GARBAGE_LOOKED_FOR_AFTER = 20_000
"""New objects, instead of Python's 700: a scan has thousands that are neither old nor garbage."""
DEBUG_VARIABLE = "TRACETCP_DEBUG"


class Ended(KeyboardInterrupt):
    """One of ``ENDING_SIGNALS`` came."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_status = EXIT_SIGNAL + number
        self.name = signal.Signals(number).name


def console() -> None:
    """The console script: run, flush, and leave without Python's own complaints about closed pipes.

    And without its tidying up, which takes half a second for the objects of 65,535 ports: every socket and
    file is closed by now, and what was written is flushed.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signals = [getattr(signal, name) for name in ENDING_SIGNALS if hasattr(signal, name)]
    for number in signals:
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup has SIGHUP ignored, which is to stay
            signal.signal(number, _end)
    status = main(sys.argv[1:])
    for number in (signal.SIGINT, *signals):
        signal.signal(number, signal.SIG_IGN)
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError):
        _discard_stdout()
    os._exit(status)


def _end(number: int, _frame: object) -> None:
    """A signal's handler: end the run, and let nobody disturb that."""
    signal.signal(number, signal.SIG_IGN)
    raise Ended(number)


def main(argv: Sequence[str]) -> int:
    """Run the program and return its exit status; every error ends here, as one line on stderr."""
    try:
        return _run(argv)
    except Ended as ended:
        _complain(f"Trace ended by {ended.name}.")
        return ended.exit_status
    except KeyboardInterrupt:
        _complain("Trace interrupted.")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _discard_stdout()
        return EXIT_BROKEN_PIPE
    except MissingHost as error:
        from tracetcp.cli.flags import USAGE

        _complain(f"usage: {USAGE}")
        _complain(f"tracetcp: {error}")
        return error.exit_status
    except TracetcpError as error:
        _complain(f"tracetcp: {error}")
        return error.exit_status
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        if (sentence := _of_the_machine(error)) is not None:
            _complain(f"tracetcp: {sentence}")
            return EXIT_COULD_NOT_RUN
        what = str(error) or type(error).__name__
        _complain(
            f"tracetcp: {what} ({type(error).__name__}; {DEBUG_VARIABLE}=1 shows where, for a bug report)"
        )
        return EXIT_COULD_NOT_RUN


def _of_the_machine(error: Exception) -> str | None:
    """The sentence for what this machine has no more of, wherever that shows; None for another error."""
    is_unmapped = isinstance(error, ImportError) and "failed to map" in str(error)  # dlopen(3) says no number
    if isinstance(error, MemoryError) or is_unmapped:
        return "this process may use no more memory: raise 'ulimit -v', or trace fewer ports at a time"
    if isinstance(error, RuntimeError) and "new thread" in str(error):
        return "this process may start no more threads: raise 'ulimit -u' and 'ulimit -v'"
    if isinstance(error, OSError) and error.errno == errno.EMFILE:
        return "this process may open no more files: raise 'ulimit -n'"
    if isinstance(error, OSError) and error.errno in (errno.ENFILE, errno.ENOMEM):
        return f"this machine has no more room ({os.strerror(error.errno)}): end other programs"
    return None


def _run(argv: Sequence[str]) -> int:
    from tracetcp.cli.parsing import Check, Message, parse

    understood = parse(argv)
    if sys.stdout is None:
        raise TracetcpError("standard output is closed: there is nowhere to write to")
    if isinstance(understood, Message):
        _write(understood.text)
        return 0
    return check(understood) if isinstance(understood, Check) else trace(understood)


def trace(invocation: Invocation) -> int:
    """Trace what ``invocation`` asks for and write it as it is decided."""
    from tracetcp.formatters import open_presenter
    from tracetcp.session import open_session

    config, display = invocation.config, invocation.display
    screen = _Screen(display)
    with open_session(config, _options(display), screen.warn) as session:
        presenter = open_presenter(config, display, session.destination, time.time() - session.clock())
        _collect_garbage()
        screen.show(session, presenter, len(config.ports))
        if session.has_reached:
            return EXIT_REACHED
        _look_for_causes(session)
        return EXIT_NOT_REACHED


def _look_for_causes(session: Session) -> None:
    """Say what on this machine may have kept the destination from being reached."""
    from tracetcp.diagnosis import after_silence, source_address

    if session.is_silent:
        for finding in after_silence(session.destination, session.source):
            _complain(f"tracetcp: nothing answered: {finding.sentence}")
    elif not (finding := source_address(session.source)).is_passed:
        _complain(f"tracetcp: {finding.sentence}")


def _options(display: Display) -> Options:
    from tracetcp.session import Options

    return Options(
        names=not display.numeric,
        origins=display.asn,
        evidence=display.json,
        explain=display.explain,
        pcap=display.pcap,
        drops_privileges=True,
    )


def _collect_garbage() -> None:
    """From now on, which ``__main__`` put off; what is here by now stays."""
    gc.freeze()
    gc.set_threshold(GARBAGE_LOOKED_FOR_AFTER)
    gc.enable()


class _Screen:
    """Where the texts of one run go.

    The progress line is for who watches standard error while the rows go elsewhere. Raises ``UsageError``
    where a terminal would get the packets, ``TracetcpError`` where there is no stream for the rows.
    """

    def __init__(self, display: Display) -> None:
        packets_take_stdout = display.pcap == "-"
        rows = sys.stderr if packets_take_stdout else sys.stdout
        if rows is None:
            raise TracetcpError("standard error is closed: there is nowhere to write the rows to")
        if packets_take_stdout and sys.stdout.isatty():
            raise UsageError(
                "packets are nothing for a terminal: send them elsewhere, as in '--pcap - host | tshark -r -'"
            )
        self._rows = rows
        self._is_watched = sys.stderr is not None and sys.stderr.isatty() and not rows.isatty()
        self._progress: ProgressLine | None = None

    def warn(self, what: str) -> None:
        """A line on standard error, in the place of the progress line."""
        if self._progress is not None:
            _write(self._progress.erase(), sys.stderr)
        _complain(f"tracetcp: {what}")

    def show(self, session: Session, presenter: Presenter, ports: int) -> None:
        """Write the run as it goes on."""
        from tracetcp.formatters.progress import ProgressLine

        progress = ProgressLine(ports, session.clock(), is_watched=self._is_watched)
        self._progress = progress
        try:
            for events, texts in session.batches():
                _write("".join([presenter.render(event, texts) for event in events]), self._rows)
                _write(progress.update(session.ports_done, session.clock()), sys.stderr)
        finally:
            _write(progress.erase(), sys.stderr)
        _write(presenter.closing(session.texts), self._rows)


def check(asked: Check) -> int:
    """Look whether this machine can trace, and say what was found; 3 if anything failed."""
    from tracetcp.diagnosis import check as looks
    from tracetcp.session import resolve

    address = resolve(asked.host, asked.family, without_privileges=True) if asked.host else None
    status = 0
    for finding in looks(address):
        _write(f"{'passed' if finding.is_passed else 'failed'}  {finding.subject}: {finding.sentence}\n")
        if not finding.is_passed:
            status = EXIT_COULD_NOT_RUN
    return status


def _write(text: str, stream: TextIO | None = None) -> None:
    """Write ``text`` to ``stream``, or standard output; raises ``TracetcpError`` where it takes no more."""
    if not text:
        return
    stream = stream or sys.stdout
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        name = "standard error" if stream is sys.stderr else "standard output"
        reason = os.strerror(error.errno or 0)
        raise TracetcpError(
            f"{name} takes no more text ({reason}): make room, or send it elsewhere"
        ) from error


def _complain(sentence: str) -> None:
    """One line on stderr, if there is one and anybody can still read it."""
    if sys.stderr is not None:
        with suppress(OSError, ValueError, TracetcpError):
            _write(sentence + "\n", sys.stderr)


def _discard_stdout() -> None:
    """Point stdout at nothing, so that no buffered rest raises while Python shuts down."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
