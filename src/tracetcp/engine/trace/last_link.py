"""Whether one flow was seen to meet the destination right behind a router. No clock.

Branches of other lengths may lead to the destination: an answer to one flow tells only how far away it is at
most. A prober whose probes of one flow cannot be in flight together sends nearly every probe on a flow of its
own (``flows`` F2); any other does so where a column was not answered.

R1. While columns are no flows, and where none of them was answered at the end, the flow of the answer there
    is asked at the TTL before, where a router answered another one. That costs the destination nothing,
    unless it is nearer on that flow.
R2. Where that meets silence ``LINK_LOSSES`` times (a firewall may let one SYN of a flow pass), a flow that
    met the router is asked at the end instead, if the destination cannot have seen ``MOST_SYNS`` yet.
R3. Where columns became flows, the end is where the first of them meets the destination. Its flow is asked at
    the nearest TTL at which the destination answered any; where it meets silence, at the next ones.
R4. When it was answered beyond such a silence, the silent TTL is asked ``REPEATS`` times more: a probe may be
    lost.
R5. If it is answered at none of ``BRANCH_HOPS`` TTLs, the nearest answer to any flow is the end.
R6. Where columns are flows from the start, a flow that was asked in vain (R2) is taken to be on a shorter
    branch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracetcp.engine.trace.flows import BRANCH_HOPS
from tracetcp.engine.trace.hops import TCP_KINDS
from tracetcp.model import ReplyKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracetcp.engine.trace.flight import Flight
    from tracetcp.engine.trace.flows import Flows
    from tracetcp.engine.trace.hops import HopState
    from tracetcp.engine.trace.losses import SuspectedLosses

LINK_LOSSES = 2
"""Losses of probes to the router before the end: one may be chance."""
REPEATS = 3
"""Further losses after a first one, so many that chance hardly explains them."""
MOST_SYNS = 5
"""SYNs that may have reached the destination, from which on none is sent to see the link."""


class Wanted(NamedTuple):
    """A probe that may show the link."""

    ttl: int
    flow: int


class _Link(NamedTuple):
    """What is known: the flows that ``met`` a router before, were ``answered`` behind, ``asked`` at both.

    ``asked_before`` has the flows in ``answered`` as often as they were asked before.
    """

    met: Sequence[int]
    answered: Sequence[int]
    asked: set[int]
    asked_before: Sequence[int]
    is_in_flight: bool

    @property
    def is_seen(self) -> bool:
        return any(flow in self.answered for flow in self.asked.intersection(self.met))


class LastLink:
    """The last link of one path, whose ``hops`` (by TTL), ``flights``, ``flows`` and ``losses`` it reads."""

    def __init__(
        self,
        hops: Mapping[int, HopState],
        flights: Sequence[Flight],
        flows: Flows,
        losses: SuspectedLosses,
    ) -> None:
        self._hops = hops
        self._flights = flights
        self._flows = flows
        self._losses = losses

    def wanted(self, end: int) -> Wanted | None:
        """The probe that may show the link to ``end``; None for none."""
        link = self._link(end)
        if link is None or link.is_seen or link.is_in_flight:
            return None
        if len(link.asked_before) < LINK_LOSSES:
            return Wanted(end - 1, link.answered[0])  # R1
        is_asked_at_end = any(flow in link.met for flow in link.asked)
        if is_asked_at_end or sum(flight.probe.ttl >= end for flight in self._flights) >= MOST_SYNS:
            return None
        return Wanted(end, link.met[0])  # R2

    def is_awaited(self, end: int) -> bool:
        """Whether the link to ``end`` is still to be seen."""
        link = self._link(end)
        return link is not None and (link.is_in_flight or self.wanted(end) is not None)

    def is_missed(self, end: int) -> bool:
        """Whether the flow of the answer at ``end`` seems to be on a shorter branch than others (R6)."""
        link = self._link(end) if self._flows.are_shared else None
        return link is not None and not link.is_seen and not self.is_awaited(end)  # R6

    def _link(self, end: int) -> _Link | None:
        """What is known of the link to ``end``; None where it cannot be seen."""
        before, here = self._hops.get(end - 1), self._hops[end]
        if before is None or self._flows.were_mixed or before.is_worn_out or here.is_worn_out:
            return None
        met, answered = before.flows_answered(ReplyKind.TIME_EXCEEDED), here.flows_answered(*TCP_KINDS)
        if not met or not answered or any(map(self._flows.is_column, answered)):  # R1
            return None
        asked = before.flows() & here.flows()
        flights = (*before.flights, *here.flights)
        is_in_flight = any(flight.is_in_flight and flight.probe.flow in asked for flight in flights)
        asked_before = [each.probe.flow for each in before.flights if each.probe.flow in answered]
        return _Link(met, answered, asked, asked_before, is_in_flight)

    def of_first_column(self, nearest: int) -> tuple[int, int | None]:
        """The end if a flow is answered at ``nearest``, and where the first column is to be asked for it."""
        missed: list[Flight] = []
        for ttl in range(nearest, nearest + BRANCH_HOPS):
            asked = self._flights_of_first_column(ttl)
            answers = [reply for each in asked if (reply := each.reply_of(*TCP_KINDS)) is not None]
            if answers:
                since = min(reply.received_at for reply in answers)
                repeats = sum(each.is_missed and each.sent_at >= since for each in missed)
                if missed and repeats < REPEATS:
                    return nearest, ttl - 1  # R4
                return ttl, None  # R3
            if ttl in self._hops and sum(each.is_missed for each in asked) < self._losses.lone_losses_needed:
                return nearest, ttl  # R3
            missed = asked
        return nearest, None  # R5

    def _flights_of_first_column(self, ttl: int) -> list[Flight]:
        flow = self._flows.of_column(1)
        hop = self._hops.get(ttl)
        return [flight for flight in hop.flights if flight.probe.flow == flow] if hop else []
