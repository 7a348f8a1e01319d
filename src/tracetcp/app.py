"""main(argv) -> exit status: parses, shows the run, and turns every error into a message.

What is not in ``session``, because it is the process's and not a run's: streams (``screen``), signals, the
garbage collector, and the decision to give the privileges up.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

from tracetcp import signals
from tracetcp.errors import MissingHost, TracetcpError
from tracetcp.screen import Screen, complain, discard_stdout, write
from tracetcp.shortages import shortage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracetcp.cli.parsing import Check, Diff, Invocation, ManyTargets
    from tracetcp.config import TraceConfig, Watch
    from tracetcp.formatters.display import Display
    from tracetcp.formatters.presenter import Presenter
    from tracetcp.session import Options, Session

EXIT_REACHED = 0
EXIT_NOT_REACHED = 1
EXIT_DIFFERENT = 1
EXIT_COULD_NOT_RUN = 3
EXIT_INTERRUPTED = 130
"""128 and the signal's number: what a shell reports of a program that a signal ended."""
EXIT_BROKEN_PIPE = 141
GARBAGE_LOOKED_FOR_AFTER = 20_000
"""New objects, instead of Python's 700: a scan has thousands that are neither old nor garbage."""
DEBUG_VARIABLE = "TRACETCP_DEBUG"


def console() -> None:
    """The console script: run, flush, and leave without Python's own complaints about closed pipes.

    And without its tidying up, which takes half a second for the objects of 65,535 ports: every socket and
    file is closed by now, and what was written is flushed.
    """
    signals.end_runs()
    status = main(sys.argv[1:])
    signals.ignore()
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError):
        discard_stdout()
    os._exit(status)


def main(argv: Sequence[str]) -> int:
    """Run the program and return its exit status; every error ends here, as one line on stderr."""
    try:
        return _run(argv)
    except signals.Ended as ended:
        complain(f"Trace ended by {ended.name}.")
        return ended.exit_status
    except KeyboardInterrupt:
        complain("Trace interrupted.")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        discard_stdout()
        return EXIT_BROKEN_PIPE
    except MissingHost as error:
        from tracetcp.cli.flags import USAGE

        complain(f"usage: {USAGE}")
        complain(f"tracetcp: {error}")
        return error.exit_status
    except TracetcpError as error:
        complain(f"tracetcp: {error}")
        return error.exit_status
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        if (sentence := shortage(error)) is not None:
            complain(f"tracetcp: {sentence}")
            return EXIT_COULD_NOT_RUN
        what = str(error) or type(error).__name__
        complain(
            f"tracetcp: {what} ({type(error).__name__}; {DEBUG_VARIABLE}=1 shows where, for a bug report)"
        )
        return EXIT_COULD_NOT_RUN


def _run(argv: Sequence[str]) -> int:
    from tracetcp.cli.parsing import OPTIONS_VARIABLE, Check, Diff, ManyTargets, Message, parse

    preset = os.environ.get(OPTIONS_VARIABLE, "")
    understood = parse(argv, preset)
    if sys.stdout is None:
        raise TracetcpError("standard output is closed: there is nowhere to write to")
    if isinstance(understood, Message):
        write(understood.text)
        return 0
    if isinstance(understood, ManyTargets):
        return trace_many(understood)
    if isinstance(understood, Diff):
        return diff(understood)
    if isinstance(understood, Check):
        return check(understood, preset)
    return report(understood, argv) if understood.display.report else trace(understood)


def trace(invocation: Invocation) -> int:
    """Trace what ``invocation`` asks for and write it as it is decided."""
    from tracetcp.formatters import open_presenter
    from tracetcp.session import open_session

    config, display = invocation.config, invocation.display
    screen = Screen(display)
    if invocation.watch is not None:
        return _watch(config, display, invocation.watch, screen)
    with open_session(config, _options(display), screen.warn) as session:
        clock_to_utc = time.time() - session.clock()
        presenter = open_presenter(config, display, session.destination, clock_to_utc, session.source)
        _collect_garbage()
        if display.picture is None:
            screen.show(session, presenter, len(config.ports))
        else:
            _draw(display.picture, screen, session, presenter, len(config.ports))
        if session.has_reached:
            return EXIT_REACHED
        _look_for_causes(session)
        return EXIT_NOT_REACHED


