"""A prober on a virtual clock: a whole trace over a simulated network takes no real time. Opens no socket.

It does what a real prober and the kernel do: it matches replies to probes, drops what a good matcher must
refuse, and answers a SYN-ACK with a RST.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from internet.behaviour import ACK, SYN_ACK, IcmpError, Segment, Simulation, Syn, mss_option
from internet.clock import VirtualClock
from tracetcp.engine import UNBOUNDED
from tracetcp.model import QUOTE_FIELDS, Probe, Quote, Reply, ReplyKind, TcpAnswer
from tracetcp.probers.prober import Prober

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from internet.behaviour import Answer
    from internet.counts import Counts
    from internet.scenario import Scenario
    from tracetcp.model import SendFailure

SOURCE_PORTS_FROM = 40_000
RECEIVE_WINDOW = 64_240
OPTIONS = mss_option(1460) + b"\x01\x03\x03\x07\x01\x01\x04\x02"
TCP_HEADER = 20
MOST_IDLE_TURNS = 100_000
"""How often an engine may wait without sending a probe before the test fails."""
SHORT_OF_WINDOW = 16
"""A quote with fewer bytes of TCP ends before the window, which tells the TTL of an IPv6 probe."""
NAMING = frozenset(
    {"source address", "source port", "destination address", "destination port", "sequence number"}
)
"""What the kernel finds a quote's socket by."""
_KINDS = {11: ReplyKind.TIME_EXCEEDED, 3: ReplyKind.UNREACHABLE}
_KINDS_6 = {3: ReplyKind.TIME_EXCEEDED, 1: ReplyKind.UNREACHABLE}


class Sent(NamedTuple):
    """A probe, and when it was sent."""

    at: float
    probe: Probe


