"""The range of every number that a user may give. Pure.

Imports next to nothing: help and usage errors read it and must be instant.
"""

from __future__ import annotations

from tracetcp.errors import UsageError

LAST_TTL = 255
LAST_PATH_TTL = 30
"""A TTL up to here may be a place on a path; a single one beyond it is the documented port scan."""
START_HOPS = range(1, LAST_TTL + 1)
MAX_HOPS = range(1, LAST_TTL + 1)
PINGS = range(1, 101)
TIMEOUTS = range(1, 100_000)
"""Longest wait for a reply, in milliseconds."""
PORTS = range(65_536)


def require(value: int, allowed: range, what: str) -> int:
    """Return ``value`` or raise ``UsageError`` naming it and the allowed range."""
    if value not in allowed:
        raise UsageError(f"{what} {value} is out of range: use {allowed[0]} to {allowed[-1]}")
    return value


def whole_number(text: str) -> int | None:
    """``text`` as a number if it is written in plain digits, else None."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None
