"""Many ports at a glance: which of them met the same, and where the paths of two ports part. Pure.

Rests on the verdicts of single traces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracetcp.model.icmp_words import icmp_words
from tracetcp.model.verdict import Kind, Verdict
from tracetcp.verdicts.blocked import passing_controls, where

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tracetcp.model.evidence import Evidence


def render_verdicts(verdicts: Sequence[Verdict], prefix: str = "") -> str:
    """The lines for ``verdicts`` as ``judge`` orders them: the main one with its evidence, then a line each.

    ``prefix`` starts every line; empty text where there is no verdict.
    """
    lines = []
    for number, verdict in enumerate(verdicts):
        lead = "Note" if number else "Verdict"
        lines.append(f"{lead}: {verdict.sentence} [{verdict.certainty.value}]")
        if not number and verdict.evidence:
            lines.append(f"Evidence: {' '.join(verdict.evidence)}")
    return "".join(f"{prefix}{line}\n" for line in lines)


def render_tests(verdicts: Sequence[Verdict], prefix: str = "") -> str:
    """The lines for the verdicts on a connection, each with its evidence; ``prefix`` starts every line."""
    lines = []
    for verdict in verdicts:
        lead = "Note" if verdict.kind in NOTES else "Verdict"
        lines.append(f"{lead}: {verdict.sentence} [{verdict.certainty.value}]")
        if verdict.evidence:
            lines.append(f"Evidence: {' '.join(verdict.evidence)}")
    return "".join(f"{prefix}{line}\n" for line in lines)


def render_conclusions(verdicts: Sequence[Verdict], prefix: str = "") -> str:
    """The lines for the conclusions on all addresses of a host; ``prefix`` starts every line."""
    return "".join(
        f"{prefix}Conclusion: {verdict.sentence} [{verdict.certainty.value}]\n" for verdict in verdicts
    )


SILENT = "*"
NOTES = (Kind.MSS_LIMITED, Kind.RESIDUAL)
"""What a test over connections found beside its verdicts."""
MET = {
    Kind.OPEN: "open at {place}",
    Kind.CLOSED: "closed at {place}",
    Kind.PROXY: "proxy at {place}",
    Kind.FORGED: "forged answer at {place}",
    Kind.REJECTED: "rejected by {place}: {words}",
    Kind.UNREACHABLE: "unreachable from {place}: {words}",
    Kind.LOOP: "loops from {place} on",
    Kind.PATH_GOES_ON: "passes {place}",
    Kind.NO_ANSWER: "no answer after {place}",
    Kind.INCONCLUSIVE: "no answer",
}
"""What a group met, by the main verdict of its ports; ``blocked`` has its own words for where."""


class Group(NamedTuple):
    """Ports (ascending) that met the same; ``kind``, ``hop`` and ``address`` as in their verdict."""

    ports: tuple[int, ...]
    met: str
    kind: Kind
    hop: int | None
    address: str | None


def summarise(judged: Iterable[tuple[Evidence, Verdict]]) -> tuple[Group, ...]:
    """The ports, each with its main verdict, grouped by what they met, in order of their lowest."""
    groups: dict[tuple[str, Kind, int | None, str | None], list[int]] = {}
    for evidence, verdict in judged:
        key = (_met(evidence, verdict), verdict.kind, verdict.hop, verdict.address)
        groups.setdefault(key, []).append(evidence.port)
    found = (Group(tuple(sorted(set(ports))), *key) for key, ports in groups.items())
    return tuple(sorted(found, key=lambda group: group.ports))


def _met(evidence: Evidence, verdict: Verdict) -> str:
    passing = passing_controls(evidence)
    if verdict.kind is Kind.BLOCKED and passing is not None:
        return f"dropped {where(evidence, passing)}"
    if verdict.hop is None:
        return MET[Kind.INCONCLUSIVE]
    answer = evidence.answer
    words = icmp_words(answer.icmp_type, answer.icmp_code) if answer else ""
    place = evidence.place(verdict.hop, verdict.address)
    return MET[verdict.kind].format(place=place, words=words)


def port_list(ports: Iterable[int]) -> str:
    """``ports`` (ascending) in words: ``130-134,136,140``."""
    runs: list[list[int]] = []
    for port in ports:
        if runs and port == runs[-1][1] + 1:
            runs[-1][1] = port
        else:
            runs.append([port, port])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)


def render_matrix(groups: Sequence[Group], prefix: str = "") -> str:
    """The table of ``groups``; ``prefix`` starts every line."""
    rows = [("PORTS", "MET"), *((port_list(group.ports), group.met) for group in groups)]
    return _table(rows, prefix)


def compare(evidences: Sequence[Evidence], prefix: str = "") -> str:
    """The paths side by side, hop by hop, and the hop where they part; ``prefix`` starts every line."""
    ttls = sorted({hop.ttl for evidence in evidences for hop in evidence.hops})
    rows = [("HOP", *(f"PORT {evidence.port}" for evidence in evidences))]
    rows += [(str(ttl), *(_cell(evidence, ttl) for evidence in evidences)) for ttl in ttls]
    return _table(rows, prefix) + f"{prefix}{_parting_sentence(evidences, ttls)}\n"


def parting(evidences: Sequence[Evidence], ttls: Iterable[int]) -> int | None:
    """The nearest of ``ttls`` (ascending) where two paths are known to differ.

    A silent hop differs from nothing, unless everything beyond it is silent as well. Paths with a common
    router at a hop do not differ there, since load is shared between several.
    """
    for ttl in ttls:
        known = [met for evidence in evidences if (met := _met_at(evidence, ttl))]
        if any(not met & other for met in known for other in known):
            return ttl
    return None


def _met_at(evidence: Evidence, ttl: int) -> frozenset[str]:
    """What stands at ``ttl``; empty where that is not known."""
    end = evidence.last_row
    if end is not None and ttl >= end.ttl:
        return frozenset({evidence.outcome.value}) if ttl == end.ttl else frozenset()
    if ttl > max(evidence.answered, default=0):
        return frozenset({SILENT}) if evidence.lost[ttl] else frozenset()
    return frozenset(evidence.routers.get(ttl, ()))


def _cell(evidence: Evidence, ttl: int) -> str:
    end = evidence.last_row
    if end is not None and ttl >= end.ttl:
        return evidence.outcome.value if ttl == end.ttl else ""
    senders = evidence.routers.get(ttl)
    if senders:
        return " ".join(senders)
    return SILENT if any(hop.ttl == ttl for hop in evidence.hops) else ""


def _parting_sentence(evidences: Sequence[Evidence], ttls: Sequence[int]) -> str:
    ttl = parting(evidences, ttls)
    if ttl is None:
        return "The paths do not part."
    if all(ttl in evidence.routers for evidence in evidences):
        return f"The paths part at hop {ttl}, perhaps only where routers share load."
    return f"The paths part at hop {ttl}."


def _table(rows: Sequence[Sequence[str]], prefix: str) -> str:
    """Rows in columns two blanks apart; nothing trails the last cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "".join(f"{prefix}{line}\n" for line in lines)
