"""How a simulated network answers a SYN: a pure function of the instant, the SYN and the scenario's seed.

No clock, no socket, no bytes: ``virtual`` turns the answers into replies, ``wire`` into packets. Where the
order of arrival matters (a destination that remembers, a stateful firewall), a pending step is returned; the
caller passes it in again when it is due. ``Simulation`` does that for both.

At each hop, in this order, which is that of Linux:
1. The hop rewrites the SYN, as later quotes show.
2. Rules act on packets for somebody at the hop (a proxy, an injector).
3. If the TTL of the SYN ends here, the hop sends an error, unless it is silent or rate-limited.
4. The other rules act on a SYN that passes on; then come loss and the bottleneck.
"""

from __future__ import annotations

import heapq
from collections import Counter
from functools import lru_cache
from hashlib import blake2b
from ipaddress import ip_address
from itertools import count
from math import inf
from random import Random
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from internet.counts import Counts
from internet.scenario import LONGEST_PATH

if TYPE_CHECKING:
    from internet.scenario import Destination, Limit, Rewrite, Route, Router, Rule, Scenario, Stack
    from tracetcp.model import MplsLabel

SYN_ACK, RST_ACK, RST, ACK = 0x12, 0x14, 0x04, 0x10
ERROR_TYPES = {4: (11, 3), 6: (3, 1)}
"""ICMP types of Time Exceeded and Destination Unreachable by family (RFC 792, RFC 4443)."""
HOST_UNREACHABLE = {4: 1, 6: 3}
MSS = b"\x02\x04"
SYN_ACK_RETRIES = 5
REMEMBERED_SECONDS = 120.0
"""For how long after its last SYN hosts and firewalls remember a flow (Linux: tcp_synack_retries 5, a minute;
nf_conntrack_tcp_timeout_syn_sent 120 s).
"""
FORGETFUL = ("answer", "linux")
"""The values of ``again`` for which the destination closes a connection when the client's RST comes."""
CHALLENGE_GAP = 0.5
"""Linux answers out-of-window segments of one connection at most once in this many seconds
(tcp_invalid_ratelimit).
"""


class Syn(NamedTuple):
    """A SYN as one place sees it. Addresses are packed; ``ip_id`` is 0 for IPv6, ``flow_label`` for IPv4."""

    family: int
    source: bytes
    destination: bytes
    source_port: int
    destination_port: int
    sequence: int
    ttl: int
    tos: int
    ip_id: int
    flow_label: int
    window: int
    options: bytes

    @property
    def flow(self) -> Flow:
        """The 5-tuple without the protocol."""
        return self.source, self.destination, self.source_port, self.destination_port


Flow: TypeAlias = tuple[bytes, bytes, int, int]


class IcmpError(NamedTuple):
    """An ICMP message about ``syn``; ``quoted`` is the SYN as ``sender`` saw it.

    ``ttl`` is the TTL of the message when it reaches the client; ``quote`` the most TCP bytes quoted.
    """

    syn: Syn
    sender: str
    ttl: int
    icmp_type: int
    code: int
    quoted: Syn
    quote: int
    labels: tuple[MplsLabel, ...]
    is_legacy: bool


class Segment(NamedTuple):
    """A TCP segment in the name of the destination of ``syn``; ``ttl`` is that on arrival at the client."""

    syn: Syn
    ttl: int
    flags: int
    sequence: int
    acknowledgement: int
    window: int
    options: bytes


class Arrival(NamedTuple):
    """A SYN that is about to reach the destination, and the path of its answer."""

    syn: Syn
    distance: int
    rtt: float
    back: float
    is_tracked: bool


class Reset(NamedTuple):
    """A RST of the client that is about to reach the destination."""

    flow: Flow
    sequence: int

    @property
    def destination(self) -> bytes:
        """The destination's address."""
        return self.flow[1]


class Retransmission(NamedTuple):
    """A SYN-ACK to be retransmitted, for the ``tries``-th time, unless its connection is closed."""

    arrival: Arrival
    tries: int


Answer: TypeAlias = IcmpError | Segment
Pending: TypeAlias = Arrival | Reset | Retransmission
Step: TypeAlias = tuple[float, Answer | Pending]
"""Seconds from now, and what then reaches the client or must be passed to ``resume``."""


