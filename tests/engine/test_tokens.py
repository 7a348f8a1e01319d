"""Tokens: repeatable under a secret, spread over 32 bits, each in use once in a run."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from tracetcp.engine.tokens import TokenRegistry, tokens

if TYPE_CHECKING:
    import pytest

    from tracetcp.model import Probe, Reply

SECRET = b"secret of a test"


class Owner:
    """Stands for an engine."""

    def sent(self, probe: Probe, at: float) -> None: ...

    def failed(self, probe: Probe, at: float) -> None: ...

    def receive(self, reply: Reply) -> None: ...


def test_tokens_are_repeatable_distinct_and_cover_the_32_bit_space() -> None:
    drawn = list(islice(tokens(SECRET), 4096))
    assert drawn == list(islice(tokens(SECRET), 4096))
    assert drawn != list(islice(tokens(b"another secret.."), 4096))
    assert len(set(drawn)) == len(drawn)
    assert {token >> 28 for token in drawn} == set(range(16))
    assert all(0 <= token < 1 << 32 for token in drawn)


def test_a_token_in_use_is_drawn_past_whichever_engine_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracetcp.engine.tokens.tokens", lambda _: iter([1, 2, 1, 3, 1]))
    registry, owners = TokenRegistry(SECRET), (Owner(), Owner())
    assert [registry.draw(owners[0]), registry.draw(owners[1]), registry.draw(owners[1])] == [1, 2, 3]
    registry.release(1)
    assert registry.draw(owners[1]) == 1


def test_a_token_leads_to_the_engine_that_drew_it_until_it_is_given_back() -> None:
    registry, owner, other = TokenRegistry(SECRET), Owner(), Owner()
    token, others = registry.draw(owner), registry.draw(other)
    assert registry.owner_of(token) is owner
    assert registry.owner_of(others) is other
    registry.release(token)
    assert registry.owner_of(token) is None


def test_targets_draw_different_tokens_and_give_all_of_them_back() -> None:
    in_use: set[int] = set()
    one, other = TokenRegistry(b"the same secret", in_use), TokenRegistry(b"the same secret", in_use)
    owner = Owner()
    drawn = [registry.draw(owner) for _ in range(20) for registry in (one, other)]
    assert len(set(drawn)) == len(in_use) == 40
    other.release(drawn[1])
    other.close()
    assert in_use == set(drawn[::2])
    assert other.owner_of(drawn[3]) is None
    assert one.owner_of(drawn[2]) is owner
