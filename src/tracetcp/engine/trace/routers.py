"""What the traces of one run have learnt together: RTTs, the routers at each TTL, the distance of the host.

State shared by the paths of a run; the rules that use it stand in ``path`` and ``tracing``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.engine.trace.pacer import Gate
from tracetcp.engine.trace.timeouts import Patience
from tracetcp.model import ReplyKind

if TYPE_CHECKING:
    from tracetcp.engine.trace.flight import Flight
    from tracetcp.model import Reply

REMEMBERED_PORTS = 8
"""Ports remembered per TTL as known to pass: enough that one is never among those in doubt."""
ICMP_KINDS = (ReplyKind.TIME_EXCEEDED, ReplyKind.UNREACHABLE)


class Router:
    """The router (or routers that share the load) at one TTL, as all ports of the run see it."""

    __slots__ = ("dry_inquiries", "gate", "passing", "senders")

    def __init__(self) -> None:
        self.gate = Gate()
        self.senders: set[str] = set()
        self.passing: dict[int, int] = {}
        self.dry_inquiries = 0

    def heard(self, flight: Flight, reply: Reply) -> None:
        """Note an ICMP answer: its sender, and that the port and flow asked for passes up to here."""
        self.senders.add(reply.sender)
        self.passing.pop(flight.probe.port, None)
        self.passing[flight.probe.port] = flight.probe.flow
        if len(self.passing) > REMEMBERED_PORTS:
            del self.passing[next(iter(self.passing))]

    def control(self, but: set[int]) -> tuple[int, int] | None:
        """A (port, flow) known to pass, of none of the ports ``but``.

        None also where several routers share the load: another flow's router proves nothing then.
        """
        if len(self.senders) > 1:
            return None
        return next(((port, flow) for port, flow in reversed(self.passing.items()) if port not in but), None)


class Survey:
    """Everything one run knows that does not belong to a single port."""

    def __init__(self) -> None:
        self.patience = Patience()
        self.distance = 0
        self.addresses: set[str] = set()
        self._routers: dict[int, Router] = {}
        self._places: set[int] = set()

    def router(self, ttl: int) -> Router:
        """The record of ``ttl``, made at first use."""
        if ttl not in self._routers:
            self._routers[ttl] = Router()
        return self._routers[ttl]

    def last_sent_to(self, router: Router) -> float:
        """When a probe last left for ``router``, at any TTL: one that rejects answers at two."""
        alike = [other for other in self._routers.values() if other.senders & router.senders]
        return max(other.gate.last_sent_at for other in [router, *alike])

    def answers(self, ttl: int) -> bool:
        """Whether a router at ``ttl`` has answered anything, whatever the port."""
        router = self._routers.get(ttl)
        return router is not None and bool(router.senders)

    def has_router(self, ttl: int) -> bool:
        """Whether a packet of any port was seen to die at ``ttl``: a reply from there takes no longer now."""
        return ttl in self._places

    def heard(self, flight: Flight, reply: Reply) -> None:
        """Learn from a reply."""
        self.patience.add(flight.probe.ttl, flight.rtt(reply))
        if reply.kind is ReplyKind.TIME_EXCEEDED:
            self._places.add(flight.probe.ttl)
        if reply.kind in ICMP_KINDS:
            self.router(flight.probe.ttl).heard(flight, reply)
