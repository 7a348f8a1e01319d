"""Transparent proxy: a port that is accepted nearer than the destination is. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.model import Outcome
from tracetcp.model.verdict import Certainty, Kind, Verdict
from tracetcp.verdicts.nearness import nearer_than_control

if TYPE_CHECKING:
    from tracetcp.model.evidence import Evidence


def judge(evidence: Evidence) -> Verdict | None:
    """A proxy where the rules of ``nearness`` are met; never certain, since no proxy was seen working."""
    if evidence.outcome is not Outcome.OPEN or evidence.distance is None:
        return None
    nearer = nearer_than_control(evidence)
    if nearer is None:
        return None
    hop = evidence.distance
    return Verdict(
        kind=Kind.PROXY,
        sentence=f"A transparent proxy at hop {hop} answers port {evidence.port} for {evidence.destination}.",
        certainty=Certainty.LIKELY,
        evidence=nearer.facts,
        hop=hop,
    )
