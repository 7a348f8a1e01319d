"""Shows a watch: lines on a pipe, a block redrawn in place on a terminal; writes the file of ``--metrics``.

Reads keys from a terminal and puts it back as it was. What is shown comes from ``formatters``.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections import deque
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tracetcp import signals
from tracetcp.errors import TracetcpError
from tracetcp.formatters.open_metrics import open_metrics
from tracetcp.formatters.watch_block import Look, WatchBlock
from tracetcp.formatters.watch_lines import WatchLines, timestamp
from tracetcp.model.watching import Asked, TargetMoved, WatchEnded
from tracetcp.runner import SelectorWait
from tracetcp.screen import complain, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import TextIO

    from tracetcp.config import TraceConfig, Watch
    from tracetcp.formatters.display import Display
    from tracetcp.model import AddressTexts, Event
    from tracetcp.model.watching import Snapshot, WatchEvent
    from tracetcp.session import Session
    from tracetcp.watch.engine import WatchEngine

EVENTS_KEPT = 100
DUMB = ("", "dumb")
COERCED = "C.UTF-8"
"""What Python makes of LC_CTYPE where no locale is set."""


def shows_block(display: Display) -> bool:
    """Whether a watch is shown as a block: on a terminal that can move its cursor, and not as JSON."""
    if display.json or display.pcap == "-" or sys.stdout is None or not sys.stdout.isatty():
        return False
    return os.environ.get("TERM", "") not in DUMB


def takes_utf8(encoding: str | None, environment: Mapping[str, str]) -> bool:
    """Whether the locale is UTF-8, and not only Python's choice where there is none (PEP 538 and 540)."""
    if (encoding or "").lower().replace("-", "") != "utf8":
        return False
    chosen = environment.get("LC_CTYPE", "")
    names = (environment.get("LC_ALL"), "" if chosen == COERCED else chosen, environment.get("LANG"))
    locale = next(filter(None, names), "")
    return locale.lower().replace("-", "").endswith("utf8")


class WatchScreen:
    """Where a watch goes. ``last`` is what was known at its end, None while it has not ended."""

    def __init__(self, config: TraceConfig, display: Display, watch: Watch, session: Session) -> None:
        assert session.watch is not None, "it is a session that watches"
        self._engine: WatchEngine = session.watch
        self._session = session
        self._rows: TextIO = sys.stderr if display.pcap == "-" else sys.stdout
        self._lines = WatchLines(config.host, self._utc, display.precision)
        self._render = self._renderer(config, display)
        self._metrics = None if display.metrics is None else MetricsFile(display.metrics)
        self._host, self._port, self._address = config.host, config.ports[0], session.destination
        self._block: WatchBlock | None = None
        if shows_block(display):
            title = f"Watching {config.host} port {self._port} every {watch.interval:g} s"
            self._block = WatchBlock(title, display.precision)
        self._told: deque[str] = deque(maxlen=EVENTS_KEPT)
        self.last: Snapshot | None = None

    def _renderer(self, config: TraceConfig, display: Display) -> Callable[[WatchEvent], str]:
        if not display.json:
            return self._lines.render
        from tracetcp.formatters.watch_json import WatchJson

        return WatchJson(config.host, config.ports[0], self._session.destination, self._utc).render

    def show(self) -> None:
        """Watch to the end; the summary comes in any case, then the ``KeyboardInterrupt`` if one came."""
        try:
            self._watch()
        except KeyboardInterrupt:
            signals.ignore()
            self._engine.end(self._session.clock())
            self._take(self._engine.events(), self._session.texts)
            raise

    def _watch(self) -> None:
        with ExitStack() as opened:
            wait = None
            if self._block is not None and sys.stdin is not None and sys.stdin.isatty():
                opened.enter_context(_keys_at_once())
                inner = opened.enter_context(closing(SelectorWait(self._session.clock)))
                wait = KeyWait(inner, self._press)
            for events, texts in self._session.batches(wait=wait):
                self._take(events, texts)

    def _take(self, events: Sequence[Event], texts: AddressTexts) -> None:
        text, ending, is_news = "", "", False
        for event in events:
            if isinstance(event, WatchEnded):
                self.last = event.snapshot
            if isinstance(event, TargetMoved):
                self._address = event.after
            is_news = is_news or type(event).__module__ == Asked.__module__
            if self._block is None:
                text += self._render(event)  # type: ignore[arg-type]
            elif isinstance(event, WatchEnded):
                ending = self._lines.render(event).rstrip("\n")
            elif line := self._lines.render(event):  # type: ignore[arg-type]
                self._told.append(line.rstrip("\n"))
        write(text, self._rows)
        if not is_news:
            return
        if self._block is not None:
            self._draw(texts, ending)
        if self._metrics is not None:
            self._metrics.write(open_metrics(self._engine.snapshot(), self._host, self._address, self._port))

    def _draw(self, texts: AddressTexts, ending: str = "") -> None:
        assert self._block is not None, "it is shown as a block"
        size = os.terminal_size((80, 24))
        with suppress(OSError):
            size = os.get_terminal_size(self._rows.fileno())
        look = Look(
            size.columns or 80,
            size.lines or 24,
            takes_utf8(self._rows.encoding, os.environ),
            not os.environ.get("NO_COLOR"),
        )
        clock = timestamp(datetime.now(UTC))
        snapshot = self._engine.snapshot()
        told = list(self._told)
        if ending:
            text = self._block.finish(snapshot, told, clock, texts, look, ending)
        else:
            text = self._block.draw(snapshot, told, clock, texts, look)
        write(text, self._rows)

    def _press(self, key: str) -> None:
        """Do what ``key`` stands for."""
        now = self._session.clock()
        if key == "q":
            self._engine.end(now)
        elif key == "p":
            self._engine.pause(now, is_paused=not self._engine.is_paused)
        elif key == "r":
            self._engine.begin_figures_anew()
        if key in "pr":
            self._draw(self._session.texts)

    def _utc(self, instant: float) -> datetime:
        return datetime.fromtimestamp(instant + time.time() - self._session.clock(), UTC)


