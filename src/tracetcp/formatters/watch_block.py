"""A watch as a block of lines that is redrawn in place on a terminal. Pure: a snapshot becomes text.

The block stands on the normal screen and is rewritten with ECMA-48 cursor movements, so what was seen last
stays there. ASCII, unless the terminal is said to take UTF-8; colours only where they are wanted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracetcp.formatters.columns import address_cells
from tracetcp.formatters.watch_lines import hop_words, now_words, seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracetcp.model import AddressTexts
    from tracetcp.model.watching import Snapshot, WatchedHop

CLEAR_LINE, CLEAR_BELOW = "\x1b[K", "\x1b[J"
RED, GREEN, YELLOW, PLAIN = "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"
ASCII_SPARKS, UTF8_SPARKS = "_.-=^", "▁▂▃▄▅▆▇█"
LOST = "x"
"""In a spark line: a probe that nothing answered."""
KEYS = "q ends, p pauses, r starts the figures anew"
HEADINGS = ("LAST", "BEST", "AVG", "WORST", "JITTER", "LOSS")
CELL = 8
"""Columns of a figure."""
SPARKS = 20
"""RTTs in a spark line."""
LEAST_EVENTS = 3
"""Lines kept for events where the screen is small."""


class Look(NamedTuple):
    """What the terminal takes."""

    columns: int
    lines: int
    is_utf8: bool = False
    is_coloured: bool = False


class WatchBlock:
    """The block of a watch of ``title``; remembers how many lines of it stand on the screen."""

    def __init__(self, title: str, precision: int = 0) -> None:
        self._title = title
        self._precision = precision
        self._drawn = 0

    def draw(
        self, snapshot: Snapshot, events: Sequence[str], clock: str, texts: AddressTexts, look: Look
    ) -> str:
        """The text that replaces the block on the screen by that of ``snapshot`` and the last ``events``."""
        lines = self._lines(snapshot, events, clock, texts, look)
        return self._over(lines)

    def finish(
        self,
        snapshot: Snapshot,
        events: Sequence[str],
        clock: str,
        texts: AddressTexts,
        look: Look,
        summary: str,
    ) -> str:
        """The same for the last time: without the keys, and with the whole ``summary`` below."""
        lines = self._lines(snapshot, events, clock, texts, look)
        return self._over([*lines[:-1], summary])

    def _over(self, lines: list[str]) -> str:
        """The text that writes ``lines`` over those on the screen."""
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        self._drawn = len(lines)
        return "\r" + up + "".join(line + CLEAR_LINE + "\n" for line in lines) + CLEAR_BELOW

    def _lines(
        self, snapshot: Snapshot, events: Sequence[str], clock: str, texts: AddressTexts, look: Look
    ) -> list[str]:
        width = look.columns - 1
        room = look.lines - 1
        head = [
            _padded(self._title, clock, width),
            self._status(snapshot, width, look),
            self._headings()[:width],
        ]
        rows = [self._row(row, texts, look)[:width] for row in snapshot.hops]
        most_rows = max(1, room - len(head) - 1 - min(LEAST_EVENTS, len(events)))
        if len(rows) > most_rows:
            rows = [f"  ... {len(rows) - most_rows + 1} hops more", *rows[len(rows) - most_rows + 1 :]]
        left = max(0, room - len(head) - len(rows) - 1)
        shown = [event[:width] for event in events[len(events) - min(left, len(events)) :]]
        return [*head, *rows, *shown, KEYS[:width]][: max(1, room)]

    def _status(self, snapshot: Snapshot, width: int, look: Look) -> str:
        said = [now_words(snapshot)]
        if snapshot.is_paused:
            said.insert(0, "PAUSED")
        known = snapshot.up + snapshot.down
        if known > 0:
            said.append(f"up {100 * snapshot.up / known:.1f} %")
        if snapshot.outages:
            said.append(f"outages {snapshot.outages}, longest {seconds(snapshot.longest_outage)}")
        said.append(f"path changes {snapshot.path_changes}")
        text = "; ".join(said)[:width]
        if not look.is_coloured:
            return text
        is_unknown = snapshot.local is not None or snapshot.state is None or snapshot.is_paused
        up = snapshot.state is not None and snapshot.state.is_up
        return f"{YELLOW if is_unknown else GREEN if up else RED}{text}{PLAIN}"

    @staticmethod
    def _headings() -> str:
        return "HOP" + "".join(heading.rjust(CELL) for heading in HEADINGS) + "  ADDRESS"

    def _row(self, row: WatchedHop, texts: AddressTexts, look: Look) -> str:
        figures = (row.last, row.best, row.average, row.worst, row.jitter)
        cells = [self._figure(figure).rjust(CELL) for figure in figures]
        cells.append(_loss(row).rjust(CELL))
        names = " ".join(address_cells(row.addresses[0], texts)) if len(row.addresses) == 1 else ""
        where = names or hop_words(row.addresses)
        return f"{row.hop:3}{''.join(cells)}  {where}  {sparks(row, is_utf8=look.is_utf8)}".rstrip()

    def _figure(self, rtt: float | None) -> str:
        return "-" if rtt is None else f"{rtt * 1000:.{max(1, self._precision)}f}"


def sparks(row: WatchedHop, *, is_utf8: bool) -> str:
    """The last RTTs of ``row``, from its best to its worst; a mark for each probe that nothing answered."""
    levels = UTF8_SPARKS if is_utf8 else ASCII_SPARKS
    if row.best is None or row.worst is None:
        return ""
    span = row.worst - row.best
    text = ""
    for rtt in row.history[-SPARKS:]:
        place = 0.0 if rtt is None or span <= 0 else (rtt - row.best) / span
        place = min(1.0, max(0.0, place))
        text += LOST if rtt is None else levels[round(place * (len(levels) - 1))]
    return text


def _loss(row: WatchedHop) -> str:
    if row.is_silent:
        return "silent"
    if row.is_limited:
        return "limited"
    return "" if row.loss is None else f"{100 * row.loss:.1f} %"


def _padded(left: str, right: str, width: int) -> str:
    gap = max(2, width - len(left) - len(right))
    return (left + " " * gap + right)[:width]
