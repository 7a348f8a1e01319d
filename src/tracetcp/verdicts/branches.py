"""What the paths of a port mean: is load shared, by what, and does one branch lose what it gets? Pure.

A flow *hangs* after the last node that it met if it was asked farther out, ``ENOUGH_PROBES`` times, and
nothing answered where other flows are answered. A branch is dead if

R1. two flows at least hang after one node, and none that met this node was answered farther out,
R2. while flows through another node of that hop were; or
R3. some flows hang after a node that others pass: the member of a bundle that they take has no address.
R4. Either is told only where chance does not explain it: loss as the other flows have it beyond the node, or
    all flows before it, whichever is higher (``loss``).
R5. Where load is shared by packet no flow has a branch of its own: nothing is dead for it.

A branch rejects if

R6. two flows at least were told by one router that the destination is unreachable, and met nobody farther
    out, while the destination answered others: that it is down is not the branch's fault.
"""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING, NamedTuple

from tracetcp.model.branches import NodeKind
from tracetcp.model.verdict import Certainty, Kind, Verdict
from tracetcp.verdicts.loss import BY_CHANCE, BY_CHANCE_CERTAIN, loss_rate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tracetcp.model.branches import Branches, BranchHop, FlowPath, Step

LEAST_FLOWS = 2
LEAST_PLACES = 2
"""TTLs beyond at which a flow must have been asked, where as many answer: one may be a silent router's."""
ENOUGH_PROBES = 3


class _Hanging(NamedTuple):
    """A flow that hangs after ``ttl``; ``probes`` went farther, all in vain."""

    flow: FlowPath
    ttl: int
    node: int
    probes: int
    is_sure: bool


def judge_branches(found: Branches) -> tuple[Verdict, ...]:
    """The verdicts: dead branches first, those that reject, then how load is shared."""
    by_packet = [hop for hop in found.hops if hop.is_by_packet]
    dead = [] if by_packet else _dead(found)  # R5
    rejecting = [] if by_packet else _rejecting(found)
    hidden = {verdict.hop + 1 for verdict in dead if verdict.hop is not None and _is_hidden(verdict, found)}
    return (*dead, *rejecting, *(_by_packet(found, hop) for hop in by_packet), _summary(found, hidden))


def _is_hidden(verdict: Verdict, found: Branches) -> bool:
    """Whether the dead branch of ``verdict`` has no address of its own, as in R3."""
    nodes = {node.number for node in found.nodes if node.address == verdict.address}
    return any(
        _passes(flow, step.ttl)
        for flow in found.flows
        for step in flow.steps
        if step.node in nodes and step.ttl == verdict.hop
    )


# Dead branches -----------------------------------------------------------------------------------------


def _dead(found: Branches) -> list[Verdict]:
    hanging = [each for flow in found.flows if (each := _hangs(found, flow)) is not None]
    groups: dict[tuple[int, int], list[_Hanging]] = {}
    for each in hanging:
        groups.setdefault((each.ttl, each.node), []).append(each)
    dead = {each.flow.source_port for each in hanging}
    verdicts = [_verdict(found, group, dead) for _, group in sorted(groups.items())]
    return [verdict for verdict in verdicts if verdict is not None]


def _hangs(found: Branches, flow: FlowPath) -> _Hanging | None:
    met = [step for step in flow.steps if step.node is not None]
    ends = (NodeKind.HOST, NodeKind.REJECTING)
    if not met or found.nodes[met[-1].node or 0].kind in ends or flow.has_reached:
        return None
    last = met[-1]
    assert last.node is not None, "as filtered above"
    if _passes(flow, last.ttl):
        return None
    beyond = [step for step in flow.steps if step.ttl > last.ttl and step.probes and _answers(found, step)]
    probes = sum(step.probes for step in beyond)
    if len(_places(found, beyond)) < min(LEAST_PLACES, _places_beyond(found, last.ttl)):
        return None
    return _Hanging(flow, last.ttl, last.node, probes, is_sure=probes >= ENOUGH_PROBES)


