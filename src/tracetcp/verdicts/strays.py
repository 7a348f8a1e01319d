"""ICMP errors that no row rests on, because nothing else bears out what they quote. Pure.

The engine leaves an error out whose quote differs from what was sent in a port, an address or the sequence
number where no other shows that change (``ProbeRecord.unsupported``). Such an error is forged, or belongs to
a NAT that only one packet showed; the cell is a star, and this note says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.model.verdict import Certainty, Kind, Verdict

if TYPE_CHECKING:
    from tracetcp.model.evidence import Evidence

NAMED = 3
"""Hops that the sentence names; a flood has many."""


def judge(evidence: Evidence) -> Verdict | None:
    """A note on what was left out, None where nothing was."""
    strays = [
        (record.probe.ttl, reply)
        for record in evidence.own_records
        if not record.replies
        for reply in record.unsupported
    ]
    if not strays:
        return None
    ttls = sorted({ttl for ttl, _ in strays})
    ttl, first = min(strays, key=lambda stray: stray[0])
    changed = " and ".join(first.quote.identity_changed) if first.quote else ""
    hops = f"hop{'s' if len(ttls) > 1 else ''} {', '.join(map(str, ttls[:NAMED]))}"
    more = " and more" if len(ttls) > NAMED else ""
    return Verdict(
        kind=Kind.STRAY_QUOTE,
        sentence=f"An ICMP error about {hops}{more} was left out: it quotes a SYN that nothing else shows.",
        certainty=Certainty.LIKELY,
        evidence=(f"{first.sender} quotes another {changed} than was sent to hop {ttl}; it may be forged.",),
        hop=ttl,
        address=first.sender,
    )
