"""The branches of a port as text: a row for each router of a hop with its share, and a drawing. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.formatters.columns import address_cells, columns
from tracetcp.model.branches import NodeKind
from tracetcp.model.verdict import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tracetcp.model import AddressTexts
    from tracetcp.model.branches import Branches, BranchHop, Node
    from tracetcp.model.verdict import Verdict

MOST_WAYS = 32
"""Ways drawn between two routers that all flows pass; where branches mesh there may be thousands."""
SILENT = "*"


def render_branches(
    found: Branches, verdicts: Sequence[Verdict], destination: str, texts: AddressTexts, prefix: str = ""
) -> str:
    """The rows, the drawing where there are branches, and the verdicts; ``prefix`` starts every line."""
    gap = "" if prefix else "\n"
    ports = sorted(flow.source_port for flow in found.flows)
    text = f"{gap}{prefix}Branches of port {found.port}, seen from {len(ports)} source ports"
    text += f" ({ports[0]} to {ports[-1]}):\n" if ports else ":\n"
    for hop in found.hops:
        text += "".join(_rows(found, hop, destination, texts, prefix))
    if found.is_shared:
        dead = {verdict.address for verdict in verdicts if verdict.kind is Kind.DEAD_BRANCH}
        lines = drawing(found, destination, dead)
        text += gap + "".join(f"{prefix}{line}\n" for line in lines) + gap
    for verdict in verdicts:
        text += f"{prefix}Verdict: {verdict.sentence} [{verdict.certainty.value}]\n"
        text += f"{prefix}Evidence: {' '.join(verdict.evidence)}\n" if verdict.evidence else ""
    return text


def _rows(
    found: Branches, hop: BranchHop, destination: str, texts: AddressTexts, prefix: str
) -> Iterator[str]:
    """One line for each node of ``hop``; the hop's number in the first only."""
    number = str(hop.ttl)
    is_shared = len(hop.shares) + bool(hop.ended) > 1
    by_packet = ["by packet"] if hop.is_by_packet else []
    for share in hop.shares:
        node = found.nodes[share.node]
        shown = [f"({share.flows} of {hop.drawn})"] if is_shared and not hop.is_by_packet else by_packet
        cells = _node_cells(node, destination, texts)
        yield columns([number, " ".join([*cells, *shown])], prefix)
        number = ""
    if hop.ended:
        yield columns([number, f"{SILENT} ({hop.ended} of {hop.drawn})"], prefix)
    elif not hop.shares:
        yield columns([number, SILENT], prefix)


def _node_cells(node: Node, destination: str, texts: AddressTexts) -> list[str]:
    if node.kind is NodeKind.HOST:
        return [*address_cells(destination, texts), "destination"]
    cells = address_cells(node.address, texts) if node.address else [SILENT]
    return [*cells, "reports unreachable"] if node.kind is NodeKind.REJECTING else cells


# The drawing ---------------------------------------------------------------------------------------------


def drawing(found: Branches, destination: str, dead: set[str | None]) -> list[str]:
    """The graph, nearest first: what all flows pass stands at the margin, and the ways between are indented.

    ``dead`` has the addresses behind which a branch ends.
    """
    trunk = trunk_of(found)
    lines: list[str] = []
    for place, node in enumerate(trunk):
        lines.append(_label(found.nodes[node], destination))
        farther = set(trunk[place + 1 :])
        ways = [way for way in _ways(found, node, farther) if way]
        lines += _branch_lines(found, ways, destination, dead)
    return lines


def trunk_of(found: Branches) -> list[int]:
    """The nodes that every flow which goes as far passes, nearest first."""
    trunk = []
    for node in found.nodes:
        first, last = node.ttls[0], node.ttls[-1]
        beside = any(
            step.node not in (None, node.number) and first <= step.ttl <= last
            for flow in found.flows
            for step in flow.steps
            if not _meets(flow.steps, node.number)
        )
        later = any(
            step.node is not None and step.ttl > last
            for flow in found.flows
            for step in flow.steps
            if not _meets(flow.steps, node.number)
        )
        if not beside and not later:
            trunk.append(node.number)
    return trunk


def _meets(steps: Sequence[object], node: int) -> bool:
    return any(getattr(step, "node", None) == node for step in steps)


def _ways(found: Branches, start: int, ends: set[int]) -> list[list[int]]:
    """The ways from ``start`` to the first of ``ends``, or to where they end, without either."""
    ways: list[list[int]] = []
    open_ways: list[list[int]] = [[start]]
    while open_ways and len(ways) <= MOST_WAYS:
        way = open_ways.pop(0)
        onward = [node for node in found.onward(way[-1]) if node not in way]
        if not onward and len(way) > 1:
            ways.append(way[1:])
        for node in onward:
            if node in ends:
                ways.append(way[1:])
            else:
                open_ways.append([*way, node])
    return ways


def _branch_lines(
    found: Branches, ways: Sequence[Sequence[int]], destination: str, dead: set[str | None]
) -> Iterator[str]:
    for number, way in enumerate(ways[:MOST_WAYS]):
        is_last = number + 1 == min(len(ways), MOST_WAYS) and len(ways) <= MOST_WAYS
        labels = [_label(found.nodes[node], destination) for node in way]
        ends = found.nodes[way[-1]]
        has_ended = not any(True for _ in found.onward(way[-1])) and ends.kind is not NodeKind.HOST
        is_dead = ends.address in dead or ends.kind is NodeKind.REJECTING
        mark = " x" if has_ended and is_dead else " ..." if has_ended else ""
        yield f"{'`' if is_last else '|'}-- {' -- '.join(labels)}{mark}"
    if len(ways) > MOST_WAYS:
        yield "`-- and further ways"


def _label(node: Node, destination: str) -> str:
    if node.kind is NodeKind.HOST:
        return destination
    return node.address or SILENT
