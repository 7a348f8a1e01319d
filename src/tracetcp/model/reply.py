"""The network's answer to one probe, matched and parsed. Frozen values."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class ReplyKind(Enum):
    """The kind of answer to a probe."""

    TIME_EXCEEDED = "time exceeded"
    UNREACHABLE = "unreachable"
    SYN_ACK = "syn-ack"
    RST = "rst"

    __hash__ = object.__hash__  # in C; Enum's is in Python, and every reply needs a look-up by kind


class MplsLabel(NamedTuple):
    """One entry of an MPLS label stack quoted by a router (RFC 4950, RFC 3032)."""

    label: int
    traffic_class: int
    bottom_of_stack: bool
    ttl: int


class Quote(NamedTuple):
    """Our probe as the sender of an ICMP error saw it, as far as the quote reaches.

    ``tcp_length`` is the number of TCP bytes quoted (at least 8). Fields beyond the end of the quote are
    None. ``changed`` names the fields that differ from what was sent, in the words of
    ``QUOTE_FIELDS``; the TTL is never among them, because every router changes it.
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

    @property
    def identity_changed(self) -> tuple[str, ...]:
        """The fields in ``changed`` that identify a probe (``IDENTITY_FIELDS``)."""
        return tuple(field for field in self.changed if field in IDENTITY_FIELDS)


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


IDENTITY_FIELDS = frozenset({"source port", "destination address", "destination port", "sequence number"})
"""The fields that identify the quoted probe. Routers behind a NAT quote them changed; so may a forger."""


class TcpAnswer(NamedTuple):
    """The properties of a SYN-ACK or RST that distinguish one TCP stack from another."""

    window: int
    mss: int | None
    options: bytes


class Reply(NamedTuple):
    """One answer of the network, already matched to the probe that carried ``token``.

    ``received_at`` is the kernel's receive stamp on the prober's clock. ``reply_ttl`` is the TTL (hop
    limit) with which the answer arrived; None where the platform does not report it. ICMP answers have
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

    @property
    def is_loose(self) -> bool:
        """Whether its quote differs from our probe in a field that identifies the probe."""
        return self.quote is not None and bool(self.quote.changed) and bool(self.quote.identity_changed)
