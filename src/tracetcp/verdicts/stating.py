"""Builds the verdicts of the tests over connections, and adds facts to them. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tracetcp.model.verdict import Certainty, Verdict

if TYPE_CHECKING:
    from tracetcp.model.verdict import Kind


def stated(
    kind: Kind,
    sentence: str,
    *facts: str,
    hop: int | None = None,
    address: str | None = None,
    certainty: Certainty = Certainty.CERTAIN,
) -> Verdict:
    """The verdict ``kind`` in the words ``sentence``; its evidence are the ``facts`` that are not empty."""
    return Verdict(
        kind=kind,
        sentence=sentence,
        certainty=certainty,
        evidence=tuple(fact for fact in facts if fact),
        hop=hop,
        address=address,
    )


def with_facts(verdict: Verdict, *facts: str) -> Verdict:
    """``verdict`` with ``facts`` behind its evidence."""
    return replace(verdict, evidence=(*verdict.evidence, *facts))
