"""Places the boxes of a drawing: rows from the top, boxes of a row side by side, few crossings. Pure.

K. Sugiyama, S. Tagawa, M. Toda, "Methods for Visual Understanding of Hierarchical System Structures" (1981):
an arrow over several rows gets a place in each of them, and boxes go where the middle of their neighbours is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracetcp.formatters.picture.drawing import Drawing

CHARACTER = 7.3
"""Width of a character of the font at its size, in pixels."""
LINE = 16
PADDING = 10
GAP = 28
ROW_GAP = 44
TURN_WIDTH = 12
SWEEPS = 8


class Place(NamedTuple):
    """Where a box is: its middle and its size, in pixels."""

    x: float
    y: float
    width: float
    height: float


class Layout(NamedTuple):
    """``places`` of the boxes, ``ways`` as the points of each arrow, ``row_middles`` from the top."""

    places: tuple[Place, ...]
    ways: tuple[tuple[tuple[float, float], ...], ...]
    row_middles: tuple[float, ...]
    width: float
    height: float


def lay_out(drawing: Drawing) -> Layout:
    """Places for the boxes of ``drawing`` and ways for its arrows; the left edge and the top are at 0."""
    items = [(box.row, max(map(len, box.lines)) * CHARACTER + 2 * PADDING) for box in drawing.boxes]
    heights = [len(box.lines) * LINE + 2 * PADDING - 4 for box in drawing.boxes]
    chains: list[list[int]] = []
    for arrow in drawing.arrows:
        turns = range(drawing.boxes[arrow.near].row + 1, drawing.boxes[arrow.far].row)
        first = len(items)
        items += [(row, float(TURN_WIDTH)) for row in turns]
        chains.append([arrow.near, *range(first, len(items)), arrow.far])
    rows = _ordered_rows(items, chains)
    middles = _middles(items, rows)
    row_heights = [max((heights[item] for item in row if item < len(heights)), default=LINE) for row in rows]
    tops = [sum(row_heights[:number]) + ROW_GAP * number for number in range(len(rows))]
    row_middles = [top + height / 2 for top, height in zip(tops, row_heights, strict=True)]
    places = tuple(
        Place(middles[item], row_middles[items[item][0]], items[item][1], heights[item])
        for item in range(len(heights))
    )
    ways = tuple(tuple((middles[item], row_middles[items[item][0]]) for item in chain) for chain in chains)
    width = max((middles[item] + items[item][1] / 2 for item in range(len(items))), default=0.0)
    height = tops[-1] + row_heights[-1] if rows else 0.0
    return Layout(places, ways, tuple(row_middles), width, height)


def _ordered_rows(items: Sequence[tuple[int, float]], chains: Sequence[Sequence[int]]) -> list[list[int]]:
    """The items of each row from left to right, ordered by the middle of their neighbours."""
    count = max((row for row, _ in items), default=-1) + 1
    rows: list[list[int]] = [[] for _ in range(count)]
    for item, (number, _) in enumerate(items):
        rows[number].append(item)
    for sweep in range(SWEEPS):
        place = {item: index / max(1, len(row) - 1) for row in rows for index, item in enumerate(row)}
        toward_end = sweep % 2 == 0
        for row in rows if toward_end else rows[::-1]:
            row.sort(key=lambda item: _middle_of_neighbours(item, chains, place, before=toward_end))
            place.update({item: index / max(1, len(row) - 1) for index, item in enumerate(row)})
    return rows


def _middle_of_neighbours(
    item: int, chains: Sequence[Sequence[int]], place: dict[int, float], *, before: bool
) -> float:
    beside = [
        chain[index - 1 if before else index + 1]
        for chain in chains
        for index, each in enumerate(chain)
        if each == item and (index > 0 if before else index + 1 < len(chain))
    ]
    return sum(place[other] for other in beside) / len(beside) if beside else place[item]


def _middles(items: Sequence[tuple[int, float]], rows: Sequence[Sequence[int]]) -> dict[int, float]:
    """The horizontal middle of each item: each row is as wide as it must be, and centred."""
    widths = [sum(items[item][1] for item in row) + GAP * (len(row) - 1) for row in rows]
    widest = max(widths, default=0.0)
    middles: dict[int, float] = {}
    for row, width in zip(rows, widths, strict=True):
        spread = GAP + min(40.0, (widest - width) / len(row)) if row else GAP
        left = (widest - width - (spread - GAP) * (len(row) - 1)) / 2
        for item in row:
            middles[item] = left + items[item][1] / 2
            left += items[item][1] + spread
    return middles
