"""Differences between two saved traces of one target. Pure: reads no file, and knows no socket.

``read_trace`` reads a line of NDJSON, ``compare`` says what changed. False alarms are worse than silence:
what a limited router, loss, load sharing, a name server or the clock makes different is no difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.differences.ends import compare_ends, compare_outcomes
from tracetcp.differences.pair import Pair
from tracetcp.differences.paths import compare_paths
from tracetcp.differences.rewriting import compare_rewriting
from tracetcp.differences.sizes import compare_sizes
from tracetcp.model.difference import Change, Comparison, Difference
from tracetcp.model.verdict import Certainty

if TYPE_CHECKING:
    from tracetcp.model.saved_trace import SavedTrace


def compare(old: SavedTrace | None, new: SavedTrace | None) -> Comparison:
    """What changed from ``old`` to ``new``; one of them may be None where a run does not hold the target."""
    if old is None or new is None:
        return Comparison(old=old, new=new, differences=(_missing(old, new),))
    outcomes = tuple(compare_outcomes(old, new))
    if not (old.is_traced and new.is_traced):
        return Comparison(old=old, new=new, differences=outcomes)
    if old.address != new.address:
        return Comparison(old=old, new=new, differences=(_moved(old, new), *outcomes))
    pair = Pair(old, new)
    found = (*compare_ends(pair), *compare_paths(pair), *compare_rewriting(pair), *compare_sizes(pair))
    return Comparison(
        old=old,
        new=new,
        differences=(*outcomes, *found),
        has_shared_flows=bool(pair.flows) or not (old.routers and new.routers),
    )


def _missing(old: SavedTrace | None, new: SavedTrace | None) -> Difference:
    if old is None and new is not None:
        return Difference(
            kind=Change.ONLY_IN_NEW,
            sentence="It is in the new file only.",
            certainty=Certainty.CERTAIN,
            new=new.outcome,
        )
    return Difference(
        kind=Change.ONLY_IN_OLD,
        sentence="It is in the old file only.",
        certainty=Certainty.CERTAIN,
        old=old.outcome if old else None,
    )


def _moved(old: SavedTrace, new: SavedTrace) -> Difference:
    """Two addresses have two paths: nothing else is compared but the outcome."""
    return Difference(
        kind=Change.ADDRESS,
        sentence=f"The name led to {old.address}; now it leads to {new.address}: two paths, not compared.",
        certainty=Certainty.CERTAIN,
        old=old.address,
        new=new.address,
    )
