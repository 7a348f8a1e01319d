"""What the raw and the unprivileged prober owe the runner alike, against real kernels."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from lab import SERVER
from prober_lab import PATIENCE, connect_prober, raw_prober

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from lab import Chain
    from tracetcp.probers.prober import Prober

    Opener = Callable[..., AbstractContextManager[Prober]]

pytestmark = [pytest.mark.netns, pytest.mark.parametrize("opener", [raw_prober, connect_prober])]


def test_receive_waits_no_longer_than_it_is_told(lab: Chain, opener: Opener) -> None:
    with opener(lab.client, SERVER) as opened:
        began_at = opened.clock()
        assert opened.receive(began_at) == []
        assert opened.receive(began_at + 0.2) == []
        assert 0.2 <= opened.clock() - began_at < PATIENCE


def test_receive_wakes_for_a_descriptor_and_leaves_it_alone(lab: Chain, opener: Opener) -> None:
    reader, writer = os.pipe()
    with opener(lab.client, SERVER) as opened:
        opened.wake_on(reader)
        os.write(writer, b"x")
        began_at = opened.clock()
        assert opened.receive(began_at + 10 * PATIENCE) == []
        assert opened.clock() - began_at < PATIENCE
    assert os.read(reader, 1) == b"x"
    os.close(reader)
    os.close(writer)