def _places_beyond(found: Branches, ttl: int) -> int:
    """How many TTLs beyond ``ttl`` answer; one at least, so that who asked nowhere knows nothing."""
    beyond = (step for flow in found.flows for step in flow.steps if step.ttl > ttl and step.answers)
    return max(1, len(_places(found, beyond)))


def _places(found: Branches, steps: Iterable[Step]) -> set[int]:
    """The TTLs of ``steps``; all from the destination's nearest on are one place."""
    return {min(step.ttl, _nearest(found)) for step in steps}


def _nearest(found: Branches) -> int:
    """The lowest TTL at which the destination answered; beyond any path where it did not."""
    return min((node.ttls[0] for node in found.nodes if node.kind is NodeKind.HOST), default=256)


def _answers(found: Branches, asked: Step) -> bool:
    """Whether other flows are answered at the TTL of ``asked``, or beyond the destination's nearest."""
    answering = {step.ttl for flow in found.flows for step in flow.steps if step.answers}
    return asked.ttl in answering or asked.ttl >= _nearest(found)


def _verdict(found: Branches, group: Sequence[_Hanging], dead: set[int]) -> Verdict | None:
    if len(group) < LEAST_FLOWS:  # R1
        return None
    ttl, node = group[0].ttl, group[0].node
    passing = [flow for flow in found.flows if flow.source_port not in dead and _passes(flow, ttl)]
    here = [flow for flow in passing if any(step.ttl == ttl and step.node == node for step in flow.steps)]
    elsewhere = [flow for flow in passing if flow not in here]
    answered, asked = _answered(passing, ttl)
    rate = max(loss_rate(answered, asked - answered), _loss_before(found, ttl))
    if not here and elsewhere and len(_nodes_at(found, ttl)) > 1:  # R2
        chance = rate ** sum(each.probes for each in group)
    elif here:  # R3
        sure = [each for each in group if each.is_sure] if _is_before_host(found, ttl) else [*group]
        group = sure
        fewest = min((each.probes for each in sure), default=0)
        chance = _tail(len(here) + len(sure), len(sure), rate**fewest) if len(sure) >= LEAST_FLOWS else 1.0
    else:
        return None
    if chance > BY_CHANCE:  # R4
        return None
    certainty = Certainty.CERTAIN if chance < BY_CHANCE_CERTAIN else Certainty.LIKELY
    ports = {flow.source_port for flow in passing}
    if here:
        sentence = _some(found, group)
    else:
        sentence = f"{_through(found, group, ports)} drops port {found.port}: {_ports(group)} hang."
    return Verdict(
        kind=Kind.DEAD_BRANCH,
        sentence=sentence,
        certainty=certainty,
        evidence=_evidence(group, answered, asked),
        hop=ttl,
        address=found.nodes[node].address,
    )


def _is_before_host(found: Branches, ttl: int) -> bool:
    """Whether a router stands behind ``ttl``, where a flow may be asked again and again."""
    return any(hop.ttl > ttl and _has_router(found, hop) for hop in found.hops)


def _has_router(found: Branches, hop: BranchHop) -> bool:
    return any(found.nodes[share.node].kind is NodeKind.ROUTER for share in hop.shares)


def _passes(flow: FlowPath, ttl: int) -> bool:
    """Whether ``flow`` was answered beyond ``ttl``."""
    return bool(flow.has_reached) or any(step.ttl > ttl and step.answers for step in flow.steps)


def _answered(flows: Iterable[FlowPath], ttl: int) -> tuple[int, int]:
    """Of the probes of ``flows`` beyond ``ttl``: how many were answered, and how many there were.

    Up to the last answer of each: behind the destination's nearest TTL a flow is asked but once.
    """
    beyond = [
        step
        for flow in flows
        for step in flow.steps
        if ttl < step.ttl <= max((each.ttl for each in flow.steps if each.answers), default=0)
    ]
    return sum(step.answers for step in beyond), sum(step.probes for step in beyond)


