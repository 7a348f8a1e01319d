"""The probes of the watch itself: which flow each takes, when an answer is missing, which are decided.

Knows no path and no verdict; instants are arguments.

R1. The destination is asked on ``FLOWS_IN_TURN`` flows, always the same ones; so each rests for some
    intervals, and a NAT or firewall that still holds its last connection has time to drop it. Routers are
    asked on the first of them: a path that changes is not another flow's.
R2. Whoever is asked to bear out what a probe met is asked on a flow that was not used for long.
R3. Where the prober has one probe of a flow in flight, one that would take another's place goes on a flow of
    R2, and a router's waits.
R4. An answer is missing after ``patience``, which what it concerns may act upon; it counts as lost only once
    nothing can be heard of it any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetcp.model import Probe, Reply
    from tracetcp.watch import Machine

FLOWS_IN_TURN = (13, 14, 15)
"""The last of the source ports that the raw prober holds; traces take the first."""
RESTING_FLOWS = range(384, 640)
"""Flows for R2: far from those of traces and of their controls."""


class Role(Enum):
    """What a question is asked for."""

    DESTINATION = "destination"
    """The one of each interval."""
    AGAIN = "again"
    """To bear out what one of those met."""
    ROUTER = "router"
    """One in turn, or every one in a round."""


@dataclass(slots=True, eq=False)
class Question:
    """A probe and what came of it; instants are 0 until it left.

    ``control`` is the question to the destination that left in the same moment, or last, for a router's.
    """

    role: Role
    probe: Probe
    patience: float
    longest: float
    sent_at: float = 0.0
    reply: Reply | None = None
    is_missing: bool = False
    is_in_round: bool = False
    control: Question | None = None

    @property
    def missing_at(self) -> float:
        """When its answer is overdue."""
        return self.sent_at + self.patience

    @property
    def ends_at(self) -> float:
        """When it is lost."""
        return self.sent_at + self.longest

    @property
    def rtt(self) -> float | None:
        """Seconds to its answer, None without one."""
        return None if self.reply is None else max(0.0, self.reply.received_at - self.sent_at)


class Questions:
    """Those under way, by token."""

    def __init__(self, machine: Machine) -> None:
        self.under_way: dict[int, Question] = {}
        self.is_resting_always = False
        """Whether the destination answers a flow once only, so that every question takes a rested one."""
        self._machine = machine
        self._turn = -1
        self._rested = -1

    def flow_in_turn(self) -> int:
        """The flow of the next question to the destination."""
        self._turn = (self._turn + 1) % len(FLOWS_IN_TURN)
        flow = FLOWS_IN_TURN[self._turn]  # R1
        return self.rested_flow() if self.is_resting_always or not self.is_free(flow) else flow

    def rested_flow(self) -> int:
        """A flow that was not used for long."""
        self._rested = (self._rested + 1) % len(RESTING_FLOWS)
        return RESTING_FLOWS[self._rested]  # R2

    def is_free(self, flow: int) -> bool:
        """Whether a probe on ``flow`` would take no other's place."""
        return self._machine.shares_flows or all(
            each.probe.flow != flow for each in self.under_way.values()
        )  # R3

    @property
    def are_in_round(self) -> bool:
        """Whether one of a round is under way."""
        return any(each.is_in_round for each in self.under_way.values())

    def newly_missing(self, now: float) -> list[Question]:
        """Those whose answers are overdue since this was last asked."""
        found = [each for each in self.under_way.values() if not each.is_missing and each.missing_at <= now]
        for each in found:
            each.is_missing = True  # R4
        return found

    def take_lost(self, now: float) -> list[Question]:
        """Those that are lost, which are under way no longer."""
        lost = [each for each in self.under_way.values() if each.ends_at <= now]
        for each in lost:
            del self.under_way[each.probe.token]
        return lost

    def instants(self) -> Iterator[float]:
        """When one of them is missing or lost."""
        for each in self.under_way.values():
            yield each.ends_at if each.is_missing else each.missing_at
