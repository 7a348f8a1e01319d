"""Turns samples into the graph of what was found. Pure.

R1. Nodes are joined by flow: two follow each other if one flow met them at neighbouring TTLs. So a router
    that branches of different lengths put at two TTLs is one node; one that a single flow met twice is
    several.
R2. A TTL with one node, drawn to the stopping point, is passed by every flow that goes that far.
R3. A silent router is a node for each node that leads to it: which branches share one cannot be seen. Where
    others are answered, ``LEAST_SILENT`` flows must have met it, and none where answers seem to be limited.
R4. Where load is shared by packet no flow tells who follows whom; links are those to and from single nodes.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from tracetcp.engine.branches.samples import HOST, REJECTED, is_router
from tracetcp.engine.branches.stopping import missed
from tracetcp.model.branches import Branches, BranchHop, FlowPath, Link, Node, NodeKind, Share, Step

if TYPE_CHECKING:
    from typing import TypeAlias

    from tracetcp.engine.branches.plan import Plan
    from tracetcp.engine.branches.samples import HopSamples, Samples
    from tracetcp.engine.branches.search import BranchSearch

    Key: TypeAlias = tuple[object, ...]

LEAST_SILENT = 2
_HOST_KEY: Key = ("host",)


def branches_of(search: BranchSearch, port: int, percent: int) -> Branches:
    """What ``search`` found on ``port``."""
    return _Drawing(search.samples, search.plan).branches(search, port, percent)


class _Drawing:
    """One graph in the making: keys of nodes become numbers, in order of distance."""

    def __init__(self, samples: Samples, plan: Plan) -> None:
        self._samples = samples
        self._plan = plan
        plan.refresh()
        self._edge = plan.edge
        self._ttls = sorted(
            ttl for ttl, hop in samples.hops.items() if hop.is_answered and self._is_on_path(ttl)
        )
        self._repeated = self._addresses_met_twice()
        self._single = {ttl: node for ttl in self._ttls if (node := self._single_node(ttl)) is not None}

    def _is_on_path(self, ttl: int) -> bool:
        """Whether ``ttl`` is one of the path's, and not that of a look at the destination from afar."""
        if ttl <= self._edge:
            return True
        return any(map(is_router, self._samples.hops[ttl].routers)) or self._follows_router(ttl)

    def _follows_router(self, ttl: int) -> bool:
        before = self._samples.hops.get(ttl - 1)
        return before is not None and any(map(is_router, before.routers))

    def _addresses_met_twice(self) -> set[str]:
        """Addresses that one flow met at several TTLs."""
        twice: set[str] = set()
        for flow in self._samples.flows:
            met: set[str] = set()
            for ttl in self._ttls:
                node = self._met(ttl, flow)
                if node is not None and node in met:
                    twice.add(node)
                if node is not None:
                    met.add(node)
        return twice

    def _met(self, ttl: int, flow: int) -> str | None:
        sample = self._samples.hops[ttl].by_flow.get(flow) if ttl in self._samples.hops else None
        return sample.met[0] if sample is not None and sample.met else None

    def _single_node(self, ttl: int) -> str | None:
        """The only node at ``ttl`` for flows that go on, if there is but one before the destination."""
        hop = self._samples.hops[ttl]
        goes_on = any(self._last_met(flow) > ttl for flow in self._plan.silent(ttl))
        if ttl >= self._edge or len(hop.routers) != 1 or goes_on:
            return None
        return next(iter(hop.routers))

    def _key(self, ttl: int, node: str) -> Key:
        if node == HOST:
            return _HOST_KEY
        return ("router", node, ttl) if node in self._repeated or not is_router(node) else ("router", node)

    # The ways of flows ---------------------------------------------------------------------------------

    def _way(self, flow: int) -> list[tuple[int, Key]]:
        """The nodes that ``flow`` is known to have met, with their TTLs, silent routers between them too."""
        last = self._last_met(flow)
        way: list[tuple[int, Key]] = []
        for ttl in range(self._ttls[0], last + 1) if self._ttls else ():
            node = self._met(ttl, flow) or self._single.get(ttl)  # R2
            if node is not None and ttl in self._samples.hops and self._samples.hops[ttl].is_by_packet:
                way.append((ttl, ("packet", ttl)))
            elif node is not None:
                way.append((ttl, self._key(ttl, node)))
                if not is_router(node):
                    break
            elif self._is_silent_for(ttl, flow) and way and way[-1][0] == ttl - 1:
                way.append((ttl, ("silent", ttl, way[-1][1])))  # R3
        return way

    def _last_met(self, flow: int) -> int:
        """The highest TTL that ``flow`` is known to have come to."""
        return max((ttl for ttl in self._ttls if self._met(ttl, flow) is not None), default=0)

    def _is_silent_for(self, ttl: int, flow: int) -> bool:
        hop = self._samples.hops.get(ttl)
        if hop is None or not hop.is_answered:
            return True
        silent = self._plan.silent(ttl)
        return flow in silent and len(silent) >= LEAST_SILENT and not hop.is_limited  # R3

    # The graph -----------------------------------------------------------------------------------------

    def branches(self, search: BranchSearch, port: int, percent: int) -> Branches:
        """The frozen graph."""
        ports = self._samples.source_ports
        ways = {flow: self._way(flow) for flow in self._samples.flows if flow in ports}
        met: dict[Key, tuple[set[int], set[int]]] = {}
        for flow, way in ways.items():
            for ttl, key in way:
                for each in self._spread(ttl, key):
                    ttls, flows = met.setdefault(each, (set(), set()))
                    ttls.add(ttl)
                    if each == key:
                        flows.add(ports[flow])
        order = sorted(met, key=lambda key: (min(met[key][0]), -len(met[key][1]), str(key)))
        numbers = {key: number for number, key in enumerate(order)}
        nodes = tuple(
            Node(numbers[key], *_kind(key), tuple(sorted(met[key][0])), tuple(sorted(met[key][1])))
            for key in order
        )
        return Branches(
            port=port,
            percent=percent,
            nodes=nodes,
            links=self._links(ways, numbers),
            hops=tuple(self._hop(ttl, numbers) for ttl in self._hop_ttls(ways)),
            flows=tuple(self._flow(flow, numbers, way) for flow, way in ways.items()),
            probes=search.probes_sent,
            is_cut_short=search.is_stopped,
        )

    def _spread(self, ttl: int, key: Key) -> list[Key]:
        """``key`` itself, or all nodes of a TTL where load is shared by packet."""
        if key[0] != "packet":
            return [key]
        return [self._key(ttl, node) for node in self._samples.hops[ttl].routers]

    def _links(self, ways: dict[int, list[tuple[int, Key]]], numbers: dict[Key, int]) -> tuple[Link, ...]:
        found: dict[tuple[int, int], set[int]] = {}
        for flow, way in ways.items():
            for (ttl, key), (next_ttl, next_key) in pairwise(way):
                if next_ttl != ttl + 1:  # R1
                    continue
                nears, fars = self._spread(ttl, key), self._spread(next_ttl, next_key)
                if len(nears) > 1 and len(fars) > 1:  # R4
                    continue
                for near in nears:
                    for far in fars:
                        ports = found.setdefault((numbers[near], numbers[far]), set())
                        if near == key and far == next_key:
                            ports.add(self._samples.source_ports[flow])
        return tuple(Link(*pair, tuple(sorted(ports))) for pair, ports in sorted(found.items()))

    def _hop_ttls(self, ways: dict[int, list[tuple[int, Key]]]) -> list[int]:
        ttls = {ttl for way in ways.values() for ttl, _ in way}
        return list(range(min(ttls), max(ttls) + 1)) if ttls else []

    def _hop(self, ttl: int, numbers: dict[Key, int]) -> BranchHop:
        hop = self._samples.at(ttl)
        if not hop.is_answered:
            drawn = sum(1 for _ in hop.drawn())
            return BranchHop(ttl, (), drawn, 0, missed(1, drawn))
        counted = self._shares(ttl, hop, numbers)
        shares = tuple(Share(node, counted[node]) for node in sorted(counted))
        ended = sum(
            hop.by_flow[flow].is_draw and not any(at == ttl for at, _ in self._way(flow))
            for flow in self._plan.silent(ttl)
        )
        drawn = sum(counted.values()) + ended
        return BranchHop(ttl, shares, drawn, ended, self._missed(ttl, drawn), hop.is_by_packet)

    def _missed(self, ttl: int, drawn: int) -> float:
        """The chance that one more node was missed; beyond the destination's nearest TTL, behind any node."""
        if ttl <= self._edge:
            return missed(self._plan.nodes(ttl), drawn)
        before, here = self._samples.hops[ttl - 1], self._samples.hops[ttl].by_flow
        onward = self._plan.links(ttl - 1, ttl)[0]
        return (
            max(
                missed(
                    len(links), sum(flow in here and bool(here[flow].met) for flow in before.routers[node])
                )
                for node, links in onward.items()
            )
            if onward
            else 1.0
        )

    def _shares(self, ttl: int, hop: HopSamples, numbers: dict[Key, int]) -> dict[int, int]:
        """By node: how many of the flows drawn at ``ttl`` met it."""
        keys = [self._key(ttl, node) for node in hop.routers]
        counted = {numbers[key]: 0 for key in keys if key in numbers}
        for flow, sample in hop.by_flow.items():
            is_counted = sample.is_draw or ttl > self._edge
            if is_counted and sample.met and (key := self._key(ttl, sample.met[0])) in numbers:
                counted[numbers[key]] += 1
            elif is_counted and not sample.met:
                for at, key in self._way(flow):
                    if at == ttl and key in numbers:
                        counted[numbers[key]] = counted.get(numbers[key], 0) + 1
        return counted

    def _flow(self, flow: int, numbers: dict[Key, int], way: list[tuple[int, Key]]) -> FlowPath:
        by_ttl = {ttl: numbers.get(key) for ttl, key in way}
        steps = []
        reached: bool | None = None
        for ttl in sorted(self._samples.hops):
            sample = self._samples.hops[ttl].by_flow.get(flow)
            if sample is None and ttl not in by_ttl:
                continue
            met = sample.met if sample is not None else []
            if HOST in met:
                reached = True
            elif sample is not None and not met and ttl >= self._edge and self._samples.nearest is not None:
                reached = reached or False
            node = by_ttl.get(ttl)
            steps.append(Step(ttl, node, sample.tries if sample else 0, len(met)))
        return FlowPath(
            self._samples.source_ports[flow], tuple(steps), reached, self._samples.outer_ports.get(flow)
        )


def _kind(key: Key) -> tuple[NodeKind, str | None]:
    if key == _HOST_KEY:
        return NodeKind.HOST, None
    if key[0] == "silent":
        return NodeKind.SILENT, None
    node = str(key[1])
    return (NodeKind.ROUTER, node) if is_router(node) else (NodeKind.REJECTING, node.removeprefix(REJECTED))
