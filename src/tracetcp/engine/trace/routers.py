"""The routers of one run: who answers at which TTL, and when each may be sent the next probe.

Shared by all engines of a run. Knows nothing of what is asked for; the rules that use it stand in ``path``,
``retries`` and ``scheduler``, those of pacing in ``pacer``.

R1. A router is known by its address once it said that a TTL ran out; until then the TTL stands for it. What
    was sent to a router is what was sent to all TTLs at which it answered.
R2. Where several routers share a TTL, a probe counts for each of them: the flow decides which one it meets.
R3. A router that answered at two TTLs, as in a routing loop, is expected at equal steps beyond them, wherever
    nobody is known yet.
R4. Where several targets are traced, what they send to one router counts together (``shared_routers``).
"""

from __future__ import annotations

from collections import deque
from itertools import chain, pairwise
from math import inf
from typing import TYPE_CHECKING, Protocol

from tracetcp.engine.trace.pacer import LIMITED_INTERVAL, SUSTAINED_PROBES, next_send_at
from tracetcp.model import ReplyKind

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Sequence, Sized

    from tracetcp.engine.trace.flight import Flight
    from tracetcp.engine.trace.shared_routers import Ask, SharedRouter, SharedRouters
    from tracetcp.model import Probe, Reply

REMEMBERED_PORTS = 8
"""Ports remembered per TTL as known to pass: more than one retry asks about, so one is left as control."""
LOSSES_OF_SILENCE = 2
"""Losses that no limit explains, after which the other targets are told of a silent hop."""
LONGER_BRANCH = 2
"""Hops by which a branch may be longer than another one."""
ICMP_KINDS = (ReplyKind.TIME_EXCEEDED, ReplyKind.UNREACHABLE)


