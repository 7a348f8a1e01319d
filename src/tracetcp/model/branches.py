"""The paths over which load sharing spreads the flows of one port. Frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class NodeKind(Enum):
    """What stands at a node of the graph."""

    ROUTER = "router"
    SILENT = "silent"
    """A router that answers nothing: one node for each way that leads to it."""
    REJECTING = "rejecting"
    """A router that reports the destination unreachable."""
    HOST = "destination"


class Node(NamedTuple):
    """A node of the graph. ``number`` counts from 0, nearest first; ``address`` is None for a silent router.

    ``ttls`` are those at which it was met: several where branches differ in length. ``source_ports`` are
    those of the flows known to pass it.
    """

    number: int
    kind: NodeKind
    address: str | None
    ttls: tuple[int, ...]
    source_ports: tuple[int, ...]


class Link(NamedTuple):
    """Two nodes that follow each other, by number, and the source ports of the flows seen to go that way."""

    near: int
    far: int
    source_ports: tuple[int, ...]


class Share(NamedTuple):
    """A node at one hop, and how many of the flows drawn there met it."""

    node: int
    flows: int


class BranchHop(NamedTuple):
    """One TTL. ``drawn`` flows were asked without regard to what they met before; ``shares`` are theirs.

    ``ended`` of them were answered neither here nor farther out, where others were.
    ``missed`` is the chance that one more node, as likely as the others, was missed. ``is_by_packet``: one
    source port went to and fro between routers.
    """

    ttl: int
    shares: tuple[Share, ...]
    drawn: int
    ended: int
    missed: float
    is_by_packet: bool = False


class Step(NamedTuple):
    """A flow at one TTL: the node that it met, None if none answered; probes sent there, and answered."""

    ttl: int
    node: int | None
    probes: int
    answers: int


class FlowPath(NamedTuple):
    """What one flow met. ``outer_port`` is its source port behind a NAT, where routers quote another one.

    ``has_reached`` says whether the destination answered it, None where it was not asked.
    """

    source_port: int
    steps: tuple[Step, ...]
    has_reached: bool | None
    outer_port: int | None = None


@dataclass(frozen=True, kw_only=True)
class Branches:
    """What is known of the paths of ``port``, by ``percent`` at each hop unless the search ``is_cut_short``.

    ``probes`` are those that were sent for it, without those of the trace.
    """

    port: int
    percent: int
    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    hops: tuple[BranchHop, ...]
    flows: tuple[FlowPath, ...]
    probes: int
    is_cut_short: bool = False

    @property
    def is_shared(self) -> bool:
        """Whether any hop has several nodes."""
        return any(len(hop.shares) > 1 for hop in self.hops)

    @cached_property
    def by_port(self) -> dict[int, FlowPath]:
        """The flows by source port."""
        return {flow.source_port: flow for flow in self.flows}

    def onward(self, node: int) -> Iterator[int]:
        """The nodes to which ``node`` has a link."""
        return (link.far for link in self.links if link.near == node)
