"""The only writer: rows, messages and the progress line, each to its stream.

Rows go to standard output; where that is taken by the packets of ``--pcap -``, they go to standard error.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from tracetcp.errors import TracetcpError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TextIO

    from tracetcp.formatters.display import Display
    from tracetcp.formatters.presenter import Presenter
    from tracetcp.formatters.progress import ProgressLine
    from tracetcp.model import Event
    from tracetcp.model.silence import Waited
    from tracetcp.session import Batch, Session
    from tracetcp.targets.session import TargetsSession, TargetStep


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
        self._display = display
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

    def follow(self, session: Session) -> Iterator[Batch]:
        """The batches of a run of which nothing is written before its end; meanwhile, how far it is.

        No row disturbs the progress line here, so it is for everybody who watches standard error.
        """
        from tracetcp.formatters.progress import ProgressLine
        from tracetcp.model import HopFinished

        unit = f"hops to {session.destination}"
        progress = ProgressLine(None, session.clock(), unit=unit, is_watched=self._has_terminal)
        self._progress = progress
        hops = 0
        try:
            for batch in session.batches(self._wait if self._has_terminal else None):
                hops += sum(isinstance(event, HopFinished) for event in batch.events)
                write(progress.update(hops, session.clock()), sys.stderr)
                yield batch
        finally:
            write(progress.erase(), sys.stderr)

    def _wait(self, waited: Waited) -> None:
        """No row is written while connections are silent: the line may stand below the rows."""
        assert self._progress is not None, "the run is under way"
        self._is_waiting = True
        write(self._progress.wait(waited), sys.stderr)

    def _end_wait(self) -> str:
        was_waiting, self._is_waiting = self._is_waiting, False
        return self._progress.erase() if was_waiting and self._progress is not None else ""

    def show_targets(self, session: TargetsSession) -> None:
        """Write each target as it ends, whole, and what keeps one from being traced."""
        from tracetcp.formatters.progress import ProgressLine

        progress = ProgressLine(session.total, session.clock(), unit="targets", is_watched=self._is_watched)
        self._progress = progress
        blocks = _Blocks(self._display, time.time() - session.clock())
        try:
            for step in session.steps():
                write(blocks.add(step, session.clock()), self._rows)
                if step.error is not None:
                    where = f"{step.target.entry.where}: " if step.target.entry.where else ""
                    self.warn(f"{where}{step.error}")
                progress.total = session.total
                write(progress.update(session.done, session.clock()), sys.stderr)
        finally:
            write(progress.erase(), sys.stderr)
            write(blocks.cut_off(), self._rows)


class _Blocks:
    """The texts of many targets, each a block that is given out when the target is traced.

    Records of ``--json`` are given out at once: each is whole. The prober's clock plus ``clock_to_utc`` is in
    seconds since 1970.
    """

    def __init__(self, display: Display, clock_to_utc: float) -> None:
        self._display = display
        self._clock_to_utc = clock_to_utc
        self._open: dict[int, tuple[Presenter, list[str]]] = {}
        """By the identity of the target: its presenter, and its text so far."""
        self._had_several_rows = False

    def add(self, step: TargetStep, now: float) -> str:
        """Take what was decided by ``now``; what is to be written."""
        key = id(step.target)
        if key not in self._open:
            from tracetcp.formatters import open_presenter

            target = step.target
            presenter = open_presenter(
                target.config, self._display, target.address, self._clock_to_utc, step.source
            )
            self._open[key] = presenter, []
        presenter, texts = self._open[key]
        texts += [presenter.render(event, step.texts) for event in step.events]
        if step.error is not None:
            texts.append(presenter.failed(str(step.error), step.target.address, now))
        if self._display.json or step.is_over:
            text = "".join(texts)
            texts.clear()
        else:
            text = ""
        if step.is_over:
            del self._open[key]
            text = self._parted(text + presenter.closing(step.texts)) + self._concluded(step)
        return text

    def _parted(self, text: str) -> str:
        """``text`` behind the blank line that condensed output has after a port with several rows."""
        if not text or not self._display.condensed:
            return text
        gap = "\n" if self._had_several_rows else ""
        self._had_several_rows = _several_rows(text)
        return gap + text

    def _concluded(self, step: TargetStep) -> str:
        if self._display.json or not step.conclusions:
            return ""
        from tracetcp.formatters.conclusions import render_conclusions

        return render_conclusions(step.conclusions, "# " if self._display.condensed else "")

    def cut_off(self) -> str:
        """The rows decided so far of the targets that are not over: the run was interrupted."""
        return "".join(self._parted("".join(texts)) for _, texts in self._open.values())


def _several_rows(text: str) -> bool:
    """Whether the last records in condensed ``text`` are of one port; an empty line follows those."""
    return text.rpartition("\n\n")[2].count("\n") > 1


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
