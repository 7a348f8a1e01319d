"""What became of connections that were silent: the material of the verdicts of ``--idle``. Frozen values.

Times are seconds of silence, on a connection where nothing was said since it was opened, or put to use.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Waited(NamedTuple):
    """How long the connections have been silent, and how long they are to be."""

    seconds: float
    total: int


class Sign(Enum):
    """How a connection shows that it does not live any more."""

    SILENCE = "silence"
    RESET = "reset"
    REJECTION = "rejection"
    """An ICMP error; which one, and whose, is not told to who has no privilege."""


class Origin(Enum):
    """Where a RST or FIN comes from, by the TTL with which it arrives."""

    HOST = "host"
    """From as far as the answers of the destination."""
    NEARER = "nearer"
    UNKNOWN = "unknown"


class Lost(NamedTuple):
    """A connection silent for ``age`` does not live any more, as its ``sign`` shows when something is said.

    Words that expire at the hop ``after`` (0: this machine) pass it still; those that reach as far as hop
    ``before`` (None: the destination) meet the sign. ``is_placed`` says whether the hops were asked at all.
    ``connections`` counts those that showed it. ``origin`` is that of a RST.
    """

    age: int
    sign: Sign
    connections: int = 1
    is_placed: bool = False
    after: int = 0
    before: int | None = None
    origin: Origin = Origin.UNKNOWN


class Closed(NamedTuple):
    """``connections`` ended before anything was said, between ``earliest`` and ``latest``.

    ``is_reset`` tells RST from FIN.
    """

    connections: int
    earliest: float
    latest: float
    is_reset: bool
    origin: Origin = Origin.UNKNOWN


class SilenceFound(NamedTuple):
    """A test, finished or not.

    ``ends_at_once`` says that the other side does not wait for anything to be said. ``opened`` connections
    were silent together. Those of the ages ``lived`` (ascending) were spoken over, and what was said arrived;
    ages ``unasked`` were not come to. ``lost`` is how the next one did not live; ``closed`` tells of
    connections that ended by themselves, all of them unless ``is_early``. ``segments`` counts what came over
    the longest of those that lived, so somebody else may have kept it alive. ``was_used`` says that a request
    was answered before the silence. Nothing is concluded of ages beyond ``lived`` where new connections did
    not work either (``is_out_of_sight``), or where of two of one age one lived (``is_contradictory``).
    """

    is_connected: bool
    ends_at_once: bool = False
    opened: int = 0
    lived: tuple[int, ...] = ()
    unasked: tuple[int, ...] = ()
    lost: Lost | None = None
    closed: Closed | None = None
    is_early: bool = False
    segments: int = 0
    was_used: bool = False
    is_out_of_sight: bool = False
    is_contradictory: bool = False
