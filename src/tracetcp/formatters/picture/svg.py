"""A drawing as SVG 1.1, which every browser shows: text stays text, and nothing is fetched. Pure."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from tracetcp.formatters.picture.drawing import PAINTS, Look
from tracetcp.formatters.picture.layout import CHARACTER, LINE, ROW_GAP, lay_out

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tracetcp.formatters.picture.drawing import Box, Drawing
    from tracetcp.formatters.picture.layout import Place

MARGIN = 20
ROW_LABELS = 70
TITLE = 44
FONT = "DejaVu Sans Mono, Menlo, Consolas, monospace"
NOTE_CHARACTERS = 96
SMALLEST_WIDTH = 640


def as_svg(drawing: Drawing) -> str:
    """The SVG document."""
    layout = lay_out(drawing)
    notes = [line for note in drawing.notes for line in _wrapped(note)]
    needed = max((len(line) for line in (*notes, drawing.title)), default=0) * CHARACTER
    width = max(SMALLEST_WIDTH, layout.width + ROW_LABELS + 2 * MARGIN, needed + 2 * MARGIN)
    height = TITLE + layout.height + 36 + LINE * 1.25 * len(notes) + MARGIN
    left = ROW_LABELS + MARGIN + max(0.0, (width - 2 * MARGIN - ROW_LABELS - layout.width) / 2)
    size = f'width="{width:.0f}" height="{height:.0f}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {width:.0f} {height:.0f}"',
        f' font-family="{FONT}" font-size="12">',
        f"<title>{_text(drawing.title)}</title>",
        "<defs>",
        *(_arrow_head(look) for look in Look),
        "</defs>",
        f'<rect {size} fill="#ffffff"/>',
        f'<text x="{MARGIN}" y="28" font-size="15" font-weight="bold" fill="#202124">',
        f"{_text(drawing.title)}</text>",
    ]
    for label, middle in zip(drawing.rows, layout.row_middles, strict=False):
        parts.append(f'<text x="{MARGIN}" y="{TITLE + middle + 4:.1f}" fill="#5f6368">{_text(label)}</text>')
    parts.append(f'<g transform="translate({left:.1f} {TITLE})">')
    for arrow, way in zip(drawing.arrows, layout.ways, strict=True):
        parts += _arrow(arrow.look, arrow.label, way, layout.places[arrow.near], layout.places[arrow.far])
    for box, place in zip(drawing.boxes, layout.places, strict=True):
        parts += _box(box, place)
    parts.append("</g>")
    for number, line in enumerate(notes):
        y = TITLE + layout.height + 40 + LINE * 1.25 * number
        parts.append(f'<text x="{MARGIN}" y="{y:.1f}" fill="#202124">{_text(line)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _arrow_head(look: Look) -> str:
    edge = PAINTS[look].edge
    return (
        f'<marker id="{look.value}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
        f'orient="auto"><path d="M0 0L10 5L0 10z" fill="{edge}"/></marker>'
    )


def _arrow(
    look: Look, label: str, way: Sequence[tuple[float, float]], near: Place, far: Place
) -> Iterator[str]:
    """A curve from the lower edge of ``near`` to the upper edge of ``far``, through the turns of its way."""
    points = [(way[0][0], near.y + near.height / 2), *way[1:-1], (way[-1][0], far.y - far.height / 2 - 2)]
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (x0, y0), (x1, y1) in pairwise(points):
        bend = min((y1 - y0) / 2, ROW_GAP)
        path += f"C{x0:.1f} {y0 + bend:.1f} {x1:.1f} {y1 - bend:.1f} {x1:.1f} {y1:.1f}"
    paint = PAINTS[look]
    dash = ' stroke-dasharray="5 4"' if paint.is_dashed else ""
    yield (
        f'<path d="{path}" fill="none" stroke="{paint.edge}" stroke-width="1.6"{dash} '
        f'marker-end="url(#{look.value})"/>'
    )
    if label:
        x, y = (points[0][0] + points[1][0]) / 2, (points[0][1] + points[1][1]) / 2 + 4
        yield (
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle" font-size="11" fill="{paint.edge}" '
            f'stroke="#ffffff" stroke-width="4" paint-order="stroke">{_text(label)}</text>'
        )


def _box(box: Box, place: Place) -> Iterator[str]:
    paint = PAINTS[box.look]
    dash = ' stroke-dasharray="5 4"' if paint.is_dashed else ""
    yield (
        f'<rect x="{place.x - place.width / 2:.1f}" y="{place.y - place.height / 2:.1f}" rx="5" '
        f'width="{place.width:.1f}" height="{place.height:.1f}" fill="{paint.fill}" '
        f'stroke="{paint.edge}" stroke-width="1.4"{dash}/>'
    )
    top = place.y - (len(box.lines) - 1) * LINE / 2 + 4
    for number, line in enumerate(box.lines):
        weight = ' font-weight="bold"' if number == 0 else ""
        yield (
            f'<text x="{place.x:.1f}" y="{top + number * LINE:.1f}" text-anchor="middle"{weight} '
            f'fill="{paint.edge}">{_text(line)}</text>'
        )


def _wrapped(sentence: str) -> list[str]:
    lines = [""]
    for word in sentence.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > NOTE_CHARACTERS:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _text(text: str) -> str:
    return escape(text, {'"': "&quot;"})
