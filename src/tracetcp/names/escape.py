"""Makes text from the network safe for a terminal and for awk. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST_TEXT = 255
"""The most characters shown of a text: the octets of a domain name (RFC 1035 section 2.3.4)."""
_UNSAFE = frozenset(b"[]\\")


def printable(raw: bytes) -> str:
    r"""``raw`` as printable ASCII without blanks, brackets and backslashes: these become ``\DDD`` (RFC 1035).

    Control characters would control the reader's terminal; blanks and brackets would break the columns.
    The text is cut at ``LONGEST_TEXT`` characters, never within an escape.
    """
    return _cut(_escaped(octet) for octet in raw)


def printable_domain(labels: Iterable[bytes]) -> str:
    r"""The ``labels`` of a domain name, each as ``printable`` shows it, joined by dots, without the root's.

    A dot within a label becomes ``\046``, so that a dot always ends a label.
    """
    pieces: list[str] = []
    for label in filter(None, labels):
        pieces += ["."] if pieces else []
        pieces += [_escaped(octet) if octet != ord(".") else "\\046" for octet in label]
    return _cut(pieces)


def _escaped(octet: int) -> str:
    return chr(octet) if 0x20 < octet < 0x7F and octet not in _UNSAFE else f"\\{octet:03d}"


def _cut(pieces: Iterable[str]) -> str:
    text = ""
    for piece in pieces:
        if len(text) + len(piece) > LONGEST_TEXT:
            break
        text += piece
    return text
