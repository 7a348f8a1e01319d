"""What is said to a host to find who stops or answers it, and what came of it (``--say``). Frozen values."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from tracetcp.model.connection import FULL_TTL, State


class Protocol(Enum):
    """What the words belong to."""

    TLS = "tls"
    HTTP = "http"
    FILE = "file"
    """None that is known: the words are the content of a file."""


class Script(NamedTuple):
    """What is said, from the harmless to the word in question.

    ``neutral`` belongs to no protocol, ``control`` asks for ``control_name``, ``asked`` for ``asked_name``
    (empty: for none; of a file, its name); the three are of one length. ``control`` is empty where there is
    nothing to compare with. ``segments`` is a control of two segments, where that may matter.
    """

    protocol: Protocol
    asked_name: str
    control_name: str
    neutral: bytes
    control: bytes
    asked: bytes
    segments: tuple[bytes, ...] = ()

    @property
    def length(self) -> int:
        """Bytes of each of the words that fit a segment."""
        return len(self.asked)


class Sign(NamedTuple):
    """What came of words that left with ``ttl``, over one connection.

    ``is_expired`` says that a router's ICMP error came, ``end`` how the other side ended the connection,
    ``heard`` what it said first. They were ``sent`` as many times. Without ``was_said`` the connection could
    not be used. ``is_cut`` says that a RST came upon an answer that would have gone on. ``end_ttl`` is the
    TTL with which the RST arrived, ``host_ttl`` that of the SYN-ACK, and ``refusal`` is an ICMP error that is
    no Time Exceeded: type, code and sender; None without raw sockets.
    """

    ttl: int
    was_said: bool = True
    is_expired: bool = False
    is_acknowledged: bool = False
    end: State | None = None
    heard: bytes = b""
    sent: int = 1
    is_cut: bool = False
    end_ttl: int | None = None
    host_ttl: int | None = None
    refusal: tuple[int, int, str] | None = None

    @property
    def is_reset(self) -> bool:
        """Whether the connection was reset, and nothing was said before that explains it."""
        return self.end is State.RESET and (self.is_cut or not self.heard)

    @property
    def is_answered(self) -> bool:
        """Whether anybody did more than to acknowledge it."""
        return bool(self.heard) or self.end is not None

    @property
    def is_taken(self) -> bool:
        """Whether somebody took it and did not reset the connection for it."""
        if self.is_reset:
            return False
        return bool(self.heard) or self.end is State.FINISHED or (self.is_acknowledged and self.end is None)

    @property
    def is_silent(self) -> bool:
        """Whether it was said, and nothing came of it at all."""
        return self.was_said and not (self.is_expired or self.is_acknowledged or self.is_answered)


class Signs(NamedTuple):
    """The signs of one word, in order of saying.

    ``hops`` are the TTLs at which a router answered controls before, ``proven`` those at which one did right
    behind the word that it did not answer. ``distance`` is that of the SYN's answer: words of that TTL and
    more could reach the host.
    """

    signs: tuple[Sign, ...] = ()
    hops: frozenset[int] = frozenset()
    proven: frozenset[int] = frozenset()
    distance: int = FULL_TTL

    @property
    def full(self) -> tuple[Sign, ...]:
        """Those of words that could reach the host."""
        return tuple(sign for sign in self.signs if sign.ttl >= self.distance)

    @property
    def nearer(self) -> tuple[Sign, ...]:
        """Those of words that could not, and yet were answered."""
        return tuple(sign for sign in self.signs if sign.ttl < self.distance and sign.is_answered)

    @property
    def answered_at(self) -> int | None:
        """The lowest TTL of those."""
        return min((sign.ttl for sign in self.nearer), default=None)

    @property
    def after(self) -> int:
        """The farthest hop from which nothing but a router answers; 0 for this machine."""
        end = self.answered_at or self.distance
        return max((sign.ttl for sign in self.signs if sign.is_expired and sign.ttl < end), default=0)

    @property
    def lost(self) -> tuple[Sign, ...]:
        """Those that were said beyond that hop, as far as a router that answers controls or the host."""
        ttls = {ttl for ttl in self.hops if ttl > self.after}
        return tuple(
            sign for sign in self.signs if sign.is_silent and (sign.ttl in ttls or sign.ttl >= self.distance)
        )

    @property
    def before(self) -> int | None:
        """The nearest hop beyond ``after`` that is proven to show a difference; None for the host."""
        return self.answered_at or min((ttl for ttl in self.proven if ttl > self.after), default=None)

    @property
    def transmissions_lost(self) -> int:
        """How many times the word was sent beyond ``after`` in vain."""
        return sum(sign.sent for sign in self.lost)

    @property
    def is_taken(self) -> bool:
        """Whether the host took it, or whoever answers for it."""
        return any(sign.is_taken for sign in self.full)

    @property
    def is_received(self) -> bool:
        """Whether the host took it, or ended the connection for it: nobody nearer did."""
        last = self.last
        return self.is_taken or (last is not None and last.end is not None and not self.nearer)

    @property
    def last(self) -> Sign | None:
        """The newest sign from the host, None where it never came to that."""
        said = [sign for sign in self.full if sign.was_said]
        return said[-1] if said else None


class Certificate(NamedTuple):
    """Who says that he is the host. ``issuer`` is a name; ``is_trusted`` None where that is not known."""

    issuer: str
    is_trusted: bool | None


class WordsFound(NamedTuple):
    """A finished test. ``distance`` is the TTL at which the SYN was answered.

    ``again`` is the control said after the asked word, None where nothing stopped that one. ``copies`` says
    that a RST's TTL moves with that of the word: whoever sends it copies what he saw; None where that was not
    to be learnt. ``identified`` is what was heard of hellos from nearer than the host.
    """

    is_connected: bool
    distance: int = 0
    neutral: Signs = Signs()
    control: Signs = Signs()
    segments: Signs = Signs()
    asked: Signs = Signs()
    again: Sign | None = None
    copies: bool | None = None
    identified: tuple[bytes, ...] = ()
    is_cut_short: bool = False
