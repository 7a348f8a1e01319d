"""The routers of one run: who answers at which TTL, and when each may be sent the next probe.

Shared by all engines of a run. Knows nothing of what is asked for; the rules that use it stand in ``path``,
``retries`` and ``scheduler``, those of pacing in ``pacer``.

R1. A router is known by its address once it said that a TTL ran out; until then the TTL stands for it. What
    was sent to a router is what was sent to all TTLs at which it answered.
R2. Where several routers share a TTL, a probe counts for each of them: the flow decides which one it meets.
R3. A router that answered at two TTLs, as in a routing loop, is expected at equal steps beyond them, wherever
    nobody is known yet.
"""

from __future__ import annotations

from collections import deque
from itertools import chain, pairwise
from math import inf
from typing import TYPE_CHECKING, Protocol

from tracetcp.engine.trace.pacer import SUSTAINED_PROBES, next_send_at
from tracetcp.model import ReplyKind

if TYPE_CHECKING:
    from collections.abc import Container, Sequence, Sized

    from tracetcp.engine.trace.flight import Flight
    from tracetcp.model import Reply

REMEMBERED_PORTS = 8
"""Ports remembered per TTL as known to pass: more than one retry asks about, so one is left as control."""
LONGER_BRANCH = 2
"""Hops by which a branch may be longer than another one."""
ICMP_KINDS = (ReplyKind.TIME_EXCEEDED, ReplyKind.UNREACHABLE)


class Router:
    """One router, known by its address."""

    __slots__ = ("is_limited", "ttls")

    def __init__(self) -> None:
        self.is_limited = False
        """Whether it was seen to limit its answers."""
        self.ttls: list[int] = []
        """Where it said that a TTL ran out, ascending."""

    def is_expected_at(self, ttl: int) -> bool:
        """Whether ``ttl`` continues the steps at which it answered; for one that answered at two TTLs."""
        last = self.ttls[-1]
        step = min(after - before for before, after in pairwise(self.ttls))
        return ttl > last and (ttl - last) % step == 0


class RetryUnderWay(Protocol):
    """What others must know of a retry (see ``retries``)."""

    @property
    def to_send(self) -> Sized:
        """Its probes that have not left yet."""

    @property
    def is_over(self) -> bool:
        """Whether every probe was sent, and answered or given up."""


class Place:
    """One TTL, as all ports of the run see it."""

    __slots__ = ("_is_limited", "passing", "retry", "routers", "senders", "sent", "unanswered_retries")

    def __init__(self) -> None:
        self.sent: deque[float] = deque(maxlen=SUSTAINED_PROBES)
        """When the last probes with this TTL left."""
        self.routers: list[Router] = []
        """Those that said a TTL ran out here."""
        self.senders: set[str] = set()
        """Every address that sent an ICMP error from here."""
        self.passing: dict[int, int] = {}
        """Ports known to pass up to here, each with a flow on which it did; the newest last."""
        self.unanswered_retries = 0
        """Retries in a row that nothing answered, not even their control."""
        self.retry: RetryUnderWay | None = None
        """The last retry here."""
        self._is_limited = False

    @property
    def is_asked_again(self) -> bool:
        """Whether a retry is under way here."""
        return self.retry is not None and not self.retry.is_over

    @property
    def is_reserved(self) -> bool:
        """Whether the next probes to leave for here are those of a retry."""
        return self.retry is not None and bool(self.retry.to_send)

    @property
    def is_limited(self) -> bool:
        """Whether a router here was seen to limit its answers."""
        return any(router.is_limited for router in self.routers) if self.routers else self._is_limited

    @is_limited.setter
    def is_limited(self, is_limited: bool) -> None:
        self._is_limited = is_limited
        for router in self.routers:
            router.is_limited = is_limited

    def control(self, but: Container[int]) -> tuple[int, int] | None:
        """A (port, flow) known to pass, of none of the ports ``but``.

        None also where several routers share the load: another flow's router proves nothing then.
        """
        if len(self.senders) > 1:
            return None
        return next(((port, flow) for port, flow in reversed(self.passing.items()) if port not in but), None)