class _Path(NamedTuple):
    routers: tuple[Router, ...]
    touching: tuple[tuple[int, Router], ...]
    is_tracked: bool


class _HalfOpen(NamedTuple):
    sequence: int
    challenged_at: float
    is_reset: bool = False


class _Trip:
    """A SYN on the path: its current fields, its delay so far, the chance that an answer gets back."""

    def __init__(self, syn: Syn, path: _Path, back: float) -> None:
        self.syn = self.seen = syn
        self.path = path
        self.delay = 0.0
        self.back = back
        self.steps: list[Step] = []


class Bucket:
    """The token bucket of Linux's ``inet_peer_xrlim_allow``: full at first; a refusal takes no token."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._tokens = float(limit.burst)
        self._at = -inf

    def allows(self, now: float) -> bool:
        """Whether one more may be sent at ``now``; if so, takes a token."""
        refilled = self._tokens + (now - self._at) * self._limit.per_second
        self._tokens = min(self._limit.burst, refilled)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Network:
    """A running scenario. It must get SYNs in order of time; ``counts`` is what it saw.

    One that is ``beside`` another shares its routers: what they limit, and what is counted.
    """

    def __init__(self, scenario: Scenario, beside: Network | None = None) -> None:
        self.counts: Counts = Counts() if beside is None else beside.counts
        self._scenario = scenario
        self._chance = Random(scenario.seed)
        self._began_at: float | None = None
        self._single = _single_path(scenario)
        self._fixed = lru_cache(maxsize=65_536)(self._walk) if self._single is None else self._walk
        self._nth: Counter[tuple[int, int]] = Counter()
        self._turns: Counter[tuple[int, int]] = Counter()
        self._buckets: dict[str, Bucket] = {} if beside is None else beside._buckets
        self._link_free_at = -inf
        self._half_open: dict[Flow, _HalfOpen] = {}
        self._answered: set[Flow] = set()
        self._tracked: dict[Flow, int] = {}
        self._used_at: dict[Flow, float] = {}

    def syn(self, now: float, syn: Syn) -> list[Step]:
        """The results of a SYN that leaves the client at ``now``."""
        scenario = self._scenario
        self.counts.sent(now, syn.ttl)
        trip = _Trip(syn, self._single or self._path(now, syn), 1 - scenario.loss_back)
        if scenario.destination.remembers or trip.path.is_tracked:
            self._forget(now, syn.flow)
        if self._happens(scenario.loss_out) or not self._travel(now, trip):
            return trip.steps
        if syn.ttl <= len(trip.path.routers):
            self._expire(now, trip)
        else:
            self._reach(now, trip)
        return trip.steps

    def _forget(self, now: float, flow: Flow) -> None:
        """Drop what is remembered of a flow that rested for long."""
        if now - self._used_at.get(flow, now) > REMEMBERED_SECONDS:
            self._answered.discard(flow)
            self._half_open.pop(flow, None)
            self._tracked.pop(flow, None)
        self._used_at[flow] = now

    def reset(self, now: float, flow: Flow, sequence: int) -> list[Step]:
        """The results of a RST that the client sends at ``now``."""
        self.counts.resets += 1
        if self._happens(self._scenario.loss_out):
            return []
        return [(self._scenario.destination.rtts[0] / 2, Reset(flow, sequence))]

    def resume(self, now: float, pending: Pending) -> list[Step]:
        """Continue with a pending step that is due at ``now``."""
        if isinstance(pending, Arrival):
            return [(pending.rtt / 2 + delay, step) for delay, step in self._at_destination(now, pending)]
        if isinstance(pending, Retransmission):
            return self._retransmit(pending)
        half_open = self._half_open.get(pending.flow)
        if half_open is not None and half_open.sequence + 1 & 0xFFFFFFFF == pending.sequence:
            self._half_open[pending.flow] = half_open._replace(is_reset=True)
            if self._scenario.destination.again in FORGETFUL:
                del self._half_open[pending.flow]
        return []

    # The path

    def _path(self, now: float, syn: Syn) -> _Path:
        """The path of a SYN: routes change over time; where they share load, the flow decides."""
        if self._began_at is None:
            self._began_at = now
        self._nth[syn.ttl, syn.destination_port] += 1
        nth, elapsed = self._nth[syn.ttl, syn.destination_port], now - self._began_at
        routes: tuple[int, ...] = ()
        for index, route in enumerate(self._scenario.routes):
            if not route.replaces:
                routes = (*routes, index)
            elif elapsed >= route.since and nth >= route.attempt:
                routes = (index,)
        return self._fixed(routes, syn.flow, syn.sequence if self._scenario.by_packet else 0)

    def _walk(self, routes: tuple[int, ...], flow: Flow, packet: int) -> _Path:
        """The routers that ``flow`` takes when these routes share the load, or this packet of it."""
        route = self._scenario.routes[routes[self._pick(flow, 0, len(routes))]]
        routers: list[Router] = []
        for number, choices in enumerate(route.hops, 1):
            links = routers[-1].links if routers else ()
            allowed = [choices[link] for link in links] or choices
            chosen_by = (*flow, packet) if number in self._scenario.by_packet else flow
            routers.append(allowed[self._pick(chosen_by, number, len(allowed))])
        return _path_of(routers, self._scenario.loop)

    def _pick(self, flow: tuple[object, ...], hop: int, choices: int) -> int:
        """The choice of ``hop`` for ``flow``; independent at each hop, like routers with different salts."""
        text = f"{flow} {hop} {self._scenario.seed}".encode()
        return int.from_bytes(blake2b(text, digest_size=8).digest(), "big") % choices

    def _travel(self, now: float, trip: _Trip) -> bool:
        """Take a SYN past the hops that touch it; returns whether it was not dropped."""
        ttl = trip.syn.ttl
        narrow = self._scenario.bottleneck
        has_queued = narrow is None or ttl <= narrow.hop
        for number, router in trip.path.touching:
            if number > ttl:
                break
            if not has_queued and narrow and number > narrow.hop:
                has_queued = True
                if not self._queue(now, trip):
                    return False
            if not self._pass(now, trip, number, router):
                return False
        return has_queued or self._queue(now, trip)

    def _pass(self, now: float, trip: _Trip, number: int, router: Router) -> bool:
        """Do what a hop does to a SYN before and after the check of its TTL; returns whether it goes on."""
        is_expiring = number == trip.syn.ttl
        if router.rewrite:
            trip.seen = rewritten(trip.seen, router.rewrite)
        for rule in router.rules:
            fits = trip.syn.destination_port in rule.ports
            if (
                fits
                and (rule.acts_on_expiring or not is_expiring)
                and self._act(now, trip, number, router, rule)
            ):
                return False
        if is_expiring:
            return True
        trip.back *= 1 - router.loss_back
        trip.delay += router.delay
        return not self._happens(router.loss_out)

    def _act(self, now: float, trip: _Trip, number: int, router: Router, rule: Rule) -> bool:
        """Apply a rule; returns whether it ends the path of the SYN."""
        if rule.action in ("rst", "syn-ack"):
            segments = _segments(trip.syn, number, rule.stack, is_open=rule.action == "syn-ack")
            self._answer(trip, router, segments)
            return not rule.is_injected
        if rule.action in ("unreachable", "notice"):
            family = trip.syn.family
            is_end = rule.action == "unreachable"
            icmp_type = ERROR_TYPES[family][1] if is_end else rule.icmp_type
            self._tell(now, trip, number, router, icmp_type, rule.codes[family])
            return is_end
        return True

    def _queue(self, now: float, trip: _Trip) -> bool:
        """Queue a SYN at the bottleneck; False if the queue is full."""
        narrow = self._scenario.bottleneck
        assert narrow is not None
        waiting = max(0.0, self._link_free_at - now) * narrow.rate
        if waiting >= narrow.queue:
            self.counts.queue_losses += 1
            return False
        self._link_free_at = max(now, self._link_free_at) + 1 / narrow.rate
        trip.delay += self._link_free_at - now
        return True

    # Answers of routers

    def _expire(self, now: float, trip: _Trip) -> None:
        number = trip.syn.ttl
        router = trip.path.routers[number - 1]
        self.counts.expired(now, router.addresses[trip.syn.family])
        self._tell(now, trip, number, router, ERROR_TYPES[trip.syn.family][0], 0)

    def _tell(self, now: float, trip: _Trip, number: int, router: Router, icmp_type: int, code: int) -> None:
        """Send an ICMP message of ``router``, unless it is silent or its rate limit is reached."""
        syn = trip.syn
        sender = router.addresses[syn.family]
        if router.is_silent or not self._allows(now, sender, router.limits.get(syn.family)):
            return
        quoted = trip.seen
        if quoted.ttl == syn.ttl:  # else a hop has rewritten the TTL
            quoted = quoted._replace(ttl=syn.ttl - number + 1)
        ttl = max(1, router.reply_ttl - number + 1)
        error = IcmpError(
            syn, sender, ttl, icmp_type, code, quoted, router.quote, router.labels, router.is_legacy
        )
        self._answer(trip, router, [error])

    def _allows(self, now: float, sender: str, limit: Limit | None) -> bool:
        if limit is None:
            return True
        bucket = self._buckets.get(sender)
        if bucket is None:
            bucket = self._buckets[sender] = Bucket(limit)
        if bucket.allows(now):
            return True
        self.counts.limited += 1
        return False

    def _answer(self, trip: _Trip, place: Router, answers: list[IcmpError] | list[Segment]) -> None:
        """Send ``answers`` and their duplicates back from ``place``, except those that are lost."""
        for _ in range(1 + place.duplicates):
            delay = trip.delay + self._rtt(place, trip.syn.destination_port)
            trip.steps += [(delay, answer) for answer in answers if not self._happens(1 - trip.back)]

    def _rtt(self, place: Router | Destination, port: int) -> float:
        """The next round trip time to ``place`` for a SYN to ``port``."""
        rtts = place.rtts
        rtt = rtts[0]
        if len(rtts) > 1:
            rtt = rtts[self._turns[id(place), port] % len(rtts)]
            self._turns[id(place), port] += 1
        if place.port_rtts:
            rtt = place.port_rtts.get(port, rtt)
        return rtt + self._chance.random() * place.jitter if place.jitter else rtt

    def _happens(self, probability: float) -> bool:
        return probability > 0 and self._chance.random() < probability

    # The destination

    def _reach(self, now: float, trip: _Trip) -> None:
        """Bring a SYN to the destination: at once if the order does not matter, else when it is due."""
        destination = self._scenario.destination
        distance = len(trip.path.routers) + 1
        if self._happens(destination.loss_out):
            return
        if destination.down_after is not None:
            self._give_up(now, trip, destination.down_after)
            return
        rtt = self._rtt(destination, trip.syn.destination_port)
        back = trip.back * (1 - destination.loss_back)
        arrival = Arrival(trip.syn, distance, rtt, back, trip.path.is_tracked)
        if destination.remembers or arrival.is_tracked:
            trip.steps.append((trip.delay + rtt / 2, arrival))
            return
        delay = trip.delay + rtt
        trip.steps += [(delay + later, step) for later, step in self._at_destination(0.0, arrival)]

    def _give_up(self, now: float, trip: _Trip, after: float) -> None:
        """Let the last router report the host unreachable: nothing answered its link-layer request."""
        routers = trip.path.routers
        if routers:
            trip.delay += after
            family = trip.syn.family
            code = HOST_UNREACHABLE[family]
            self._tell(now, trip, len(routers), routers[-1], ERROR_TYPES[family][1], code)

    def _at_destination(self, now: float, arrival: Arrival) -> list[Step]:
        """The destination's answers. Their delays do not include the way back; the callers add it."""
        destination = self._scenario.destination
        syn = arrival.syn
        self.counts.destination[syn.destination_port] += 1
        self.counts.arrived[syn.source_port, syn.destination_port] += 1
        if syn.destination_port in destination.silent:
            return []
        is_refused = syn.ttl - arrival.distance < destination.refuse_ttl
        is_open = syn.destination_port in destination.open and not is_refused
        limit = destination.resets.get(syn.family)
        if not is_open and not self._allows(now, destination.addresses[syn.family], limit):
            return []
        if destination.remembers:
            return self._answer_in_context(now, arrival, is_open=is_open)
        return self._reply(arrival, _segments(syn, arrival.distance, destination.stack, is_open=is_open))

    def _answer_in_context(self, now: float, arrival: Arrival, *, is_open: bool) -> list[Step]:
        """The answer of a destination that remembers the earlier SYNs of this flow."""
        destination, syn = self._scenario.destination, arrival.syn
        if destination.once and syn.flow in self._answered:
            return []
        self._answered.add(syn.flow)
        half_open = self._half_open.get(syn.flow)
        is_again = half_open is not None and half_open.sequence != syn.sequence
        if half_open is not None and is_open and is_again and destination.again != "answer":
            return self._answer_again(now, arrival, half_open)
        steps = self._reply(arrival, _segments(syn, arrival.distance, destination.stack, is_open=is_open))
        if is_open and half_open is None:
            self._half_open[syn.flow] = _HalfOpen(syn.sequence, -inf)
            if destination.retransmits:
                steps.append((1.0 - arrival.rtt / 2, Retransmission(arrival, 1)))
        return steps

    def _answer_again(self, now: float, arrival: Arrival, half_open: _HalfOpen) -> list[Step]:
        """The answer to another SYN of a flow whose first one was answered (RFC 5961 section 4)."""
        destination = self._scenario.destination
        again, syn = destination.again, arrival.syn
        in_window = (syn.sequence - half_open.sequence - 1) & 0xFFFFFFFF < destination.stack.window
        if again == "rst" or (again == "linux" and in_window):
            if again == "linux":
                del self._half_open[syn.flow]
            return self._reply(arrival, _segments(syn, arrival.distance, destination.stack, is_open=False))
        if again == "silent" or now - half_open.challenged_at < CHALLENGE_GAP:
            return []
        self._half_open[syn.flow] = half_open._replace(challenged_at=now)
        ours, theirs = isn(half_open.sequence) + 1, half_open.sequence + 1
        ttl = max(1, destination.stack.ttl - arrival.distance + 1)
        segment = Segment(
            syn, ttl, ACK, ours & 0xFFFFFFFF, theirs & 0xFFFFFFFF, destination.stack.window, b""
        )
        return self._reply(arrival, [segment])

    def _retransmit(self, due: Retransmission) -> list[Step]:
        arrival, tries = due
        half_open = self._half_open.get(arrival.syn.flow)
        if half_open is None or half_open.is_reset or half_open.sequence != arrival.syn.sequence:
            return []
        stack = self._scenario.destination.stack
        segments = _segments(arrival.syn, arrival.distance, stack, is_open=True)
        steps = [(arrival.rtt / 2 + delay, step) for delay, step in self._reply(arrival, segments)]
        if tries < SYN_ACK_RETRIES:
            steps.append((2.0**tries, Retransmission(arrival, tries + 1)))
        return steps

    def _reply(self, arrival: Arrival, segments: list[Segment]) -> list[Step]:
        """The ``segments`` that neither loss nor the stateful firewall keeps back."""
        syn = arrival.syn
        if arrival.is_tracked and self._tracked.setdefault(syn.flow, syn.sequence) != syn.sequence:
            return []
        copies = segments * (1 + self._scenario.destination.duplicates)
        return [(0.0, segment) for segment in copies if not self._happens(1 - arrival.back)]


