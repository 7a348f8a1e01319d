"""Probe tokens: 32-bit numbers that only those who see our packets can know.

Drawn from BLAKE2b in counter mode under a per-run secret, so a run can be repeated in tests.
"""

from __future__ import annotations

import struct
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

_TOKENS_PER_BLOCK = struct.Struct("<16I")


def tokens(secret: bytes) -> Iterator[int]:
    """Yield tokens for ever, spread over the whole 32-bit space, as RFC 6528 asks of sequence numbers."""
    block = 0
    while True:
        digest = blake2b(block.to_bytes(8, "little"), key=secret, digest_size=_TOKENS_PER_BLOCK.size).digest()
        yield from _TOKENS_PER_BLOCK.unpack(digest)
        block += 1


def unused(drawn: Iterator[int], used: Container[int]) -> int:
    """The next token that is not in ``used``: every other full scan draws some 32-bit number twice."""
    token = next(drawn)
    while token in used:
        token = next(drawn)
    return token
