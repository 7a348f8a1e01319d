"""What the first bytes of an answer are: a TLS record, an alert, a HTTP status line. Pure."""

from __future__ import annotations

import re

ALERT, HANDSHAKE = 21, 22
"""Types of TLS records (RFC 8446 section 5.1)."""
ALERTS = {
    40: "handshake failure",
    47: "illegal parameter",
    49: "access denied",
    70: "protocol version",
    71: "insufficient security",
    80: "internal error",
    86: "inappropriate fallback",
    112: "unrecognized name",
    116: "certificate required",
    120: "no application protocol",
}
"""RFC 8446 section 6."""
REFUSALS = frozenset({403, 421, 451})
"""HTTP statuses that refuse a host rather than a page: forbidden, misdirected, legal reasons."""
LONGEST_LINE = 60
_STATUS = re.compile(rb"HTTP/1\.\d (\d{3})")


def alert_of(heard: bytes) -> int | None:
    """The number of the TLS alert that ``heard`` begins with, None if it begins with none."""
    is_alert = len(heard) > 6 and heard[0] == ALERT and heard[1] == 3
    return heard[6] if is_alert else None


def status_of(heard: bytes) -> int | None:
    """The HTTP status that ``heard`` begins with, None if it begins with none."""
    status = _STATUS.match(heard)
    return int(status[1]) if status else None


def is_tls(heard: bytes) -> bool:
    """Whether ``heard`` begins with a TLS handshake."""
    return len(heard) > 5 and heard[0] == HANDSHAKE and heard[1] == 3


def words_of(heard: bytes) -> str:
    """``heard`` in words, in plain ASCII whatever it is."""
    alert = alert_of(heard)
    if alert is not None:
        return f"alert {alert}, {ALERTS[alert]}" if alert in ALERTS else f"alert {alert}"
    if is_tls(heard):
        return "a TLS handshake"
    if status_of(heard) is not None:
        line = heard.partition(b"\r\n")[0][:LONGEST_LINE].decode("latin-1")
        return '"' + "".join(c if c.isascii() and c.isprintable() and c != '"' else "?" for c in line) + '"'
    return f"{len(heard)} bytes that are neither TLS nor HTTP"
