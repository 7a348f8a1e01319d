"""Verdicts: what a trace means, concluded from recorded evidence alone. Pure.

``judge`` draws the conclusions of one trace; each module holds one family of verdicts, with its thresholds
and their reasons. False alarms are worse than silence: paths that share load, lose packets, limit answers or
return another way must raise none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.model.verdict import Certainty, Kind, Verdict
from tracetcp.verdicts import blocked, ended, forged, proxy, rewriting, routers, strays

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetcp.model.evidence import Evidence

MAIN: tuple[Callable[[Evidence], Verdict | None], ...] = (
    forged.judge,
    proxy.judge,
    ended.judge,
    routers.judge_loop,
    blocked.judge,
)
"""The first that has something to say gives the main verdict: what contradicts an answer comes before it."""


def judge(evidence: Evidence) -> tuple[Verdict, ...]:
    """All verdicts on a trace: exactly one main verdict, then the findings on its path."""
    findings = (routers.judge_silent(evidence), routers.judge_limited(evidence), strays.judge(evidence))
    notes = [finding for finding in findings if finding is not None]
    return (judge_main(evidence), *notes, *rewriting.judge(evidence))


def judge_main(evidence: Evidence) -> Verdict:
    """What became of the port: one verdict, also where that is 'nothing conclusive'."""
    for rule in MAIN:
        verdict = rule(evidence)
        if verdict is not None:
            return verdict
    return Verdict(
        kind=Kind.INCONCLUSIVE,
        sentence=f"Inconclusive: the trace of port {evidence.port} does not say how it ended.",
        certainty=Certainty.CERTAIN,
    )
