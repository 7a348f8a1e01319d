"""Draws the path of one port, or those of several side by side and where they part. Pure.

Routers that several paths meet at one hop are one box. Two routers of neighbouring hops are joined where one
flow met both, or where there is but one way between the hops.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from tracetcp.formatters.picture.drawing import Arrow, Box, Drawing, Look
from tracetcp.formatters.picture.of_branches import NOT_ANSWERING, OUTCOME_WORDS
from tracetcp.model import Outcome, ReplyKind
from tracetcp.model.evidence import replies
from tracetcp.model.icmp_words import icmp_words
from tracetcp.model.verdict import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracetcp.model import AddressTexts, Hop, VerdictReached
    from tracetcp.model.evidence import Evidence

PORT_LOOKS = (Look.FIRST, Look.SECOND)
ENDS = {
    Kind.BLOCKED: ("dropped", Look.BROKEN),
    Kind.LOOP: ("goes in circles", Look.BROKEN),
    Kind.PATH_GOES_ON: ("goes on", Look.SILENT),
}
"""The words for the end of a path that did not reach the destination, and how they look."""


class _Spot(NamedTuple):
    """What identifies a box: a router by hop and address, anything else by its port as well."""

    ttl: int
    what: str
    port: int | None = None


def draw_traces(judged: Sequence[VerdictReached], texts: AddressTexts) -> Drawing:
    """The paths of the ports in ``judged``, in their order."""
    canvas = _Canvas(judged, texts)
    for event in judged:
        canvas.add(event)
    return canvas.drawing()


class _Canvas:
    """One drawing in the making."""

    def __init__(self, judged: Sequence[VerdictReached], texts: AddressTexts) -> None:
        self._judged = judged
        self._texts = texts
        self._spots: dict[_Spot, Box] = {}
        self._arrows: dict[tuple[_Spot, _Spot], dict[int, Look]] = {}
        """By the ports that go that way."""
        ttls = [hop.ttl for event in judged for hop in event.evidence.hops]
        self._first = min(ttls, default=1)

    def add(self, event: VerdictReached) -> None:
        """Draw one port's path."""
        evidence = event.evidence
        before: list[_Spot] = []
        last = max(evidence.answered, default=0)
        for hop in evidence.hops:
            if hop.ttl > last and hop.outcome is None:
                break
            spots = self._hop(evidence, hop)
            self._join(evidence, before, spots)
            before = spots
        if evidence.outcome is Outcome.NOT_REACHED:
            row = before[0].ttl + 1 if before else self._first
            spot = _Spot(row, "break", evidence.port)
            words, look = ENDS.get(event.verdicts[0].kind, ("no answer", Look.BROKEN))
            self._spots[spot] = Box(row - self._first, (f"port {evidence.port}", words), look)
            self._join(evidence, before, [spot], look)

    def _hop(self, evidence: Evidence, hop: Hop) -> list[_Spot]:
        """The boxes of one row of the trace, drawn."""
        if hop.outcome is not None:
            return [self._end(evidence, hop)]
        routers = evidence.routers.get(hop.ttl, ())
        if not routers:
            spot = _Spot(hop.ttl, NOT_ANSWERING, evidence.port)
            self._spots[spot] = Box(hop.ttl - self._first, (NOT_ANSWERING,), Look.SILENT)
            return [spot]
        spots = [_Spot(hop.ttl, address) for address in routers]
        lost = sum(ping.rtt is None for ping in hop.pings)
        for spot in spots:
            words = self._times(evidence, hop.ttl, spot.what)
            if lost and len(spots) == 1:
                words = f"{words}, {lost} of {len(hop.pings)} lost".removeprefix(", ")
            lines = (*self._named(spot.what), *filter(None, [words]))
            look = Look.LOSSY if lost and len(spots) == 1 else Look.PLAIN
            if spot not in self._spots or look is Look.LOSSY:
                self._spots[spot] = Box(hop.ttl - self._first, lines, look)
        return spots

    def _named(self, address: str) -> list[str]:
        return [address, *self._texts.of(address)]

    def _times(self, evidence: Evidence, ttl: int, address: str) -> str:
        """The median RTT of ``address``."""
        rtts = [
            reply.received_at - record.sent_at
            for record, reply in replies(evidence.own_records, ReplyKind.TIME_EXCEEDED)
            if record.probe.ttl == ttl and reply.sender == address
        ]
        return f"{1000 * max(0.0, median(rtts)):.0f} ms" if rtts else ""

    def _end(self, evidence: Evidence, hop: Hop) -> _Spot:
        answer = hop.final_reply
        sender = answer.sender if answer else evidence.destination
        port = evidence.port if len(self._judged) > 1 else None
        spot = _Spot(hop.ttl, f"end {sender}", port)
        if hop.outcome is Outcome.UNREACHABLE:
            words = icmp_words(answer.icmp_type, answer.icmp_code) if answer else ""
            lines = (*self._named(sender), f"port {evidence.port}: {words}")
            self._spots[spot] = Box(hop.ttl - self._first, lines, Look.BROKEN)
            return spot
        rtt = f" in {1000 * (hop.pings[-1].rtt or 0):.0f} ms" if hop.pings else ""
        words = f"port {evidence.port} {OUTCOME_WORDS[evidence.outcome]}{rtt}"
        self._spots[spot] = Box(hop.ttl - self._first, (*self._named(sender), words), Look.REACHED)
        return spot

    def _join(
        self, evidence: Evidence, before: Sequence[_Spot], after: Sequence[_Spot], look: Look | None = None
    ) -> None:
        """Arrows between the boxes of two neighbouring rows."""
        for near in before:
            for far in after:
                if len(before) > 1 and len(after) > 1 and not self._on_one_flow(evidence, near, far):
                    continue
                is_silent = NOT_ANSWERING in (near.what, far.what)
                arrow = look or (Look.SILENT if is_silent else Look.PLAIN)
                self._arrows.setdefault((near, far), {})[evidence.port] = arrow

    @staticmethod
    def _on_one_flow(evidence: Evidence, near: _Spot, far: _Spot) -> bool:
        flows = evidence.flows_through(near.ttl, near.what)
        return bool(flows & evidence.flows_through(far.ttl, far.what))

    def _label_and_look(self, looks: Mapping[int, Look]) -> tuple[str, Look]:
        """Of an arrow: without label and colour where all ports go that way, else in those of its port."""
        ((port, look), *more) = looks.items()
        if len(self._judged) == 1 or more:
            return "", look
        ports = [event.port for event in self._judged]
        return f"port {port}", PORT_LOOKS[ports.index(port) % 2] if look is Look.PLAIN else look

    def drawing(self) -> Drawing:
        """All that was drawn."""
        order = {spot: place for place, spot in enumerate(self._spots)}
        is_compared = len(self._judged) > 1
        arrows = tuple(
            Arrow(order[near], order[far], *self._label_and_look(looks))
            for (near, far), looks in self._arrows.items()
        )
        boxes = tuple(self._spots.values())
        rows = max((box.row for box in boxes), default=0) + 1
        evidence = self._judged[0].evidence
        ports = " and ".join(str(event.port) for event in self._judged)
        noun = "Ports" if is_compared else "Port"
        return Drawing(
            f"{noun} {ports} of {' '.join(self._named(evidence.destination))}",
            tuple(f"hop {row + self._first}" for row in range(rows)),
            boxes,
            arrows,
            tuple(event.verdicts[0].sentence for event in self._judged),
        )
