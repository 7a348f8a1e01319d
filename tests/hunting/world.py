"""What a case's network can show, computed from its description alone: never from a run.

Strict wherever the network leaves no choice. Where it does, a question about it says so:

T1. Loss may hide any answer; refused is only what it makes next to impossible (``judge``).
T2. Under ``-F``, at routers that limit harder than one answer a second, and in loops, which ask one router at
    many TTLs, a limit may hide answers. A limited router that rejects may be heard a few TTLs late.
T3. Flows may take branches of other lengths: the host is at each of those distances, and beyond the nearest
    one it may be silent, since it answers one SYN of a flow.
T4. A quote rewritten beyond recognition hides its hop: over IPv6 a sequence number, where less than 16 bytes
    of TCP are quoted. Without privilege the kernel recognises by addresses, ports and sequence number. With
    one ping, so does a rewriting that no other hop around shows: one probe alone may have met a forger.
T5. A host that is down is not reported, or late, if the timeout ends before its last router gives up.
T6. Whoever answers in the host's name beside the path, with nothing but silence from there to the host, looks
    like a host that refuses SYNs whose TTL runs out: the trace may end with that silence.
T7. Of several routers at the last hop, the one that reports a host down may not have been seen there: then it
    seems to be one hop farther.
T8. Without privilege the first answer to a probe is the only one: one that is injected may hide a router's or
    the host's, so that a cell is a star, or the trace ends with it.
"""

from __future__ import annotations

from functools import cached_property
from itertools import chain
from math import inf
from typing import TYPE_CHECKING

from internet.scenario import LONGEST_PATH
from tracetcp.engine.loose_quotes import AROUND

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hunting.case import Case
    from internet.scenario import Router

OPEN, CLOSED, UNREACHABLE, NOT_REACHED = "open", "closed", "unreachable", "not-reached"
SWALLOWING = frozenset({"drop", "drop-all", "reject", "no-way", "rst", "rst-near", "proxy", "proxy-near"})
"""Faults at which a SYN's way ends."""
ANSWERING = {"rst": CLOSED, "rst-near": CLOSED, "proxy": OPEN, "proxy-near": OPEN}
INJECTED = {"rst-injected": CLOSED, "syn-ack-injected": OPEN}
"""Faults that let the SYN pass and answer it all the same."""
UNNAMED_BY_KERNEL = frozenset({"source", "source_port", "destination", "destination_port", "sequence"})
"""Fields by which the kernel finds the socket that a quote belongs to."""
LOOSE = frozenset({"source_port", "destination", "destination_port", "sequence"})
"""Fields whose change makes a quote loose."""
REACHES_WINDOW = 16
"""TCP bytes of an IPv6 quote that tell a probe whose sequence number was rewritten."""
NO_GATEWAY_WAIT = 0.9
"""Seconds after which IPv4 replies are lost without privilege where there is no gateway (docs/privileges.md):
the simulated network lies behind a tunnel."""
SLACK = 0.1
"""Seconds by which a timeout must outlast an answer that is to be expected."""


