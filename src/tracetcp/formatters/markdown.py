"""Markdown whose text is text: what comes from the network or the command line survives as no markup. Pure.

GitHub's dialect (https://github.github.com/gfm/) makes links of bare names, pictures of ``:100:`` and people
of ``@name``. None of that happens in a code span, so every foreign text stands in one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

NOTHING = "-"
_SAFE_IN_CODE = re.compile(r"[^A-Za-z0-9 .,:/_()%+=-]")
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~!&@$^])")
_FOREIGN = re.compile(
    r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*[0-9A-Fa-f:](?:%\w+)?)"
    r"|[^\s()]*(?:://|@|[A-Za-z_-]\.[\w-]|\w\.[A-Za-z_-]|:\w+:|#\w|GH-\d)[^\s()]*|\b[0-9a-f]{7,40}\b"
)
"""Addresses, and what is made a link, a person or a picture: names, mail, ``:100:``, ``#1``, commits."""


def code(text: str) -> str:
    """``text`` in a code span: printable ASCII without what Markdown or a table knows, cut to one line."""
    safe = " ".join(_SAFE_IN_CODE.sub("?", text).split())
    return f"`{safe}`" if safe else NOTHING


def prose(text: str) -> str:
    """A sentence of this program: addresses and names in it as code, every sign of markup escaped.

    Control characters become ``?``.
    """
    text = re.sub(r"[^ -~]", "?", text)
    pieces, at = [], 0
    for found in _FOREIGN.finditer(text):
        pieces += [_MARKUP.sub(r"\\\1", text[at : found.start()]), code(found[0])]
        at = found.end()
    return "".join([*pieces, _MARKUP.sub(r"\\\1", text[at:])])


def block(text: str, language: str = "") -> str:
    """``text`` in a fence that nothing in it can close; what is no printable ASCII becomes ``?``."""
    lines = [re.sub(r"[^ -~]", "?", line) for line in text.splitlines()]
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}{language}", *lines, fence]) + "\n"


def table(rows: Sequence[Sequence[str]]) -> str:
    """A table that also reads well as text; the first row is its head. Cells must be safe already."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(map(str.ljust, cells, widths)) + " |\n"

    rule = ["-" * width for width in widths]
    return "".join(map(line, [rows[0], rule, *rows[1:]]))
