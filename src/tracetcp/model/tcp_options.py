"""Reads TCP options (RFC 9293 section 3.2). Pure functions from bytes; any bytes are accepted."""

from __future__ import annotations


def option_kinds(options: bytes) -> tuple[int, ...]:
    """The kinds among TCP ``options`` in their order, padding left out (RFC 9293 section 3.1)."""
    kinds = []
    at = 0
    while at < len(options) and options[at] != 0:
        if options[at] == 1:
            at += 1
            continue
        kinds.append(options[at])
        length = options[at + 1] if at + 1 < len(options) else 0
        if length < 2:
            break
        at += length
    return tuple(kinds)


MSS_KIND = 2


def mss_of(options: bytes) -> int | None:
    """The maximum segment size among TCP ``options`` (RFC 9293 section 3.2), None without a whole one."""
    at = 0
    while at < len(options) and options[at] != 0:
        if options[at] == 1:
            at += 1
            continue
        length = options[at + 1] if at + 1 < len(options) else 0
        if length < 2 or at + length > len(options):
            return None
        if options[at] == MSS_KIND and length == 4:
            return int.from_bytes(options[at + 2 : at + 4], "big")
        at += length
    return None
