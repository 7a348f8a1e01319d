"""A verdict: a conclusion in one sentence, what it rests on, and how sure it is.

Also its lines of text; its JSON object stands in ``formatters.json``. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


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
    STRAY_QUOTE = "stray-quote"
    NAT = "nat"
    MSS_REWRITTEN = "mss-rewritten"
    OPTIONS_STRIPPED = "options-stripped"
    OPTIONS_REWRITTEN = "options-rewritten"
    DSCP_REWRITTEN = "dscp-rewritten"
    ECN_REWRITTEN = "ecn-rewritten"
    MTU_HOLE = "mtu-hole"
    MTU_HOLE_BACK = "mtu-hole-back"
    MTU_TOLD = "mtu-told"
    MTU_WHOLE = "mtu-whole"
    MTU_UNKNOWN = "mtu-unknown"
    MSS_LIMITED = "mss-limited"
    WORD_DROPPED = "word-dropped"
    WORD_RESET = "word-reset"
    WORD_ANSWERED = "word-answered"
    ANY_WORD = "any-word"
    REFUSED_BY_HOST = "refused-by-host"
    WORD_PASSES = "word-passes"
    WORD_UNKNOWN = "word-unknown"
    RESIDUAL = "residual"
    FORGOTTEN = "forgotten"
    RESET_AFTER_IDLE = "reset-after-idle"
    CLOSED_BY_HOST = "closed-by-host"
    REMEMBERED = "remembered"
    IDLE_UNKNOWN = "idle-unknown"
    DEAD_BRANCH = "dead-branch"
    REJECTING_BRANCH = "rejecting-branch"
    BRANCHES = "branches"
    NO_BRANCH = "no-branch"
    PER_PACKET = "per-packet"
    ADDRESSES_ALIKE = "addresses-alike"
    ADDRESSES_DIFFER = "addresses-differ"


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