class VirtualProber(Prober):
    """Sends probes into a scenario's network; time passes only in ``wait``, which must be passed to ``run``.

    ``sent`` has every probe with its instant, ``counts`` what the network saw. ``failing`` says which probes
    cannot be sent, and may be set later. At ``interrupt_at`` the wait raises ``KeyboardInterrupt``. The clock
    starts at ``starts_at``. Without ``shares_flows`` a flow has one probe in flight, as with sockets that
    connect. Probers that run side by side share a ``wait``, which then has these instants; one that is
    ``beside`` another shares its routers as well.
    """

    kind = "virtual"

    def __init__(
        self,
        scenario: Scenario,
        family: int = 4,
        *,
        capacity: int = UNBOUNDED,
        starts_at: float = 0.0,
        failing: Callable[[Probe], SendFailure | None] = lambda _: None,
        interrupt_at: float = inf,
        shares_flows: bool = True,
        tells_reply_ttls: bool = True,
        wait: VirtualClock | None = None,
        beside: VirtualProber | None = None,
    ) -> None:
        self.destination = scenario.destination.addresses[family]
        self.source = scenario.clients[family]
        self.capacity = capacity
        self.failing = failing
        self.shares_flows = shares_flows
        self._tells_reply_ttls = tells_reply_ttls
        self._min_reply_ttls: dict[int, int] = {}
        self._on_flow: dict[tuple[int, int], int] = {}
        """By port and flow: the token of the last probe, where another would take its place."""
        self.sent: list[Sent] = []
        self._idle_turns = 0
        self._family = family
        self._scenario = scenario
        self._ends = ip_address(self.source).packed, ip_address(self.destination).packed
        self._simulation: Simulation = Simulation(
            scenario, None if beside is None else beside._simulation.network
        )
        self.wait = wait or VirtualClock(starts_at, interrupt_at)
        self._is_closed = False
        self._injected: list[Reply] = []

    @property
    def counts(self) -> Counts:
        """What the network saw."""
        return self._simulation.network.counts

    def router_at(self, ttl: int) -> str | None:
        """The router at which a probe with ``ttl`` ends, where there is one path; None beyond the last."""
        hops = self._scenario.routes[0].hops
        return hops[ttl - 1][0].addresses[self._family] if ttl <= len(hops) else None

    def clock(self) -> float:
        """See ``Prober.clock``."""
        return self.wait.now

    def send(self, probe: Probe) -> float | SendFailure:
        """See ``Prober.send``."""
        failure = self.failing(probe)
        if failure is not None:
            return failure
        self._idle_turns = 0
        self.sent.append(Sent(self.wait.now, probe))
        self._on_flow[probe.port, probe.flow] = probe.token
        self._min_reply_ttls[probe.token] = probe.min_reply_ttl
        self._simulation.send(self.wait.now, self._syn(probe))
        return self.wait.now

    def source_port(self, probe: Probe) -> int:
        """See ``Prober.source_port``."""
        return SOURCE_PORTS_FROM + probe.flow

    def descriptors(self) -> Sequence[int]:
        """See ``Prober.descriptors``; there are none, because nothing outside wakes a virtual clock."""
        return ()

    def wake_at(self) -> float:
        """See ``Prober.wake_at``: when the next packet arrives."""
        return min(self._simulation.next_at, self._next_injected_at())

    @property
    def was_closed(self) -> bool:
        """Whether it is closed."""
        return self._is_closed

    def receive(self, until: float) -> Sequence[Reply]:
        """Jump to the first replies, or to ``until``: for tests without a runner."""
        while not (replies := self.drain()) and self.clock() < until:
            self.wait((), min(until, self.wake_at()))
        return replies

    def close(self) -> None:
        """See ``Prober.close``."""
        self._is_closed = True

    def inject(self, *replies: Reply) -> None:
        """Deliver ``replies`` of strangers, with any tokens, at their ``received_at``."""
        self._injected = sorted([*self._injected, *replies], key=lambda reply: reply.received_at)

    def _next_injected_at(self) -> float:
        return self._injected[0].received_at if self._injected else inf

    def drain(self) -> Sequence[Reply]:
        """See ``Prober.drain``; in order of arrival. Every SYN-ACK is answered with a RST.

        The test fails if this is called too often while nothing is sent.
        """
        self._idle_turns += 1
        assert self._idle_turns < MOST_IDLE_TURNS, "the engine goes round in circles: it sends nothing"
        replies: list[Reply] = []
        if self._is_closed:
            return replies
        while self._next_injected_at() <= self.wait.now:
            replies.append(self._injected.pop(0))
        for at, answer in self._simulation.due(self.wait.now):
            if isinstance(answer, Segment) and answer.flags == SYN_ACK:
                self._simulation.reset(at, answer.syn.flow, answer.acknowledgement)
            reply = reply_of(answer, at)
            if reply is not None and self._is_waited_for(answer.syn) and (heard := self._heard(reply)):
                replies.append(heard)
        return sorted(replies, key=lambda reply: reply.received_at)

    def _heard(self, reply: Reply) -> Reply | None:
        """``reply`` as far as this prober is told of it."""
        if self._tells_reply_ttls or reply.kind not in (ReplyKind.SYN_ACK, ReplyKind.RST):
            return reply
        is_heard = (reply.reply_ttl or 0) >= self._min_reply_ttls[reply.token]
        return reply._replace(reply_ttl=None, answer=None) if is_heard else None

    def _is_waited_for(self, syn: Syn) -> bool:
        """Whether no further probe took the place of ``syn`` on its flow."""
        flow = syn.destination_port, syn.source_port - SOURCE_PORTS_FROM
        return self.shares_flows or self._on_flow.get(flow) == syn.sequence

    def _syn(self, probe: Probe) -> Syn:
        is_ipv4 = self._family == 4
        return Syn(
            self._family,
            *self._ends,
            SOURCE_PORTS_FROM + probe.flow,
            probe.port,
            probe.token,
            probe.ttl,
            0,
            len(self.sent) & 0xFFFF if is_ipv4 else 0,
            0 if is_ipv4 else (probe.flow * 2_654_435_761 & 0xFFFFF) or 1,
            RECEIVE_WINDOW if is_ipv4 else RECEIVE_WINDOW + probe.ttl,
            OPTIONS,
        )