def _loss_before(found: Branches, ttl: int) -> float:
    """The loss of all probes up to ``ttl``, where anything was answered."""
    steps = [step for flow in found.flows for step in flow.steps if step.ttl <= ttl]
    answering = {step.ttl for step in steps if step.answers}
    answered = sum(step.answers for step in steps)
    return loss_rate(answered, sum(step.probes for step in steps if step.ttl in answering) - answered)


def _nodes_at(found: Branches, ttl: int) -> tuple[int, ...]:
    return next((tuple(share.node for share in hop.shares) for hop in found.hops if hop.ttl == ttl), ())


def _tail(flows: int, hanging: int, chance: float) -> float:
    """The chance that so many of ``flows`` hang if each does with ``chance``."""
    return sum(
        comb(flows, count) * chance**count * (1 - chance) ** (flows - count)
        for count in range(hanging, flows + 1)
    )


def _through(found: Branches, group: Sequence[_Hanging], passing: set[int]) -> str:
    """Which branch it is, by the addresses of its own: those on no way of the ports ``passing``."""
    ttl = group[0].ttl
    own: list[int] = []
    first = ttl
    for at in range(ttl, 0, -1):
        nodes = {step.node for each in group for step in each.flow.steps if step.ttl == at}
        if len(nodes) != 1 or (node := nodes.pop()) is None:
            break
        if passing.intersection(found.nodes[node].source_ports):
            break
        own.insert(0, node)
        first = at
    count = len(_nodes_at(found, first))
    where = f"after hop {first - 1}" if first > 1 else "at hop 1"
    addresses = [found.nodes[node].address or "a silent router" for node in own]
    through = addresses[0] if len(addresses) == 1 else f"{', '.join(addresses[:-1])} and {addresses[-1]}"
    return f"Of {count} branches {where} the one through {through}"


def _some(found: Branches, group: Sequence[_Hanging]) -> str:
    """The sentence on a branch without an address of its own."""
    ttl, address = group[0].ttl, found.nodes[group[0].node].address
    place = f"hop {ttl} ({address})" if address else f"hop {ttl}"
    return (
        f"Some flows of port {found.port} are dropped after {place}, where others pass: {_ports(group)} hang."
    )


def _ports(group: Sequence[_Hanging]) -> str:
    return f"source ports {_enumeration(sorted(each.flow.source_port for each in group))}"


def _enumeration(things: Sequence[object]) -> str:
    *most, last = map(str, things)
    return f"{', '.join(most)} and {last}" if most else last


def _evidence(group: Sequence[_Hanging], answered: int, asked: int) -> tuple[str, ...]:
    probes, ttl = sum(each.probes for each in group), group[0].ttl
    none = f"Of {probes} probes of these ports beyond hop {ttl} none was answered"
    told = [f"{none}, of others {answered} of {asked}."]
    outer = sorted(each.flow.outer_port for each in group if each.flow.outer_port is not None)
    if outer:
        told.append(f"Behind a NAT these are source ports {_enumeration(outer)}.")
    return tuple(told)


# Branches that reject ----------------------------------------------------------------------------------


def _rejecting(found: Branches) -> list[Verdict]:
    groups: dict[str | None, list[_Hanging]] = {}
    for each in sorted(
        filter(None, (_rejected(found, flow) for flow in found.flows)), key=lambda each: each.ttl
    ):
        groups.setdefault(found.nodes[each.node].address, []).append(each)
    verdicts = [_rejection(found, group) for group in groups.values()]
    return [verdict for verdict in verdicts if verdict is not None]


def _rejected(found: Branches, flow: FlowPath) -> _Hanging | None:
    """Where ``flow`` was rejected: at the hop of the router that did or, if that was not met, beyond."""
    met = [step for step in flow.steps if step.node is not None]
    if flow.has_reached or not met or found.nodes[met[-1].node or 0].kind is not NodeKind.REJECTING:
        return None
    reported = [step for step in met if found.nodes[step.node or 0].kind is NodeKind.REJECTING]
    first = reported[0]
    sender = found.nodes[first.node or 0].address
    routers = [step for step in met if step.ttl < first.ttl]
    if routers and found.nodes[routers[-1].node or 0].address == sender:
        first = routers[-1]
    return _Hanging(flow, first.ttl, first.node or 0, sum(step.answers for step in reported), is_sure=True)