def _watch(config: TraceConfig, display: Display, watch: Watch, screen: Screen) -> int:
    """Watch until the count is full or a signal comes; the status is that of the last state."""
    from tracetcp.session import open_session
    from tracetcp.watch_screen import WatchScreen, shows_block

    options = _options(display)._replace(
        explain=True, names=shows_block(display) and not display.numeric, watch=watch
    )
    with open_session(config, options, screen.warn) as session:
        shown = WatchScreen(config, display, watch, session)
        _collect_garbage()
        interrupted: KeyboardInterrupt | None = None
        try:
            shown.show()
        except KeyboardInterrupt as error:
            interrupted = error
        last = shown.last
    if last is None or (last.state is None and interrupted is not None):
        raise interrupted or KeyboardInterrupt
    if last.state is None or last.local is not None:
        return EXIT_COULD_NOT_RUN
    return EXIT_REACHED if last.state.is_up else EXIT_NOT_REACHED


def trace_many(asked: ManyTargets) -> int:
    """Trace many targets and write each as it ends."""
    from tracetcp.targets.session import Request, open_targets

    display = asked.display
    screen = Screen(display)
    request = Request(
        asked.config,
        asked.path,
        asked.rate,
        asked.ports,
        asked.resume,
        sys.stdout.fileno() if asked.resume is not None and sys.stdout is not None else None,
        asked.all_addresses,
    )
    options = _options(display)._replace(evidence=display.json or asked.all_addresses)
    with open_targets(request, options, screen.warn) as session:
        _collect_garbage()
        screen.show_targets(session)
        return session.exit_status


def _draw(path: str, screen: Screen, session: Session, presenter: Presenter, ports: int) -> None:
    """Show the run, and draw it into the file at ``path``."""
    from tracetcp.picture_file import PictureFile

    with closing(PictureFile(path)) as picture:
        try:
            screen.show(session, presenter, ports, picture.take)
        except KeyboardInterrupt:
            picture.write(session.texts)
            raise
        picture.write(session.texts)


def _look_for_causes(session: Session) -> None:
    """Say what on this machine may have kept the destination from being reached."""
    from tracetcp.diagnosis import after_silence, source_address

    if session.is_silent:
        for finding in after_silence(session.destination, session.source):
            complain(f"tracetcp: nothing answered: {finding.sentence}")
    elif not (finding := source_address(session.source)).is_passed:
        complain(f"tracetcp: {finding.sentence}")


def _options(display: Display) -> Options:
    from tracetcp.session import Options

    return Options(
        names=not display.numeric,
        origins=display.asn,
        evidence=display.json or display.picture is not None,
        branches=display.branches,
        explain=display.explain,
        sizes=display.mtu,
        say=display.say,
        silences=display.idle,
        pcap=display.pcap,
        drops_privileges=True,
    )


def report(invocation: Invocation, argv: Sequence[str]) -> int:
    """Trace over each family and write one text about it; the status is that of a trace."""
    import shlex

    from tracetcp.formatters.report import render_report
    from tracetcp.reporting import make_report

    config, display = invocation.config, invocation.display
    options = _options(display)._replace(
        explain=True, origins=True, names_in_verdicts=False, exact_origins=True
    )
    command = shlex.join(["tracetcp", *argv])

    screen = Screen(display)
    ticket, sessions = make_report(config, options, command, display.precision, screen.warn, screen.follow)
    write(render_report(ticket))
    if any(session.has_reached for session in sessions):
        return EXIT_REACHED
    for session in sessions:
        _look_for_causes(session)
    return EXIT_NOT_REACHED


def _collect_garbage() -> None:
    """From now on, which ``__main__`` put off; what is here by now stays."""
    gc.freeze()
    gc.set_threshold(GARBAGE_LOOKED_FOR_AFTER)
    gc.enable()


def check(asked: Check, preset: str = "") -> int:
    """Look whether this machine can trace, and say what was found; 3 if anything failed.

    ``preset`` are the options from the environment.
    """
    from tracetcp.cli.parsing import OPTIONS_VARIABLE
    from tracetcp.diagnosis import check as looks
    from tracetcp.session import resolve

    address = resolve(asked.host, asked.family, without_privileges=True) if asked.host else None
    status = 0
    if preset.strip():
        write(f"passed  options: {OPTIONS_VARIABLE} puts {preset!r} before every command line\n")
    for finding in looks(address):
        write(f"{'passed' if finding.is_passed else 'failed'}  {finding.subject}: {finding.sentence}\n")
        if not finding.is_passed:
            status = EXIT_COULD_NOT_RUN
    return status


def diff(asked: Diff) -> int:
    """Say what changed between two saved runs; 1 if anything did."""
    from tracetcp.formatters import open_differences
    from tracetcp.saved_runs import SavedRuns

    formatter = open_differences(as_json=asked.json)
    status = 0
    with SavedRuns(asked.old, asked.new) as runs:
        for comparison in runs.comparisons():
            write(formatter.render(comparison))
            if comparison.differences:
                status = EXIT_DIFFERENT
    write(formatter.closing())
    return status
