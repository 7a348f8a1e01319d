"""What a test of packet sizes found: the material of the verdicts of ``--mtu``. Frozen values.

Sizes are whole packets in bytes, as their IP headers say.
"""

from __future__ import annotations

from typing import NamedTuple


class Told(NamedTuple):
    """A router said that no packet larger than ``size`` goes on from it.

    It lies between the hops ``after`` (0: this machine) and ``before``: it is the one ``after`` where these
    are neighbours, since a router looks at the TTL before the size.
    """

    size: int
    after: int
    before: int


class Hole(NamedTuple):
    """Packets of ``lost`` bytes are lost and nobody says so; those of ``passed`` bytes pass.

    ``passes`` counts the probes of up to ``passed`` bytes that were answered, ``losses`` those of ``lost``
    bytes and more that were not.
    """

    passed: int
    lost: int
    passes: int
    losses: int


class Place(NamedTuple):
    """Between which hops a hole is: ``after`` (0: this machine) still answers what is lost ``before``.

    ``before`` answers what passes and not what is lost; it is None for the destination itself.
    """

    after: int
    before: int | None


class Answers(NamedTuple):
    """What came back: the ``length`` (bytes) of the longest answer, and the ``largest`` packet of it.

    ``allowed`` is the largest packet that our SYNs allowed.
    """

    length: int
    largest: int
    allowed: int


class SizesFound(NamedTuple):
    """A finished test.

    ``link`` is the MTU of this machine's own link, ``remembered`` the path MTU that it held for the
    destination before the test, None where that is the link's. ``limit`` is the largest packet that the
    MSS of the SYN-ACK allows, None where that is not less than the path MTU; or, with ``is_own_limit``, that
    this machine's kernel begins with. ``passed`` is the largest
    packet known to arrive, 0 where none did. ``back_hole`` has no place: it cannot be told from here.
    ``answers`` is None where packets are lost on the way back, and where nothing came. Nothing is concluded
    of a search that ``is_contradictory`` (a size was lost and passed, each more often than chance allows) or
    that ``is_cut_short`` by the number of connections that a run may open.
    """

    is_connected: bool
    link: int = 0
    remembered: int | None = None
    limit: int | None = None
    is_own_limit: bool = False
    passed: int = 0
    told: tuple[Told, ...] = ()
    hole: Hole | None = None
    place: Place | None = None
    back_hole: Hole | None = None
    answers: Answers | None = None
    is_contradictory: bool = False
    is_cut_short: bool = False
