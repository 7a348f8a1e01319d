"""main(argv) -> exit status: the wiring, the only writer, the only place where errors become messages."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from tracetcp.errors import MissingHost, ProberError, TracetcpError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracetcp.cli.parsing import Check, Invocation
    from tracetcp.config import TraceConfig
    from tracetcp.engine import Engine
    from tracetcp.formatters.display import Display
    from tracetcp.formatters.presenter import Presenter
    from tracetcp.names.lookups import AddressLookup
    from tracetcp.probers.prober import Prober, Tap

EXIT_REACHED = 0
EXIT_NOT_REACHED = 1
EXIT_COULD_NOT_RUN = 3
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
"""What a shell reports of a program that a closed pipe ended."""
SECRET_BYTES = 16
GARBAGE_LOOKED_FOR_AFTER = 20_000
"""New objects, instead of Python's 700: a scan has thousands that are neither old nor garbage."""
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
    if isinstance(understood, Check):
        return check(understood)
    return trace(understood)


def trace(invocation: Invocation) -> int:
    """Trace what ``invocation`` asks for and write it as it is decided."""
    from tracetcp.formatters.progress import ProgressLine
    from tracetcp.model import AddressSeen, Outcome, PortScanned, TraceFinished
    from tracetcp.privileges import drop_privileges
    from tracetcp.probers import open_prober
    from tracetcp.runner import run

    config, display = invocation.config, invocation.display
    destination = _resolve(config.host, config.family)
    with ExitStack() as stack:
        prober = open_prober(config, destination)
        stack.callback(prober.close)
        if prober.kind == "connect":
            _complain(WITHOUT_PRIVILEGE)
        if display.pcap is not None:
            _keep_packets(display.pcap, prober, stack)
        drop_privileges()
        lookups = _open_lookups(display, stack)
        texts = [lookup.found for lookup in lookups]
        engine = _open_engine(invocation, prober, texts)
        presenter = _open_presenter(invocation, prober, texts)
        progress = ProgressLine(len(config.ports), prober.clock())
        stack.callback(lambda: _show_progress(progress.erase()))
        outcomes: set[Outcome] = set()
        is_silent = True
        gc.freeze()  # what is here by now stays
        gc.set_threshold(GARBAGE_LOOKED_FOR_AFTER)
        gc.enable()
        for events in run(engine, prober, lookups):
            _write("".join([presenter.render(event, texts) for event in events]))
            _show_progress(progress.update(engine.ports_done, prober.clock()))
            is_silent = is_silent and not any(isinstance(event, AddressSeen) for event in events)
            outcomes |= {event.outcome for event in events if isinstance(event, (PortScanned, TraceFinished))}
        _show_progress(progress.erase())
        _write(presenter.closing())
        if is_silent:
            _explain_silence(destination, prober.source)
        return EXIT_REACHED if outcomes & {Outcome.OPEN, Outcome.CLOSED} else EXIT_NOT_REACHED


def _keep_packets(path: str, prober: Prober, stack: ExitStack) -> None:
    """Write a pcap file beside the trace; opened while the process still has its privileges."""
    from pathlib import Path

    from tracetcp.wire.pcap import PcapWriter

    def open_tap() -> Tap:
        try:
            stream = stack.enter_context(Path(path).open("wb"))  # noqa: SIM115 - the stack closes it
        except OSError as error:
            raise ProberError(f"file {path!r} cannot be written: {error.strerror}") from error
        return PcapWriter(stream).write

    prober.capture(open_tap)


def _resolve(host: str, family: int | None) -> str:
    """The address of ``host``; DNS answers are read where no privilege is left."""
    from tracetcp.names.hosts import resolve_numeric

    numeric = resolve_numeric(host, family)
    if numeric is not None:
        return numeric
    from tracetcp.names.resolving import resolve
    from tracetcp.privileges import unprivileged

    return unprivileged(lambda: resolve(host, family))


def _open_lookups(display: Display, stack: ExitStack) -> list[AddressLookup]:
    if display.numeric and not display.asn:
        return []
    from tracetcp.names.lookups import ReverseNames
    from tracetcp.names.origins import OriginNames

    lookups: list[AddressLookup] = [] if display.numeric else [ReverseNames()]
    if display.asn:
        lookups.append(OriginNames())
    for lookup in lookups:
        stack.callback(lookup.close)
    return lookups


def _open_engine(invocation: Invocation, prober: Prober, texts: Sequence[Mapping[str, str]]) -> Engine:
    """The engine, with an ``Explaining`` round it where verdicts or evidence are wanted."""
    from tracetcp.engine import open_engine

    def fresh(config: TraceConfig) -> Engine:
        return open_engine(config, os.urandom(SECRET_BYTES), prober.capacity)

    config, display = invocation.config, invocation.display
    if not (display.explain or display.json):
        return fresh(config)
    from tracetcp.explain.explaining import Explaining

    names = {} if display.numeric else texts[0]
    return Explaining(fresh(config), config, prober.destination, fresh, names, may_probe=display.explain)


def _open_presenter(invocation: Invocation, prober: Prober, texts: Sequence[Mapping[str, str]]) -> Presenter:
    from tracetcp.formatters.presenter import JsonPresenter, TextPresenter

    config, display = invocation.config, invocation.display
    if display.json:
        origins = texts[-1] if display.asn else {}
        return JsonPresenter(config, display, origins, time.time() - prober.clock())
    return TextPresenter(config, display, prober.destination)


def check(asked: Check) -> int:
    """Look whether this machine can trace, and say what was found; 3 if anything failed."""
    from tracetcp.diagnosis import check as looks

    address = _resolve(asked.host, asked.family) if asked.host is not None else None
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


def _write(text: str) -> None:
    if text:
        sys.stdout.write(text)
        sys.stdout.flush()


def _show_progress(line: str) -> None:
    """The progress line: only for somebody who watches stderr while the rows go elsewhere."""
    if line and sys.stderr is not None and sys.stderr.isatty() and not sys.stdout.isatty():
        sys.stderr.write(line)
        sys.stderr.flush()


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
