"""A drawing in Mermaid, which ticket systems show inside their text. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.formatters.picture.drawing import PAINTS, Look

if TYPE_CHECKING:
    from tracetcp.formatters.picture.drawing import Arrow, Drawing


def as_mermaid(drawing: Drawing) -> str:
    """The flowchart, with the sentences as a box of its own."""
    lines = ["---", f'title: "{_escaped(drawing.title)}"', "---", "flowchart TD"]
    for number, box in enumerate(drawing.boxes):
        label = "<br/>".join(map(_escaped, box.lines))
        lines.append(f'  n{number}["{label}"]:::{box.look.value}')
    lines += [_edge(arrow) for arrow in drawing.arrows]
    if drawing.notes:
        notes = "<br/>".join(map(_escaped, drawing.notes))
        lines.append(f'  notes["{notes}"]:::plain')
    for look in Look:
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
    """``text`` without what Mermaid or HTML would read as more than text."""
    return text.replace("#", "#35;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")
