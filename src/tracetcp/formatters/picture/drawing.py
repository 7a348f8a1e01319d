"""What a picture shows, whatever language it is in: boxes in rows, arrows, and sentences below. Pure."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Look(Enum):
    """How a box or an arrow looks; the value is its name in the languages that name classes."""

    PLAIN = "plain"
    LOSSY = "lossy"
    SILENT = "silent"
    REACHED = "reached"
    BROKEN = "broken"
    FIRST = "first"
    """An arrow of the first of two ports."""
    SECOND = "second"


class Paint(NamedTuple):
    """The colours of a look: of the inside of a box, and of its edge and text."""

    fill: str
    edge: str
    is_dashed: bool = False


PAINTS = {
    Look.PLAIN: Paint("#ffffff", "#3c4043"),
    Look.LOSSY: Paint("#fef0d9", "#a65e00"),
    Look.SILENT: Paint("#f1f3f4", "#5f6368", is_dashed=True),
    Look.REACHED: Paint("#e2f3e5", "#10672c"),
    Look.BROKEN: Paint("#fbe3e1", "#b3261e", is_dashed=True),
    Look.FIRST: Paint("#ffffff", "#1558b0"),
    Look.SECOND: Paint("#ffffff", "#8430ce"),
}


class Box(NamedTuple):
    """A place: in ``row`` from 0, with its lines of text."""

    row: int
    lines: tuple[str, ...]
    look: Look = Look.PLAIN


class Arrow(NamedTuple):
    """From one box to another, by their places in the list; towards a farther row."""

    near: int
    far: int
    label: str = ""
    look: Look = Look.PLAIN


class Drawing(NamedTuple):
    """A picture: ``rows`` are the labels at the margin, ``notes`` the sentences below."""

    title: str
    rows: tuple[str, ...]
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    notes: tuple[str, ...]
