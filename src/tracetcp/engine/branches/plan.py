"""Which flow is to be asked next, and at which TTL: the rules of multipath detection.

Hop by hop with reused flows (K. Vermeulen et al., "Multilevel MDA-Lite Paris Traceroute", IMC 2018), node by
node where branches mesh. Knows neither time nor pacing but that a retry waits. A *node* is whoever answers at
one TTL; flows that stay silent where others are answered are a node of their own.

R1. At each TTL flows are drawn until they rule one more node out (``stopping``); where several nodes were
    found, as many flows more: the steps before the last one add to what the last may miss. No more than twice
    as many flows are asked, where answers are limited. Where the destination answers some flows and not
    ``LEAST_SPLIT`` others, two nodes are expected at every TTL before it; and the flows that it did not
    answer are not drawn there: all may take one branch, and of the others R3 lets none be asked.
R2. At a TTL where nothing answers only as many flows are drawn as where one node is found: another flow may
    take another way. So are they at ``BEYOND`` TTLs behind the last router where the destination is silent.
R3. A flow is sent to the destination once at most: where it may arrive, it is asked at one TTL alone, unless
    a router answered. Within ``UNEVEN`` TTLs of that, since its branch may be shorter, it is asked at one TTL
    after the other, and no more once the destination answered. At most ``MOST_AT_HOST`` flows are sent there.
R4. Of each node, where a TTL has several, one flow is asked at the next TTL that answers, and one of each
    node there at this TTL, so that links are seen; two where both TTLs have several, or the next is the
    destination's.
R5. Where both have several and a node has more than one link to the side that should have fewer, the
    branches mesh; where the nodes have different numbers of links onward, they are uneven. There, and beyond
    the nearest TTL of the destination, each node has the flows through it that rule one more link out, as in
    R1.
R6. A flow that is silent where others are answered is asked again, ``TRIES`` times in all and each time
    ``RETRY_WAIT`` seconds later; alone where answers may be limited, for a control tells nothing of another
    branch's router. It is silent if others were answered meanwhile, ``CONTROLS`` times.
R7. A flow that is silent so is asked at the TTL before, once at two TTLs beyond and at the destination, and
    a node of whose flows none is answered farther out has ``SUSPECT_FLOWS`` of them asked so: a silent router
    is no dead branch. A flow that was answered nowhere beyond, or rejected, is gone there: of what lies
    farther out it tells nothing.
R8. Where a TTL has several nodes, some flows are asked there again: one that meets another router is asked
    until it has gone to and fro, which tells sharing by packet from a route that changed.
"""

from __future__ import annotations

from itertools import pairwise
from math import ceil, inf
from typing import TYPE_CHECKING, NamedTuple

from tracetcp.engine.branches.samples import HOST, REJECTED, TRIES, HopSamples, Samples, is_router
from tracetcp.engine.branches.stopping import stopping_point

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tracetcp.engine.branches.samples import Sample

BEYOND = 3
"""TTLs behind the last router that are looked at where the destination does not answer: the router after the
one that the trace met last may be silent, and the next as well."""
UNEVEN = 4
"""TTLs by which one branch may be shorter than another, at most."""
FARTHER = 4
"""TTLs behind the nearest answer of the destination from which a flow is sure to reach it."""
MOST_AT_HOST = 32
"""Flows sent to the destination: two for each of 16 branches."""
MOST_AT_HOP = 256
"""Flows asked at one TTL."""
LEAST_SPLIT = 2
RETRY_WAIT = 1.05
"""Seconds: Linux earns one ICMP error a second."""
CONTROLS = 2
MOST_CONTROLS = 12
"""Controls at one TTL, answered or not."""
KNOWN_SILENT = 6
"""Silent flows at a TTL from which on one more need not be asked again: it is as they are."""
SUSPECT_FLOWS = 4
"""Flows of a node, or behind one, that are asked on when none of them was answered."""
REPEATS = 8
"""Flows asked twice: all of them meet the same of two routers again by chance in 1 of 256 cases."""
MOST_TURNS_ASKED = 6
"""Probes of a flow that was answered by two routers, until it has gone to and fro."""


