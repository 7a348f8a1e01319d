"""A probe as the engine requests it, and the failure to send one. Frozen values."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class ProbeKind(Enum):
    """The kind of a probe: the key to its packet (``wire.kinds``) and its terminal answers (``OUTCOMES``)."""

    SYN = "syn"

    __hash__ = object.__hash__  # in C; Enum's is in Python, and every probe needs a look-up by kind


class Probe(NamedTuple):
    """One probe to be sent.

    ``token`` is the 32-bit identity that the probe carries as its sequence number. ``flow`` is a small
    number that a prober maps to a source port: probes with equal ``port`` and ``flow`` share a 5-tuple.
    ``attempt`` counts the probes of one hop from 1; extra probes of the hop continue the count. Where a
    prober is not told the TTL of TCP answers, those that arrive with less than ``min_reply_ttl`` are dropped.
    ``source_port`` is the port that the probe left from, 0 until it has.
    """

    token: int
    port: int
    ttl: int
    attempt: int
    flow: int
    kind: ProbeKind = ProbeKind.SYN
    min_reply_ttl: int = 0
    source_port: int = 0

    def leaving_from(self, source_port: int) -> Probe:
        """The same probe, once it has left from ``source_port``; twice as quick as ``_replace()``."""
        return Probe(*self[:-1], source_port)


class FailureKind(Enum):
    """What a failure to send means for the probe and for the run."""

    TRANSIENT = "transient"
    """The system is out of buffers: the same probe may succeed a few milliseconds later."""
    PROBE_LOST = "probe lost"
    """This probe cannot be sent; the next one may succeed."""
    NO_ROUTE = "no route"
    """The system no longer has a route to the target: the run cannot go on."""
    PERMANENT = "permanent"
    """The cause will not go away: the run cannot go on."""


class SendFailure(NamedTuple):
    """A probe that could not be sent.

    ``errno`` is the system's error number, 0 if it gave none; ``reason`` is the same in words; ``kind`` says
    what it means for the run.
    """

    errno: int
    reason: str
    kind: FailureKind = FailureKind.PROBE_LOST


FLOWS = 1024
"""The number of flows that a prober can tell apart; after that many, the flow numbers are reused."""
