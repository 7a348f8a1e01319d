"""How far each flow of a path was seen to get: to which router, and where to the destination. No clock."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracetcp.engine.trace.flight import Flight


class Reach:
    """What the replies to one path tell of its flows."""

    def __init__(self) -> None:
        self._routers: dict[int, int] = {}
        """By flow: the highest TTL at which a router answered."""
        self._hosts: dict[int, int] = {}
        """By flow: the lowest TTL at which the destination answered."""
        self._met: dict[str, dict[int, int]] = {}
        """By router and flow: the lowest TTL with which it was met."""
        self._uneven: set[str] = set()
        """The routers that were met with different TTLs on different flows."""

    def met_router(self, flight: Flight, router: str) -> None:
        """``flight`` expired at ``router``."""
        flow, ttl = flight.probe.flow, flight.probe.ttl
        self._routers[flow] = max(ttl, self._routers.get(flow, 0))
        met = self._met.setdefault(router, {})
        met[flow] = min(ttl, met.get(flow, ttl))
        if len(set(met.values())) > 1:
            self._uneven.add(router)
        else:
            self._uneven.discard(router)

    def met_host(self, flight: Flight) -> None:
        """The destination answered ``flight``."""
        flow, ttl = flight.probe.flow, flight.probe.ttl
        self._hosts[flow] = min(ttl, self._hosts.get(flow, ttl))

    def forget_host(self, answered: Iterable[Flight]) -> None:
        """Of the answers in the destination's name only those to ``answered`` are its own."""
        self._hosts.clear()
        for flight in answered:
            self.met_host(flight)

    def router_of(self, flow: int) -> int:
        """The highest TTL at which ``flow`` met a router, 0 for none."""
        return self._routers.get(flow, 0)

    def host_of(self, flow: int) -> float:
        """The lowest TTL at which the destination answered ``flow``, infinity for none."""
        return self._hosts.get(flow, inf)

    @property
    def nearest_host(self) -> float:
        """The lowest TTL at which the destination answered any flow, infinity for none."""
        return min(self._hosts.values(), default=inf)

    @property
    def is_uneven(self) -> bool:
        """Whether a router was met with different TTLs on different flows."""
        return bool(self._uneven)
