"""Is a port answered nearer than the destination is? The common ground of forged answers and proxies. Pure.

Distance alone proves nothing: flows of one trace may take branches of different length, and return paths
differ from forward ones. So a claim needs all of this:

1. a control port whose probes ran out at a router at least ``NEARER_HOPS`` - 1 hops past the answer, so that
   the destination is at least ``NEARER_HOPS`` farther (what answered the control itself proves no distance:
   lost answers make a host look farther than it is), and no flow of the control reached the destination on a
   shorter branch;
2. a second sign that does not follow from the first: both ports share the last router before the answer
   (branches do not differ so much so late), or the answers of both ports come from different TCP stacks, or
   came back over paths that differ by ``FARTHER_BACK`` hops. A smaller difference is told but proves nothing
   alone: branches of different length show it too.
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
    """An answer from nearer than ``control`` shows the destination to be, and the second signs."""

    control: TracedPort
    farthest_router: int
    signs: tuple[str, ...]

    @property
    def facts(self) -> tuple[str, ...]:
        """The evidence in sentences."""
        reach = f"Routers as far as hop {self.farthest_router} answer port {self.control.port}."
        return (reach, *self.signs)


def initial_ttl(reply_ttl: int) -> int:
    """The smallest usual initial TTL that an answer with ``reply_ttl`` can have had."""
    return next(ttl for ttl in INITIAL_TTLS if ttl >= reply_ttl)


def return_distance(reply_ttl: int) -> int:
    """How many hops away the sender is if its answer started with the nearest usual TTL."""
    return initial_ttl(reply_ttl) - reply_ttl + 1


def nearer_than_control(evidence: Evidence) -> Nearer | None:
    """The best proof among the controls that the answer came from nearer than the destination."""
    found = [
        Nearer(control, control.last_router or 0, signs)
        for control in farther_controls(evidence)
        if (signs := _signs(evidence, control))
    ]
    return max(found, key=lambda nearer: (len(nearer.signs), nearer.farthest_router), default=None)


def farther_controls(evidence: Evidence) -> Iterator[TracedPort]:
    """The controls that show the destination to be farther than the answer came from."""
    return (control for control in evidence.controls if _is_farther(control, evidence))


def _is_farther(control: TracedPort, evidence: Evidence) -> bool:
    distance = evidence.distance
    if distance is None or control.nearest_answer - distance < NEARER_HOPS:
        return False
    others = [
        ttl
        for ttl, senders in control.routers.items()
        if any(sender != evidence.destination for sender in senders)
    ]
    return max(others, default=0) + 1 - distance >= NEARER_HOPS


def _signs(evidence: Evidence, control: TracedPort) -> tuple[str, ...]:
    """The second signs in sentences, none where there is no proof among them."""
    proofs = tuple(_proofs(evidence, control))
    longer, sentence = _way_back(evidence, control)
    return (*proofs, sentence) if longer >= (NEARER_HOPS if proofs else FARTHER_BACK) else proofs


def _proofs(evidence: Evidence, control: TracedPort) -> Iterator[str]:
    distance = evidence.distance or 0
    if distance == 1:
        yield "It answers in place of the first hop."
    shared = _shared_router(evidence, control, distance)
    if shared is not None:
        yield f"Both ports pass {evidence.place(*shared)}, just before the answer."
    if evidence.answer and control.distance is not None and control.answer:
        yield from _differences(evidence.answer, control.answer, control.port)


def _way_back(evidence: Evidence, control: TracedPort) -> tuple[int, str]:
    """By how many hops the control's answer came a longer way back, and that in a sentence; 0 if unknown."""
    answer, other = evidence.answer, control.answer if control.distance is not None else None
    if answer is None or other is None or answer.reply_ttl is None or other.reply_ttl is None:
        return 0, ""
    back, other_back = return_distance(answer.reply_ttl), return_distance(other.reply_ttl)
    sentence = f"Its TTL {answer.reply_ttl} says {back} hops back, that of port {control.port} {other_back}."
    return other_back - back, sentence


def _shared_router(evidence: Evidence, control: TracedPort, distance: int) -> tuple[int, str] | None:
    """The last router before the answer, with its TTL, if a flow of each port went through it.

    The flow of the port is one that was answered, that of the control one that went on past the answer.
    """
    answered = {
        record.probe.flow for record in evidence.own_records if reply_of(record, *TCP_KINDS) is not None
    }
    beyond = {
        flow
        for ttl, senders in control.routers.items()
        if ttl >= distance
        for sender in senders
        for flow in control.flows_through(ttl, sender)
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
        yield f"Its TTL {ttl} is no system's that sends {other_ttl} for port {port}."
    if answer.kind is other.kind is ReplyKind.SYN_ACK and answer.answer and other.answer:
        if answer.answer.mss != other.answer.mss:
            yield f"Its MSS is {answer.answer.mss}, that of port {port} {other.answer.mss}."
        if option_kinds(answer.answer.options) != option_kinds(other.answer.options):
            yield f"Its TCP options are other ones than those of port {port}."