class Simulation:
    """A network and the schedule of its answers; instants are on the caller's clock."""

    def __init__(self, scenario: Scenario, beside: Network | None = None) -> None:
        self.network = Network(scenario, beside)
        self._calendar: list[tuple[float, int, Answer | Pending]] = []
        self._order = count()

    @property
    def next_at(self) -> float:
        """When something is due next; infinity if nothing is."""
        return self._calendar[0][0] if self._calendar else inf

    def send(self, now: float, syn: Syn) -> None:
        """A SYN leaves the client."""
        self._note(now, self.network.syn(now, syn))

    def reset(self, now: float, flow: Flow, sequence: int) -> None:
        """The client's kernel answers a SYN-ACK with a RST."""
        self._note(now, self.network.reset(now, flow, sequence))

    def due(self, now: float) -> list[tuple[float, Answer]]:
        """The answers that reach the client until ``now``, with their instants, in order."""
        answers: list[tuple[float, Answer]] = []
        calendar = self._calendar
        while calendar and calendar[0][0] <= now:
            at, _, item = heapq.heappop(calendar)
            if isinstance(item, IcmpError | Segment):
                self.network.counts.answers += 1
                answers.append((at, item))
            else:
                self._note(at, self.network.resume(at, item))
        return answers

    def _note(self, now: float, steps: list[Step]) -> None:
        for delay, item in steps:
            heapq.heappush(self._calendar, (now + delay, next(self._order), item))


