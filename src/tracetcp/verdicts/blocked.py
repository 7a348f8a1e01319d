"""Ports that got no TCP answer: blocked, rejected, silent, or simply farther away than was asked. Pure.

Silence alone never makes a block: the destination may be down or drop what it does not serve. A block needs
both of these:

R1. A control was answered at TTLs where this port was not, ``ENOUGH_ANSWERED`` times at least and more often
    than chance allows. Where the destination answered it, that counts for all higher TTLs, too: they reach
    the destination as well.
R2. The silence is not explained by a branch of another length with a silent destination at its end: this
    port met nobody at all; or the destination answered the control; or the control went on ``NEARER_HOPS``
    farther; or the control went on to the last TTL it was asked at through the very router after which this
    port fell silent. (A router that hands packets for an address to another router on one flow is seldom the
    last one on another flow.)
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from tracetcp.model import Outcome, ReplyKind
from tracetcp.model.icmp_words import ICMP_UNREACHABLE, ICMPV6_UNREACHABLE, icmp_words
from tracetcp.model.verdict import Certainty, Kind, Verdict
from tracetcp.verdicts.loss import BY_CHANCE, BY_CHANCE_CERTAIN, loss_rate
from tracetcp.verdicts.nearness import NEARER_HOPS

if TYPE_CHECKING:
    from tracetcp.model.evidence import Evidence, TracedPort

PROHIBITIONS = {
    *((ICMP_UNREACHABLE, code) for code in (2, 3, 9, 10, 13)),
    *((ICMPV6_UNREACHABLE, code) for code in (1, 4, 5, 6)),
}
"""Codes that firewalls send to reject; a SYN draws 'port unreachable' from nothing else."""
ENOUGH_LOST = 3
"""Unanswered probes below which nothing is said, whatever the odds."""
ENOUGH_ANSWERED = 2
"""Answered probes of controls below which nothing is said: one may have met another branch's router."""
ENOUGH_FLOWS = 3
"""Flows that must have met silence for certainty: each may be sent another way by load balancing."""


class Passing(NamedTuple):
    """Where controls were answered past the last hop of the port, and how likely its silence is chance.

    ``lost`` counts the port's probes there, on ``flows`` flows; ``answered`` those of ``controls``.
    """

    ttls: tuple[int, ...]
    lost: int
    flows: int
    chance: float
    controls: tuple[TracedPort, ...]
    answered: int


def judge(evidence: Evidence) -> Verdict | None:
    """What became of a port without a TCP answer; None for one that has it."""
    if evidence.outcome is Outcome.UNREACHABLE:
        return _rejected(evidence)
    if evidence.outcome is not Outcome.NOT_REACHED:
        return None
    if evidence.last_router == evidence.last_ttl:
        return _goes_on(evidence)
    passing = passing_controls(evidence)
    if passing is not None and _is_block(evidence, passing):
        return _blocked(evidence, passing)
    return _unanswered(evidence)


def passing_controls(evidence: Evidence) -> Passing | None:
    """The controls that were answered at TTLs past the last answer where this port was asked in vain.

    Routers must have answered them as far out as this port: else a proxy for the control may be nearer.
    """
    last = evidence.last_router or 0
    farther = {ttl for ttl in evidence.lost if ttl > last}
    senders_beyond = _senders_beyond(evidence, last)
    passed = {control.port: _passed(control, senders_beyond) for control in evidence.controls}
    controls = tuple(
        control
        for control in evidence.controls
        if (control.last_router or 0) >= last and farther & passed[control.port].keys()
    )
    ttls = tuple(sorted(farther & {ttl for control in controls for ttl in passed[control.port]}))
    if not ttls:
        return None
    placed = max((control.distance for control in controls if control.distance), default=None)
    beyond = {ttl for ttl in farther if placed is not None and ttl > placed and ttl not in ttls}  # R1
    chance = 1.0
    for ttl in (*ttls, *beyond):
        at = placed if placed is not None and ttl in beyond else ttl
        answered = sum(passed[control.port][at] for control in controls)
        lost = sum(control.lost[at] for control in controls)
        chance *= loss_rate(answered, lost) ** evidence.lost[ttl]
    asked = {*ttls, *beyond}
    flows = {record.probe.flow for record in evidence.own_records if record.probe.ttl in asked}
    answered = sum(passed[control.port][ttl] for control in controls for ttl in ttls)
    return Passing(ttls, sum(evidence.lost[ttl] for ttl in asked), len(flows), chance, controls, answered)


def _senders_beyond(evidence: Evidence, last: int) -> set[str]:
    """The destination, and the routers that any port met beyond ``last``."""
    routers = {
        sender
        for each in (evidence, *evidence.controls)
        for ttl, senders in each.routers.items()
        if ttl > last
        for sender in senders
    }
    return {evidence.destination, *routers}


def _passed(control: TracedPort, senders_beyond: set[str]) -> Counter[int]:
    """By TTL: the probes of ``control`` whose answer shows that it went on.

    A router that calls the destination unreachable shows that only if it is known to be farther out: it may
    give up so late that no probe of this port waited for it, and share its hop with those of this path.
    """
    return Counter(
        record.probe.ttl
        for record in control.own_records
        if any(
            reply.kind is not ReplyKind.UNREACHABLE or reply.sender in senders_beyond
            for reply in record.replies
        )
    )


def _is_block(evidence: Evidence, passing: Passing) -> bool:
    """Whether both conditions for a block are met."""
    is_enough = passing.lost >= ENOUGH_LOST and passing.answered >= ENOUGH_ANSWERED
    if not is_enough or passing.chance > BY_CHANCE:  # R1
        return False
    last = evidence.last_router
    return last is None or any(  # R2
        control.distance in passing.ttls
        or passing.ttls[-1] - last >= NEARER_HOPS
        or _goes_on_through(control, evidence, last)
        for control in passing.controls
    )


