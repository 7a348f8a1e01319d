"""A probe after it was sent: what it was sent for, when, and every reply it got."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from tracetcp.model import ProbeRecord, ReplyKind

if TYPE_CHECKING:
    from tracetcp.model import Probe, Reply


class Purpose(Enum):
    """Why a probe is sent; only CELL probes have a cell in a row."""

    CELL = "a ping of its hop"
    PRESENCE = "does the destination answer at this TTL?"
    CONFIRMATION = "is the port that answered RST to a low TTL really closed?"
    WITNESS = "did a router really answer where the destination did?"
    CONTROL = "does the router answer at this moment?"


class Want(NamedTuple):
    """What a path would like to send next.

    ``is_alone`` when no other SYN of the flow can reach the host, so that silence cannot mean that the
    host answered another SYN of the flow instead (docs/design.md, "Flows").
    """

    ttl: int
    attempt: int
    flow: int
    purpose: Purpose
    is_alone: bool = False


class Flight:
    """One probe after it was sent.

    A reply counts while its row is undecided, also one that comes after the probe was given up.
    """

    __slots__ = ("forged", "is_alone", "is_lost", "probe", "purpose", "replies", "sent_at", "unsupported")

    def __init__(self, probe: Probe, purpose: Purpose, *, is_alone: bool) -> None:
        self.probe = probe
        self.purpose = purpose
        self.is_alone = is_alone
        self.sent_at = 0.0
        self.is_lost = False
        self.replies: list[Reply] = []
        self.forged: list[Reply] = []
        """Those that somebody on the way sent (``forgeries``): they count for nothing."""
        self.unsupported: list[Reply] = []
        """Those with a loose quote that no other bears out (``loose_quotes``): they count for nothing."""

    @property
    def is_in_flight(self) -> bool:
        """Whether no reply came yet and the probe was not given up."""
        return not self.replies and not self.is_lost

    @property
    def is_missed(self) -> bool:
        """Whether it was given up and no reply came since."""
        return self.is_lost and not self.replies

    def rtt(self, reply: Reply) -> float:
        """Seconds from sending to ``reply``; a clock's rounding never makes it negative."""
        return max(0.0, reply.received_at - self.sent_at)

    def reply_of(self, *kinds: ReplyKind) -> Reply | None:
        """The first reply of one of ``kinds``; one with an exact quote before any that is loose."""
        replies = [reply for reply in self.replies if reply.kind in kinds]
        return next((reply for reply in replies if not reply.is_loose), replies[0] if replies else None)

    def record(self) -> ProbeRecord:
        """The flight as evidence."""
        return ProbeRecord(
            self.probe,
            self.sent_at,
            tuple(sorted((*self.forged, *self.replies), key=lambda reply: reply.received_at)),
            is_control=self.purpose is Purpose.CONTROL,
            unsupported=tuple(self.unsupported),
            forged=tuple(self.forged),
        )
