"""The Internet checksum (RFC 1071), computed on whole byte strings at C speed. Pure.

Because 65536 = 1 modulo 65535, the one's complement sum of 16-bit words is the big-endian number that the
bytes form, modulo 65535. So the sum can be added up from any parts of even length.
"""

from __future__ import annotations


def word_sum(data: bytes) -> int:
    """The one's complement sum of ``data``, 0 to 65534 (0 also means 65535); odd data is padded with zero."""
    return int.from_bytes(data if len(data) % 2 == 0 else data + b"\0", "big") % 0xFFFF


def checksum_of(total: int) -> int:
    """The checksum of words whose sum without it is ``total``."""
    return -total % 0xFFFF