class Routers:
    """The routers of a run, by address and by TTL."""

    def __init__(self) -> None:
        self._by_address: dict[str, Router] = {}
        self._places: dict[int, Place] = {}
        self._repeating: list[Router] = []
        """Those that answered at two TTLs or more."""

    def renewed(self) -> Routers:
        """The same TTLs with what was sent to each, and nobody known at any."""
        fresh = Routers()
        for ttl, place in self._places.items():
            fresh.at(ttl).sent = place.sent
        return fresh

    def at(self, ttl: int) -> Place:
        """The record of ``ttl``, made at first use."""
        place = self._places.get(ttl)
        if place is None:
            place = self._places[ttl] = Place()
        return place

    @property
    def is_load_shared(self) -> bool:
        """Whether several routers were seen at one TTL."""
        return any(len(place.routers) > 1 for place in self._places.values())

    def answers_at(self, ttl: int) -> bool:
        """Whether a router at ``ttl`` has answered anything, whatever the port."""
        return bool(self.at(ttl).senders)

    def has_router_at(self, ttl: int) -> bool:
        """Whether a packet of any port was seen to expire at ``ttl``, so a reply from there has its RTT."""
        return bool(self.at(ttl).routers)

    def next_send_at(self, ttl: int, count: int = 1) -> float:
        """The instant from which ``count`` probes with ``ttl`` may leave back to back."""
        place = self.at(ttl)
        next_at = next_send_at(place.sent, count, is_limited=place.is_limited)
        for router in place.routers or self._expected_at(ttl):  # R1, R2
            if len(router.ttls) > 1:
                sent = self._sent_to(router)
                next_at = max(next_at, next_send_at(sent, count, is_limited=router.is_limited))
        return next_at

    def _expected_at(self, ttl: int) -> list[Router]:
        return [router for router in self._repeating if router.is_expected_at(ttl)]  # R3

    def _sent_to(self, router: Router) -> Sequence[float]:
        """When probes left for a router that answers at several TTLs."""
        unknown = (ttl for ttl, place in self._places.items() if not place.routers)
        ttls = [*router.ttls, *filter(router.is_expected_at, unknown)]
        return sorted(chain.from_iterable(self._places[ttl].sent for ttl in ttls))

    def on_sent(self, ttl: int, at: float) -> None:
        """Count a probe with ``ttl`` that left at ``at``."""
        self.at(ttl).sent.append(at)

    def last_sent_to(self, place: Place) -> float:
        """When a probe last left for the router at ``place``, at any TTL: one that rejects answers at two.

        Where a router was met at two TTLs, those around may be its own, too.
        """
        around = self._around(place) if self._repeating else ()
        alike = [other for other in self._places.values() if other.senders & place.senders]
        return max(other.sent[-1] if other.sent else -inf for other in [place, *alike, *around])

    def _around(self, place: Place) -> list[Place]:
        ttl = next(ttl for ttl, other in self._places.items() if other is place)
        return [other for near, other in self._places.items() if abs(near - ttl) <= LONGER_BRANCH]

    def on_reply(self, flight: Flight, reply: Reply) -> None:
        """Learn from an ICMP answer: who sent it, and that the port and flow asked for pass up to there."""
        if reply.kind not in ICMP_KINDS:
            return
        probe = flight.probe
        place = self.at(probe.ttl)
        place.senders.add(reply.sender)
        place.passing.pop(probe.port, None)
        place.passing[probe.port] = probe.flow
        if len(place.passing) > REMEMBERED_PORTS:
            del place.passing[next(iter(place.passing))]
        if reply.kind is ReplyKind.TIME_EXCEEDED:
            self._meet(reply.sender, probe.ttl, place)

    def _meet(self, address: str, ttl: int, place: Place) -> None:
        """Note that the router at ``address`` answers at ``ttl``."""
        router = self._by_address.get(address)
        if router is None:
            router = self._by_address[address] = Router()
        if ttl in router.ttls:
            return
        router.is_limited = router.is_limited or place.is_limited
        place.routers.append(router)
        router.ttls = sorted([*router.ttls, ttl])
        if len(router.ttls) == 2:
            self._repeating.append(router)
