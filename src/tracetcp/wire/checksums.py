"""The Internet checksum (RFC 1071), on whole byte strings at C speed.

A one's complement sum of 16-bit words is the number that the bytes spell, modulo 65535, since
65536 = 1 modulo 65535. So it can be added up from any parts of even length.
"""

from __future__ import annotations


def word_sum(data: bytes) -> int:
    """The one's complement sum of ``data``, 0 to 65534 (0 stands for 65535 too); odd data is zero-padded."""
    return int.from_bytes(data if len(data) % 2 == 0 else data + b"\0", "big") % 0xFFFF


def checksum_of(total: int) -> int:
    """The checksum field that makes words summing to ``total`` valid."""
    return -total % 0xFFFF
