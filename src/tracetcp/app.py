"""main(argv) -> exit status: the wiring, the only writer, the only place where errors become messages."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from tracetcp.errors import MissingHost, TracetcpError
from tracetcp.model import AddressSeen, Event, Outcome, TraceFinished

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tracetcp.cli import Check, Display, Invocation
    from tracetcp.config import TraceConfig

REACHED = (Outcome.OPEN, Outcome.CLOSED)
EXIT_REACHED = 0
EXIT_NOT_REACHED = 1
EXIT_COULD_NOT_RUN = 3
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
"""What a shell reports of a program that a closed pipe ended."""
SECRET_BYTES = 16
WITHOUT_PRIVILEGE = (
    "tracetcp: no raw sockets, probing without privileges: where routers share load a column may mix paths"
)
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
        from tracetcp.cli import USAGE

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
    from tracetcp.cli import Check, Message, parse

    understood = parse(argv)
    if sys.stdout is None:
        raise TracetcpError("standard output is closed: there is nowhere to write to")
    if isinstance(understood, Message):
        _write(understood.text)
        return 0
    if isinstance(understood, Check):
        return check(understood)
    return trace(understood)


def trace(invocation: Invocation) -> int:
    """Trace what ``invocation`` asks for and write it as it is decided."""
    from tracetcp.engine import open_engine
    from tracetcp.names import ReverseNames, resolve
    from tracetcp.privileges import drop_privileges
    from tracetcp.probers import open_prober
    from tracetcp.runner import run

    config, display = invocation.config, invocation.display
    destination = resolve(config.host, config.family)
    with ExitStack() as stack:
        prober = open_prober(config, destination)
        stack.callback(prober.close)
        if prober.kind == "connect":
            _complain(WITHOUT_PRIVILEGE)
        drop_privileges()
        lookups = [] if display.numeric else [ReverseNames()]
        for lookup in lookups:
            stack.callback(lookup.close)
        engine = open_engine(config, os.urandom(SECRET_BYTES), prober.capacity)
        render = open_formatter(config, display, destination)
        texts = [lookup.found for lookup in lookups]
        status = EXIT_NOT_REACHED
        is_silent = True
        for events in run(engine, prober, lookups):
            _write("".join([render(event, texts) for event in events]))
            is_silent = is_silent and not any(isinstance(event, AddressSeen) for event in events)
            if any(isinstance(event, TraceFinished) and event.outcome in REACHED for event in events):
                status = EXIT_REACHED
        if is_silent:
            _explain_silence(destination, prober.source)
        return status


def check(asked: Check) -> int:
    """Look whether this machine can trace, and say what was found; 3 if anything failed."""
    from tracetcp.diagnosis import check as looks
    from tracetcp.names import resolve

    address = resolve(asked.host, asked.family) if asked.host is not None else None
    status = 0
    for finding in looks(address):
        _write(f"{'passed' if finding.is_passed else 'failed'}  {finding.subject}: {finding.sentence}\n")
        if not finding.is_passed:
            status = EXIT_COULD_NOT_RUN
    return status


def _explain_silence(destination: str, source: str) -> None:
    from tracetcp.diagnosis import after_silence

    for finding in after_silence(destination, source):
        _complain(f"tracetcp: nothing answered: {finding.sentence}")


def open_formatter(
    config: TraceConfig, display: Display, destination: str
) -> Callable[[Event, Sequence[Mapping[str, str]]], str]:
    """The ``render`` function that ``display`` asks for."""
    from tracetcp.engine import is_scan
    from tracetcp.formatters.condensed import CondensedFormatter
    from tracetcp.formatters.verbose import VerboseFormatter

    if display.condensed:
        return CondensedFormatter(destination, is_scan=is_scan(config), precision=display.precision).render
    return VerboseFormatter(destination, config.max_hops, display.precision).render


def _write(text: str) -> None:
    if text:
        sys.stdout.write(text)
        sys.stdout.flush()


def _complain(sentence: str) -> None:
    """One line on stderr, if there is one and anybody can still read it."""
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            sys.stderr.write(sentence + "\n")
            sys.stderr.flush()


def _discard_stdout() -> None:
    """Point stdout at nothing, so that no buffered rest raises while Python shuts down."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
