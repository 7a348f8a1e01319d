"""Waits for look-ups where nothing else is to be done meanwhile."""

from __future__ import annotations

import time
from selectors import EVENT_READ, DefaultSelector
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracetcp.names.lookups import AddressLookup

LONGEST_TURN = 0.1
"""Seconds: a look-up that is settled without a query wakes nobody."""


def wait_for(lookup: AddressLookup, addresses: Iterable[str]) -> None:
    """Wait until ``addresses`` are settled, each as long as a row would wait for it."""
    with DefaultSelector() as selector:
        selector.register(lookup, EVENT_READ)
        for address in addresses:
            while (left := lookup.waits_until(address) - time.monotonic()) > 0:
                selector.select(min(left, LONGEST_TURN))
                lookup.acknowledge()
