"""Which flow each probe of a path goes on, so that a column of its rows is one path.

Pure; knows no reply. The prober says whether probes of one flow may be in flight together (its
``shares_flows``). Where they may not, waiting for one after the other would take as long as all hops
together, so columns are made flows by need only:

F1. Where probes share flows, attempt k of every hop goes on flow k - 1.
F2. Elsewhere every probe goes on a fresh flow, but that the second attempt at a hop goes on the one whose
    first attempt met the router before it: so a link between two rows was met on one flow, or load sharing
    is seen. It is seen by two routers at one TTL that tell of the same, or by a router at or beyond a TTL
    that was answered in the destination's name. (For the last link see ``last_link``.)
F3. From then on further attempts go on the flow of their column, one after the other, columns side by side;
    that of the first column met the router of the last row that is out, if there is one. What was answered
    on another flow is asked again, at the destination for the first column only.
F4. While no sharing is seen, the flows cannot be told apart: in the records each is its column. Where it was
    seen, the flow of the first column is 0 in the records, whichever it was before.
F5. A control of a TTL has a flow of its own there: only a TTL with one router has controls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.model import FLOWS, ProbeRecord

if TYPE_CHECKING:
    from tracetcp.engine.trace.flight import Flight

BRANCH_HOPS = 3
"""Branches of load sharing differ by one hop or two; three and more are next to unknown."""
CONTROL_FLOWS = 256
"""The last flows, one for each TTL, where flows are not shared."""


class Flows:
    """The flows of one path with ``pings`` columns; ``are_shared`` if probes of a flow may fly together."""

    __slots__ = ("_first_column", "_flights", "_pings", "are_columns", "are_shared", "fresh")

    def __init__(self, pings: int, *, are_shared: bool) -> None:
        self.fresh = pings
        """The next flow that no probe used: the first ones belong to the columns."""
        self.are_columns = are_shared
        """Whether the columns are flows: attempt k goes on flow k - 1."""
        self.are_shared = are_shared
        self._pings = pings
        self._first_column = 0
        self._flights: dict[int, Flight] = {}
        """By flow: its last probe, where another one has to wait for that."""

    @property
    def were_mixed(self) -> bool:
        """Whether columns are flows now and were not at first."""
        return self.are_columns and not self.are_shared

    @property
    def first(self) -> int:
        """The flow of first attempts, which never wait for one another."""
        return 0 if self.are_shared else self.fresh

    def of_column(self, attempt: int) -> int:
        """The flow of ``attempt`` at any hop."""
        if not self.are_columns:
            return self.fresh  # F2
        return self._first_column if attempt == 1 else attempt - 1  # F1, F3

    @property
    def columns(self) -> list[int]:
        """The flows of the columns, in their order."""
        return [self.of_column(attempt) for attempt in range(1, self._pings + 1)]

    def is_column(self, flow: int) -> bool:
        """Whether ``flow`` is that of a column."""
        return self.are_columns and flow in self.columns

    def make_columns(self, met: int | None) -> None:
        """Make columns flows from now on; ``met`` is the flow that met the router of the last row out."""
        self.are_columns = True
        self._first_column = 0 if met is None else met

    def of_control(self, ttl: int, known: int) -> int:
        """The flow of a control at ``ttl``, where ``known`` is one that passes."""
        return known if self.are_shared else FLOWS - 1 - ttl  # F5

    def is_free(self, flow: int) -> bool:
        """Whether a probe may leave on ``flow`` now."""
        last = self._flights.get(flow)
        return last is None or not last.is_in_flight  # F3

    def is_off_column(self, flight: Flight) -> bool:
        """Whether ``flight`` was to be on the flow of its column and is not."""
        return self.are_columns and flight.probe.flow != self.of_column(flight.probe.attempt)

    def on_sent(self, flight: Flight) -> None:
        """``flight`` left."""
        flow = flight.probe.flow
        last = FLOWS if self.are_shared else FLOWS - CONTROL_FLOWS
        if flow == self.fresh:
            self.fresh = flow + 1 if flow + 1 < last else self._pings
        if not self.are_shared:
            self._flights[flow] = flight

    def record(self, flight: Flight) -> ProbeRecord:
        """``flight`` as evidence."""
        record, attempt = flight.record(), flight.probe.attempt
        if self.are_columns:
            is_first = self._first_column and flight.probe.flow == self._first_column
            return record._replace(probe=record.probe._replace(flow=0)) if is_first else record  # F4
        if attempt > self._pings:
            return record
        return record._replace(probe=record.probe._replace(flow=attempt - 1))  # F4
