"""Which answer ends the trace of a port, and when it counts.

Knows the hops and flights of one path; sends nothing and knows no clock but the instants it is told.

R1. The trace ends at the nearest TTL with a terminal answer beyond all routers; rows that are out stay.
R2. A RST to a TTL below ``CONFIRMATION_TTL`` may come from a host that refuses packets whose TTL runs out, or
    be forged: the port is asked again with that TTL, ``CONFIRMATIONS`` times at most until one is answered.
R3. A RST stands for a while before it counts: ``RST_STANDS_SECONDS``, or ``RST_STANDS_RTTS`` of its own RTTs
    up to ``RST_STANDS_MOST``. In that time a SYN-ACK or a router farther out may contradict it, and so may
    whatever is still in flight beyond it.
R4. A SYN-ACK from anywhere beyond the routers outranks a RST; the answer to a confirmation outranks the RST
    that it confirms.
R5. The row of the destination shows the lost pings before the answer, then the answer. A ping whose flow the
    destination answered elsewhere is not lost: it answers one SYN of a flow only.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from tracetcp.model import Hop, Outcome, Ping, ReplyKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tracetcp.engine.trace.flight import Flight
    from tracetcp.engine.trace.hops import HopState
    from tracetcp.model import Reply

CONFIRMATION_TTL = 127
"""High enough for any path, and the look of a Windows host's SYN."""
CONFIRMATIONS = 2
"""Confirmation probes sent before an unconfirmed RST is believed."""
RST_STANDS_SECONDS = 0.1
"""The least for which a RST may be contradicted; the next routers' answers are that near."""
RST_STANDS_RTTS = 2
RST_STANDS_MOST = 0.25


class Ending:
    """The end of one path, whose ``hops`` (by TTL) and ``flights`` it reads; ``pings`` are asked of a hop."""

    def __init__(self, hops: Mapping[int, HopState], flights: Sequence[Flight], pings: int) -> None:
        self.ttl: int | None = None
        """Where the trace ends as far as is known, None while nothing ends it."""
        self.rst_stands_at = -inf
        """When the last RST can no longer be contradicted by what it was told of."""
        self._hops = hops
        self._flights = flights
        self._pings = pings
        self._confirmations: list[Flight] = []

    @property
    def outcome(self) -> Outcome | None:
        """What the answer at ``ttl`` says of the port."""
        return None if self.ttl is None else self._hops[self.ttl].outcome

    @property
    def is_router(self) -> bool:
        """Whether a router's report ends the trace, not the destination."""
        return self.outcome is Outcome.UNREACHABLE

    @property
    def wants_confirmation(self) -> bool:
        """Whether the port is to be asked again with ``CONFIRMATION_TTL``."""
        if self.ttl is None or self.ttl >= CONFIRMATION_TTL or self.outcome is not Outcome.CLOSED:
            return False
        asked = self._confirmations
        return len(asked) < CONFIRMATIONS and all(each.is_lost and not each.replies for each in asked)  # R2

    def on_confirmation_sent(self, flight: Flight) -> None:
        """A confirmation probe left."""
        self._confirmations.append(flight)

    def on_reply(self, flight: Flight, reply: Reply) -> None:
        """Start the time for which a RST may be contradicted."""
        if reply.kind is ReplyKind.RST:  # R3
            stands = max(RST_STANDS_SECONDS, RST_STANDS_RTTS * flight.rtt(reply))
            self.rst_stands_at = max(self.rst_stands_at, reply.received_at + min(RST_STANDS_MOST, stands))

    def find(self, ttls: Iterable[int]) -> None:
        """Find the end among ``ttls``: those beyond all routers whose rows are not out."""
        self.ttl = next((ttl for ttl in ttls if self._hops[ttl].terminal()), None)  # R1

    def row(self, now: float, last_router_ttl: int) -> Hop | None:
        """The last row, None while something in flight may still change it."""
        assert self.ttl is not None, "only a path that ends has a last row"
        hop = self._hops[self.ttl]
        if self.is_router:
            return hop.row(Outcome.UNREACHABLE) if hop.is_settled else None
        if self.outcome is Outcome.CLOSED and self._may_be_contradicted(self.ttl, now):
            return None
        return self._destination_row(hop, last_router_ttl)

    def _may_be_contradicted(self, end: int, now: float) -> bool:
        if self.wants_confirmation or any(each.is_in_flight for each in self._confirmations):  # R2
            return True
        if now < self.rst_stands_at:  # R3
            return True
        return any(flight.is_in_flight and flight.probe.ttl > end for flight in self._flights)

    def _destination_row(self, hop: HopState, last_router_ttl: int) -> Hop:
        answer = hop.terminal()
        assert answer is not None, "only a TTL with a terminal answer is the end"
        flight, reply = answer
        answered_flows = {
            other.probe.flow for other in self._flights if other.reply_of(ReplyKind.SYN_ACK, ReplyKind.RST)
        }
        lost = tuple(
            cell.ping()
            for cell in hop.cells[: min(flight.probe.attempt, self._pings) - 1]
            if cell.is_lost and cell.flight is not None and cell.flight.probe.flow not in answered_flows  # R5
        )
        attempt = flight.probe.attempt
        if reply.kind is ReplyKind.RST:
            flight, reply = self._answer_beyond(last_router_ttl) or answer
        outcome = Outcome.OPEN if reply.kind is ReplyKind.SYN_ACK else Outcome.CLOSED
        return Hop(hop.ttl, (*lost, Ping(attempt, flight.rtt(reply), reply)), outcome)

    def _answer_beyond(self, last_router_ttl: int) -> tuple[Flight, Reply] | None:
        """The answer that outranks the RST at the end."""
        for kind, flights in ((ReplyKind.SYN_ACK, self._flights), (ReplyKind.RST, self._confirmations)):  # R4
            for flight in flights:
                reply = flight.reply_of(kind)
                if reply is not None and flight.probe.ttl > last_router_ttl:
                    return flight, reply
        return None
