"""Turns the output of a real run into a form that can be compared literally. Pure."""

from __future__ import annotations

import re

CELL = re.compile(r"(?<!\S)\d{1,4} ms {1,4}(?=\S)")
"""A round-trip time in its cell of eight columns, with the blanks that fill it."""
CELL_WIDTH = 8
REACHED_TIME = re.compile(r"(?<= in )\d+ ms(?=\. )")


def shape(output: str) -> str:
    """``output`` with every round-trip time written as ``~ ms``.

    Cells keep their columns: only a cell that fills its eight columns exactly is replaced.
    """
    return REACHED_TIME.sub("~ ms", CELL.sub(_shape_cell, output))


def _shape_cell(match: re.Match[str]) -> str:
    return "~ ms    " if len(match[0]) == CELL_WIDTH else match[0]
