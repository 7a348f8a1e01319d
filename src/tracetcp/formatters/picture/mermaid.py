"""A drawing in Mermaid, which ticket systems show inside their text. Pure.

Whatever stands in a label is text and nothing else, to Mermaid, to HTML and to the YAML of the title: all but
letters, digits and a few signs is written as ``#NN;`` (https://mermaid.js.org/syntax/flowchart.html).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.formatters.picture.drawing import PAINTS, Look

if TYPE_CHECKING:
    from tracetcp.formatters.picture.drawing import Arrow, Drawing

PLAIN = frozenset(" .,:/_()%+-?")
"""Signs that mean nothing within a quoted label."""


def as_mermaid(drawing: Drawing) -> str:
    """The flowchart, with the title if there is one, and with the sentences as a box of their own."""
    lines = ["---", f'title: "{_escaped(drawing.title)}"', "---"] if drawing.title else []
    lines.append("flowchart TD")
    for number, box in enumerate(drawing.boxes):
        label = "<br/>".join(map(_escaped, box.lines))
        lines.append(f'  n{number}["{label}"]:::{box.look.value}')
    lines += [_edge(arrow) for arrow in drawing.arrows]
    if drawing.notes:
        notes = "<br/>".join(map(_escaped, drawing.notes))
        lines.append(f'  notes["{notes}"]:::plain')
    for look in (look for look in Look if look is Look.PLAIN or any(b.look is look for b in drawing.boxes)):
        paint = PAINTS[look]
        dash = ",stroke-dasharray:5 4" if paint.is_dashed else ""
        lines.append(
            f"  classDef {look.value} fill:{paint.fill},stroke:{paint.edge},color:{paint.edge}{dash}"
        )
    styled = [(number, PAINTS[arrow.look]) for number, arrow in enumerate(drawing.arrows)]
    lines += [f"  linkStyle {number} stroke:{paint.edge}" for number, paint in styled]
    return "\n".join([*lines, ""])


def _edge(arrow: Arrow) -> str:
    shaft = "-.->" if PAINTS[arrow.look].is_dashed else "-->"
    label = f'|"{_escaped(arrow.label)}"|' if arrow.label else ""
    return f"  n{arrow.near} {shaft}{label} n{arrow.far}"


def _escaped(text: str) -> str:
    return "".join(
        each if (each.isascii() and each.isalnum()) or each in PLAIN else f"#{ord(each)};" for each in text
    )
