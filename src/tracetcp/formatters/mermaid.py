"""A graph as Mermaid text, which GitHub and GitLab draw inside a ticket. Pure.

https://mermaid.js.org/syntax/flowchart.html. Keys of nodes never reach the text: nodes are numbered. Whatever
stands in a label is text and nothing else: all but letters, digits and a few signs is written as ``#NN;``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

PLAIN = frozenset(" .,:/_()%+-")
"""Signs that mean nothing within a quoted label."""
SHAPES = {"router": ('["', '"]'), "end": ('(["', '"])'), "silent": ('["', '"]'), "fault": ('["', '"]')}
"""What encloses the label of each kind of node."""
STYLES = {
    "silent": "stroke-dasharray: 4 4",
    "fault": "fill:#fdd,stroke:#c00,color:#000",
}


class Node(NamedTuple):
    """A box: ``key`` names it in links, ``lines`` are its label; ``kind`` is a key of ``SHAPES``."""

    key: str
    lines: tuple[str, ...]
    kind: str = "router"


class Link(NamedTuple):
    """An arrow from ``first`` to ``second`` (keys); ``is_broken`` ends it in a cross."""

    first: str
    second: str
    label: str = ""
    is_broken: bool = False


def render_mermaid(nodes: Sequence[Node], links: Sequence[Link], direction: str = "LR") -> str:
    """The flowchart, from left to right or (``TB``) from top to bottom; ends in a newline."""
    numbers = {node.key: f"n{number}" for number, node in enumerate(nodes)}
    lines = [f"flowchart {direction}"]
    for node in nodes:
        begin, end = SHAPES[node.kind]
        style = f":::{node.kind}" if node.kind in STYLES else ""
        lines.append(f"    {numbers[node.key]}{begin}{'<br/>'.join(map(_text, node.lines))}{end}{style}")
    for link in links:
        arrow = "--x" if link.is_broken else "-->"
        label = f'|"{_text(link.label)}"|' if link.label else ""
        lines.append(f"    {numbers[link.first]} {arrow}{label} {numbers[link.second]}")
    used = {node.kind for node in nodes}
    lines += [f"    classDef {kind} {style}" for kind, style in STYLES.items() if kind in used]
    return "\n".join(lines) + "\n"


def _text(text: str) -> str:
    """``text`` as Mermaid shows it: everything else is an entity."""
    return "".join(
        each if (each.isascii() and each.isalnum()) or each in PLAIN else f"#{ord(each)};" for each in text
    )
