"""main(argv) -> exit status: parses, writes, and turns every error into a message. The only writer.

What is not in ``session``, because it is the process's and not a run's: streams, signals, the garbage
collector, and the decision to give the privileges up.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from tracetcp.errors import MissingHost, TracetcpError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from tracetcp.cli.parsing import Check, Invocation
    from tracetcp.formatters.display import Display
    from tracetcp.formatters.presenter import Presenter
    from tracetcp.session import Options, Session

EXIT_REACHED = 0
EXIT_NOT_REACHED = 1
EXIT_COULD_NOT_RUN = 3
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
"""What a shell reports of a program that a closed pipe ended."""
GARBAGE_LOOKED_FOR_AFTER = 20_000
"""New objects, instead of Python's 700: a scan has thousands that are neither old nor garbage."""
DEBUG_VARIABLE = "TRACETCP_DEBUG"


def console() -> None:
    """The console script: run, flush, and leave without Python's own complaints about closed pipes."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    status = main(sys.argv[1:])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError):
        _discard_stdout()
    sys.exit(status)


def main(argv: Sequence[str]) -> int:
    """Run the program and return its exit status; every error ends here, as one line on stderr."""
    try:
        return _run(argv)
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
        what = str(error) or type(error).__name__
        _complain(
            f"tracetcp: {what} ({type(error).__name__}; {DEBUG_VARIABLE}=1 shows where, for a bug report)"
        )
        return EXIT_COULD_NOT_RUN


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
    with open_session(config, _options(display), lambda what: _complain(f"tracetcp: {what}")) as session:
        presenter = open_presenter(config, display, session.destination, time.time() - session.clock())
        _collect_garbage()
        _show(session, presenter, len(config.ports))
        if session.is_silent:
            from tracetcp.diagnosis import after_silence

            for finding in after_silence(session.destination, session.source):
                _complain(f"tracetcp: nothing answered: {finding.sentence}")
        return EXIT_REACHED if session.has_reached else EXIT_NOT_REACHED


def _options(display: Display) -> Options:
    from tracetcp.session import Options

    return Options(
        names=not display.numeric,
        origins=display.asn,
        evidence=display.json,
        explain=display.explain,
        sizes=display.mtu,
        pcap=display.pcap,
        drops_privileges=True,
    )


def _collect_garbage() -> None:
    """From now on, which ``__main__`` put off; what is here by now stays."""
    gc.freeze()
    gc.set_threshold(GARBAGE_LOOKED_FOR_AFTER)
    gc.enable()


def _show(session: Session, presenter: Presenter, ports: int) -> None:
    """Write the run as it goes on; a progress line is for who watches stderr while the rows go elsewhere."""
    from tracetcp.formatters.progress import ProgressLine

    is_watched = sys.stderr is not None and sys.stderr.isatty() and not sys.stdout.isatty()
    progress = ProgressLine(ports, session.clock(), is_watched=is_watched)
    try:
        for events, texts in session.batches():
            _write("".join([presenter.render(event, texts) for event in events]))
            _write(progress.update(session.ports_done, session.clock()), sys.stderr)
    finally:
        _write(progress.erase(), sys.stderr)
    _write(presenter.closing(session.texts))


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
    if text:
        stream = stream or sys.stdout
        stream.write(text)
        stream.flush()


def _complain(sentence: str) -> None:
    """One line on stderr, if there is one and anybody can still read it."""
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            _write(sentence + "\n", sys.stderr)


def _discard_stdout() -> None:
    """Point stdout at nothing, so that no buffered rest raises while Python shuts down."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