def rewritten(syn: Syn, rewrite: Rewrite) -> Syn:
    """``syn`` with the changes of ``rewrite``."""
    changes: dict[str, object] = {}
    for name, (number, is_added) in rewrite.numbers.items():
        if name == ABSENT[syn.family]:
            continue
        if name == "mss":
            if syn.options[:2] == MSS:
                changes["options"] = mss_option(number) + syn.options[4:]
            continue
        old: int = getattr(syn, name) if is_added else 0
        changes[name] = (old + number) & _WIDTHS[name]
    for name, addresses in (("source", rewrite.sources), ("destination", rewrite.destinations)):
        if syn.family in addresses:
            changes[name] = ip_address(addresses[syn.family]).packed
    if rewrite.stripped:
        changes["options"] = stripped(syn.options, rewrite.stripped)
    return syn._replace(**changes)  # type: ignore[arg-type]


def stripped(options: bytes, kinds: frozenset[int]) -> bytes:
    """``options`` of a SYN with those of ``kinds`` made padding (RFC 9293 section 3.1: kind 1)."""
    left, at = bytearray(options), 0
    while at < len(left):
        length = 1 if left[at] <= 1 else left[at + 1]
        if left[at] in kinds:
            left[at : at + length] = b"\x01" * length
        at += length
    return bytes(left)