class Want(NamedTuple):
    """A probe to be sent: ``flow`` at ``ttl``, not before the instant ``from_at``.

    ``is_alone``: only after nothing was sent with this TTL for as long as a limited router takes to answer.
    """

    ttl: int
    flow: int
    is_draw: bool = False
    from_at: float = -inf
    is_alone: bool = False


class Plan:
    """Says what is wanted next, from ``samples`` of the TTLs from ``first_ttl`` to ``last_ttl``.

    ``new_flow`` gives a flow that was never used, None when there is no more.
    """

    def __init__(
        self,
        samples: Samples,
        first_ttl: int,
        last_ttl: int,
        percent: int,
        new_flow: Callable[[], int | None],
    ) -> None:
        self._samples = samples
        self._first_ttl = first_ttl
        self._last_ttl = last_ttl
        self._percent = percent
        self._new_flow = new_flow
        self._edge = 1
        self._wanted: set[tuple[int, int]] = set()
        self._gone: dict[int, int] = {}
        self._known_silent: set[int] = set()
        """TTLs with so many silent flows that one more need not be asked again."""
        self._is_split = False
        """Whether the destination answers some flows and not others."""
        self._spent: set[int] = set()
        """Flows that may have been sent to the destination."""
        self._met_host: set[int] = set()
        self._busy: set[int] = set()
        """Flows that are asked close to the destination at this moment."""

    # Where the destination begins ----------------------------------------------------------------------

    @property
    def edge(self) -> int:
        """The lowest TTL at which a probe may reach the destination."""
        nearest = self._samples.nearest
        return self._samples.last_router() + 1 if nearest is None else nearest

    @property
    def top(self) -> int:
        """The highest TTL at which flows are drawn."""
        nearest = self._samples.nearest
        beyond = self.edge + BEYOND - 1 if nearest is None else nearest
        return min(beyond, self._last_ttl)

    def is_spent(self, flow: int) -> bool:
        """Whether ``flow`` may have been sent to the destination."""
        return flow in self._spent

    def may_ask(self, ttl: int, flow: int) -> bool:
        """Whether R3 lets ``flow`` be sent with ``ttl``."""
        if ttl < self._edge - UNEVEN:
            return True
        if flow in self._busy or flow in self._met_host:  # R3
            return False
        return ttl < self._edge or flow not in self._spent

    # What is wanted ------------------------------------------------------------------------------------

    def wants(self) -> list[Want]:
        """All that is wanted now, the most urgent first."""
        self.refresh()
        self._wanted = set()
        found: list[Want] = []
        for want in self._all_wants():
            if (want.ttl, want.flow) not in self._wanted:
                self._wanted.add((want.ttl, want.flow))
                if want.ttl >= self._edge - UNEVEN:
                    self._busy.add(want.flow)
                found.append(want)
        return found

    def refresh(self) -> None:
        """Look anew which flows are gone, and from which TTL on."""
        self._edge = self.edge
        self._note_flows()
        at_host = self._samples.at(self._edge)
        self._is_split = HOST in at_host.routers and len(at_host.silent) >= LEAST_SPLIT
        self._gone = {}
        answering = [ttl for ttl, hop in sorted(self._samples.hops.items()) if hop.is_answered]
        for ttl in answering:
            for node, flows in self._samples.hops[ttl].routers.items():
                if node.startswith(REJECTED):
                    self._gone.update((flow, ttl) for flow in flows if flow not in self._gone)
            for flow in self._samples.hops[ttl].silent if ttl < self._edge else ():
                if flow not in self._gone and self.is_settled(ttl, flow):
                    farther = (
                        self._samples.hops[other].by_flow.get(flow) for other in answering if other > ttl
                    )
                    if not any(sample is not None and sample.met for sample in farther):
                        self._gone[flow] = ttl

    def _note_flows(self) -> None:
        """Look anew where flows may be: at the destination, or on their way close to it."""
        self._spent, self._met_host, self._busy, self._known_silent = set(), set(), set(), set()
        for ttl, hop in self._samples.hops.items():
            given_up = 0
            for flow, sample in hop.by_flow.items():
                if HOST in sample.met:
                    self._met_host.add(flow)
                if ttl >= self._edge and (HOST in sample.met or not sample.met):
                    self._spent.add(flow)
                if ttl >= self._edge - UNEVEN and sample.in_flight:
                    self._busy.add(flow)
                given_up += sample.is_silent and sample.tries >= TRIES
            if given_up >= KNOWN_SILENT:
                self._known_silent.add(ttl)

    def is_gone(self, ttl: int, flow: int) -> bool:
        """Whether ``flow`` ends before ``ttl``."""
        return self._gone.get(flow, ttl) < ttl

    def silent(self, ttl: int) -> list[int]:
        """The flows that come as far as ``ttl``, for all that is known, and are silent there for sure."""
        return [
            flow
            for flow in self._samples.at(ttl).silent
            if self.is_settled(ttl, flow) and not self.is_gone(ttl, flow)
        ]

    def _all_wants(self) -> Iterator[Want]:
        ttls = range(self._first_ttl, self.top + 1)
        for ttl in ttls:
            needed = self.needed(ttl)
            most = 2 * needed - sum(1 for _ in self._samples.at(ttl).drawn())
            yield from self._draws(ttl, min(needed - self.counted(ttl), most))  # R1, R2
        for ttl in ttls:
            yield from self._retries(ttl)
        for near, far in self._pairs():
            yield from self._links(near, far)
        for ttl in ttls:
            yield from self._repeats(ttl)
        for near, far in self._pairs():
            yield from self._suspects(near, far)

    def points(self, nodes: int) -> int:
        """The flows that rule one node more out where ``nodes`` were found."""
        return stopping_point(nodes, self._percent) + (nodes if nodes > 1 else 0)  # R1

    def nodes(self, ttl: int) -> int:
        """How many nodes ``ttl`` is known to have, one at least."""
        hop = self._samples.at(ttl)
        has_silent = hop.is_answered and not hop.is_limited and bool(self.silent(ttl))
        return max(1, len(hop.routers) + has_silent)

    def needed(self, ttl: int) -> int:
        """The flows to be drawn at ``ttl``."""
        nodes = self.nodes(ttl) if self._samples.at(ttl).is_answered else 1  # R2
        if self._is_split and ttl < self._edge:
            nodes = max(nodes, 2)  # R1
        most = MOST_AT_HOST if ttl >= self._edge else MOST_AT_HOP
        return min(self.points(nodes), most)

    def counted(self, ttl: int) -> int:
        """The flows drawn at ``ttl``: answered, silent for sure, or still to be told."""
        hop = self._samples.at(ttl)
        if not hop.is_answered:
            return sum(1 for _ in hop.drawn())
        return sum(
            sample.is_draw and not self.is_gone(ttl, flow) and not self._is_hopeless(ttl, sample)
            for flow, sample in hop.by_flow.items()
        )

    def _is_hopeless(self, ttl: int, sample: Sample) -> bool:
        """Whether it cannot be told what ``sample`` met: the router may have answered nobody just then."""
        return (
            sample.is_silent
            and ttl < self._edge
            and self._is_asked(ttl, sample)
            and not (self._is_borne_out(ttl, sample))
        )

    def _draws(self, ttl: int, count: int) -> Iterator[Want]:
        """``count`` further flows at ``ttl``: those in use elsewhere first."""
        if count <= 0:
            return
        hop = self._samples.at(ttl)
        for flow in [*self._samples.flows]:
            if flow in hop.by_flow or self.is_gone(ttl, flow) or self._is_hanging(flow):
                continue
            if self.may_ask(ttl, flow):
                yield Want(ttl, flow, is_draw=True)
                count -= 1
            elif flow in self._busy and flow not in self._met_host:
                count -= 1  # it is asked here once it was answered elsewhere
            if count <= 0:
                return
        while count > 0 and (new := self._new_flow()) is not None:
            self._samples.add_flow(new)
            yield Want(ttl, new, is_draw=True)
            count -= 1

    def _is_hanging(self, flow: int) -> bool:
        """Whether the destination answers others, and not ``flow`` (R1)."""
        return self._is_split and flow in self._spent and flow not in self._met_host

    # Silence -------------------------------------------------------------------------------------------

    def is_settled(self, ttl: int, flow: int) -> bool:
        """Whether ``flow``, of which all probes were given up at ``ttl``, is silent there beyond doubt."""
        sample = self._samples.at(ttl).by_flow[flow]
        return ttl >= self._edge or (self._is_asked(ttl, sample) and self._is_borne_out(ttl, sample))

    def _is_asked(self, ttl: int, sample: Sample) -> bool:
        return sample.tries >= TRIES or ttl in self._known_silent

    def _is_borne_out(self, ttl: int, sample: Sample) -> bool:
        answers = 0
        for at in reversed(self._samples.at(ttl).answered_at):
            answers += at > sample.first_sent_at
            if answers >= CONTROLS:
                return True
        return False

    def _retries(self, ttl: int) -> Iterator[Want]:
        hop = self._samples.at(ttl)
        if ttl >= self._edge or not hop.is_answered:
            return
        wants_control = False
        for flow in hop.silent:
            if self.is_gone(ttl, flow):
                continue
            sample = hop.by_flow[flow]
            if not self._is_asked(ttl, sample):  # R6
                wait_until = sample.last_sent_at + RETRY_WAIT
                yield Want(ttl, flow, from_at=wait_until, is_alone=hop.is_limited)
            wants_control = wants_control or not self._is_borne_out(ttl, sample)
        if wants_control:
            yield from self._control(ttl)

    def _control(self, ttl: int) -> Iterator[Want]:
        """One more probe of a flow that was answered: does the TTL answer at this moment?"""
        hop = self._samples.at(ttl)
        answered = [(sample.tries, flow) for flow, sample in hop.by_flow.items() if sample.met]
        is_under_way = any(hop.by_flow[flow].in_flight for _, flow in answered)
        if not is_under_way and sum(tries - 1 for tries, _ in answered) < MOST_CONTROLS:
            yield Want(ttl, min(answered)[1])

    # Links ---------------------------------------------------------------------------------------------

    def _pairs(self) -> list[tuple[int, int]]:
        """Each TTL that answers with the next one that does."""
        answering = [
            ttl
            for ttl in range(self._first_ttl, self._last_ttl + 1)
            if ttl in self._samples.hops and self._samples.hops[ttl].is_answered
        ]
        nearest = self._samples.nearest
        pairs = list(pairwise(answering))
        if nearest is None:
            return pairs
        return [pair for pair in pairs if pair[0] < nearest or self._goes_on(pair[0])]

    def _goes_on(self, ttl: int) -> bool:
        """Whether a router, and not the destination alone, answers at ``ttl``."""
        return any(map(is_router, self._samples.hops[ttl].routers))

    def _links(self, near: int, far: int) -> Iterator[Want]:
        here, there = self._samples.at(near), self._samples.at(far)
        onward = {node: flows for node, flows in here.routers.items() if is_router(node)}
        if len(onward) < 2 and near < self._edge:
            return
        by_node = self._is_node_by_node(near, far)
        both = len(onward) > 1 and (len(there.routers) > 1 or HOST in there.routers)
        for flows in onward.values():
            asked = [flow for flow in flows if flow in there.by_flow]
            needed = 2 if both else 1  # R4
            if by_node:
                links = {there.by_flow[flow].met[0] for flow in asked if there.by_flow[flow].met}
                needed = self.points(max(1, len(links)))  # R5
            elif self._is_suspect(far, asked):
                needed = SUSPECT_FLOWS  # R7
            yield from self._through(near, far, flows, needed - len(asked))
        for node, flows in there.routers.items():
            if is_router(node) and not any(flow in here.by_flow for flow in flows) and near < self._edge:
                yield Want(near, flows[0])  # R4

    def _through(self, near: int, far: int, flows: list[int], count: int) -> Iterator[Want]:
        """``count`` further flows of a node at ``near`` asked at ``far``; if too few, more are drawn."""
        there = self._samples.at(far)
        if count <= 0 or (far >= self._edge and len(there.by_flow) >= MOST_AT_HOST):
            return
        free = [flow for flow in flows if flow not in there.by_flow and self.may_ask(far, flow)]
        for flow in free[:count]:
            yield Want(far, flow)
        here = self._samples.at(near)
        if (short := count - len(free)) > 0 and not self._is_being_drawn(here):
            most = MOST_AT_HOP if near < self._edge else MOST_AT_HOST
            share = max(1, len(here.by_flow)) / len(flows)
            yield from self._draws(near, min(ceil(short * share), most - len(here.by_flow)))

    @staticmethod
    def _is_being_drawn(hop: HopSamples) -> bool:
        return any(sample.in_flight for sample in hop.by_flow.values())

    def _is_node_by_node(self, near: int, far: int) -> bool:
        """Whether the branches between two TTLs mesh or are uneven, or one is longer than the nearest."""
        here, there = self._samples.at(near), self._samples.at(far)
        if here.is_by_packet or there.is_by_packet:
            return False
        if near >= self._edge or (far > self._edge and far == near + 1):
            return True
        onward, back = self.links(near, far)
        if len(here.routers) < 2 or len(there.routers) < 2:
            return False
        most_onward = max(map(len, onward.values()), default=0)
        most_back = max(map(len, back.values()), default=0)
        if len(here.routers) >= len(there.routers) and most_onward > 1:
            return True
        if len(here.routers) <= len(there.routers) and most_back > 1:
            return True
        return len({len(links) for links in onward.values()}) > 1

    def links(self, near: int, far: int) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
        """Who follows each node at ``near``, and who precedes each at ``far``, on flows asked at both."""
        onward: dict[str, set[str]] = {}
        back: dict[str, set[str]] = {}
        there = self._samples.at(far).by_flow
        for flow, sample in self._samples.at(near).by_flow.items():
            other = there.get(flow)
            if sample.met and other is not None and other.met and is_router(sample.met[0]):
                onward.setdefault(sample.met[0], set()).add(other.met[0])
                back.setdefault(other.met[0], set()).add(sample.met[0])
        return onward, back

    def _is_suspect(self, far: int, flows: list[int]) -> bool:
        there = self._samples.at(far)
        return bool(flows) and all(there.by_flow[flow].is_silent for flow in flows)

    # Dead branches -------------------------------------------------------------------------------------

    def _suspects(self, near: int, far: int) -> Iterator[Want]:
        """Where else flows are asked that were answered at ``near`` and are silent at ``far``."""
        here = self._samples.at(near)
        farther = [ttl for _, ttl in self._pairs() if far < ttl < self._edge][:2]
        asked: dict[str, int] = {}
        for flow in [flow for flow, ttl in self._gone.items() if ttl == far and far < self._edge]:
            if flow not in self._samples.at(far).silent:
                continue
            if flow not in here.by_flow:
                yield Want(near, flow)  # R7
                continue
            node = here.by_flow[flow].met[0] if flow in here.by_flow and here.by_flow[flow].met else HOST
            asked[node] = asked.get(node, 0) + 1
            if asked[node] > SUSPECT_FLOWS:
                continue
            for ttl in farther:
                if flow not in self._samples.at(ttl).by_flow:
                    yield Want(ttl, flow)  # R7
            yield from self._far_look(flow)

    def _far_look(self, flow: int) -> Iterator[Want]:
        """One probe of ``flow`` that reaches the destination, whatever the length of its branch."""
        nearest = self._samples.nearest
        if nearest is not None and not self.is_spent(flow):
            ttl = min(nearest + FARTHER, 255)
            if self.may_ask(ttl, flow):
                yield Want(ttl, flow)  # R7

    # Sharing by packet ---------------------------------------------------------------------------------

    def _repeats(self, ttl: int) -> Iterator[Want]:
        hop = self._samples.at(ttl)
        if ttl >= self._edge or len(hop.routers) < 2 or hop.is_by_packet:
            return
        repeats = REPEATS
        for flow, sample in hop.by_flow.items():
            if sample.turns and sample.tries < MOST_TURNS_ASKED and not sample.in_flight:
                yield Want(ttl, flow)  # R8
            elif len(sample.met) + sample.in_flight > 1:
                repeats -= 1
        for flow, sample in hop.by_flow.items():
            if repeats > 0 and sample.tries == 1 and sample.met:
                repeats -= 1
                yield Want(ttl, flow)  # R8
