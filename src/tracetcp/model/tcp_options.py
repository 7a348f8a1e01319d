"""Reads TCP options (RFC 9293 section 3.2). Pure functions of bytes; any bytes are accepted."""

from __future__ import annotations


def option_kinds(options: bytes) -> tuple[int, ...]:
    """The kinds of the TCP ``options`` in their order, without padding (RFC 9293 section 3.1)."""
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
    """The MSS in TCP ``options`` (RFC 9293 section 3.2); None if there is no complete MSS option."""
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
