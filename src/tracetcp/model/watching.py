"""The events of a watch (``--watch``), and what it knows at one instant. Frozen values.

Instants are seconds on the prober's clock, as everywhere; each event has the instant at which it was decided
(``at``). A hop is a TTL.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from tracetcp.model.hop import Outcome
from tracetcp.model.verdict import Kind

if TYPE_CHECKING:
    from tracetcp.model.verdict import Certainty


class PortState(NamedTuple):
    """What a trace with controls found of the port: its main verdict.

    ``hop`` is the destination's for a port that is reached, else that of the verdict; ``address`` is what
    answers there, None where nothing does.
    """

    outcome: Outcome
    kind: Kind
    certainty: Certainty
    sentence: str
    hop: int | None
    address: str | None

    @property
    def is_up(self) -> bool:
        """Whether the destination itself answers, open or closed; a forged answer is none of its own."""
        return self.outcome in (Outcome.OPEN, Outcome.CLOSED) and self.kind is not Kind.FORGED

    def is_like(self, other: PortState) -> bool:
        """Whether both say the same to who waits for news: of a port that is reached, whether it is open."""
        if self.is_up and other.is_up:
            return self.outcome is other.outcome
        return (self.kind, self.hop) == (other.kind, other.hop)


class StateChanged(NamedTuple):
    """The port is known to be in another state since ``since``; ``before`` is None for the first state.

    ``rtt`` is that of an answer of a port that is reached; ``down`` how long (seconds) it was not.
    """

    at: float
    since: float
    state: PortState
    before: PortState | None
    rtt: float | None
    down: float | None


class PathChanged(NamedTuple):
    """Packets of the watched source port go another way.

    ``before`` and ``after`` are the hops from ``first_hop`` on up to the last that differs, each the
    addresses that answer there, none for a silent one. ``length_before`` and ``length_after`` are the
    destination's hops, None where it was not met.
    """

    at: float
    first_hop: int
    before: tuple[tuple[str, ...], ...]
    after: tuple[tuple[str, ...], ...]
    length_before: int | None
    length_after: int | None


class LossChanged(NamedTuple):
    """``lost`` of ``decided`` probes of the destination got no answer: more than before, or usual again.

    ``hop`` is the first from which on everything loses, None where that does not show; ``limited`` are the
    hops nearer than the destination that leave probes unanswered although what lies beyond answers.
    """

    at: float
    lost: int
    decided: int
    hop: int | None
    limited: tuple[int, ...]
    is_over: bool

    @property
    def share(self) -> float:
        """The lost part, 0 to 1."""
        return self.lost / self.decided


class RttChanged(NamedTuple):
    """The RTT of the destination is another (seconds, medians); ``hop`` is the first that it changed at."""

    at: float
    before: float
    after: float
    hop: int | None


class Cause(Enum):
    """What is wrong on this machine, or was."""

    NO_ROUTE = "no-route"
    LINK_DOWN = "link-down"
    ADDRESS_GONE = "address-gone"
    ADDRESS_CHANGED = "address-changed"
    CANNOT_SEND = "cannot-send"
    ASLEEP = "asleep"


class LocalCause(NamedTuple):
    """Why this machine, and not the network, keeps answers away, in a sentence.

    Not ``is_lasting`` if the watch goes on all the same.
    """

    cause: Cause
    sentence: str
    is_lasting: bool = True


class LocalTrouble(NamedTuple):
    """Nothing can be said of the network: a local cause since ``since``, or its end."""

    at: float
    since: float
    cause: LocalCause
    is_over: bool = False


class TargetMoved(NamedTuple):
    """The target's name has another address now, which is watched from here on."""

    at: float
    before: str
    after: str


class WatchedHop(NamedTuple):
    """A row: a hop and its figures, since the watch began or they were started anew.

    Durations are seconds, None before the first answer. ``jitter`` is the smoothed difference of successive
    RTTs (RFC 3550 section 6.4.1); ``history`` has the last RTTs, None for a probe that nothing answered.
    ``asked`` counts decided probes only. ``loss`` is the share that the path loses up to here, None where
    nothing shows any. ``is_limited``: it leaves probes unanswered while what lies beyond answers;
    ``is_silent``: it never answered.
    """

    hop: int
    addresses: tuple[str, ...]
    is_destination: bool
    asked: int
    answered: int
    last: float | None
    best: float | None
    average: float | None
    worst: float | None
    jitter: float | None
    history: tuple[float | None, ...]
    loss: float | None = None
    is_limited: bool = False
    is_silent: bool = False


class Snapshot(NamedTuple):
    """What a watch knows at the instant ``at``; ``since`` is when it came to be so.

    ``asked`` and ``answered`` count the decided probes of the destination. Durations are seconds:
    ``up``, ``down`` and ``unknown`` (a local cause, a pause, or no verdict yet) add up to the time watched.
    """

    at: float
    started_at: float
    state: PortState | None
    since: float
    local: LocalCause | None
    hops: tuple[WatchedHop, ...]
    asked: int
    answered: int
    up: float
    down: float
    unknown: float
    longest_outage: float
    outages: int
    path_changes: int
    is_paused: bool = False

    @property
    def destination(self) -> WatchedHop | None:
        """The destination's row, None before it answered."""
        return self.hops[-1] if self.hops and self.hops[-1].is_destination else None


class Asked(NamedTuple):
    """An interval is over."""

    at: float


class Heartbeat(NamedTuple):
    """Nothing has to have changed: the watch goes on."""

    at: float
    snapshot: Snapshot


class WatchEnded(NamedTuple):
    """The summary."""

    at: float
    snapshot: Snapshot


WatchEvent: TypeAlias = (
    StateChanged
    | PathChanged
    | LossChanged
    | RttChanged
    | LocalTrouble
    | TargetMoved
    | Asked
    | Heartbeat
    | WatchEnded
)
