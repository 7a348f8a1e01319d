"""The vocabulary that every layer speaks: probes, replies, hops, events.

Frozen values only; this file knows no socket, no clock and no output format.
Instants are seconds on the prober's clock and end in ``_at``; durations are seconds.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tracetcp.verdicts import Evidence, Verdict


class ReplyKind(Enum):
    """What a network answered to one probe."""

    TIME_EXCEEDED = "time exceeded"
    UNREACHABLE = "unreachable"
    SYN_ACK = "syn-ack"
    RST = "rst"

    __hash__ = object.__hash__  # in C: that of Enum is Python, and every reply is looked up by its kind


class Outcome(Enum):
    """How the trace of one port ended."""

    OPEN = "open"
    CLOSED = "closed"
    UNREACHABLE = "unreachable"
    NOT_REACHED = "not reached"

    __hash__ = object.__hash__  # as above


class Probe(NamedTuple):
    """One SYN to be sent.

    ``token`` is the 32-bit identity that the probe carries as its sequence number. ``flow`` is a small
    number that a prober maps to a source port: probes with equal ``port`` and ``flow`` share a 5-tuple.
    ``attempt`` counts the probes of one hop from 1; extra looks at a hop go on counting.
    """

    token: int
    port: int
    ttl: int
    attempt: int
    flow: int


class MplsLabel(NamedTuple):
    """One entry of an MPLS label stack quoted by a router (RFC 4950, RFC 3032)."""

    label: int
    traffic_class: int
    bottom_of_stack: bool
    ttl: int


class Quote(NamedTuple):
    """Our SYN as the sender of an ICMP error saw it, as far as the quote reaches.

    ``tcp_length`` is the number of TCP bytes quoted (8 at least). Fields past the end of the quote are
    None. ``changed`` names the fields that differ from what was sent, in the words of
    ``QUOTE_FIELDS``; the TTL is not among them, since every router changes it.
    """

    source: str
    destination: str
    source_port: int
    destination_port: int
    sequence: int
    ttl: int
    tos: int
    ip_id: int | None
    tcp_length: int
    mss: int | None
    options: bytes | None
    changed: tuple[str, ...]


QUOTE_FIELDS = (
    "source address",
    "source port",
    "destination address",
    "destination port",
    "sequence number",
    "ip id",
    "tos",
    "mss",
    "options",
)


class TcpAnswer(NamedTuple):
    """The traits of a SYN-ACK or RST that tell one TCP stack from another."""

    window: int
    mss: int | None
    options: bytes


class Reply(NamedTuple):
    """One answer of the network, already matched to the probe that carried ``token``.

    ``received_at`` is the kernel's receive stamp on the prober's clock. ``reply_ttl`` is the TTL (hop
    limit) with which the answer arrived, None where the platform does not tell. ICMP answers have
    ``icmp_type``, ``icmp_code`` and ``quote``; TCP answers have ``answer``.
    """

    token: int
    kind: ReplyKind
    sender: str
    received_at: float
    reply_ttl: int | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None
    quote: Quote | None = None
    labels: tuple[MplsLabel, ...] = ()
    answer: TcpAnswer | None = None


class SendFailure(NamedTuple):
    """A probe that could not be sent. ``errno`` is the system's; ``permanent`` means the run cannot go on."""

    errno: int
    reason: str
    permanent: bool = False


class Ping(NamedTuple):
    """One cell of a row: an attempt and what came of it. ``rtt`` is in seconds, None for a lost probe."""

    attempt: int
    rtt: float | None
    reply: Reply | None


class ProbeRecord(NamedTuple):
    """Everything known of one probe that was sent: the raw evidence behind rows and verdicts.

    ``is_control`` marks probes that never show as a cell. ``replies`` are in order of arrival; more than
    one means duplicates or a forger.
    """

    probe: Probe
    sent_at: float
    replies: tuple[Reply, ...]
    is_control: bool = False


class Hop(NamedTuple):
    """One numbered place on the path: a row.

    ``outcome`` is None for a router and names the end of the trace on the last row of a path that ended:
    OPEN and CLOSED rows are the destination, UNREACHABLE ones a router that said so. ``pings`` are in
    attempt order; on a destination row only the lost ones before the answer and the answer itself.
    """

    ttl: int
    pings: tuple[Ping, ...]
    outcome: Outcome | None = None

    @property
    def senders(self) -> tuple[str, ...]:
        """The addresses that answered, in order of first answer, each once."""
        answered = sorted((p.reply for p in self.pings if p.reply is not None), key=lambda r: r.received_at)
        return tuple(dict.fromkeys(reply.sender for reply in answered))

    @property
    def final_reply(self) -> Reply | None:
        """The reply that ended the trace, for a hop with an outcome."""
        for ping in reversed(self.pings):
            if ping.reply is not None and ping.reply.kind is not ReplyKind.TIME_EXCEEDED:
                return ping.reply
        return None


class TraceStarted(NamedTuple):
    """The trace of ``port`` is the next to be shown."""

    port: int


class AddressSeen(NamedTuple):
    """``address`` answered for the first time: told at once, ahead of display order, for name look-ups."""

    address: str


class HopFinished(NamedTuple):
    """A row of the trace of ``port`` is decided. Hops of one port come in ascending TTL, ports in order."""

    port: int
    hop: Hop


class TraceFinished(NamedTuple):
    """The trace of ``port`` is over; follows its last row.

    ``records`` holds every probe sent for this port in order of sending, controls included.
    """

    port: int
    outcome: Outcome
    records: tuple[ProbeRecord, ...]


class PortScanned(NamedTuple):
    """The one row of a port of a scan is decided: all three events of a trace in one, for speed."""

    port: int
    hop: Hop
    records: tuple[ProbeRecord, ...]

    @property
    def outcome(self) -> Outcome:
        """As ``TraceFinished`` has it."""
        return self.hop.outcome or Outcome.NOT_REACHED


class VerdictReached(NamedTuple):
    """The trace of ``port`` was judged; follows its ``TraceFinished`` where verdicts were asked for."""

    port: int
    evidence: Evidence
    verdicts: tuple[Verdict, ...]


Event: TypeAlias = TraceStarted | AddressSeen | HopFinished | TraceFinished | PortScanned | VerdictReached


def spelled_out(events: Iterable[Event]) -> Iterator[Event]:
    """``events`` with each ``PortScanned`` as the three events of a trace."""
    for event in events:
        if isinstance(event, PortScanned):
            yield TraceStarted(event.port)
            yield HopFinished(event.port, event.hop)
            yield TraceFinished(event.port, event.outcome, event.records)
        else:
            yield event