def reply_of(answer: Answer, at: float) -> Reply | None:
    """``answer`` as a good prober returns it; None if it must not be accepted as an answer."""
    if isinstance(answer, Segment):
        return _tcp_reply(answer, at)
    syn, quoted = answer.syn, answer.quoted
    kind = (_KINDS if syn.family == 4 else _KINDS_6).get(answer.icmp_type)
    if kind is None or not _is_known(syn, quoted, answer.quote):
        return None
    return Reply(
        syn.sequence,
        kind,
        answer.sender,
        at,
        answer.ttl,
        answer.icmp_type,
        answer.code,
        _quote(answer),
        answer.labels,
    )


def _tcp_reply(answer: Segment, at: float) -> Reply | None:
    syn = answer.syn
    if answer.flags == ACK or answer.acknowledgement != syn.sequence + 1 & 0xFFFFFFFF:
        return None
    kind = ReplyKind.SYN_ACK if answer.flags == SYN_ACK else ReplyKind.RST
    mss = int.from_bytes(answer.options[2:4], "big") if answer.options else None
    traits = TcpAnswer(answer.window, mss, answer.options)
    return Reply(syn.sequence, kind, address(syn.destination), at, answer.ttl, answer=traits)


def _is_known(syn: Syn, quoted: Syn, length: int) -> bool:
    """Whether a quote has enough of what only the sender of ``syn`` knows; see ``tracetcp.wire.matching``."""
    if quoted.sequence == syn.sequence:
        return True
    if syn.family == 4:
        return (quoted.source_port, quoted.ip_id) == (syn.source_port, syn.ip_id)
    same = ("source_port", "flow_label", "window", "destination_port")
    return length >= SHORT_OF_WINDOW and all(getattr(quoted, n) == getattr(syn, n) for n in same)


def _quote(answer: IcmpError) -> Quote:
    """The quote in ``answer``, with the names of the fields that differ from the SYN as it was sent."""
    syn, quoted = answer.syn, answer.quoted
    length = min(answer.quote, TCP_HEADER + len(quoted.options))
    has_mss = length >= TCP_HEADER + 4
    has_options = length >= TCP_HEADER + len(quoted.options)
    pairs: list[tuple[object, object]] = [
        (quoted.source, syn.source),
        (quoted.source_port, syn.source_port),
        (quoted.destination, syn.destination),
        (quoted.destination_port, syn.destination_port),
        (quoted.sequence, syn.sequence),
        (quoted.ip_id, syn.ip_id),
        (quoted.tos, syn.tos),
        (quoted.options[:4], syn.options[:4] if has_mss else quoted.options[:4]),
        (quoted.options, syn.options if has_options else quoted.options),
    ]
    return Quote(
        address(quoted.source),
        address(quoted.destination),
        quoted.source_port,
        quoted.destination_port,
        quoted.sequence,
        quoted.ttl,
        quoted.tos,
        quoted.ip_id if syn.family == 4 else None,
        length,
        int.from_bytes(quoted.options[2:4], "big") if has_mss else None,
        quoted.options if has_options else None,
        tuple(name for name, (now, then) in zip(QUOTE_FIELDS, pairs, strict=True) if now != then),
    )


@lru_cache(maxsize=1024)
def address(packed: bytes) -> str:
    """The text of a packed address."""
    return str(ip_address(packed))


class ConnectingProber(VirtualProber):
    """Tells what sockets that connect tell: the first answer to each probe, and nothing that is quoted."""

    def __init__(self, scenario: Scenario, family: int) -> None:
        super().__init__(scenario, family, shares_flows=False, tells_reply_ttls=False)
        self._answered: set[int] = set()

    def drain(self) -> Sequence[Reply]:
        """See ``Prober.drain``."""
        replies = []
        for reply in super().drain():
            is_known = reply.quote is None or not NAMING.intersection(reply.quote.changed)
            if is_known and reply.token not in self._answered:
                self._answered.add(reply.token)
                replies.append(reply._replace(quote=None))
        return replies
