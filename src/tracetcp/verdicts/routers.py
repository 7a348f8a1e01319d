"""What the routers on the path do: loop, stay silent, limit their answers. Pure."""

from __future__ import annotations

from collections import Counter
from math import inf
from typing import TYPE_CHECKING

from tracetcp.model import Outcome, ReplyKind
from tracetcp.model.evidence import replies
from tracetcp.model.verdict import Certainty, Kind, Verdict
from tracetcp.verdicts.loss import BY_CHANCE, loss_rate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tracetcp.model import ProbeRecord
    from tracetcp.model.evidence import Evidence

LOOP_ROUNDS = 3
"""Rounds of a loop to be seen: NAT and route changes show an address twice, never a rhythm of three."""
LONGEST_LOOP = 8
"""Routers in a loop; real ones have two or three."""
LIMITED_LOSSES = 3
"""Lost probes that a limit must explain: fewer are any path's loss."""
LIMITED_ANSWERS = 2
"""Answers after a pause that a limit must explain."""
REFILL = 0.9
"""Seconds: Linux routers earn one ICMP error a second (icmp_ratelimit), and clocks differ a little."""
CLEAN_ANSWERS = 9
"""Answers of farther hops without which nothing shows that the path itself loses nothing."""
HONEST_LOSS = 0.05
"""Loss at farther hops above which the path may lose what the router sent."""


def judge_loop(evidence: Evidence) -> Verdict | None:
    """A loop: on one flow the same routers answer in turn, again and again, and nothing is reached."""
    if evidence.outcome is not Outcome.NOT_REACHED:
        return None
    for flow in sorted({record.probe.flow for record in evidence.own_records}):
        path = _flow_path(evidence, flow)
        for period in range(2, LONGEST_LOOP + 1):
            start = _loop_start(path, period)
            if start is not None:
                return _loop(evidence, path, start, period)
    return None


def _flow_path(evidence: Evidence, flow: int) -> Mapping[int, str]:
    records = [record for record in evidence.own_records if record.probe.flow == flow]
    return {record.probe.ttl: reply.sender for record, reply in replies(records, ReplyKind.TIME_EXCEEDED)}


def _loop_start(path: Mapping[int, str], period: int) -> int | None:
    """The nearest TTL from which ``path`` repeats with ``period`` up to its end, if it does so long enough.

    A TTL may stay silent, a place in the rhythm may not; and one address over and over is no loop but a
    router that hides those behind it.
    """
    for start in sorted(path):
        places: dict[int, list[str]] = {}
        for ttl in path:
            if ttl >= start:
                places.setdefault((ttl - start) % period, []).append(path[ttl])
        is_steady = all(len(set(place)) == 1 and len(place) >= LOOP_ROUNDS for place in places.values())
        if is_steady and len(places) == period and len({place[0] for place in places.values()}) > 1:
            return start
    return None


def _loop(evidence: Evidence, path: Mapping[int, str], start: int, period: int) -> Verdict:
    members = _listed(dict.fromkeys(path[ttl] for ttl in sorted(path) if ttl >= start))
    return Verdict(
        kind=Kind.LOOP,
        sentence=f"The path loops from {evidence.place(start, path[start])} on: {members} answer in turn.",
        certainty=Certainty.CERTAIN,
        evidence=(f"The same {period} addresses repeat up to hop {max(path)}.",),
        hop=start,
        address=path[start],
    )


def _listed(words: Iterable[str]) -> str:
    """``words`` as a list in English: ``1, 2 and 3``."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def judge_silent(evidence: Evidence) -> Verdict | None:
    """Routers that answer nothing while later hops answer; none where loss may explain it.

    A router whose limit is used up by others looks the same (measured: Linux, a second trace within 3 s).
    """
    ended = evidence.last_row.ttl if evidence.last_row else evidence.last_router or 0
    answered = sum(evidence.answered[ttl] for ttl in evidence.routers)
    rate = loss_rate(answered, sum(evidence.lost[ttl] for ttl in evidence.routers))
    lost = _lost_before_answers(evidence)
    silent = [
        ttl
        for ttl in sorted(lost)
        if ttl < ended and not evidence.answered[ttl] and rate ** lost[ttl] <= BY_CHANCE
    ]
    if not silent:
        return None
    is_one = len(silent) == 1
    hops = f"Hop{'' if is_one else 's'} {_listed(map(str, silent))} did not answer, but later hops did"
    why = (
        "it is silent, or it limits its answers" if is_one else "they are silent, or they limit their answers"
    )
    return Verdict(
        kind=Kind.SILENT_ROUTER,
        sentence=f"{hops}: {why}.",
        certainty=Certainty.LIKELY,
        evidence=(f"{sum(evidence.lost[ttl] for ttl in silent)} probes got no answer there.",),
        hop=silent[0],
    )


def _lost_before_answers(evidence: Evidence) -> Mapping[int, int]:
    """By TTL: the lost probes that cannot have met a silent destination.

    Where nothing was reached, those are the probes of flows that met a router farther out: other flows may
    have taken a shorter branch to a destination that says nothing.
    """
    if evidence.outcome is not Outcome.NOT_REACHED:
        return evidence.lost
    farthest: dict[int, int] = {}
    for record, _ in replies(evidence.own_records, ReplyKind.TIME_EXCEEDED):
        flow = record.probe.flow
        farthest[flow] = max(farthest.get(flow, 0), record.probe.ttl)
    probes = [record.probe for record in evidence.own_records if not record.replies]
    return Counter(probe.ttl for probe in probes if probe.ttl < farthest.get(probe.flow, 0))


def judge_limited(evidence: Evidence) -> Verdict | None:
    """The nearest router whose answers follow a bucket that fills once a second."""
    return next((v for ttl in evidence.routers if (v := _limited(evidence, ttl)) is not None), None)


def _limited(evidence: Evidence, ttl: int) -> Verdict | None:
    traces = (evidence, *evidence.controls)
    asked = sorted(
        (record for trace in traces for record in trace.records if record.probe.ttl == ttl),
        key=lambda record: record.sent_at,
    )
    if not _is_bucket(asked) or not _is_clean_beyond(evidence, ttl):
        return None
    answered = sum(bool(record.replies) for record in asked)
    return Verdict(
        kind=Kind.LIMITED_ROUTER,
        sentence=f"The router at {evidence.place(ttl)} limits its answers: a star there is not packet loss.",
        certainty=Certainty.LIKELY,
        evidence=(
            f"It answered {answered} of {len(asked)} probes: about one a second from the first loss on.",
        ),
        hop=ttl,
        address=evidence.router(ttl),
    )


def _is_bucket(asked: list[ProbeRecord]) -> bool:
    """Whether every loss came soon after an answer and, from then on, every answer after a pause.

    One answer may come early: what was left in the bucket shortens the first pause.
    """
    losses = early = pauses = 0
    answered_at = -inf
    for record in asked:
        since = record.sent_at - answered_at
        if not record.replies:
            losses += 1
            if since > 1 / REFILL:
                return False
            continue
        if losses and since < REFILL:
            early += 1
        elif losses:
            pauses += 1
        answered_at = record.sent_at
    return losses >= LIMITED_LOSSES and pauses >= LIMITED_ANSWERS and early <= 1


def _is_clean_beyond(evidence: Evidence, ttl: int) -> bool:
    farther = [other for other in evidence.routers if other > ttl]
    answered = sum(evidence.answered[other] for other in farther)
    lost = sum(evidence.lost[other] for other in farther)
    return answered >= CLEAN_ANSWERS and lost <= HONEST_LOSS * (answered + lost)
