"""Which answer ends the trace of a port, and when it counts.

Knows the hops and flights of one path; sends nothing and knows no clock but the instants it is told.

R1. The trace ends at the nearest TTL with a terminal answer, unless routers contradict it; rows that are out
    stay. A router's report is contradicted by one Time Exceeded from its TTL or beyond.
R2. An answer of the destination is contradicted by Time Exceeded to ``CONTRADICTIONS`` probes of its TTL or
    beyond. To a single one it may be forged or a copy, and a witness is asked at its TTL, ``WITNESSES`` times
    at most until one is answered; a router there has ``STANDS_RTTS`` of the first one's RTTs to show. But a
    single one is enough
    - where the destination answered nothing so near on the flow of that probe, and the answer is less than
      ``BRANCH_HOPS`` nearer: then branches of different length share the load;
    - where the destination answered a RST and, beyond that router, a SYN-ACK.
R3. Where an answer was contradicted by routers on its own flow, or was found to be forged (``forgeries``),
    somebody answers in the destination's name.
    From then on an end stands only ``FORGER_SECONDS`` after the last probe to it or beyond: routers may be
    far.
R4. A RST to a TTL below ``CONFIRMATION_TTL`` may come from a host that refuses packets whose TTL runs out, or
    be forged: the port is asked again with that TTL, ``CONFIRMATIONS`` times at most until one is answered,
    and not by two machines. So is a port whose SYN-ACK came from where no control was answered: whoever lets
    the SYN pass is not the only one to answer it. The destination has ``UNPLACED_SECONDS`` for that.
R5. A RST stands for a while before it counts: ``STANDS_SECONDS``, or ``STANDS_RTTS`` of its own RTTs
    up to ``STANDS_MOST``. In that time a SYN-ACK or a router farther out may contradict it, and so may
    whatever is still in flight beyond it.
R6. A SYN-ACK from anywhere beyond the routers outranks a RST that a low TTL may explain: not if a
    confirmation met a RST, or a probe a router so far beyond that no branch is as long. The answer to a
    confirmation outranks the RST that it confirms.
R7. Where columns became flows, of the pings only those of the first column contradict: the others may have
    taken a longer branch.
R8. Where a control met a router at the end or beyond, somebody nearer than the destination may answer this
    port and let it pass: ``LOOKS`` probes must have gone as far as that router and have had the time to be
    answered by it.
R9. Where a single probe was answered by two machines (``forgeries``), ``LOOKS`` others are sent with its TTL
    and have the time to be answered by both.
R10. The row of the destination shows the lost pings before the answer, then the answer. A ping whose flow
    the destination answered elsewhere is not lost: it answers one SYN of a flow only.
R11. Where branches seem to have different lengths, the end is where that is surest (``uneven``).
R12. Where columns became flows, the end is that of the first column (``last_link``).
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from tracetcp.engine.trace.flight import Purpose
from tracetcp.engine.trace.flows import BRANCH_HOPS
from tracetcp.engine.trace.forgeries import met_two_machines
from tracetcp.engine.trace.hops import TCP_KINDS
from tracetcp.engine.trace.reach import Reach
from tracetcp.engine.trace.uneven import UnevenBranches
from tracetcp.model import Hop, Outcome, Ping, ReplyKind, outcome_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tracetcp.engine.trace.flight import Flight
    from tracetcp.engine.trace.flows import Flows
    from tracetcp.engine.trace.hops import HopState
    from tracetcp.engine.trace.last_link import LastLink
    from tracetcp.engine.trace.losses import SuspectedLosses
    from tracetcp.engine.trace.uneven import Question
    from tracetcp.model import Reply

CONFIRMATION_TTL = 127
"""High enough for any path, and the look of a Windows host's SYN."""
CONFIRMATIONS = 2
"""Confirmation probes sent before an unconfirmed RST is believed."""
STANDS_SECONDS = 0.1
"""The least for which a RST may be contradicted; the next routers' answers are that near."""
STANDS_RTTS = 2
STANDS_MOST = 0.25
CONTRADICTIONS = 2
"""Probes that expired at the end or beyond it, before it is none."""
WITNESSES = 2
"""Witnesses asked where one probe did."""
FORGER_SECONDS = 1.0
UNPLACED_SECONDS = 0.5
"""For which an answer may be contradicted that came from where no control was answered."""
LOOKS = 2
"""Probes of a port that are to go as far as a router that a control met beyond its end."""


def _is_unclear(confirmation: Flight) -> bool:
    """Whether nothing confirmed the answer, or two machines did."""
    return met_two_machines(confirmation) if confirmation.replies else confirmation.is_lost


