"""Text from the network, made safe for a terminal and for awk. Pure."""

from __future__ import annotations

LONGEST = 255
"""Octets of a domain name (RFC 1035, section 2.3.4): nothing longer is a name."""
_UNSAFE = frozenset(b"[]\\")


def printable(raw: bytes) -> str:
    r"""``raw`` as printable ASCII without blanks, brackets and backslashes; those become ``\DDD`` (RFC 1035).

    Control characters would drive the reader's terminal; blanks and brackets would break the columns.
    """
    return "".join(chr(c) if 0x20 < c < 0x7F and c not in _UNSAFE else f"\\{c:03d}" for c in raw[:LONGEST])
