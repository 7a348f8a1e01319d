"""Is a port answered nearer than the destination is? The common ground of forged answers and proxies. Pure.

Distance alone proves nothing: flows of one trace may take branches of different length, and return paths
differ from forward ones. A claim needs a sign of distance and a second sign that does not follow from it.

R1. The control passed a router ``NEARER_HOPS`` - 1 hops beyond the answer or more, so the destination is at
    least ``NEARER_HOPS`` farther, and no flow of the control reached it on a shorter branch. (What answered
    the control proves no distance by itself: lost answers make a host look farther than it is.)
R2. Or the control was answered ``NEARER_HOPS`` hops farther or more, and its reply TTL says that this answer
    came back over exactly as many hops more: the distances agree both ways, so no answer was lost.
R3. The second sign of R1: both ports pass the same router just before the answer (branches do not differ so
    much so late); or the answers of both ports come from different TCP stacks; or they came back over paths
    that differ by ``FARTHER_BACK`` hops. A smaller difference is told but proves nothing alone: branches of
    different length show it too.
R4. The second sign of R2 is the same router just before the answer, and nothing else: the branches of a path
    differ in all the rest, both ways.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracetcp.model import ReplyKind
from tracetcp.model.evidence import TCP_KINDS, reply_of
from tracetcp.model.tcp_options import option_kinds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetcp.model import Reply
    from tracetcp.model.evidence import Evidence, TracedPort

NEARER_HOPS = 3
"""Branches of load balancing differ by one hop or two; three and more are next to unknown."""
FARTHER_BACK = 5
"""No branches differ so much, one way and back."""
SHARED_WITHIN = 2
"""How far before the answer the shared router may be: one silent hop between is common."""
INITIAL_TTLS = (64, 128, 255)
"""With what TTL systems send: Linux, BSD and macOS; Windows; routers and Solaris."""


class Nearer(NamedTuple):
    """An answer from nearer than ``control`` shows the destination to be: how far that is, and the signs."""

    control: TracedPort
    farthest: int
    facts: tuple[str, ...]


def initial_ttl(reply_ttl: int) -> int:
    """The smallest usual initial TTL that an answer with ``reply_ttl`` can have had."""
    return next(ttl for ttl in INITIAL_TTLS if ttl >= reply_ttl)


def return_distance(reply_ttl: int) -> int:
    """How many hops away the sender is if its answer started with the nearest usual TTL."""
    return initial_ttl(reply_ttl) - reply_ttl + 1


def nearer_than_control(evidence: Evidence) -> Nearer | None:
    """The best proof among the controls that the answer came from nearer than the destination."""
    found = [
        nearer
        for control in evidence.controls
        if (nearer := _by_routers(evidence, control) or _by_answers(evidence, control)) is not None
    ]
    return max(found, key=lambda nearer: (len(nearer.facts), nearer.farthest), default=None)


def farthest_router(control: TracedPort, destination: str = "") -> int:
    """The highest TTL at which a router, not ``destination`` itself, answered ``control``; 0 for none."""
    ttls = (ttl for ttl, senders in control.routers.items() if any(each != destination for each in senders))
    return max(ttls, default=0)


def farther_controls(evidence: Evidence) -> Iterator[TracedPort]:
    """The controls that were answered from so much farther that their reply TTLs may be a sign (R1, R2)."""
    distance = evidence.distance
    if distance is None:
        return
    for control in evidence.controls:
        if control.distance is not None and control.nearest_answer - distance >= NEARER_HOPS:
            yield control


def _by_routers(evidence: Evidence, control: TracedPort) -> Nearer | None:
    distance = evidence.distance
    if distance is None or control.nearest_answer - distance < NEARER_HOPS:  # R1
        return None
    farthest = farthest_router(control, evidence.destination)
    signs = _signs(evidence, control) if farthest + 1 - distance >= NEARER_HOPS else ()  # R1
    if not signs:
        return None
    fact = f"Port {control.port} passes routers as far as hop {farthest}."
    return Nearer(control, farthest, (fact, *signs))


def _by_answers(evidence: Evidence, control: TracedPort) -> Nearer | None:
    distance, answered_at, answer = evidence.distance, control.distance, control.answer
    if distance is None or answered_at is None or answer is None or control.nearest_answer != answered_at:
        return None
    hops = answered_at - distance
    if hops < NEARER_HOPS or farther_back(evidence, control) != hops:  # R2
        return None
    is_destination_nearer = any(
        ttl >= distance and evidence.destination in senders for ttl, senders in control.routers.items()
    )
    sign = _shared_sign(evidence, control, distance)  # R4
    if is_destination_nearer or sign is None:
        return None
    fact = (
        f"Port {control.port} answers from hop {answered_at} with TTL {answer.reply_ttl}: {hops} hops "
        "farther out, and as many more on the way back."
    )
    return Nearer(control, answered_at, (fact, sign))


def farther_back(evidence: Evidence, control: TracedPort) -> int | None:
    """By how many hops the control's answer came a longer way back; None if that is not known.

    Two stacks that start with different TTLs are not compared: their distances may be guessed wrongly.
    """
    ttl, other = _reply_ttls(evidence, control)
    if ttl is None or other is None or initial_ttl(ttl) != initial_ttl(other):
        return None
    return ttl - other


def has_same_reply_ttl(evidence: Evidence, control: TracedPort) -> bool:
    """Whether the control's answer came with the TTL of the answer in doubt: so it came as long a way."""
    ttl, other = _reply_ttls(evidence, control)
    return ttl is not None and ttl == other


