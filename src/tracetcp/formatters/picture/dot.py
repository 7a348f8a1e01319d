"""A drawing in the language of graphviz. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.formatters.picture.drawing import PAINTS

if TYPE_CHECKING:
    from tracetcp.formatters.picture.drawing import Arrow, Box, Drawing


def as_dot(drawing: Drawing) -> str:
    """The graph: ``dot -Tpng FILE.dot`` draws it."""
    notes = "\\l".join(map(_escaped, drawing.notes))
    lines = [
        "digraph tracetcp {",
        f'  graph [rankdir=TB, labelloc=b, labeljust=l, label="{notes}\\l", fontname="monospace"];',
        '  node [shape=box, style="rounded,filled", fontname="monospace", fontsize=11];',
        '  edge [fontname="monospace", fontsize=10];',
        f'  title [shape=plain, style="", label="{_escaped(drawing.title)}", fontsize=14];',
    ]
    lines += [_node(number, box) for number, box in enumerate(drawing.boxes)]
    for row in range(len(drawing.rows)):
        same = [f"n{number}" for number, box in enumerate(drawing.boxes) if box.row == row]
        if len(same) > 1:
            lines.append(f"  {{ rank=same; {'; '.join(same)}; }}")
    first = [number for number, box in enumerate(drawing.boxes) if box.row == 0]
    lines += [f"  title -> n{number} [style=invis];" for number in first[:1]]
    lines += [_edge(arrow) for arrow in drawing.arrows]
    return "\n".join([*lines, "}", ""])


def _node(number: int, box: Box) -> str:
    paint = PAINTS[box.look]
    label = "\\n".join(map(_escaped, box.lines))
    style = "rounded,filled,dashed" if paint.is_dashed else "rounded,filled"
    return (
        f'  n{number} [label="{label}", style="{style}", fillcolor="{paint.fill}", color="{paint.edge}", '
        f'fontcolor="{paint.edge}"];'
    )


def _edge(arrow: Arrow) -> str:
    paint = PAINTS[arrow.look]
    style = "dashed" if paint.is_dashed else "solid"
    label = f', label="{_escaped(arrow.label)}", fontcolor="{paint.edge}"' if arrow.label else ""
    return f'  n{arrow.near} -> n{arrow.far} [color="{paint.edge}", style={style}{label}];'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
