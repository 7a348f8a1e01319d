"""What the flows of one port met, by TTL and flow. State only; the rules that fill it stand in ``plan``."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from tracetcp.model import ReplyKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetcp.model import Reply

HOST = "destination"
"""Stands among the routers for the destination, or whoever speaks in its name."""
REJECTED = "!"
"""Begins the node of a router that reports the destination unreachable; its address follows."""
TRIES = 3
"""Probes without an answer after which a flow is silent at a TTL where others are answered."""


def is_router(node: str) -> bool:
    """Whether ``node`` is a router that a packet may have passed."""
    return node != HOST and not node.startswith(REJECTED)


class Sample:
    """One flow at one TTL.

    ``met`` has who answered, in order; ``tries`` counts the probes that left, ``lost`` those given up.
    ``is_draw`` says that the flow was not picked for what it met elsewhere, so it tells of the shares.
    """

    __slots__ = ("first_sent_at", "is_draw", "last_sent_at", "lost", "met", "tries")

    def __init__(self, *, is_draw: bool) -> None:
        self.met: list[str] = []
        self.tries = 0
        self.lost = 0
        self.is_draw = is_draw
        self.first_sent_at = inf
        self.last_sent_at = -inf

    @property
    def in_flight(self) -> int:
        """Probes that may still be answered."""
        return max(0, self.tries - self.lost - len(self.met))

    @property
    def is_silent(self) -> bool:
        """Whether all its probes, one at least, were given up."""
        return not self.met and self.lost > 0 and not self.in_flight

    @property
    def turns(self) -> int:
        """How often two probes in a row met different routers."""
        return sum(one != other for one, other in zip(self.met, self.met[1:], strict=False))

    def sent(self, at: float) -> None:
        """A probe left at ``at``."""
        self.tries += 1
        self.first_sent_at = min(self.first_sent_at, at)
        self.last_sent_at = at


class HopSamples:
    """The samples of one TTL, by flow in the order in which they were first asked."""

    def __init__(self) -> None:
        self.by_flow: dict[int, Sample] = {}
        self.answered_at: list[float] = []
        """When the probes left that were answered here, ascending."""
        self.is_limited = False
        """Whether some loss here may come from a router that limits its answers."""
        self.is_by_packet = False
        """Whether one flow was seen to go to and fro between routers: load is shared by packet here."""
        self._routers: dict[str, list[int]] | None = None

    def of(self, flow: int, *, is_draw: bool) -> Sample:
        """The sample of ``flow``, made at first use."""
        sample = self.by_flow.get(flow)
        if sample is None:
            sample = self.by_flow[flow] = Sample(is_draw=is_draw)
        return sample

    def changed(self, flow: int) -> None:
        """A probe of ``flow`` was answered."""
        self._routers = None
        self.is_by_packet = self.is_by_packet or self.by_flow[flow].turns > 1

    @property
    def routers(self) -> dict[str, list[int]]:
        """By who answered: the flows that met it first; ``HOST`` among them."""
        if self._routers is None:
            found: dict[str, list[int]] = {}
            for flow, sample in self.by_flow.items():
                if sample.met:
                    found.setdefault(sample.met[0], []).append(flow)
            self._routers = found
        return self._routers

    @property
    def is_answered(self) -> bool:
        """Whether any probe was answered here."""
        return bool(self.routers)

    @property
    def silent(self) -> list[int]:
        """The flows whose probes were all given up."""
        return [flow for flow, sample in self.by_flow.items() if sample.is_silent]

    def drawn(self) -> Iterator[Sample]:
        """The samples that tell of the shares."""
        return (sample for sample in self.by_flow.values() if sample.is_draw)


class Samples:
    """All samples of a port, and where its flows met the destination."""

    def __init__(self) -> None:
        self.hops: dict[int, HopSamples] = {}
        self.flows: list[int] = []
        """Every flow, in the order of first use."""
        self.source_ports: dict[int, int] = {}
        self.outer_ports: dict[int, int] = {}
        """Of flows whose source port routers quote changed: what they quote."""
        self.nearest: int | None = None
        """The lowest TTL at which the destination answered."""
        self._known: set[int] = set()

    def at(self, ttl: int) -> HopSamples:
        """The samples of ``ttl``, made at first use."""
        hop = self.hops.get(ttl)
        if hop is None:
            hop = self.hops[ttl] = HopSamples()
        return hop

    def add_flow(self, flow: int) -> None:
        """Remember ``flow``; may be repeated."""
        if flow not in self._known:
            self._known.add(flow)
            self.flows.append(flow)

    def sent(self, ttl: int, flow: int, at: float, source_port: int, *, is_draw: bool) -> None:
        """A probe left."""
        self.add_flow(flow)
        self.source_ports[flow] = source_port
        self.at(ttl).of(flow, is_draw=is_draw).sent(at)

    def lost(self, ttl: int, flow: int) -> None:
        """A probe was given up."""
        self.at(ttl).by_flow[flow].lost += 1

    def answered(self, ttl: int, flow: int, reply: Reply, sent_at: float, *, was_lost: bool = False) -> None:
        """A probe that left at ``sent_at`` was answered, perhaps after it was given up."""
        hop = self.at(ttl)
        sample = hop.by_flow[flow]
        is_host = reply.kind in (ReplyKind.SYN_ACK, ReplyKind.RST)
        sample.lost -= was_lost
        hop.is_limited = hop.is_limited or (sample.lost > 0 and not sample.met)
        is_end = reply.kind is ReplyKind.UNREACHABLE
        sample.met.append(HOST if is_host else f"{REJECTED}{reply.sender}" if is_end else reply.sender)
        hop.answered_at.append(sent_at)
        hop.changed(flow)
        if is_host and (self.nearest is None or ttl < self.nearest):
            self.nearest = ttl
        if reply.quote is not None and "source port" in reply.quote.changed:
            self.outer_ports[flow] = reply.quote.source_port

    def last_router(self) -> int:
        """The highest TTL at which a router answered, 0 for none."""
        return max((ttl for ttl, hop in self.hops.items() if any(map(is_router, hop.routers))), default=0)
