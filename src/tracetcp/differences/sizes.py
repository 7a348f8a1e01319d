"""Packet sizes (``--mtu``): a hole that opened, closed or moved. Pure.

What a router tells of its size is no difference: this machine remembers it for ten minutes, and the next test
meets it nowhere. Nor is anything where one test could not say.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tracetcp.model.difference import Change, Difference
from tracetcp.model.verdict import Certainty

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetcp.differences.pair import Pair
    from tracetcp.model.saved_trace import SavedVerdict

HOLES = ("mtu-hole", "mtu-hole-back")
TESTED = (*HOLES, "mtu-told", "mtu-whole")


def compare_sizes(pair: Pair) -> Iterator[Difference]:
    """The difference between the holes of both traces, each way."""
    old, new = pair.old, pair.new
    if old.verdict(*TESTED) is None or new.verdict(*TESTED) is None:
        return
    for kind in HOLES:
        was, now = old.verdict(kind), new.verdict(kind)
        if _hole(was) == _hole(now):
            continue
        found = now or was
        assert found is not None, "one of the two is a hole"
        before = f"Before: {was.sentence}" if was else "Before, none was lost."
        after = f"{now.sentence}" if now else "No packet size is lost any more."
        yield Difference(
            kind=Change.PACKET_SIZE,
            sentence=f"{after} {before}",
            certainty=Certainty.CERTAIN,
            hop=found.hop,
            old=was.sentence if was else None,
            new=now.sentence if now else None,
        )


def _hole(verdict: SavedVerdict | None) -> tuple[int | None, str] | None:
    """Its hop and its size; the names in its sentence make no difference."""
    if verdict is None:
        return None
    size = re.search(r"more than (\d+) bytes", verdict.sentence)
    return verdict.hop, size[1] if size else ""
