"""A probe as the engine orders it, and why it could not be sent. Frozen values."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class ProbeKind(Enum):
    """What a probe is. Its packet and its answers are looked up by it (``OUTCOMES``, ``wire.kinds``)."""

    SYN = "syn"

    __hash__ = object.__hash__  # in C: that of Enum is Python, and every probe is looked up by its kind


class Probe(NamedTuple):
    """One probe to be sent.

    ``token`` is the 32-bit identity that the probe carries as its sequence number. ``flow`` is a small
    number that a prober maps to a source port: probes with equal ``port`` and ``flow`` share a 5-tuple.
    ``attempt`` counts the probes of one hop from 1; extra looks at a hop go on counting. Where a prober is
    not told the TTL of TCP answers, those that arrive with less than ``min_reply_ttl`` are not heard.
    """

    token: int
    port: int
    ttl: int
    attempt: int
    flow: int
    kind: ProbeKind = ProbeKind.SYN
    min_reply_ttl: int = 0


class FailureKind(Enum):
    """What a failure to send means for the probe and for the run."""

    TRANSIENT = "transient"
    """The system is out of buffers: the same probe may pass in some milliseconds."""
    PROBE_LOST = "probe lost"
    """This probe cannot be sent; the next one may pass."""
    NO_ROUTE = "no route"
    """The system knows no way to the target any more: the run cannot go on."""
    PERMANENT = "permanent"
    """Whatever it is will not go away: the run cannot go on."""


class SendFailure(NamedTuple):
    """A probe that could not be sent.

    ``errno`` is the system's, 0 where it gave none; ``reason`` says it in words; ``kind`` is what it means.
    """

    errno: int
    reason: str
    kind: FailureKind = FailureKind.PROBE_LOST


FLOWS = 1024
"""Flows a prober can tell apart; fresh ones are used again after that many."""
