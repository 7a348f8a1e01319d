"""Tokens: repeatable under a secret, spread over 32 bits."""

from itertools import islice

from tracetcp.engine.tokens import tokens, unused


def test_tokens_are_repeatable_distinct_and_cover_the_32_bit_space() -> None:
    drawn = list(islice(tokens(b"secret of a test"), 4096))
    assert drawn == list(islice(tokens(b"secret of a test"), 4096))
    assert drawn != list(islice(tokens(b"another secret.."), 4096))
    assert len(set(drawn)) == len(drawn)
    assert {token >> 28 for token in drawn} == set(range(16))
    assert all(0 <= token < 1 << 32 for token in drawn)


def test_a_token_in_use_is_drawn_past() -> None:
    assert unused(iter([1, 2, 1, 3]), {1, 2}) == 3
