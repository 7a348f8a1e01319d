"""Where a trace ends whose flows take branches of different lengths. No clock.

Only where columns are flows from the start (for others see ``last_link``). An answer tells only how far away
the destination is at most, unless its flow was met by a router right before.

R1. Branches have different lengths where a nearer answer was contradicted, where a router was met with
    another TTL on another flow, and where ``last_link`` says so.
R2. The end is where it is surest that a flow meets the destination there and not nearer: right behind a
    router, else behind silence that was asked before; of several such TTLs the nearest.
R3. Where the end lies behind silence, that is asked again on the same flow, until ``SILENCES`` probes were
    lost.
R4. The column that met the farthest router is asked at the end, and where it meets silence at the next TTLs,
    ``BRANCH_HOPS`` in all: if its router lies beyond the nearest answer, unless another router lies right
    before the end; or if its own does and nothing tells how far away the end is at least.
R5. On a path that loses packets, all these are asked as often as it needs: one loss may be chance.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from tracetcp.engine.trace.flows import BRANCH_HOPS
from tracetcp.engine.trace.hops import TCP_KINDS
from tracetcp.engine.trace.last_link import Wanted
from tracetcp.model import ReplyKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracetcp.engine.trace.flight import Flight
    from tracetcp.engine.trace.flows import Flows
    from tracetcp.engine.trace.hops import HopState
    from tracetcp.engine.trace.last_link import LastLink
    from tracetcp.engine.trace.losses import SuspectedLosses
    from tracetcp.engine.trace.reach import Reach

SILENCES = 2
"""Lost probes of one flow that make the silence before its answer a router's."""


class Firmness(IntEnum):
    """What lies before an answer on its own flow."""

    NONE = 0
    SILENCE_BEFORE = 1
    ROUTER_BEFORE = 2


class Question(NamedTuple):
    """A probe that is wanted, or ``is_in_flight``."""

    probe: Wanted
    is_in_flight: bool


class UnevenBranches:
    """The branches of one path, whose ``hops``, ``flights``, ``flows``, ``losses`` and ``reach`` it reads."""

    def __init__(
        self,
        hops: Mapping[int, HopState],
        flights: Sequence[Flight],
        flows: Flows,
        losses: SuspectedLosses,
        last_link: LastLink,
        reach: Reach,
    ) -> None:
        self._hops = hops
        self._flights = flights
        self._flows = flows
        self._losses = losses
        self._last_link = last_link
        self._reach = reach

    def are_seen(self, end: int, nearest: int) -> bool:
        """Whether branches of different lengths show: the trace ends at ``end``, a flow at ``nearest``."""
        if not self._flows.are_shared:
            return False
        return end > nearest or self._reach.is_uneven or self._last_link.is_missed(end)  # R1

    def surest(self, ends: Sequence[int]) -> int:
        """The one of ``ends`` at which it is surest that a flow meets the destination."""
        return max(ends, key=lambda ttl: (self._firmness(ttl), -ttl))  # R2

    def _firmness(self, ttl: int) -> Firmness:
        return max(
            (self._firmness_on(flow, ttl) for flow in self._flows_ending_at(ttl)), default=Firmness.NONE
        )

    def _flows_ending_at(self, ttl: int) -> list[int]:
        """The flows that met the destination at ``ttl``, and not nearer as far as is known."""
        flows = self._hops[ttl].flows_answered(*TCP_KINDS)
        return [flow for flow in flows if self._reach.host_of(flow) == ttl]

    def _firmness_on(self, flow: int, ttl: int) -> Firmness:
        before = [
            flight for flight in self._flights if (flight.probe.flow, flight.probe.ttl) == (flow, ttl - 1)
        ]
        if any(flight.reply_of(ReplyKind.TIME_EXCEEDED) for flight in before):
            return Firmness.ROUTER_BEFORE
        first = min(flight.sent_at for flight in self._hops[ttl].flights if flight.probe.flow == flow)
        return Firmness.SILENCE_BEFORE if any(each.sent_at <= first for each in before) else Firmness.NONE

    def silence_before(self, end: int) -> Question | None:
        """The probe that may show that the silence before ``end`` is none; None where nothing may."""
        before = self._hops.get(end - 1)
        if self._firmness(end) is not Firmness.SILENCE_BEFORE or before is None or before.is_worn_out:
            return None
        flow = next(flow for flow in self._flows_ending_at(end) if self._firmness_on(flow, end))
        return self._question(end - 1, flow, max(SILENCES, self._losses.lone_losses_needed))  # R3

    def longest_column(self, end: int) -> Question | None:
        """The probe that may show that a column goes on beyond ``end``; None where nothing may."""
        firmness, flow = self._firmness(end), max(self._flows.columns, key=self._reach.router_of)
        farthest = self._reach.router_of(flow)
        is_longer = farthest >= self._reach.nearest_host and firmness < Firmness.ROUTER_BEFORE
        if not is_longer and (farthest < end - 1 or firmness > Firmness.NONE):  # R4
            return None
        for ttl in range(end, end + BRANCH_HOPS):
            hop = self._hops.get(ttl)
            if ttl >= self._reach.host_of(flow) or hop is None or hop.is_worn_out:
                return None
            if question := self._question(ttl, flow, self._losses.lone_losses_needed):
                return question
        return None

    def _question(self, ttl: int, flow: int, needed: int) -> Question | None:
        """A probe of ``flow`` at ``ttl``, until ``needed`` ones were lost there."""
        asked = [flight for flight in self._hops[ttl].flights if flight.probe.flow == flow]
        is_in_flight = any(each.is_in_flight for each in asked)
        if not is_in_flight and len(asked) >= needed:  # R3, R5
            return None
        return Question(Wanted(ttl, flow), is_in_flight)
