"""One conclusion on all addresses of a host: over which of them a port works. Pure.

Rests on the main verdict of each trace, and is as sure as the least sure of them.

R1. Addresses of one family that met the same are told together, by the name of the family.
R2. Others are told one by one.
R3. An address that could not be traced says nothing of the port.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.model.verdict import Certainty, Kind, Verdict
from tracetcp.verdicts.blocked import passing_controls, where

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracetcp.model.evidence import Evidence

MET = {
    Kind.OPEN: "is open",
    Kind.CLOSED: "is closed",
    Kind.PROXY: "is answered by a proxy at {place}",
    Kind.FORGED: "gets a forged answer",
    Kind.REJECTED: "is rejected by {place}",
    Kind.UNREACHABLE: "is unreachable from {place}",
    Kind.LOOP: "runs into a loop at {place}",
    Kind.PATH_GOES_ON: "passes {place}",
    Kind.NO_ANSWER: "is silent after {place}",
}
SILENT = "does not answer"
LEAST_FIRST = (Certainty.POSSIBLE, Certainty.LIKELY, Certainty.CERTAIN)


def conclude(judged: Sequence[tuple[Evidence, Verdict]], failed: Mapping[str, str]) -> Verdict:
    """The conclusion on one port, whose trace to each address was ``judged`` with a main verdict.

    ``failed`` has the addresses that could not be traced, each with the reason.
    """
    met = {evidence.destination: _met(evidence, verdict) for evidence, verdict in judged}
    met |= dict.fromkeys(failed, "could not be traced")
    clauses = [clause for family in (6, 4) for clause in _clauses(family, met)]
    only = "; the host has no other address" if len(met) == 1 else ""
    kinds = {verdict.kind for _, verdict in judged}
    is_alike = len(kinds) == 1 and not failed
    port = judged[0][0].port
    return Verdict(
        kind=Kind.ADDRESSES_ALIKE if is_alike else Kind.ADDRESSES_DIFFER,
        sentence=f"Port {port}: {', '.join(clauses)}{only}.",
        certainty=min((verdict.certainty for _, verdict in judged), key=LEAST_FIRST.index),
        evidence=(
            *(f"{evidence.destination}: {verdict.sentence}" for evidence, verdict in judged),
            *(f"{address}: {reason}." for address, reason in failed.items()),  # R3
        ),
    )


def _clauses(family: int, met: Mapping[str, str]) -> list[str]:
    own = {address: words for address, words in met.items() if (":" in address) == (family == 6)}
    if len(set(own.values())) == 1:  # R1
        return [f"IPv{family} {next(iter(own.values()))}"]
    return [f"{address} {words}" for address, words in own.items()]  # R2


def _met(evidence: Evidence, verdict: Verdict) -> str:
    passing = passing_controls(evidence)
    if verdict.kind is Kind.BLOCKED and passing is not None:
        return f"is blocked {where(evidence, passing)}"
    if verdict.hop is None:
        return SILENT
    return MET.get(verdict.kind, SILENT).format(place=evidence.place(verdict.hop, verdict.address))
