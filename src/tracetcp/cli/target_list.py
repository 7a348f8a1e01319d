"""Parses a list of targets (``-f``): one a line, in every form of the command line. Opens no file.

A ``#`` at the beginning of a line or behind a blank begins a comment; empty lines count for nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from tracetcp.cli.target import parse_target
from tracetcp.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_LINE = 4096
"""Bytes of a line: a name of 253 characters and all its ports; a longer one is no list of targets."""
_COMMENT = re.compile(r"(?:^|\s)#.*")


class ListedTarget(NamedTuple):
    """The target of line ``number``, and its ports in the order written, each once."""

    number: int
    host: str
    ports: Sequence[int]


class BadLine(NamedTuple):
    """A line that is no target, and why not."""

    number: int
    reason: str


def parse_line(number: int, line: bytes) -> ListedTarget | BadLine | None:
    """What line ``number`` says; None for one that is empty or a comment."""
    if len(line) >= LONGEST_LINE:
        return BadLine(number, f"the line is longer than {LONGEST_LINE} bytes: one target a line")
    text = line.removeprefix(b"\xef\xbb\xbf" if number == 1 else b"").decode("utf-8", "surrogateescape")
    words = _COMMENT.sub("", text).split()
    if not words:
        return None
    if len(words) > 1:
        return BadLine(number, f"unexpected word {words[1]!a}: one target a line, remarks after a #")
    try:
        target = parse_target(words[0])
    except UsageError as error:
        return BadLine(number, str(error).encode("ascii", "backslashreplace").decode())
    return ListedTarget(number, target.host, target.ports)
