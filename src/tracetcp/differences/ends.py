"""How two traces end: the outcome, the hop where the port stops, the distance of the destination. Pure.

R1. Outcomes that differ are told, unless one trace ended before the place that the other one reached: it had
    too few hops. And unless somebody answers in the destination's name beside the path, in both runs: which
    answer comes first is chance.
R2. A port that is answered in neither run stops somewhere else if one trace passed routers where the other
    one met silence, more often than chance allows, on shared flows; without any, only from ``NEARER_HOPS``
    hops on, since branches of other lengths look like less. That a router is silent once is no difference.
R3. A destination is farther if a flow passes a router where the same flow was answered by the destination;
    without shared flows only from ``NEARER_HOPS`` hops on. Nothing is said where somebody answers in its name
    beside the path.
R4. A refusal with other words is told if the same router sends it.
R5. Such answers are new, or gone, if one trace has two signs of them at least and the other one, which went
    past that place, has none.
R6. A target that could be traced in one run only has changed; why it could not is no difference if it could
    be in neither.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from tracetcp.differences.words import breaking_hop, forging_hop, state
from tracetcp.model.difference import Change, Difference
from tracetcp.model.icmp_words import icmp_words
from tracetcp.model.saved_trace import ANSWERS
from tracetcp.model.verdict import Certainty
from tracetcp.verdicts.loss import BY_CHANCE, BY_CHANCE_CERTAIN, loss_rate
from tracetcp.verdicts.nearness import NEARER_HOPS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetcp.differences.pair import Pair
    from tracetcp.model.saved_trace import SavedTrace

ENOUGH_LOST = 3
"""Unanswered probes below which silence says nothing."""
CLEAR = 2
"""Probes that show a destination to be farther than before: one may be a packet gone astray."""


def compare_outcomes(old: SavedTrace, new: SavedTrace) -> Iterator[Difference]:
    """The difference of the outcomes."""
    if not (old.is_traced and new.is_traced):  # R6
        if old.is_traced or new.is_traced:
            yield _difference(Change.OUTCOME, old, new, None, Certainty.CERTAIN)
        return
    if old.outcome == new.outcome or _has_too_few_hops(old, new) or _has_too_few_hops(new, old):  # R1
        return
    if old.contradictions and new.contradictions:  # R1
        return
    silent = next((trace for trace in (old, new) if trace.outcome == "not-reached"), None)
    is_clear = silent is None or sum(silent.lost.values()) >= ENOUGH_LOST
    hop = new.end_ttl if new.is_reached else breaking_hop(new)
    yield _difference(Change.OUTCOME, old, new, hop, Certainty.CERTAIN if is_clear else Certainty.LIKELY)


def _has_too_few_hops(short: SavedTrace, other: SavedTrace) -> bool:
    return short.outcome == "not-reached" and other.end_ttl is not None and short.last_ttl < other.end_ttl


def _difference(
    kind: Change, old: SavedTrace, new: SavedTrace, hop: int | None, certainty: Certainty
) -> Difference:
    was, now = state(old), state(new)
    return Difference(
        kind=kind,
        sentence=f"Port {new.port} was {was}; now it is {now}.",
        certainty=certainty,
        hop=hop,
        old=was,
        new=now,
    )


def compare_ends(pair: Pair) -> Iterator[Difference]:
    """The difference of two ends with the same outcome."""
    old, new = pair.old, pair.new
    if old.outcome != new.outcome or old.start_hop != new.start_hop:
        return
    if old.is_reached:
        yield from _compare_distances(pair)
    elif old.outcome == "unreachable":
        yield from _compare_refusals(pair)
    else:
        yield from _compare_silence(pair)


# Silence ----------------------------------------------------------------------------------------------------


def _compare_silence(pair: Pair) -> Iterator[Difference]:
    old, new = pair.old, pair.new
    near, far = sorted((old, new), key=lambda trace: trace.last_router or 0)
    first, last = (near.last_router or 0) + 1, min(far.last_router or 0, near.last_ttl)
    if last < first or (not pair.flows and last - first + 1 < NEARER_HOPS):  # R2
        return
    lost, chance = _silence(pair, near, far, range(first, last + 1))
    if lost >= ENOUGH_LOST and chance <= BY_CHANCE:  # R2
        certainty = Certainty.CERTAIN if chance <= BY_CHANCE_CERTAIN else Certainty.LIKELY
        yield _difference(Change.BREAK, old, new, breaking_hop(new), certainty)


def _silence(pair: Pair, near: SavedTrace, far: SavedTrace, ttls: range) -> tuple[int, float]:
    """How many probes of ``near`` were lost where ``far`` was answered, and how likely that is by chance."""
    probes, others = (
        [probe for probe in (pair.shared(trace) or trace.probes) if probe.ttl in ttls]
        for trace in (near, far)
    )
    answered = {probe.ttl for probe in others if probe.kind}
    lost = [probe.ttl for probe in probes if probe.kind is None and probe.ttl in answered]

    def rate(ttl: int) -> float:
        kinds = [probe.kind for probe in others if probe.ttl == ttl]
        return loss_rate(sum(kind is not None for kind in kinds), kinds.count(None))

    return len(lost), prod(rate(ttl) for ttl in lost)


# Refusals ---------------------------------------------------------------------------------------------------


def _compare_refusals(pair: Pair) -> Iterator[Difference]:
    old, new = pair.old, pair.new
    was, now = old.end, new.end
    if was is None or now is None:
        return
    near, far = sorted((old, new), key=lambda trace: trace.end_ttl or 0)
    passed = _passed(pair, far, near.end_ttl or 0)
    hops = abs((breaking_hop(old) or 0) - (breaking_hop(new) or 0))
    if was.sender != now.sender and (passed >= CLEAR or (not pair.flows and hops >= NEARER_HOPS)):
        certainty = Certainty.CERTAIN if passed >= CLEAR else Certainty.LIKELY
        yield _difference(Change.BREAK, old, new, breaking_hop(new), certainty)
    elif was.sender == now.sender and _words(old) != _words(new):  # R4
        yield _difference(Change.BREAK, old, new, breaking_hop(new), Certainty.CERTAIN)


def _words(trace: SavedTrace) -> str:
    assert trace.end is not None, "a refusal ended the trace"
    return icmp_words(trace.end.icmp_type, trace.end.icmp_code)


def _passed(pair: Pair, trace: SavedTrace, ttl: int) -> int:
    """How many probes of ``trace`` met a router at ``ttl`` or farther out, on shared flows."""
    return sum(probe.kind == "time-exceeded" and probe.ttl >= ttl for probe in pair.shared(trace))


# Answers in its name, and distance ------------------------------------------------------------------------


def _compare_distances(pair: Pair) -> Iterator[Difference]:
    old, new = pair.old, pair.new
    if old.contradictions or new.contradictions:  # R3
        yield from _compare_forging(pair)
        return
    if old.end_ttl is None or new.end_ttl is None or old.end_ttl == new.end_ttl:
        return
    near, far = sorted((old, new), key=lambda trace: trace.end_ttl or 0)
    passed = sum(_contradictions(pair, near, far))
    hops = abs(old.end_ttl - new.end_ttl)
    if passed or (not pair.flows and hops >= NEARER_HOPS):  # R3
        certainty = Certainty.CERTAIN if passed >= CLEAR or hops >= NEARER_HOPS else Certainty.LIKELY
        yield _difference(Change.DISTANCE, old, new, new.end_ttl, certainty)


def _compare_forging(pair: Pair) -> Iterator[Difference]:
    clean, forged = sorted((pair.old, pair.new), key=lambda trace: len(trace.contradictions))
    hop = forging_hop(forged) or 0
    is_past = (clean.last_router or 0) >= hop and not clean.contradictions
    if is_past and len(forged.contradictions) >= CLEAR:  # R5
        yield _difference(Change.OUTCOME, pair.old, pair.new, hop, Certainty.CERTAIN)


def _contradictions(pair: Pair, near: SavedTrace, far: SavedTrace) -> Iterator[int]:
    """For each shared flow: how many of its probes met a router where the other run met the destination."""
    reached: dict[int | None, int] = {}
    for probe in pair.shared(near):
        if probe.kind in ANSWERS:
            reached[probe.source_port] = min(probe.ttl, reached.get(probe.source_port, probe.ttl))
    for probe in pair.shared(far):
        if probe.kind == "time-exceeded" and probe.sender != far.address:
            yield probe.ttl >= reached.get(probe.source_port, far.last_ttl + 1)