class KeyWait:
    """A ``runner.Wait`` that also waits for keys of the terminal, and hands each to ``press``."""

    def __init__(self, inner: SelectorWait, press: Callable[[str], None]) -> None:
        self._inner = inner
        self._press = press
        self._stdin = sys.stdin.fileno()

    def __call__(self, descriptors: Sequence[int], until: float) -> set[int]:
        """Wait as ``inner`` does; returns at a key, too."""
        readable = self._inner([*descriptors, self._stdin], until)
        if self._stdin in readable:
            for key in os.read(self._stdin, 64).decode("ascii", "replace"):
                self._press(key)
        return readable - {self._stdin}


@contextmanager
def _keys_at_once() -> Iterator[None]:
    """Have the terminal hand over keys as they are pressed and echo none; Ctrl-C works as before."""
    import termios
    import tty

    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    tty.setcbreak(number)
    try:
        yield
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)


class MetricsFile:
    """The file ``path``, replaced as a whole by each ``write``: who reads it never sees half of it.

    Raises ``TracetcpError`` where it cannot be written at first; later that is told, and the watch goes on.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._new = self._path.with_name(f".{self._path.name}.{os.getpid()}.new")
        self._has_complained = False
        self._replace("# EOF\n")

    def write(self, text: str) -> None:
        """Replace the file by ``text``."""
        try:
            self._replace(text)
        except TracetcpError as error:
            if not self._has_complained:
                complain(f"tracetcp: {error}")
            self._has_complained = True
        else:
            self._has_complained = False

    def _replace(self, text: str) -> None:
        try:
            self._new.write_text(text, encoding="utf-8")
            self._new.chmod(0o644)
            self._new.replace(self._path)
        except OSError as error:
            with suppress(OSError):
                self._new.unlink()
            reason = os.strerror(error.errno or 0)
            is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            remedy = "make room, or name another file" if is_full else "name a file in a directory of yours"
            raise TracetcpError(f"{self._path} cannot be written ({reason}): {remedy}") from error