class World:
    """The network of ``case`` as a program with raw sockets, or without (``is_raw``), can see it."""

    def __init__(self, case: Case, *, is_raw: bool = True) -> None:
        self.case = case
        self.is_raw = is_raw
        self.fault = case.fault
        self.start, self.last = case.config.start_hop, case.config.last_ttl
        self._scenario = case.scenario
        self._host = case.scenario.destination
        loop = case.scenario.loop
        self._lanes = [_rolled_out(route.hops, loop) for route in case.scenario.routes]

    # Where everybody is --------------------------------------------------------------------------------

    @cached_property
    def distances(self) -> tuple[int, ...]:
        """The TTLs at which flows reach the host, none in a loop (T3)."""
        return () if self._scenario.loop else tuple(sorted({len(lane) + 1 for lane in self._lanes}))

    @property
    def nearest(self) -> int:
        """The smallest of them."""
        return self.distances[0] if self.distances else LONGEST_PATH + 1

    def routers(self, ttl: int) -> list[Router]:
        """Those at which some flow's SYN expires with ``ttl``."""
        return list(chain.from_iterable(lane[ttl - 1] for lane in self._lanes if ttl <= len(lane)))

    def addresses(self, ttl: int) -> set[str]:
        """Theirs, as far as they say anything."""
        return {self._address(router) for router in self.routers(ttl) if self._speaks(router, ttl)}

    def _address(self, router: Router) -> str:
        return router.addresses[self.case.family]

    @property
    def destination(self) -> str:
        """The host's address."""
        return self._host.addresses[self.case.family]

    @property
    def first_ttl(self) -> int:
        """The first TTL at which a fault at a hop shows."""
        return self.fault.hop if self.fault.at_expiry else self.fault.hop + 1

    @property
    def is_deceived(self) -> bool:
        """Whether an answer from beside the path hides all others (T8)."""
        return not self.is_raw and self.fault.name in INJECTED

    @property
    def path_end(self) -> int:
        """The last TTL at which this port's SYN can expire at a router."""
        end = max(map(len, self._lanes))
        return min(end, self.first_ttl - 1) if self.fault.name in SWALLOWING else end

    def has_path(self, seen: Mapping[int, str], reached: int | None) -> bool:
        """Whether one flow can meet the routers of ``seen``, by TTL, and the host at TTL ``reached``."""
        return any(self._leads(lane, seen, reached) for lane in self._lanes)

    def _leads(
        self, lane: tuple[tuple[Router, ...], ...], seen: Mapping[int, str], reached: int | None
    ) -> bool:
        if max(seen, default=0) > len(lane) or (reached is not None and reached <= len(lane)):
            return False
        here = set(range(len(lane[0])))
        for number, routers in enumerate(lane, 1):
            if number in seen:
                here = {index for index in here if self._address(routers[index]) == seen[number]}
            if not here:
                return False
            following = range(len(lane[number])) if number < len(lane) else ()
            here = {link for index in here for link in routers[index].links or following}
        return True

    # Who answers ---------------------------------------------------------------------------------------

    def _speaks(self, router: Router, ttl: int) -> bool:
        return not router.is_silent and self._is_recognised(router, ttl)

    def _is_recognised(self, router: Router, ttl: int) -> bool:
        """Whether the program knows its SYN in what ``router`` quotes (T4)."""
        fields = set(self.fault.fields)
        if not fields or ttl < self.fault.hop:
            return True
        if not self.is_raw:
            return not fields & UNNAMED_BY_KERNEL
        return self._is_quote_known(router)

    def _may_look_forged(self, ttl: int) -> bool:
        """Whether a single probe may be all that shows a rewriting (T4)."""
        fields = LOOSE.intersection(self.fault.fields)
        if self.case.config.pings > 1 or not fields or not self.is_raw or ttl < self.fault.hop:
            return False
        around = range(max(ttl - AROUND, self.fault.hop), ttl + AROUND + 1)
        others = (router for each in around if each != ttl for router in self.routers(each))
        return not any(map(self._shows_rewriting, others))

    def _shows_rewriting(self, router: Router) -> bool:
        return not router.is_silent and self._is_quote_known(router)

    def _is_quote_known(self, router: Router) -> bool:
        is_unknown = "sequence" in self.fault.fields and self.case.family == 6
        return not is_unknown or router.quote >= REACHES_WINDOW

    def must_answer(self, ttl: int) -> bool:
        """Whether a star at ``ttl`` is false but for loss: T2, T3, T4."""
        routers = self.routers(ttl)
        if not routers or ttl > self.path_end or ttl >= self.nearest:
            return False
        is_sure = all(self._speaks(router, ttl) and not self._may_be_mean(router) for router in routers)
        return is_sure and not self._may_look_forged(ttl)

    def may_be_hidden(self, ttl: int) -> bool:
        """Whether a star at ``ttl`` may stand for a forged answer that came before the router's (T8)."""
        return self.is_deceived and ttl >= self.first_ttl

    def _may_be_mean(self, router: Router) -> bool:
        limit = router.limits.get(self.case.family)
        if limit is None:
            return False
        return not self.case.config.anti_flood or limit.per_second < 1 or self._scenario.loop is not None

    def is_limited(self, ttl: int) -> bool:
        """Whether a router there limits its answers."""
        return any(self.case.family in router.limits for router in self.routers(ttl))

    def loss(self, ttl: int) -> float:
        """The chance, at most, that a probe of ``ttl`` stays unanswered."""
        kept = (1 - self._scenario.loss_out) * (1 - self._scenario.loss_back)
        for number in range(1, ttl + 1):
            routers = self.routers(number)
            kept *= 1 - max((router.loss_out for router in routers), default=0)
            kept *= 1 - max((router.loss_back for router in routers), default=0)
        return 1 - kept

    @cached_property
    def is_lossy(self) -> bool:
        """Whether packets are lost by chance anywhere."""
        return self.loss(max(map(len, self._lanes))) > 0

    # How the trace ends --------------------------------------------------------------------------------

    @cached_property
    def ends(self) -> frozenset[tuple[str, int]]:
        """Outcome and TTL of the last row, as they may be."""
        if self.fault.name in SWALLOWING:
            return self._ends_at(self._swallowed(), (self.first_ttl,))
        if self.fault.name == "host-down":
            if not self.gives_up_late:
                return self._ends_at((UNREACHABLE,), self.distances)
            late = range(self.nearest, self.last + 1)
            return self._ends_at((UNREACHABLE,), late) | {(NOT_REACHED, self.last)}
        found = self._ends_at(self.host_outcomes, self.distances)
        if self.is_deceived:  # T8
            found |= self._ends_at(
                (INJECTED[self.fault.name],), range(self.first_ttl, max(self.distances) + 1)
            )
        return found | {(outcome, ttl) for outcome in self.host_outcomes for ttl in self._in_silence()}

    def _in_silence(self) -> Iterator[int]:
        """The TTLs before the host from which on nobody must answer, but who injects answers (T6)."""
        if self.fault.name not in INJECTED:
            return
        for ttl in range(self.nearest - 1, max(self.first_ttl, self.start) - 1, -1):
            if self.must_answer(ttl):
                return
            yield ttl

    def _swallowed(self) -> tuple[str, ...]:
        if self.fault.name in ANSWERING:
            return (ANSWERING[self.fault.name],)
        return (UNREACHABLE,) if self.fault.name in ("reject", "no-way") else ()

    @property
    def host_outcomes(self) -> tuple[str, ...]:
        """What the host's answer makes of the port; two where a forged SYN-ACK comes beside its RST."""
        port, host = self.case.port, self._host
        if port in host.silent:
            return ()
        if port in host.open:
            return (OPEN,)
        return (OPEN, CLOSED) if self.fault.name == "syn-ack-injected" else (CLOSED,)

    def _ends_at(self, outcomes: Iterable[str], ttls: Iterable[int]) -> frozenset[tuple[str, int]]:
        outcomes, ttls = tuple(outcomes), tuple(ttls)
        reached = {(each, max(ttl, self.start)) for each in outcomes for ttl in ttls if ttl <= self.last}
        if not outcomes or not ttls or max(ttls) > self.last:
            reached.add((NOT_REACHED, self.last))
        return frozenset(reached)

    @cached_property
    def gives_up_late(self) -> bool:
        """T5, and a limit of the last router."""
        after = self._host.down_after or 0
        last = [router for lane in self._lanes for router in lane[-1]]
        slowest = max(max(router.rtts) + router.jitter for router in last)
        has_late_replies_lost = not self.is_raw and self.case.family == 4
        wait = min(self.case.config.timeout, NO_GATEWAY_WAIT if has_late_replies_lost else inf)
        is_late = wait < after + slowest + SLACK
        return is_late or any(router.is_silent or self._may_be_mean(router) for router in last)

    # Where an answer is the first or the last one ------------------------------------------------------

    def last_answers(self, limit: int, start: int | None = None) -> set[int | None]:
        """The TTLs from ``start`` to ``limit`` that may be the last to answer; None for no TTL at all."""
        found: set[int | None] = set()
        for ttl in range(min(limit, self.last), (start or self.start) - 1, -1):
            if self.addresses(ttl):
                found.add(ttl)
            if self.must_answer(ttl):
                return found
        return found | {None}

    def first_answers(self, least: int, quoting: int) -> set[int]:
        """The TTLs from ``least`` on that may be the first to quote ``quoting`` bytes of TCP."""
        found: set[int] = set()
        for ttl in range(max(least, self.start), min(self.path_end, self.last) + 1):
            quotes = [router.quote >= quoting for router in self.routers(ttl) if self._speaks(router, ttl)]
            if any(quotes):
                found.add(ttl)
            if all(quotes) and self.must_answer(ttl):
                break
        return found

    def must_quote(self, ttl: int, quoting: int) -> bool:
        """Whether every router there answers and quotes as much."""
        return self.must_answer(ttl) and all(router.quote >= quoting for router in self.routers(ttl))


def _rolled_out(hops: tuple[tuple[Router, ...], ...], loop: int | None) -> tuple[tuple[Router, ...], ...]:
    """``hops``, in a loop as often as they come round."""
    while loop and len(hops) < LONGEST_PATH:
        hops = (*hops, *hops[loop - 1 :])[:LONGEST_PATH]
    return hops
