"""Connections that are used to probe: what an engine orders, and what a prober sees of one. Frozen values.

A connection is known by a small number that its engine gives it. Lengths are bytes of TCP payload; packets
are as large as their IP headers say.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, Protocol, TypeAlias

FULL_TTL = 64
"""The TTL (hop limit) of everything that is meant to arrive: the handshake, and the end of a connection."""
IP_AND_TCP = {4: 40, 6: 60}
"""Bytes of the IP and TCP headers without options, by family: what is between an MSS and a packet."""
TIMESTAMPS = 12
"""Bytes of the timestamps option (RFC 7323 section 3.2) with its padding, on every segment if negotiated."""


class Connect(NamedTuple):
    """Open a connection, with ``FULL_TTL``.

    ``announced_mss`` is the MSS that its SYN is to announce, None for what the route allows. Segments that
    arrive with a TTL below ``min_reply_ttl`` are not listened to, the SYN-ACK included.
    """

    connection: int
    announced_mss: int | None = None
    min_reply_ttl: int = 0


class Heed(NamedTuple):
    """From now on listen only to segments of a connection that arrive with ``min_reply_ttl`` or more."""

    connection: int
    min_reply_ttl: int


class Speak(NamedTuple):
    """Send ``data`` over an open connection, in segments that leave with ``ttl``.

    Without data, ``ttl`` is that of what is sent again.
    """

    connection: int
    ttl: int
    data: bytes


class Close(NamedTuple):
    """Reset a connection, with a RST that arrives; what it has said so far and was lost stays unsaid."""

    connection: int


Order: TypeAlias = Connect | Heed | Speak | Close


class State(Enum):
    """How far a connection is; the last four are ends."""

    OPENING = "opening"
    OPEN = "open"
    FINISHED = "finished"
    """The other side has said all it has to say (FIN)."""
    RESET = "reset"
    REFUSED = "refused"
    FAILED = "failed"
    """It could not be opened, or the system gave it up."""


ENDS = (State.FINISHED, State.RESET, State.REFUSED, State.FAILED)


class Seen(NamedTuple):
    """What raw sockets saw of a connection beside the kernel.

    ``host_ttl`` and ``end_ttl`` are the TTLs with which the SYN-ACK and the first RST arrived. ``is_expired``
    says that a router's Time Exceeded came; ``refusal`` is another ICMP error: type, code and sender.
    """

    host_ttl: int | None = None
    end_ttl: int | None = None
    is_expired: bool = False
    refusal: tuple[int, int, str] | None = None


class Report(NamedTuple):
    """What is known of a connection at one instant; a prober tells it whenever it has changed.

    ``is_acknowledged`` says that everything spoken arrived. ``errors`` counts the ICMP errors that the
    system told of since the connection opened: it tells neither type nor sender. ``packet`` is the largest
    packet that the system sends now, and ``payload`` the TCP data in it: less than the path MTU allows
    where the other side's MSS is smaller; ``allowed`` is the payload of the largest that our SYN allows the
    other side. ``path_mtu`` is what the system holds to be the path's.
    ``received`` counts the bytes that came without a gap before them, ``largest`` the payload of the largest
    segment that came, ``ahead`` the segments that came ahead of a gap. ``heard`` is the beginning of what
    was received. ``acknowledged`` counts the bytes that ever arrived: unlike ``is_acknowledged`` it can be
    trusted after the end. ``segments`` counts the segments that came, those without data included. ``seen``
    is None without raw sockets.
    """

    connection: int
    at: float
    state: State
    rtt: float = 0.0
    is_acknowledged: bool = False
    errors: int = 0
    retransmissions: int = 0
    packet: int = 0
    payload: int = 0
    path_mtu: int = 0
    allowed: int = 0
    received: int = 0
    largest: int = 0
    ahead: int = 0
    heard: bytes = b""
    acknowledged: int = 0
    segments: int = 0
    seen: Seen | None = None

    @property
    def headers(self) -> int:
        """Bytes of IP and TCP headers, options included, on every packet."""
        return self.packet - self.payload


class Words(Protocol):
    """What is said over a connection, in the protocol of its port."""

    @property
    def waits_for_greeting(self) -> bool:
        """Whether the other side speaks first."""

    def beginning(self, length: int) -> bytes:
        """The first ``length`` bytes of a message that is longer: received, and not answered."""

    def request(self) -> bytes:
        """A short message that draws a long answer."""

    def opening(self) -> bytes:
        """A short message after which the other side waits for the next one; empty where there is none."""
