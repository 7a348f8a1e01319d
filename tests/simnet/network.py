"""How the simulated Internet behaves: a SYN goes in, answers with their delays come out.

Knows no socket, no clock and no packet format; chance comes from a seed, so every run is repeatable.

A network is a list of paths; routers that share load choose among them by the flow (the 5-tuple), so that a
flow keeps to one path. What a test does not mention behaves like a plain Linux router or host:

- a router decides that a TTL ran out before it filters, so rules at hop N act on packets that pass on;
- a limited router sends 6 ICMP errors at once, then one a second; denied requests cost no token (xrlim);
- a host answers the first SYN of a flow only, while that connection is half open.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from tracetcp.model import MplsLabel, ReplyKind

BURST = 6.0
"""ICMP errors that a Linux router sends at once (XRLIM_BURST_FACTOR)."""
ROUTER_TTL = 255
HOST_TTL = 64
RETRANSMISSION = 1.0
"""Seconds after which a host repeats a SYN-ACK that was lost (RFC 6298: initial timeout)."""


class Syn(NamedTuple):
    """A SYN as it leaves the prober."""

    source_port: int
    port: int
    ttl: int
    sequence: int


class Answer(NamedTuple):
    """What comes back for a SYN, ``delay`` seconds after it left.

    ``acknowledged`` is the sequence number that a TCP answer acknowledges or an ICMP error quotes.
    ``rewritten`` maps fields of the quote (names of model.QUOTE_FIELDS) to what the network made of them;
    ``quoted`` is the number of TCP bytes quoted.
    """

    delay: float
    kind: ReplyKind
    sender: str
    reply_ttl: int
    acknowledged: int
    icmp: tuple[int, int] | None = None
    labels: tuple[MplsLabel, ...] = ()
    rewritten: dict[str, int | str] | None = None
    quoted: int = 8


@dataclass(kw_only=True)
class Limited:
    """What answers only so often: a bucket of tokens, full at first; a refusal costs none."""

    tokens: float = field(default=inf, repr=False)
    counted_at: float = field(default=0.0, repr=False)

    def spends(self, now: float, per_second: float | None, burst: float) -> bool:
        """Whether one more answer may go out now; always where ``per_second`` is None."""
        if per_second is None:
            return True
        self.tokens = min(burst, self.tokens + (now - self.counted_at) * per_second)
        self.counted_at = now
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True


@dataclass
class Router(Limited):
    """One router. ``rtt`` is the prober's to it and back, in seconds; ``jitter`` is added at random.

    ``limit`` is the ICMP errors a second beyond the burst, None for a router that does not limit.
    """

    address: str
    rtt: float
    jitter: float = 0.0
    is_silent: bool = False
    limit: float | None = None
    quoted: int = 8
    rewritten: dict[str, int | str] | None = None
    labels: tuple[MplsLabel, ...] = ()

    def may_answer(self, now: float) -> bool:
        """Spend a token if there is one."""
        return self.spends(now, self.limit, BURST)


@dataclass
class Rule:
    """What the router at ``hop`` does with SYNs to ``ports`` that it would pass on.

    ``action``: ``drop``; ``unreachable`` (with ``icmp``), sent by that router; ``rst`` in the host's name
    instead of passing on; ``inject``, a RST in the host's name while the SYN passes on; ``proxy``, a
    SYN-ACK in the host's name.
    """

    action: str
    ports: frozenset[int]
    hop: int
    icmp: tuple[int, int] = (3, 13)


@dataclass
class Host(Limited):
    """The destination. ``resets`` are the RSTs a second that it sends, and at once, None for all."""

    address: str
    rtt: float
    jitter: float = 0.0
    open_ports: frozenset[int] = frozenset({80})
    silent_ports: frozenset[int] = frozenset()
    is_silent: bool = False
    refuses_ttl_up_to: int = 0
    duplicates: int = 0
    acknowledges_wrongly_first: bool = False
    unreachable: tuple[int, int] | None = None
    resets: float | None = None

    def may_refuse(self, now: float) -> bool:
        """Spend a token for a RST if there is one."""
        return self.spends(now, self.resets, self.resets or 0.0)


@dataclass
class Network:
    """Paths to one host, and what goes wrong on them.

    ``loss`` is the chance of losing a packet, each way. ``firewall`` is the hop of a stateful firewall that
    lets answers to the first SYN of a flow pass only. ``rate`` and ``queue`` are a bottleneck's packets a
    second and places. From ``changes_at`` on, ``later_paths`` replace ``paths``.
    """

    paths: list[list[Router]]
    host: Host
    rules: list[Rule] = field(default_factory=list)
    loss: float = 0.0
    firewall: int | None = None
    rate: float | None = None
    queue: int = 100
    changes_at: float | None = None
    later_paths: list[list[Router]] = field(default_factory=list)
    seed: int = 1

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._half_open: set[tuple[int, int]] = set()
        self._tracked: dict[tuple[int, int], int] = {}
        self._busy_until = 0.0

    def path_of(self, syn: Syn, now: float) -> list[Router]:
        """The path that this flow takes now."""
        has_changed = self.changes_at is not None and now >= self.changes_at
        paths = self.later_paths if has_changed else self.paths
        return paths[hash((syn.source_port * 2654435761, syn.port * 40503)) % len(paths)]

    def answers(self, syn: Syn, now: float) -> list[Answer]:
        """What comes back for ``syn``, sent at ``now``."""
        queueing = self._queue(now)
        if queueing is None or self._is_lost():
            return []
        path = self.path_of(syn, now)
        answers: list[Answer] = []
        for hop, router in enumerate(path, 1):
            if hop == syn.ttl:
                answers += self._expired(router, syn, now)
                break
            rule = self._rule(syn, hop)
            if rule is not None:
                answers += self._apply(rule, router, syn, now)
                if rule.action != "inject":
                    break
        else:
            answers += self._delivered(syn, syn.ttl - len(path), now)
        return [answer._replace(delay=answer.delay + queueing) for answer in answers if not self._is_lost()]

    def _queue(self, now: float) -> float | None:
        """Seconds spent in the bottleneck's queue, None for a packet that finds it full."""
        if self.rate is None:
            return 0.0
        wait = max(0.0, self._busy_until - now)
        if wait * self.rate >= self.queue:
            return None
        self._busy_until = max(self._busy_until, now) + 1 / self.rate
        return wait + 1 / self.rate

    def _is_lost(self) -> bool:
        return self.loss > 0 and self._random.random() < self.loss

    def _rule(self, syn: Syn, hop: int) -> Rule | None:
        return next((rule for rule in self.rules if rule.hop == hop and syn.port in rule.ports), None)

    def _delay(self, place: Router | Host) -> float:
        return place.rtt + (self._random.random() * place.jitter if place.jitter else 0.0)

    def _expired(self, router: Router, syn: Syn, now: float) -> list[Answer]:
        if router.is_silent or not router.may_answer(now):
            return []
        return [self._icmp(router, syn, ReplyKind.TIME_EXCEEDED, (11, 0))]

    def _icmp(self, router: Router, syn: Syn, kind: ReplyKind, icmp: tuple[int, int]) -> Answer:
        return Answer(
            self._delay(router),
            kind,
            router.address,
            ROUTER_TTL - syn.ttl + 1,
            syn.sequence,
            icmp,
            router.labels,
            router.rewritten,
            router.quoted,
        )

    def _apply(self, rule: Rule, router: Router, syn: Syn, now: float) -> list[Answer]:
        if rule.action == "unreachable":
            return (
                [self._icmp(router, syn, ReplyKind.UNREACHABLE, rule.icmp)] if router.may_answer(now) else []
            )
        kinds = {"rst": ReplyKind.RST, "inject": ReplyKind.RST, "proxy": ReplyKind.SYN_ACK}
        if rule.action not in kinds:
            return []
        return [
            Answer(
                self._delay(router), kinds[rule.action], self.host.address, HOST_TTL - rule.hop, syn.sequence
            )
        ]

    def _delivered(self, syn: Syn, ttl_left: int, now: float) -> list[Answer]:
        host = self.host
        if host.unreachable is not None:
            return [self._icmp(self.path_of(syn, now)[-1], syn, ReplyKind.UNREACHABLE, host.unreachable)]
        if host.is_silent or syn.port in host.silent_ports or not self._passes_firewall(syn):
            return []
        if syn.port not in host.open_ports or ttl_left <= host.refuses_ttl_up_to:
            return self._tcp(syn, ReplyKind.RST) if host.may_refuse(now) else []
        flow = (syn.source_port, syn.port)
        if flow in self._half_open:
            return []
        self._half_open.add(flow)
        answers = self._tcp(syn, ReplyKind.SYN_ACK)
        if self._is_lost():
            return [answer._replace(delay=answer.delay + RETRANSMISSION) for answer in answers]
        return answers

    def _passes_firewall(self, syn: Syn) -> bool:
        if self.firewall is None:
            return True
        return self._tracked.setdefault((syn.source_port, syn.port), syn.sequence) == syn.sequence

    def _tcp(self, syn: Syn, kind: ReplyKind) -> list[Answer]:
        host = self.host
        answer = Answer(self._delay(host), kind, host.address, HOST_TTL - len(self.paths[0]), syn.sequence)
        answers = [answer] * (1 + host.duplicates)
        if host.acknowledges_wrongly_first:
            wrong = answer._replace(acknowledged=(syn.sequence + 12345) % (1 << 32), kind=ReplyKind.RST)
            answers.insert(0, wrong)
        return answers


def chain(
    *rtts: float | None,
    host: float | None = None,
    prefix: str = "10.0",
    target: str = "10.9.9.9",
    **options: object,
) -> Network:
    """A network of one path in one line: ``chain(1, 10, None, 12, host=20)``, RTTs in milliseconds.

    None is a silent router; ``host=None`` a silent host. Router N has the address PREFIX.N.1. Further
    options are fields of ``Network``.
    """
    last = next((rtt for rtt in reversed(rtts) if rtt is not None), 1.0)
    path = [
        Router(f"{prefix}.{hop}.1", (last if rtt is None else rtt) / 1000, is_silent=rtt is None)
        for hop, rtt in enumerate(rtts, 1)
    ]
    destination = Host(target, (last if host is None else host) / 1000, is_silent=host is None)
    return Network([path], destination, **options)  # type: ignore[arg-type]