def _goes_on_through(control: TracedPort, evidence: Evidence, ttl: int) -> bool:
    """Whether one flow of ``control`` passed a router of this port at ``ttl`` and met its last hop."""
    end = max(hop.ttl for hop in control.hops)
    here = _shared_flows(control, evidence, ttl)
    return any(here & control.flows_through(end, sender) for sender in control.routers.get(end, ()))


def _shared_flows(control: TracedPort, evidence: Evidence, ttl: int) -> set[int]:
    shared = set(evidence.routers.get(ttl, ())) & set(control.routers.get(ttl, ()))
    return {flow for address in shared for flow in control.flows_through(ttl, address)}


def _rejected(evidence: Evidence) -> Verdict | None:
    answer = evidence.answer
    if evidence.last_row is None or answer is None:
        return None
    ttl = evidence.last_row.ttl
    hop = _hop_of(evidence, answer.sender, ttl)
    place = evidence.place(hop, answer.sender)
    words = icmp_words(answer.icmp_type, answer.icmp_code)
    is_prohibition = (answer.icmp_type, answer.icmp_code) in PROHIBITIONS
    who = f"The destination itself, {place}," if answer.sender == evidence.destination else _capital(place)
    what = f"rejects port {evidence.port}" if is_prohibition else "cannot reach the destination"
    return Verdict(
        kind=Kind.REJECTED if is_prohibition else Kind.UNREACHABLE,
        sentence=f"{who} {what}: {words}.",
        certainty=Certainty.CERTAIN,
        evidence=(f"A probe with TTL {ttl} got ICMP type {answer.icmp_type} code {answer.icmp_code}.",),
        hop=hop,
        address=answer.sender,
    )


def _hop_of(evidence: Evidence, sender: str, ttl: int) -> int:
    """The hop of the router that rejected a probe of ``ttl``: it often is one hop that answered before.

    A router drops what it forwards only after it has told that a TTL ran out.
    """
    return next((other for other, senders in evidence.routers.items() if sender in senders), ttl)


def _goes_on(evidence: Evidence) -> Verdict:
    last = evidence.last_ttl
    return Verdict(
        kind=Kind.PATH_GOES_ON,
        sentence=f"Port {evidence.port} reaches {evidence.place(last)}, the last hop probed.",
        certainty=Certainty.CERTAIN,
        evidence=("The destination is farther away: raise -m to go on.",),
        hop=last,
        address=evidence.router(last),
    )


def _blocked(evidence: Evidence, passing: Passing) -> Verdict:
    last = evidence.last_router
    control = max(passing.controls, key=lambda control: max(control.answered))
    ttls, lost = _ttls(passing.ttls), passing.lost
    facts = [f"Port {control.port} is answered at {ttls}; {lost} probes that went as far were not."]
    if control.nearest_answer <= passing.ttls[0]:
        facts.append(f"The destination itself answers there, so it may be what drops port {evidence.port}.")
    return Verdict(
        kind=Kind.BLOCKED,
        sentence=f"Port {evidence.port} is blocked {where(evidence, passing)}: SYNs are silently dropped.",
        certainty=_certainty(evidence, passing, control),
        evidence=tuple(facts),
        hop=last,
        address=evidence.router(last),
    )


def where(evidence: Evidence, passing: Passing) -> str:
    """The words for the place of a block, as far as ``passing`` shows it."""
    if evidence.last_router:
        return f"after {evidence.place(evidence.last_router)}"
    ttl = passing.ttls[0]
    senders = [sender for control in passing.controls for sender in control.routers.get(ttl, ())]
    return f"before {evidence.place(ttl, senders[0])}" if senders else "on the way or by the destination"


def _certainty(evidence: Evidence, passing: Passing, control: TracedPort) -> Certainty:
    """Certain where the last hop is shared and too many probes, on too many flows, met silence."""
    is_shared = bool(_shared_flows(control, evidence, evidence.last_router or 0))
    is_clear = passing.chance <= BY_CHANCE_CERTAIN and passing.flows >= ENOUGH_FLOWS
    return Certainty.CERTAIN if is_shared and is_clear else Certainty.LIKELY


def _unanswered(evidence: Evidence) -> Verdict:
    last = evidence.last_router
    silent = tuple(control.port for control in evidence.controls if not _is_past(control, last or 0))
    others = " and ".join(str(port) for port in silent)
    facts = (
        (f"Port{'s' if len(silent) > 1 else ''} {others} got no answer from beyond it either.",)
        if silent
        else ()
    )
    if last is None:
        return Verdict(
            kind=Kind.INCONCLUSIVE,
            sentence=f"Inconclusive: no hop answered port {evidence.port}.",
            certainty=Certainty.CERTAIN,
            evidence=facts,
        )
    return Verdict(
        kind=Kind.NO_ANSWER,
        sentence=(
            f"Inconclusive: port {evidence.port} got no answer after {evidence.place(last)}. "
            "It is blocked there, or the destination is silent."
        ),
        certainty=Certainty.POSSIBLE,
        evidence=facts,
        hop=last,
        address=evidence.router(last),
    )


def _is_past(control: TracedPort, last: int) -> bool:
    return any(ttl > last for ttl in control.answered)


def _ttls(ttls: tuple[int, ...]) -> str:
    return f"TTL {ttls[0]}" if len(ttls) == 1 else f"{len(ttls)} TTLs from {ttls[0]} to {ttls[-1]}"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