class Router:
    """One router, known by its address; ``shared`` is what all targets of the run know of it."""

    __slots__ = ("_is_limited", "shared", "ttls")

    def __init__(self, shared: SharedRouter | None = None) -> None:
        self.shared = shared
        self.ttls: list[int] = []
        """Where it said that a TTL ran out, ascending."""
        self._is_limited = False

    @property
    def is_limited(self) -> bool:
        """Whether it was seen to limit its answers; where it is shared, one target's word is not enough."""
        return self._is_limited if self.shared is None else self.shared.is_limited

    @is_limited.setter
    def is_limited(self, is_limited: bool) -> None:
        self._is_limited = is_limited

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

    __slots__ = (
        "_is_limited",
        "calm_losses",
        "charged",
        "has_voted",
        "may_owe",
        "passing",
        "retry",
        "routers",
        "senders",
        "sent",
        "unanswered_retries",
        "unproven",
    )

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
        """The retry here, while it is under way."""
        self.may_owe = False
        """Whether a shared router's limit may have kept back an answer."""
        self.charged: set[SharedRouter] = set()
        """The shared routers for which probes to here were counted."""
        self.calm_losses = 0
        """Losses that no limit explains."""
        self.has_voted = False
        """Whether the other targets were told what stands here."""
        self.unproven: list[tuple[SharedRouter, Ask]] = []
        """Losses that such a limit explains, if the router stands here."""
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
    """The routers of a run, by address and by TTL; ``shared`` with the other targets of the run."""

    def __init__(self, shared: SharedRouters | None = None) -> None:
        self._shared = shared
        self._asked: dict[int, list[tuple[SharedRouter, Ask]]] = {}
        """By token: the shared routers that a probe may meet, while that is open."""
        self._by_address: dict[str, Router] = {}
        self._places: dict[int, Place] = {}
        self._rejecting: Router | None = None
        """One that answered at its own TTL, and rejects what was to go farther."""
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
    def are_shared(self) -> bool:
        """Whether other targets of the run may ask the same routers."""
        return self._shared is not None

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
        for shared in self._shared_at(ttl, place):  # R4
            next_at = max(next_at, shared.next_send_at(count))
        return next_at

    def next_retry_at(self, ttl: int) -> float:
        """The instant from which a probe without a control may ask again at ``ttl``."""
        place = self.at(ttl)
        instants = [shared.next_send_at() for shared in self._shared_at(ttl, place)]  # R4
        return max(self._last_sent_to(place) + LIMITED_INTERVAL, *instants, -inf)

    def _shared_at(self, ttl: int, place: Place) -> Collection[SharedRouter]:
        """The shared routers that a probe with ``ttl`` meets, or may meet."""
        if self._shared is None:
            return ()
        known = place.routers or [
            self._by_address[each] for each in place.senders if each in self._by_address
        ]
        if not known and self._rejecting is not None and ttl > self._rejecting.ttls[-1]:
            known = [self._rejecting]
        if known:
            return [router.shared for router in known if router.shared is not None]
        before = self._shared_before(ttl)
        expected = self._shared.expected_at(ttl, before)
        if place.calm_losses and (spared := self._shared.spared_at(ttl, before)) is not None:
            return {*expected, spared}
        return expected

    def _shared_before(self, ttl: int) -> SharedRouter | None:
        """The router that this target met just before ``ttl``, if it is a single one."""
        before = self._places.get(ttl - 1)
        return before.routers[0].shared if before is not None and len(before.routers) == 1 else None

    def _expected_at(self, ttl: int) -> list[Router]:
        return [router for router in self._repeating if router.is_expected_at(ttl)]  # R3

    def _sent_to(self, router: Router) -> Sequence[float]:
        """When probes left for a router that answers at several TTLs."""
        unknown = (ttl for ttl, place in self._places.items() if not place.routers)
        ttls = [*router.ttls, *filter(router.is_expected_at, unknown)]
        return sorted(chain.from_iterable(self._places[ttl].sent for ttl in ttls))

    def on_sent(self, ttl: int, at: float, token: int | None = None) -> None:
        """Count a probe with ``ttl`` that left at ``at``; ``token`` for one whose fate will be told."""
        place = self.at(ttl)
        if self._shared is not None:
            asked = [(shared, shared.on_sent(at)) for shared in self._shared_at(ttl, place)]
            place.charged.update(shared for shared, _ in asked)
            if token is not None:
                self._asked[token] = asked
        place.sent.append(at)

    def on_lost(self, probe: Probe) -> None:
        """``probe`` was given up."""
        asked = self._asked.pop(probe.token, None)
        if asked is None or self._shared is None:
            return
        place = self.at(probe.ttl)
        for shared, ask in asked:
            shared.on_lost(ask)
            if place.senders:
                shared.prove(ask)
        if place.senders:
            return
        place.unproven += asked
        place.may_owe = place.may_owe or bool(asked)
        place.calm_losses += all(ask.is_cleared for _, ask in asked)
        if place.calm_losses > LOSSES_OF_SILENCE and not place.has_voted:
            place.has_voted = True
            self._shared.vote(probe.ttl, None)

    def may_owe_at(self, ttl: int) -> bool:
        """Whether nobody answered at ``ttl`` where a shared router's limit may have kept answers back.

        Right behind a router that others got past it may, for that their routers do so may not be seen yet.
        """
        place = self.at(ttl)
        if self._shared is None or place.senders:
            return False
        before = self._shared_before(ttl)
        return place.may_owe or (before is not None and bool(before.followers))

    def _last_sent_to(self, place: Place) -> float:
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
        probe = flight.probe
        if reply.kind in ICMP_KINDS:
            self._learn(probe, reply)
        met = self._by_address.get(reply.sender) if reply.kind in ICMP_KINDS else None
        for shared, ask in self._asked.pop(probe.token, ()):
            if met is not None and met.shared is shared:
                shared.on_answered(ask)
            else:
                ask.is_void = True

    def _learn(self, probe: Probe, reply: Reply) -> None:
        place = self.at(probe.ttl)
        place.senders.add(reply.sender)
        place.passing.pop(probe.port, None)
        place.passing[probe.port] = probe.flow
        if len(place.passing) > REMEMBERED_PORTS:
            del place.passing[next(iter(place.passing))]
        if reply.kind is ReplyKind.UNREACHABLE:
            self._reject(self._by_address.get(reply.sender))
        if reply.kind is ReplyKind.TIME_EXCEEDED:
            self._meet(reply.sender, probe.ttl, place)

    def _meet(self, address: str, ttl: int, place: Place) -> None:
        """Note that the router at ``address`` answers at ``ttl``."""
        router = self._by_address.get(address)
        if router is None:
            shared = None if self._shared is None else self._shared.met(address, ttl)
            router = self._by_address[address] = Router(shared)
        if ttl in router.ttls:
            return
        router.is_limited = router.is_limited or place.is_limited
        if self._shared is not None and router.shared is not None:
            self._tell_others(self._shared, router.shared, ttl, place)
        place.routers.append(router)
        router.ttls = sorted([*router.ttls, ttl])
        if len(router.ttls) == 2:
            self._repeating.append(router)

    def _reject(self, router: Router | None) -> None:
        """Note that ``router``, if it is a known one, answers for what is beyond it."""
        if router is None or router is self._rejecting:
            return
        self._rejecting = router
        if router.shared is not None:
            router.shared.followers.add(router.shared)

    def _tell_others(self, others: SharedRouters, router: SharedRouter, ttl: int, place: Place) -> None:
        """Tell the other targets that ``router`` was met at ``ttl``, and behind and before whom."""
        if router not in place.charged:
            place.charged.add(router)
            router.on_known(place.sent)  # R4
        for lost in [ask for shared, ask in place.unproven if shared is router]:
            router.prove(lost)
        place.unproven.clear()
        place.has_voted = True
        others.vote(ttl, router)
        before, behind = self._shared_before(ttl), self._places.get(ttl + 1)
        if before is not None:
            before.followers.add(router)
        found = (
            [each.shared for each in behind.routers if each.shared is not None] if behind is not None else []
        )
        for follower in found:
            router.followers.add(follower)