def _rejection(found: Branches, group: Sequence[_Hanging]) -> Verdict | None:
    reached = [flow for flow in found.flows if flow.has_reached]
    if len(group) < LEAST_FLOWS or not reached:  # R6
        return None
    ttl, node = group[0].ttl, group[0].node
    address = found.nodes[node].address
    if any(step.node == node for flow in reached for step in flow.steps):
        start = f"Some flows of port {found.port} are rejected at hop {ttl} ({address}), where others pass"
    else:
        through = _through(found, group, {flow.source_port for flow in reached})
        start = f"{through} rejects port {found.port}"
    reports = sum(each.probes for each in group)
    return Verdict(
        kind=Kind.REJECTING_BRANCH,
        sentence=f"{start}: {_ports(group)} are told that the destination is unreachable.",
        certainty=Certainty.CERTAIN,
        evidence=(
            f"{reports} reports came from {address}; the destination answered {len(reached)} source ports.",
        ),
        hop=ttl,
        address=address,
    )


# How load is shared --------------------------------------------------------------------------------------


def _by_packet(found: Branches, hop: BranchHop) -> Verdict:
    addresses = [found.nodes[share.node].address or "a silent router" for share in hop.shares]
    return Verdict(
        kind=Kind.PER_PACKET,
        sentence=f"Hop {hop.ttl} shares load by packet: one source port met now one, now another of "
        f"{', '.join(addresses)}.",
        certainty=Certainty.CERTAIN,
        hop=hop.ttl,
    )


def _summary(found: Branches, hidden: set[int]) -> Verdict:
    """How load is shared; at the TTLs ``hidden`` a dead branch without an address counts as one more."""
    shared = [hop for hop in found.hops if len(hop.shares) + (hop.ttl in hidden) > 1]
    sure = f"{found.percent} %" + _unsure(found)
    silent = [hop.ttl for hop in found.hops if not hop.shares]
    evidence = [f"{found.probes} probes more than the trace, on {len(found.flows)} source ports."]
    if silent:
        evidence.append(f"Hop {_enumeration(silent)} answers nothing, so branches there do not show.")
    if not shared:
        return Verdict(
            kind=Kind.NO_BRANCH,
            sentence=f"Port {found.port}: no branch by source port seen ({sure}).",
            certainty=Certainty.LIKELY,
            evidence=tuple(evidence),
        )
    widths = {hop.ttl: len(hop.shares) + (hop.ttl in hidden) for hop in shared}
    return Verdict(
        kind=Kind.BRANCHES,
        sentence=f"Load on port {found.port} is shared: {_enumeration(_runs(widths))} ({sure}).",
        certainty=Certainty.CERTAIN,
        evidence=tuple(evidence),
        hop=shared[0].ttl,
    )


def _runs(widths: Mapping[int, int]) -> list[str]:
    """The hops (ascending) at which branches lie, neighbours together, each with the largest width."""
    runs: list[list[int]] = []
    for ttl in widths:
        if runs and runs[-1][-1] == ttl - 1:
            runs[-1].append(ttl)
        else:
            runs.append([ttl])
    told = []
    for run in runs:
        width = max(widths[ttl] for ttl in run)
        where = f"hop {run[0]}" if len(run) == 1 else f"hops {run[0]} to {run[-1]}"
        told.append(f"{'' if len(run) == 1 else 'up to '}{width} branches at {where}")
    return told


def _unsure(found: Branches) -> str:
    """Where less is sure than was asked for."""
    unsure = [hop for hop in found.hops if round(100 * (1 - hop.missed), 1) < found.percent and hop.drawn]
    if not unsure:
        return ""
    told = ", ".join(f"hop {hop.ttl} {int(100 * (1 - hop.missed))} %" for hop in unsure)
    return f", but {told}" + ("; stopped early" if found.is_cut_short else "")