def _reply_ttls(evidence: Evidence, control: TracedPort) -> tuple[int | None, int | None]:
    answer, other = evidence.answer, control.answer if control.distance is not None else None
    return answer.reply_ttl if answer else None, other.reply_ttl if other else None


def _signs(evidence: Evidence, control: TracedPort) -> tuple[str, ...]:
    """The second signs in sentences, none where there is no proof among them."""
    proofs = tuple(_proofs(evidence, control))
    longer, sentence = _way_back(evidence, control)
    return (*proofs, sentence) if longer >= (NEARER_HOPS if proofs else FARTHER_BACK) else proofs  # R3


def _proofs(evidence: Evidence, control: TracedPort) -> Iterator[str]:
    sign = _shared_sign(evidence, control, evidence.distance or 0)
    if sign is not None:
        yield sign
    if evidence.answer and control.distance is not None and control.answer:
        yield from _differences(evidence.answer, control.answer, control.port)


def _way_back(evidence: Evidence, control: TracedPort) -> tuple[int, str]:
    """By how many hops the control's answer came a longer way back, and that in a sentence; 0 if unknown."""
    ttl, other = _reply_ttls(evidence, control)
    if ttl is None or other is None:
        return 0, ""
    back, other_back = return_distance(ttl), return_distance(other)
    sentence = f"Its TTL {ttl} means {back} hops back; TTL {other} of port {control.port} means {other_back}."
    return other_back - back, sentence


def _shared_sign(evidence: Evidence, control: TracedPort, distance: int) -> str | None:
    """That both ports go the same way up to the answer, in a sentence; None where that is not known."""
    if distance == 1:
        return "The answer came in place of the first hop."
    shared = _shared_router(evidence, control, distance)
    return f"Both ports pass {evidence.place(*shared)} just before the answer." if shared else None


def _shared_router(evidence: Evidence, control: TracedPort, distance: int) -> tuple[int, str] | None:
    """The last router before the answer, with its TTL, if a flow of each port went through it.

    The flow of the port is one that was answered, that of the control one that went on past the answer.
    """
    answered = {
        record.probe.flow for record in evidence.own_records if reply_of(record, *TCP_KINDS) is not None
    }
    beyond = {
        record.probe.flow
        for record in control.own_records
        if record.replies
        and record.probe.ttl >= distance
        and (record.probe.ttl > distance or reply_of(record, *TCP_KINDS) is None)
    }
    for ttl in range(distance - 1, max(0, distance - 1 - SHARED_WITHIN), -1):
        for address in evidence.routers.get(ttl, ()):
            here = evidence.flows_through(ttl, address) & answered
            if here and control.flows_through(ttl, address) & beyond:
                return ttl, address
    return None


def _differences(answer: Reply, other: Reply, port: int) -> Iterator[str]:
    """How the machine that answered differs from the one that answered the control.

    The window is left out, since applications set it. Initial TTL, MSS and options are compared between
    answers of one kind only, since many systems send a RST otherwise than a SYN-ACK.
    """
    ttl, other_ttl = answer.reply_ttl, other.reply_ttl
    if answer.kind is other.kind and ttl and other_ttl and initial_ttl(ttl) != initial_ttl(other_ttl):
        yield f"Its TTL {ttl} and TTL {other_ttl} of port {port} are from different systems."
    if answer.kind is other.kind is ReplyKind.SYN_ACK and answer.answer and other.answer:
        if answer.answer.mss != other.answer.mss:
            yield f"Its MSS is {answer.answer.mss}; that of port {port} is {other.answer.mss}."
        if option_kinds(answer.answer.options) != option_kinds(other.answer.options):
            yield f"Its TCP options differ from those of port {port}."
