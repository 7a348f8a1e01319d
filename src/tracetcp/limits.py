"""The valid range of every number that a user can give. Pure.

Imports only ``errors``: help and usage errors read this file and must be instant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

LAST_TTL = 255
LAST_PATH_TTL = 30
"""A TTL up to this may be a place on a path; a trace of one TTL beyond it is the documented port scan."""
START_HOPS = range(1, LAST_TTL + 1)
MAX_HOPS = range(1, LAST_TTL + 1)
PINGS = range(1, 101)
TIMEOUTS = range(1, 100_000)
"""The longest wait for a reply, in milliseconds."""
PORTS = range(65_536)
WATCH_INTERVALS = range(1, 86_401)
"""Seconds from one question of ``--watch`` to the next."""
WATCH_COUNTS = range(1, 1_000_000_000)
HEARTBEATS = range(1, 86_401)
"""Seconds from one line of ``--heartbeat`` to the next."""
RATES = range(1, 100_001)
"""Probes a second of a run over many targets."""
TOS = range(256)
"""The TOS byte of IPv4, the traffic class of IPv6: DSCP in the upper six bits, ECN in the lower two."""
MARKS = range(1, 2**32)
WORDS = range(1, 1209)
"""Bytes of a file that is said: one segment on any link of IPv6, whose MTU is 1280 at least (RFC 8200)."""
SILENCES = range(1, 86_401)
"""The silence of a connection, in seconds."""
MOST_SILENCES = 4
"""Silences tested together: each takes one of the few connections, and a place takes the others."""
SOURCE_PORTS = range(1024, 65_536 - 1024 + 1)
"""Where a run's block of source ports may start: 1024 ports (``model.FLOWS``), none of them privileged."""


def require(value: int, allowed: range, what: str) -> int:
    """Return ``value``; raises ``UsageError`` with the value and the range if it is not in ``allowed``."""
    if value not in allowed:
        raise UsageError(f"{what} {value} is out of range: use {allowed[0]} to {allowed[-1]}")
    return value


def require_silences(values: Sequence[int]) -> None:
    """Raises ``UsageError`` if these are no seconds of silence that can be tested together."""
    for value in values:
        require(value, SILENCES, "silence")
    if len(values) > MOST_SILENCES:
        raise UsageError(f"{len(values)} silences are too many: give {MOST_SILENCES} at most")


def whole_number(text: str) -> int | None:
    """The number that ``text`` is, if it is at most nine plain digits, else None."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None
