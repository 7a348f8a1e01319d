"""A verdict: a conclusion in one sentence, what it rests on, and how sure it is.

Also its lines of text; its JSON object stands in ``formatters.json``. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Kind(Enum):
    """What is concluded; the values are the words of the JSON output."""

    OPEN = "open"
    CLOSED = "closed"
    PROXY = "proxy"
    FORGED = "forged"
    BLOCKED = "blocked"
    REJECTED = "rejected"
    UNREACHABLE = "unreachable"
    LOOP = "loop"
    PATH_GOES_ON = "path-goes-on"
    NO_ANSWER = "no-answer"
    INCONCLUSIVE = "inconclusive"
    SILENT_ROUTER = "silent-router"
    LIMITED_ROUTER = "limited-router"
    NAT = "nat"
    MSS_REWRITTEN = "mss-rewritten"
    OPTIONS_STRIPPED = "options-stripped"
    OPTIONS_REWRITTEN = "options-rewritten"
    DSCP_REWRITTEN = "dscp-rewritten"
    ECN_REWRITTEN = "ecn-rewritten"


class Certainty(Enum):
    """How sure a verdict is."""

    CERTAIN = "certain"
    LIKELY = "likely"
    POSSIBLE = "possible"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One conclusion. ``hop`` and ``address`` say where, None where that is no single place."""

    kind: Kind
    sentence: str
    certainty: Certainty
    evidence: tuple[str, ...] = ()
    hop: int | None = None
    address: str | None = None


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