class Ending:
    """The end of one path, whose ``hops`` (by TTL), ``flights``, ``flows`` and ``losses`` it reads.

    ``last_link`` is the same path's. ``pings`` are asked of a hop.
    """

    def __init__(
        self,
        hops: Mapping[int, HopState],
        flights: Sequence[Flight],
        flows: Flows,
        losses: SuspectedLosses,
        last_link: LastLink,
        pings: int,
    ) -> None:
        self.ttl: int | None = None
        """Where the trace ends as far as is known, None while nothing ends it."""
        self.stands_at = -inf
        """Until when the end may be contradicted: after a RST, and while a witness may show a router."""
        self.doubted_until = -inf
        """Until when the end waits for routers beyond it, since answers are forged on this path."""
        self._hops = hops
        self._flights = flights
        self._flows = flows
        self._last_link = last_link
        self._pings = pings
        self._confirmations: list[Flight] = []
        self._terminal_ttls: set[int] = set()
        """The TTLs with a terminal answer."""
        self._expired: dict[int, list[Flight]] = {}
        """By TTL: the probes that were answered by Time Exceeded, ``CONTRADICTIONS`` of them at most."""
        self._reach = Reach()
        self._uneven = UnevenBranches(hops, flights, flows, losses, last_link, self._reach)
        self._witnesses: list[Flight] = []
        self.router_of_control: int | None = None
        """The farthest TTL at which a control met a router, if that is known."""
        self.proof: Flight | None = None
        """The only probe that two machines answered."""
        self.is_unplaced = False
        """Whether controls were asked, and none was answered where this port was."""
        self.column_ttl: int | None = None
        """Where the first column is still to be asked before the end is believed (R12)."""
        self.has_branches = False
        """Whether flows seem to take branches of different lengths (R11)."""
        self._has_forger = False
        """Whether answers were found to be forged (``forgeries``)."""

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
        if self.ttl is None or self.ttl >= CONFIRMATION_TTL or self.is_router:
            return False
        if self.outcome is Outcome.OPEN and not self.is_unplaced:
            return False
        asked = self._confirmations
        return len(asked) < CONFIRMATIONS and all(_is_unclear(each) for each in asked)  # R4

    def on_confirmation_sent(self, flight: Flight) -> None:
        """A confirmation probe left."""
        self._confirmations.append(flight)
        if self.is_unplaced:
            self.stands_at = max(self.stands_at, flight.sent_at + UNPLACED_SECONDS)  # R4

    def on_reply(self, flight: Flight, reply: Reply) -> None:
        """Note what may contradict an end, and start the time for which a RST may be contradicted."""
        probe = flight.probe
        if reply.kind is ReplyKind.TIME_EXCEEDED:
            self._reach.met_router(flight, reply.sender)
            expired = [other for other in self._expired.get(probe.ttl, ()) if self._contradicts(other)]
            if len(expired) < CONTRADICTIONS and flight not in expired:
                self._expired[probe.ttl] = [*expired, flight]
        elif outcome_of(probe, reply) is not None:
            self._terminal_ttls.add(probe.ttl)
        if reply.kind in TCP_KINDS:
            self._reach.met_host(flight)
        if reply.kind is ReplyKind.RST:  # R5
            stands = max(STANDS_SECONDS, STANDS_RTTS * flight.rtt(reply))
            self.stands_at = max(self.stands_at, reply.received_at + min(STANDS_MOST, stands))

    def forget(self) -> None:
        """Forget the answers that turned out to be forged: they are no longer among those of the flights."""
        self._has_forger = True
        self._terminal_ttls = {ttl for ttl, hop in self._hops.items() if hop.terminal()}
        asked = (flight for flight in self._flights if flight.probe.ttl in self._hops)
        self._reach.forget_host(flight for flight in asked if flight.reply_of(*TCP_KINDS))

    def find(self, first: int) -> int:
        """Find the end at TTL ``first`` or beyond; returns the last router's TTL before it, 0 for none."""
        ttls = sorted(ttl for ttl in self._terminal_ttls if ttl >= first)
        uncontradicted = [ttl for ttl in ttls if self._may_end(ttl)]
        self.ttl = uncontradicted[0] if uncontradicted else None
        self.column_ttl = None
        if self.ttl is not None and self._flows.were_mixed and not self.is_router:
            self.ttl, self.column_ttl = self._last_link.of_first_column(self.ttl)  # R12
        self.has_branches = (
            self.ttl is not None
            and not self.is_router
            and self._uneven.are_seen(self.ttl, min(self._terminal_ttls))
        )
        if self.has_branches:  # R11
            self.ttl = self._uneven.surest(uncontradicted)
        if self.ttl is not None and (self._has_forger or self._is_answer_forged(self.ttl)):  # R3
            last = max((each.sent_at for each in self._flights if each.probe.ttl >= self.ttl), default=0.0)
            self.doubted_until = last + FORGER_SECONDS
        return max((ttl for ttl in self._expired if self.ttl is None or ttl < self.ttl), default=0)

    @property
    def silence_before(self) -> Question | None:
        """What may show that the end is nearer, after all (R11)."""
        return self._uneven.silence_before(self.ttl) if self.has_branches and self.ttl else None

    @property
    def longest_column(self) -> Question | None:
        """What may show that the end is farther, after all (R11)."""
        return self._uneven.longest_column(self.ttl) if self.has_branches and self.ttl else None

    def _expired_beyond(self, ttl: int) -> list[Flight]:
        """Probes that expired at ``ttl`` or beyond."""
        beyond = (flight for other, flights in self._expired.items() if other >= ttl for flight in flights)
        return [flight for flight in beyond if self._contradicts(flight)]

    def _contradicts(self, expired: Flight) -> bool:
        if expired.purpose is Purpose.WITNESS or not self._flows.were_mixed:
            return True
        return expired.probe.flow == self._flows.of_column(1)  # R7

    def _may_end(self, ttl: int) -> bool:
        """Whether no router contradicts the terminal answer at ``ttl``."""
        beyond = self._expired_beyond(ttl)
        if not beyond:
            return True
        outcome = self._hops[ttl].outcome
        if outcome is Outcome.UNREACHABLE:  # R1
            return False
        if len(beyond) >= CONTRADICTIONS or self._is_on_longer_branch(beyond[0], ttl):  # R2
            return False
        return outcome is Outcome.OPEN or not self._is_open_beyond(beyond[0].probe.ttl)  # R2

    def _is_answer_forged(self, end: int) -> bool:
        """Whether an answer nearer than ``end`` was contradicted on its own flow."""
        return any(
            self._reach.host_of(flight.probe.flow) <= ttl < flight.probe.ttl
            for ttl in self._terminal_ttls
            if ttl < end
            for flight in self._expired_beyond(ttl)
        )

    def _is_on_longer_branch(self, expired: Flight, ttl: int) -> bool:
        """Whether ``expired`` may be on a branch on which the destination is farther than at ``ttl``."""
        probe = expired.probe
        return probe.ttl - ttl < BRANCH_HOPS and self._reach.host_of(probe.flow) > probe.ttl

    def _is_open_beyond(self, ttl: int) -> bool:
        return any(flight.probe.ttl > ttl and flight.reply_of(ReplyKind.SYN_ACK) for flight in self._flights)

    @property
    def is_contradicted(self) -> bool:
        """Whether a probe expired where another was answered in the destination's name, or beyond."""
        nearest = self._reach.nearest_host
        return nearest < inf and bool(self._expired_beyond(int(nearest)))

    @property
    def contested_ttl(self) -> int | None:
        """Where a single probe expired though the destination answered it, or a nearer one."""
        end = self.ttl
        if end is None or self.is_router:
            return None
        return next((flight.probe.ttl for flight in self._expired_beyond(end)), None)

    @property
    def wants_witness(self) -> bool:
        """Whether a witness is to be asked at ``contested_ttl``."""
        if self.contested_ttl is None:
            return False
        asked = self._asked_witnesses()
        return len(asked) < WITNESSES and all(each.is_missed for each in asked)  # R2

    def _asked_witnesses(self) -> list[Flight]:
        return [each for each in self._witnesses if each.probe.ttl == self.contested_ttl]

    def on_witness_sent(self, flight: Flight) -> None:
        """A witness left: a router that is farther than the box in front of it takes longer to answer."""
        self._witnesses.append(flight)
        first = self._expired[flight.probe.ttl][0]
        answer = first.reply_of(ReplyKind.TIME_EXCEEDED)
        assert answer is not None, "a TTL is contested by a router's answer"
        stands = max(STANDS_SECONDS, STANDS_RTTS * first.rtt(answer))
        self.stands_at = max(self.stands_at, flight.sent_at + stands)  # R2

    @property
    def wanted_look(self) -> int | None:
        """The TTL at which the port is to be asked, to see whether it passes as far as a control does.

        Or whether two machines answer it there, as they did one probe.
        """
        for ttl, looks in self._looks():
            if len(looks) < LOOKS:
                return ttl
        return None

    def _looks(self) -> Iterator[tuple[int, list[Flight]]]:
        """The TTLs that want looks, each with those that were taken."""
        ttl = self._doubted_ttl
        if ttl is not None:
            asked = (each for each in self._flights if each.probe.ttl in self._hops)
            yield ttl, [each for each in asked if each.probe.ttl >= ttl]
        ttl, proof = self._ttl_of_two, self.proof
        if ttl is not None and proof is not None:
            flights = self._hops[ttl].flights
            yield ttl, [each for each in flights if each.is_alone and each.sent_at > proof.sent_at]

    @property
    def _ttl_of_two(self) -> int | None:
        """Where a single probe was answered by two machines."""
        if self.proof is None or self.ttl is None or self.is_router or self.contested_ttl is not None:
            return None
        ttl = self.proof.probe.ttl
        return ttl if self.ttl <= ttl and ttl in self._hops else None

    @property
    def _doubted_ttl(self) -> int | None:
        """Where a control met a router and no probe of this port did, nor farther out (R8)."""
        ttl, end = self.router_of_control, self.ttl
        if ttl is None or end is None or end > ttl or self.is_router or self._expired_beyond(ttl):
            return None
        return ttl

    def looks_until(self, timeout: Callable[[int], float]) -> float:
        """Until when looks may still show what contradicts the end.

        ``timeout`` is how long an answer takes, by TTL; infinity while the probes have not left.
        """
        until = -inf
        for ttl, looks in self._looks():
            if len(looks) < LOOKS:
                return inf
            until = max(until, *(each.sent_at + timeout(ttl) for each in looks))  # R8, R9
        return until

    def is_forged(self, flight: Flight) -> bool:
        """Whether a TCP answer to ``flight`` is not the destination's: its flow met a router farther out."""
        return self._reach.router_of(flight.probe.flow) > flight.probe.ttl

    def row(self, now: float, last_router_ttl: int) -> Hop | None:
        """The last row, None while something in flight may still change it."""
        assert self.ttl is not None, "only a path that ends has a last row"
        hop = self._hops[self.ttl]
        if self.is_router:
            return hop.row(Outcome.UNREACHABLE) if hop.is_settled else None
        if self.longest_column or self._may_be_contested(now) or now < self.doubted_until:  # R3
            return None
        is_doubtful = self.outcome is Outcome.CLOSED or self.is_unplaced
        if is_doubtful and self._may_be_contradicted(self.ttl, now):
            return None
        return self._destination_row(hop, last_router_ttl)

    def _may_be_contested(self, now: float) -> bool:
        if self.contested_ttl is None:
            return False
        is_asked = any(each.is_in_flight for each in self._asked_witnesses())
        return self.wants_witness or is_asked or now < self.stands_at  # R2

    def _may_be_contradicted(self, end: int, now: float) -> bool:
        if self.wants_confirmation or any(each.is_in_flight for each in self._confirmations):  # R4
            return True
        if now < self.stands_at:  # R5
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
            if cell.is_lost
            and cell.flight is not None
            and cell.flight.probe.flow not in answered_flows  # R10
        )
        attempt = flight.probe.attempt
        if reply.kind is ReplyKind.RST:
            flight, reply = self._answer_beyond(last_router_ttl) or answer
        outcome = Outcome.OPEN if reply.kind is ReplyKind.SYN_ACK else Outcome.CLOSED
        return Hop(hop.ttl, (*lost, Ping(attempt, flight.rtt(reply), reply)), outcome)

    def _answer_beyond(self, last_router_ttl: int) -> tuple[Flight, Reply] | None:
        """The answer that outranks the RST at the end."""
        accepting = () if self._is_low_ttl_no_reason() else self._flights  # R6
        for kind, flights in ((ReplyKind.SYN_ACK, accepting), (ReplyKind.RST, self._confirmations)):  # R6
            for flight in flights:
                reply = flight.reply_of(kind)
                if reply is not None and flight.probe.ttl > last_router_ttl:
                    return flight, reply
        return None

    def _is_low_ttl_no_reason(self) -> bool:
        """Whether it is no host that refuses what arrives with a low TTL, who answered the RST at the end.

        Such a host accepts the confirmation, and no router is met so far beyond it.
        """
        is_refused = any(
            flight.replies and not flight.reply_of(ReplyKind.SYN_ACK) for flight in self._confirmations
        )
        return is_refused or any(
            flight.probe.ttl >= (self.ttl or 0) + BRANCH_HOPS - 1 and flight.reply_of(ReplyKind.TIME_EXCEEDED)
            for flight in self._flights
        )
