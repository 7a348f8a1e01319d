"""The only writer: rows, messages and the progress line, each to its stream.

Rows go to standard output; where that is taken by the packets of ``--pcap -``, they go to standard error.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from tracetcp.errors import TracetcpError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TextIO

    from tracetcp.formatters.display import Display
    from tracetcp.formatters.presenter import Presenter
    from tracetcp.formatters.progress import ProgressLine
    from tracetcp.model import Event
    from tracetcp.model.silence import Waited
    from tracetcp.session import Session


class Screen:
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
        self._has_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._is_watched = self._has_terminal and not rows.isatty()
        self._progress: ProgressLine | None = None
        self._is_waiting = False

    def warn(self, what: str) -> None:
        """A line on standard error, in the place of the progress line."""
        if self._progress is not None:
            write(self._progress.erase(), sys.stderr)
        complain(f"tracetcp: {what}")

    def show(
        self,
        session: Session,
        presenter: Presenter,
        ports: int,
        take: Callable[[Sequence[Event]], None] = lambda _: None,
    ) -> None:
        """Write the run as it goes on; ``take`` gets every event as well."""
        from tracetcp.formatters.progress import ProgressLine

        progress = ProgressLine(ports, session.clock(), is_watched=self._is_watched)
        self._progress = progress
        try:
            for events, texts in session.batches(self._wait if self._has_terminal else None):
                write(self._end_wait(), sys.stderr)
                take(events)
                write("".join([presenter.render(event, texts) for event in events]), self._rows)
                write(progress.update(session.ports_done, session.clock()), sys.stderr)
        finally:
            write(progress.erase(), sys.stderr)
        write(presenter.closing(session.texts), self._rows)

    def _wait(self, waited: Waited) -> None:
        """No row is written while connections are silent: the line may stand below the rows."""
        assert self._progress is not None, "the run is under way"
        self._is_waiting = True
        write(self._progress.wait(waited), sys.stderr)

    def _end_wait(self) -> str:
        was_waiting, self._is_waiting = self._is_waiting, False
        return self._progress.erase() if was_waiting and self._progress is not None else ""


def write(text: str, stream: TextIO | None = None) -> None:
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


def complain(sentence: str) -> None:
    """One line on stderr, if there is one and anybody can still read it."""
    if sys.stderr is not None:
        with suppress(OSError, ValueError, TracetcpError):
            write(sentence + "\n", sys.stderr)


def discard_stdout() -> None:
    """Point stdout at nothing, so that no buffered rest raises while Python shuts down."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
