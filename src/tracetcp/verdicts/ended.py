"""Open and closed: a TCP answer in the destination's name that nothing contradicts. Pure.

The answer came from hop d. Controls show whether the destination is there. A control is as far away if it was
answered at d and not before, as a router at d - 1 or the same reply TTL proves. It is farther if it was
answered, or passed a router, at d or beyond.

R1. Certain: at hop d one port is accepted and another one refused, and no control is farther. A proxy refuses
    nothing that it does not serve, and a firewall that refuses ports accepts none.
R2. Possible: a control is ``NEARER_HOPS`` farther, or ``FARTHER_BOTH_WAYS`` hops on the way there and as many
    on the way back. Somebody nearer may have answered, though that is not proven (``nearness``).
R3. Likely: everything else.

Certain is no proof against a machine that accepts and refuses everything in the destination's name, such as a
load balancer or a SYN proxy. To TCP it is the destination.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.model import Outcome
from tracetcp.model.verdict import Certainty, Kind, Verdict
from tracetcp.verdicts.loss import BY_CHANCE_CERTAIN, loss_rate
from tracetcp.verdicts.nearness import (
    NEARER_HOPS,
    farther_back,
    farthest_router,
    has_same_reply_ttl,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tracetcp.model import Reply
    from tracetcp.model.evidence import Evidence, TracedPort

FARTHER_BOTH_WAYS = 2
"""A host behind a machine that forwards ports to it, and refuses others itself, is one hop farther."""
NAMES = {Outcome.OPEN: "SYN-ACK", Outcome.CLOSED: "RST"}
OTHER = {Outcome.OPEN: Outcome.CLOSED, Outcome.CLOSED: Outcome.OPEN}
MISSING = {
    Outcome.OPEN: "No other port was refused at that hop, so a proxy could be answering.",
    Outcome.CLOSED: "No other port was open at that hop, so a firewall could be answering.",
}
"""What is missing for certainty."""
DOUBT = {
    Outcome.OPEN: "A proxy on the way may be answering.",
    Outcome.CLOSED: "A firewall on the way may be answering.",
}


def judge(evidence: Evidence) -> Verdict | None:
    """Open or closed at the hop that answered."""
    distance, answer = evidence.distance, evidence.answer
    if distance is None or answer is None:
        return None
    place = evidence.place(distance, answer.sender)
    is_open = evidence.outcome is Outcome.OPEN
    return Verdict(
        kind=Kind.OPEN if is_open else Kind.CLOSED,
        sentence=f"Port {evidence.port} is {'open' if is_open else 'closed'} at {place}.",
        certainty=_certainty(evidence, distance),
        evidence=(_arrival(NAMES[evidence.outcome], answer), *_facts(evidence, distance)),
        hop=distance,
        address=answer.sender,
    )


def _certainty(evidence: Evidence, distance: int) -> Certainty:
    hops = max((_hops_farther(control, distance) for control in evidence.controls), default=0)
    agreeing = any(_is_farther_both_ways(evidence, control, distance) for control in evidence.controls)
    if hops >= NEARER_HOPS or agreeing:  # R2
        return Certainty.POSSIBLE
    others = filter(_is_other(evidence), evidence.controls)
    is_host = any(_is_surely_as_far(evidence, control, distance) for control in others)
    return Certainty.CERTAIN if is_host and not hops else Certainty.LIKELY  # R1, R3


def _is_as_far(control: TracedPort, distance: int) -> bool:
    """Whether ``control`` was answered at ``distance`` and, as far as it was asked, not before."""
    return control.distance == distance == control.nearest_answer


def _is_surely_as_far(evidence: Evidence, control: TracedPort, distance: int) -> bool:
    """The same, and no answer from a nearer hop can have been missed."""
    if not _is_as_far(control, distance):
        return False
    before = distance - 1
    if before == 0 or before in control.routers or has_same_reply_ttl(evidence, control):
        return True
    answered = sum(evidence.answered[ttl] for ttl in evidence.routers)
    rate = loss_rate(answered, sum(evidence.lost[ttl] for ttl in evidence.routers))
    return bool(control.lost[before]) and rate ** control.lost[before] <= BY_CHANCE_CERTAIN


def _hops_farther(control: TracedPort, distance: int) -> int:
    """By how many hops ``control`` shows the destination to be farther than ``distance``."""
    if control.nearest_answer <= distance:
        return 0
    nearest = max(farthest_router(control), _last_ttl_before(control) if control.distance else 0) + 1
    return max(0, nearest - distance)


def _last_ttl_before(control: TracedPort) -> int:
    """The highest TTL at which ``control`` was asked and its own answer did not come yet, 0 for none."""
    ttls = (record.probe.ttl for record in control.own_records)
    return max((ttl for ttl in ttls if ttl < control.nearest_answer), default=0)


def _is_farther_both_ways(evidence: Evidence, control: TracedPort, distance: int) -> bool:
    hops = _hops_farther(control, distance)
    return hops >= FARTHER_BOTH_WAYS and farther_back(evidence, control) == hops


def _facts(evidence: Evidence, distance: int) -> Iterator[str]:
    """What the controls met, the farthest first; then the doubt that is left."""
    farther = [each for each in evidence.controls if _hops_farther(each, distance)]
    as_far = [each for each in evidence.controls if _is_as_far(each, distance)]
    for control in sorted(farther, key=lambda each: -_hops_farther(each, distance)):
        yield _met(control)
    if farther and _certainty(evidence, distance) is Certainty.POSSIBLE:
        yield DOUBT[evidence.outcome]
    if as_far:
        yield _from_the_same_hop(sorted(control.port for control in as_far))
    if evidence.controls and not farther and not any(map(_is_other(evidence), as_far)):
        yield MISSING[evidence.outcome]


def _is_other(evidence: Evidence) -> Callable[[TracedPort], bool]:
    return lambda control: control.outcome is OTHER[evidence.outcome]


def _from_the_same_hop(ports: Sequence[int]) -> str:
    if len(ports) == 1:
        return f"Port {ports[0]} answers from the same hop."
    return f"Ports {' and '.join(map(str, ports))} answer from the same hop."


def _met(control: TracedPort) -> str:
    answer, distance = control.answer, control.distance
    if distance is None or answer is None:
        return f"Port {control.port} passes hop {farthest_router(control)}."
    where = f"hop {distance}" if _last_ttl_before(control) == distance - 1 else f"hop {distance} or nearer"
    ttl = "" if answer.reply_ttl is None else f" with TTL {answer.reply_ttl}"
    return f"Port {control.port} answers from {where}{ttl}."


def _arrival(name: str, answer: Reply) -> str:
    if answer.reply_ttl is None:
        return f"A {name} came from {answer.sender}."
    return f"A {name} came from {answer.sender} with TTL {answer.reply_ttl}."
