"""One TTL of one port while its row is undecided: the cells and what they heard.

State only; the rules that move it stand in ``path``.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from tracetcp.model import Hop, Outcome, Ping, ReplyKind, outcome_of

if TYPE_CHECKING:
    from collections.abc import Container

    from tracetcp.engine.trace.flight import Flight
    from tracetcp.model import Reply


MOST_PROBES = 32
"""Probes for each ping of a hop, after which it is asked no more: several times what the worst path needs."""
TCP_KINDS = (ReplyKind.SYN_ACK, ReplyKind.RST)


class CellState(Enum):
    """The life of one ping."""

    UNSENT = "to be sent"
    IN_FLIGHT = "in flight"
    ANSWERED = "answered"
    SUSPECTED = "a loss is suspected: to be asked again"
    LOST = "lost for good"


SETTLED = (CellState.ANSWERED, CellState.LOST)


class Cell:
    """One ping of a hop."""

    __slots__ = ("attempt", "flight", "state")

    def __init__(self, attempt: int) -> None:
        self.attempt = attempt
        self.state = CellState.UNSENT
        self.flight: Flight | None = None

    @property
    def is_lost(self) -> bool:
        """Whether its probe was given up, for now at least."""
        return self.state in (CellState.LOST, CellState.SUSPECTED)

    def ping(self) -> Ping:
        """The cell as it is shown: a Time Exceeded tells more of a hop than whatever else came."""
        reply = None
        if self.state is CellState.ANSWERED and self.flight is not None:
            reply = self.flight.reply_of(ReplyKind.TIME_EXCEEDED) or self.flight.replies[0]
            return Ping(self.attempt, self.flight.rtt(reply), reply)
        return Ping(self.attempt, None, None)


class HopState:
    """One TTL of a path: its cells, and every flight that was sent with this TTL."""

    __slots__ = ("cells", "confirmed_losses", "flights", "ttl")

    def __init__(self, ttl: int, pings: int) -> None:
        self.ttl = ttl
        self.cells = tuple(Cell(attempt) for attempt in range(1, pings + 1))
        self.flights: list[Flight] = []
        self.confirmed_losses = 0
        """Proofs that the lost cells were really lost (see ``retries``)."""

    @property
    def is_router(self) -> bool:
        """Whether a router said that a packet's TTL ran out here."""
        return any(flight.reply_of(ReplyKind.TIME_EXCEEDED) for flight in self.flights)

    @property
    def is_worn_out(self) -> bool:
        """Whether it was asked so often that more probes would tell no more."""
        return len(self.flights) >= MOST_PROBES * len(self.cells)

    @property
    def is_settled(self) -> bool:
        """Whether every cell is answered or lost for good, or nothing is to come any more."""
        if all(cell.state in SETTLED for cell in self.cells):
            return True
        return self.is_worn_out and not any(flight.is_in_flight for flight in self.flights)

    @property
    def is_answered(self) -> bool:
        """Whether anything at all answered here."""
        return any(flight.replies for flight in self.flights)

    @property
    def suspected(self) -> Cell | None:
        """The first cell to be asked again."""
        return next((cell for cell in self.cells if cell.state is CellState.SUSPECTED), None)

    @property
    def outcome(self) -> Outcome | None:
        """What the strongest terminal answer at this TTL says of the port."""
        answer = self.terminal()
        return outcome_of(answer[0].probe, answer[1]) if answer else None

    def terminal(self) -> tuple[Flight, Reply] | None:
        """The strongest answer that would end a trace here, with its flight."""
        strongest, found = len(Outcome), None
        for flight in self.flights:
            for reply in flight.replies:
                outcome = outcome_of(flight.probe, reply)
                if outcome is not None and outcome.rank < strongest:
                    strongest, found = outcome.rank, (flight, reply)
        return found

    def answered_by_tcp_alone(self) -> list[Flight]:
        """The flights of cells that got TCP answers and, so far, nothing of a router."""
        answered = [cell.flight for cell in self.cells if cell.state is CellState.ANSWERED and cell.flight]
        return [each for each in answered if all(reply.kind in TCP_KINDS for reply in each.replies)]

    def suspect_losses(self) -> bool:
        """Have the lost cells asked again; whether there are any."""
        lost = [cell for cell in self.cells if cell.state is CellState.LOST]
        for cell in lost:
            cell.state = CellState.SUSPECTED
        return bool(lost)

    def forget_answers(self) -> None:
        """Look at the cells again, since some answers do not count any more."""
        for cell in self.cells:
            flight = cell.flight
            if flight is not None and not flight.replies and cell.state in SETTLED:
                cell.state = CellState.IN_FLIGHT if flight.is_in_flight else CellState.LOST

    def alone_losses(self) -> int:
        """How many probes that were alone on their flow got no answer here."""
        return sum(flight.is_alone and flight.is_missed for flight in self.flights)

    def alone_answers(self) -> int:
        """How many probes that were alone on their flow were answered here."""
        return sum(flight.is_alone and bool(flight.replies) for flight in self.flights)

    def flows(self) -> set[int]:
        """The flows that were asked here."""
        return {flight.probe.flow for flight in self.flights}

    def flows_answered(self, *kinds: ReplyKind) -> list[int]:
        """The flows that got a reply of one of ``kinds`` here, in order of asking."""
        return [flight.probe.flow for flight in self.flights if flight.reply_of(*kinds)]

    def row(self, outcome: Outcome | None = None, without: Container[Flight | None] = ()) -> Hop:
        """The row with all its cells; stars in place of the flights ``without``."""
        pings = (
            Ping(cell.attempt, None, None) if cell.flight in without else cell.ping() for cell in self.cells
        )
        return Hop(self.ttl, tuple(pings), outcome)