ABSENT = {4: "flow_label", 6: "ip_id"}
"""For each family, the field that its packets lack."""
_WIDTHS = {
    "source_port": 0xFFFF,
    "destination_port": 0xFFFF,
    "sequence": 0xFFFFFFFF,
    "ip_id": 0xFFFF,
    "tos": 0xFF,
    "ttl": 0xFF,
    "flow_label": 0xFFFFF,
}


def mss_option(mss: int) -> bytes:
    """The maximum segment size option (RFC 9293 section 3.2)."""
    return MSS + mss.to_bytes(2, "big")


def isn(sequence: int) -> int:
    """The initial sequence number of the answer to a SYN with ``sequence``."""
    return (sequence * 2_654_435_761 + 1) & 0xFFFFFFFF


def _segments(syn: Syn, hop: int, stack: Stack, *, is_open: bool) -> list[Segment]:
    """SYN-ACK or RST from ``hop``; if ``stack`` says so, after its opposite with a wrong acknowledgement."""
    ttl = max(1, stack.ttl - hop + 1)
    right = syn.sequence + 1 & 0xFFFFFFFF
    segments = []
    if stack.wrong_ack:
        segments.append(_segment(syn, ttl, stack, right + 7 & 0xFFFFFFFF, is_open=not is_open))
    return [*segments, _segment(syn, ttl, stack, right, is_open=is_open)]


def _segment(syn: Syn, ttl: int, stack: Stack, acknowledgement: int, *, is_open: bool) -> Segment:
    if not is_open:
        return Segment(syn, ttl, RST_ACK, 0, acknowledgement, 0, b"")
    options = mss_option(stack.mss) + b"\x01\x01\x04\x02" if stack.mss else b""
    return Segment(syn, ttl, SYN_ACK, isn(syn.sequence), acknowledgement, stack.window, options)


def _single_path(scenario: Scenario) -> _Path | None:
    """The path of all flows, None if there are several paths."""
    routes: tuple[Route, ...] = scenario.routes
    if len(routes) > 1 or any(len(routers) > 1 for routers in routes[0].hops):
        return None
    return _path_of([routers[0] for routers in routes[0].hops], scenario.loop)


def _path_of(routers: list[Router], loop: int | None) -> _Path:
    """The path over ``routers``; with ``loop`` it repeats from that hop on until every TTL has ended."""
    while loop and len(routers) < LONGEST_PATH:
        routers = [*routers, *routers[loop - 1 :]][:LONGEST_PATH]
    touching = tuple((number, router) for number, router in enumerate(routers, 1) if router.touches)
    return _Path(tuple(routers), touching, any(router.tracks for router in routers))
