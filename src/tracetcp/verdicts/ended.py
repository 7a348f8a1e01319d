"""Open and closed: a TCP answer in the destination's name that nothing speaks against. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.model import Outcome
from tracetcp.model.verdict import Certainty, Kind, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetcp.model import Reply
    from tracetcp.model.evidence import Evidence

SAME_DISTANCE = 2
"""Hops by which two flows to one host may differ: unequal branches of load balancing are rarely longer."""
NAMES = {Outcome.OPEN: "SYN-ACK", Outcome.CLOSED: "RST"}


def judge(evidence: Evidence) -> Verdict | None:
    """Open or closed at the hop that answered; certain where another port is answered just as far away."""
    distance, answer = evidence.distance, evidence.answer
    if distance is None or answer is None:
        return None
    place = evidence.place(distance, answer.sender)
    is_open = evidence.outcome is Outcome.OPEN
    sentence = (
        f"Port {evidence.port} is open at {place}."
        if is_open
        else (f"Port {evidence.port} is closed: refused at {place}.")
    )
    control = min(_answered(evidence), key=lambda control: control[0], default=None)
    facts = [_arrival(NAMES[evidence.outcome], answer)]
    if control is not None:
        apart, port, at = control
        facts.append(f"Port {port} is answered {f'at hop {at}' if apart else 'as far away'}.")
    return Verdict(
        kind=Kind.OPEN if is_open else Kind.CLOSED,
        sentence=sentence,
        certainty=Certainty.CERTAIN if control and not control[0] else Certainty.LIKELY,
        evidence=tuple(facts),
        hop=distance,
        address=answer.sender,
    )


def _answered(evidence: Evidence) -> Iterator[tuple[int, int, int]]:
    """Hops apart, port and distance of each control answered about as far away.

    One answered at the first TTL it was asked at may have been answered before.
    """
    for control in evidence.controls:
        if control.distance is None or (control.last_router is None and control.distance > 1):
            continue
        apart = abs(control.distance - (evidence.distance or 0))
        if apart <= SAME_DISTANCE:
            yield apart, control.port, control.distance


def _arrival(name: str, answer: Reply) -> str:
    if answer.reply_ttl is None:
        return f"A {name} came from {answer.sender}."
    return f"A {name} came from {answer.sender} with TTL {answer.reply_ttl}."
