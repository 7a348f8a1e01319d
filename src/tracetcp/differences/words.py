"""The words for places and ends of saved traces. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.model.icmp_words import icmp_words
from tracetcp.verdicts.blocked import PROHIBITIONS

if TYPE_CHECKING:
    from tracetcp.model.saved_trace import SavedTrace

LOOP_ROUNDS = 3
"""Rounds of a loop to be seen (as in ``verdicts.routers``)."""


def place(hop: int, address: str | None) -> str:
    """``hop 4 (192.0.2.1)``."""
    return f"hop {hop} ({address})" if address else f"hop {hop}"


def router(trace: SavedTrace, ttl: int) -> str | None:
    """The address at ``ttl``, None where there is none or more than one."""
    senders = trace.routers.get(ttl, frozenset())
    return next(iter(senders)) if len(senders) == 1 else None


def loop_start(trace: SavedTrace) -> int | None:
    """The nearest hop of a loop: two routers at least that answer in turn, each at ``LOOP_ROUNDS`` TTLs."""
    places: dict[str, list[int]] = {}
    for ttl in trace.routers:
        if (address := router(trace, ttl)) is not None:
            places.setdefault(address, []).append(ttl)
    again = [ttls for ttls in places.values() if len(ttls) >= LOOP_ROUNDS]
    return min(map(min, again)) if len(again) > 1 else None


def forging_hop(trace: SavedTrace) -> int | None:
    """The nearest hop from which somebody answers in the destination's name and lets probes pass."""
    if (verdict := trace.verdict("forged")) is not None:
        return verdict.hop
    return min((probe.ttl for probe in trace.contradictions), default=None)


def breaking_hop(trace: SavedTrace) -> int | None:
    """The last hop that a trace without a TCP answer is known to pass, or that rejects it; None for none."""
    end = trace.end
    if end is None:
        return loop_start(trace) or trace.last_router
    before = [ttl for ttl, senders in trace.routers.items() if end.sender in senders]
    return min(before, default=end.ttl)


def state(trace: SavedTrace) -> str:
    """How the trace ended, to follow "is" or "was"."""
    if not trace.is_traced:
        reason = trace.error.partition(": ")[0]  # without the remedy
        return f"not traced: {reason}" if reason else "not traced"
    if trace.is_reached:
        return _reached(trace)
    hop, end = breaking_hop(trace), trace.end
    if end is not None:
        words = icmp_words(end.icmp_type, end.icmp_code)
        said = "rejected by" if (end.icmp_type, end.icmp_code) in PROHIBITIONS else "unreachable from"
        return f"{said} {place(hop or end.ttl, end.sender)}: {words}"
    if hop is None:
        return "answered by no hop"
    where = place(hop, router(trace, hop))
    if loop_start(trace) is not None:
        return f"lost in a loop from {where} on"
    if hop == trace.last_ttl:
        return f"on its way at {where}, the last hop probed"
    return f"{'blocked' if trace.verdict('blocked') else 'without an answer'} after {where}"


def _reached(trace: SavedTrace) -> str:
    where = place(trace.end_ttl or 0, None)
    if (forged := forging_hop(trace)) is not None:
        return f"answered by a device that forges answers at {place(forged, None)}"
    if trace.verdict("proxy") is not None:
        return f"answered by a transparent proxy at {where}"
    return f"{trace.outcome} at {where}"
