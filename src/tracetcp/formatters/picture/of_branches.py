"""Draws the branches of a port: boxes with their shares, the dead one in red and in words. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.formatters.picture.drawing import Arrow, Box, Drawing, Look
from tracetcp.model import Outcome
from tracetcp.model.branches import NodeKind
from tracetcp.model.verdict import Kind
from tracetcp.verdicts.branches import judge_branches

if TYPE_CHECKING:
    from tracetcp.model import AddressTexts
    from tracetcp.model.branches import Branches, Node
    from tracetcp.model.evidence import Evidence
    from tracetcp.model.verdict import Verdict

NOT_ANSWERING = "(no answer)"
OUTCOME_WORDS = {Outcome.OPEN: "open", Outcome.CLOSED: "closed"}


def draw_branches(evidence: Evidence, found: Branches, texts: AddressTexts) -> Drawing:
    """The graph of ``found``, with the verdicts on it; ``evidence`` is that of the trace before."""
    verdicts = judge_branches(found)
    first = min((node.ttls[-1] for node in found.nodes), default=1)
    last = max((node.ttls[-1] for node in found.nodes), default=1)
    boxes = [_box(found, node, evidence, texts, first) for node in found.nodes]
    arrows = [_arrow(found, link.near, link.far) for link in found.links]
    _add_breaks(found, verdicts, boxes, arrows, first)
    rows = tuple(f"hop {ttl}" for ttl in range(first, max(last, first + _last_row(boxes)) + 1))
    title = f"Port {found.port} of {' '.join([evidence.destination, *texts.of(evidence.destination)])}"
    return Drawing(title, rows, tuple(boxes), tuple(arrows), tuple(each.sentence for each in verdicts))


def _last_row(boxes: list[Box]) -> int:
    return max((box.row for box in boxes), default=0)


def _box(found: Branches, node: Node, evidence: Evidence, texts: AddressTexts, first: int) -> Box:
    """``node`` in the row of its farthest TTL, so that every arrow leads onward."""
    row = node.ttls[-1] - first
    share = _share(found, node)
    if node.kind is NodeKind.HOST:
        words = OUTCOME_WORDS.get(evidence.outcome, "answers")
        lines = (*_named(evidence.destination, texts), f"port {found.port} {words}")
        return Box(row, lines, Look.REACHED)
    if node.kind is NodeKind.SILENT or node.address is None:
        return Box(row, (NOT_ANSWERING, *share), Look.SILENT)
    if node.kind is NodeKind.REJECTING:
        return Box(row, (*_named(node.address, texts), "reports unreachable", *share), Look.BROKEN)
    return Box(row, (*_named(node.address, texts), *share))


def _named(address: str, texts: AddressTexts) -> list[str]:
    return [address, *texts.of(address)]


def _share(found: Branches, node: Node) -> list[str]:
    """The share of the flows that ``node`` has at the first hop that it shares with others."""
    for hop in found.hops:
        for share in hop.shares:
            if share.node == node.number and len(hop.shares) + bool(hop.ended) > 1:
                return ["by packet"] if hop.is_by_packet else [f"{share.flows} of {hop.drawn} flows"]
    return []


def _arrow(found: Branches, near: int, far: int) -> Arrow:
    look = Look.SILENT if NodeKind.SILENT in (found.nodes[near].kind, found.nodes[far].kind) else Look.PLAIN
    return Arrow(near, far, look=look)


def _add_breaks(
    found: Branches, verdicts: tuple[Verdict, ...], boxes: list[Box], arrows: list[Arrow], first: int
) -> None:
    """A red box behind each router after which a branch is dead."""
    for verdict in verdicts:
        if verdict.kind is not Kind.DEAD_BRANCH or verdict.hop is None:
            continue
        near = next(
            node.number
            for node in found.nodes
            if node.address == verdict.address and verdict.hop in node.ttls
        )
        ports = verdict.sentence.rpartition("source ports ")[2].removesuffix(" hang.")
        lines = (f"port {found.port} dropped", *_wrapped(f"source ports {ports}", 26))
        boxes.append(Box(verdict.hop + 1 - first, lines, Look.BROKEN))
        arrows.append(Arrow(near, len(boxes) - 1, look=Look.BROKEN))


def _wrapped(text: str, width: int) -> list[str]:
    """``text`` in lines of ``width`` characters at most, where words allow it."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
