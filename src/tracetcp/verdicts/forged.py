"""Forged answers: a TCP answer in the destination's name from somebody nearer. Pure.

The signs, strongest first:

R1. A probe got both a router's Time Exceeded and a TCP answer. It expired on the way, so the destination
    never saw it. ``EXPIRED_PROBES`` such probes are needed, since a network that doubles packets can do it
    once.
R2. A probe was answered, and probes of the same flow with higher TTLs expired at routers farther on. What
    answered lets packets pass, so it is not their end.
R3. A probe got two answers over return paths of clearly different length: two machines answered. If both are
    of one kind, ``DOUBLED_PROBES`` such probes are needed: a host that repeats itself may do so over a path
    that changed.
R4. A port is refused nearer than a control shows the destination to be (``nearness``).

R5. The device is at the nearest TTL at which its answer was seen: an answer of the same kind that arrives
    with the same TTL as one that is proven forged. Of two machines that answered one probe it is the one
    that answered a nearer TTL alone.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, TypeAlias

from tracetcp.model import Outcome, ProbeRecord, ReplyKind
from tracetcp.model.evidence import TCP_KINDS, Evidence, replies, reply_of
from tracetcp.model.verdict import Certainty, Kind, Verdict
from tracetcp.verdicts.nearness import NEARER_HOPS, nearer_than_control, return_distance

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tracetcp.model import Reply

    Answer: TypeAlias = tuple[int, ReplyKind, int | None]
    """The TTL of the probe; the kind of its answer, and the TTL with which that arrived."""

EXPIRED_PROBES = 2
"""Probes answered after they expired: one may be a packet doubled on the way."""
FARTHER_ROUTERS = 2
"""TTLs at which routers answered beyond: one may be a route that changed just then."""
DOUBLED_PROBES = 2
_NAME = {ReplyKind.SYN_ACK: "a SYN-ACK", ReplyKind.RST: "a RST"}


def judge(evidence: Evidence) -> Verdict | None:
    """The strongest sign that an answer was forged."""
    return (
        _answered_after_expiry(evidence)  # R1
        or _routers_beyond(evidence)  # R2
        or _two_machines(evidence)  # R3
        or _refused_nearer(evidence)  # R4
    )


def _answered_after_expiry(evidence: Evidence) -> Verdict | None:
    dead = [record for record in evidence.own_records if _died_on_the_way(record, evidence.destination)]
    answered = [record for record in dead if reply_of(record, *TCP_KINDS)]
    if len(answered) < EXPIRED_PROBES:
        return None
    fact = (
        f"{len(answered)} probes expired at a router and yet were answered in the name of the destination, "
        "which they never reached."
    )
    return _verdict(evidence, _answers(answered), Certainty.CERTAIN, fact)


def _routers_beyond(evidence: Evidence) -> Verdict | None:
    for answered in evidence.own_records:
        if not reply_of(answered, *TCP_KINDS):
            continue
        beyond = {
            record.probe.ttl
            for record in evidence.own_records
            if record.probe.flow == answered.probe.flow
            and record.probe.ttl >= answered.probe.ttl + NEARER_HOPS
            and _died_on_the_way(record, evidence.destination)
        }
        if len(beyond) >= FARTHER_ROUTERS:
            fact = f"Probes of the same flow with higher TTLs went on to {evidence.place(max(beyond))}."
            return _verdict(evidence, _answers([answered]), Certainty.LIKELY, fact)
    return None


def _two_machines(evidence: Evidence) -> Verdict | None:
    doubled = []
    for record in evidence.own_records:
        answers = [reply for _, reply in replies([record], *TCP_KINDS) if reply.reply_ttl is not None]
        apart = [pair for pair in combinations(answers, 2) if _are_apart(*pair)]
        if apart:
            doubled.append(record)
        for one, other in apart:
            if one.kind is not other.kind or len(doubled) >= DOUBLED_PROBES:
                fact = (
                    f"One probe got {_NAME[one.kind]} with TTL {one.reply_ttl} and {_NAME[other.kind]} "
                    f"with TTL {other.reply_ttl}: two machines answered."
                )
                return _verdict(evidence, _answers([record]), Certainty.LIKELY, fact)
    return None


def _are_apart(one: Reply, other: Reply) -> bool:
    return abs(_distance_back(one) - _distance_back(other)) >= NEARER_HOPS


def _distance_back(reply: Reply) -> int:
    return return_distance(reply.reply_ttl or 0)


def _refused_nearer(evidence: Evidence) -> Verdict | None:
    if evidence.outcome is not Outcome.CLOSED or evidence.distance is None:
        return None
    nearer = nearer_than_control(evidence)
    if nearer is None:
        return None
    return Verdict(
        kind=Kind.FORGED,
        sentence=_sentence("a RST", evidence, evidence.distance),
        certainty=Certainty.LIKELY,
        evidence=nearer.facts,
        hop=evidence.distance,
    )


def _died_on_the_way(record: ProbeRecord, destination: str) -> bool:
    """Whether a router other than the destination said so."""
    expired = reply_of(record, ReplyKind.TIME_EXCEEDED)
    return expired is not None and expired.sender != destination


def _answers(records: Iterable[ProbeRecord]) -> list[Answer]:
    """The TCP answers to ``records``."""
    return [(record.probe.ttl, reply.kind, reply.reply_ttl) for record, reply in replies(records, *TCP_KINDS)]


def _verdict(evidence: Evidence, proven: Sequence[Answer], certainty: Certainty, fact: str) -> Verdict:
    marks = {(kind, reply_ttl) for _, kind, reply_ttl in proven if reply_ttl is not None}
    alike = [answer for answer in _answers(evidence.own_records) if answer[1:] in marks]
    hop = min(ttl for ttl, _, _ in (*proven, *alike))  # R5
    kinds = {kind for ttl, kind, _ in (*proven, *alike) if ttl == hop}
    return Verdict(
        kind=Kind.FORGED,
        sentence=_sentence(" or ".join(_NAME[kind] for kind in TCP_KINDS if kind in kinds), evidence, hop),
        certainty=certainty,
        evidence=(fact,),
        hop=hop,
    )


def _sentence(name: str, evidence: Evidence, hop: int) -> str:
    """Who rejects what it forwards answers the TTL after its own, so the hop before is as suspect."""
    where = f"after {evidence.place(hop - 1)}" if evidence.router(hop - 1) else f"at hop {hop}"
    return (
        f"The answer from port {evidence.port} is forged: a device {where} sends {name} in the name of "
        f"{evidence.destination}."
    )
