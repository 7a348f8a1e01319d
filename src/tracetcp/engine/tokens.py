"""Probe tokens: 32-bit numbers that nobody who cannot see our packets can guess, and whose each one is.

Drawn from BLAKE2b in counter mode under a per-run secret, so a run can be repeated in tests.
"""

from __future__ import annotations

import struct
from _blake2 import blake2b  # that of ``hashlib``, which would load OpenSSL as well
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetcp.model import Probe, Reply

_TOKENS_PER_BLOCK = struct.Struct("<16I")


def tokens(secret: bytes) -> Iterator[int]:
    """Yield tokens for ever, spread over the whole 32-bit space, as RFC 6528 asks of sequence numbers."""
    block = 0
    while True:
        digest = blake2b(block.to_bytes(8, "little"), key=secret, digest_size=_TOKENS_PER_BLOCK.size).digest()
        yield from _TOKENS_PER_BLOCK.unpack(digest)
        block += 1


class TokenOwner(Protocol):
    """The part of an engine that its probes' tokens lead to."""

    def sent(self, probe: Probe, at: float) -> None:
        """See ``Engine``."""

    def failed(self, probe: Probe, at: float) -> None:
        """See ``Engine``."""

    def receive(self, reply: Reply) -> None:
        """See ``Engine``."""


class TokenRegistry:
    """The tokens of one run: each in use once, and known by the engine that drew it.

    Of several targets each has a registry of its own; ``in_use`` is the set of the tokens of all of them.
    """

    def __init__(self, secret: bytes, in_use: set[int] | None = None) -> None:
        self._drawn = tokens(secret)
        self._in_use: set[int] = set() if in_use is None else in_use
        self._owners: dict[int, TokenOwner] = {}

    def draw(self, owner: TokenOwner) -> int:
        """A token that no probe of the run uses: chance repeats one of 32 bits in every other full scan."""
        token = next(self._drawn)
        while token in self._in_use:
            token = next(self._drawn)
        self._owners[token] = owner
        self._in_use.add(token)
        return token

    def owner_of(self, token: int) -> TokenOwner | None:
        """The engine whose probe carries ``token``, None for a stranger's or one given back."""
        return self._owners.get(token)

    def release(self, token: int) -> None:
        """Give ``token`` back: nothing that answers it matters any more."""
        del self._owners[token]
        self._in_use.remove(token)

    def close(self) -> None:
        """Give every token back."""
        self._in_use.difference_update(self._owners)
        self._owners.clear()

    def keep(self, owner: TokenOwner) -> None:
        """Give back every token but those of ``owner``: nobody else waits for an answer."""
        kept = {token: each for token, each in self._owners.items() if each is owner}
        self._in_use.difference_update(self._owners.keys() - kept.keys())
        self._owners = kept
