"""The vocabulary that every layer speaks: probes, replies, hops, events.

Frozen values only; this package knows no socket, no clock and no output format. Instants are seconds on the
prober's clock and end in ``_at``; durations are seconds. ``evidence``, ``verdict``, ``icmp_words`` and
``tcp_options`` are imported by their own names, since a plain trace needs none of them.
"""

from __future__ import annotations

from tracetcp.model.events import (
    AddressSeen,
    Event,
    HopFinished,
    PortScanned,
    TraceFinished,
    TraceStarted,
    VerdictReached,
    spelled_out,
)
from tracetcp.model.hop import OUTCOMES, Hop, Outcome, Ping, ProbeRecord
from tracetcp.model.probe import FLOWS, FailureKind, Probe, SendFailure
from tracetcp.model.reply import QUOTE_FIELDS, MplsLabel, Quote, Reply, ReplyKind, TcpAnswer

__all__ = [
    "FLOWS",
    "OUTCOMES",
    "QUOTE_FIELDS",
    "AddressSeen",
    "Event",
    "FailureKind",
    "Hop",
    "HopFinished",
    "MplsLabel",
    "Outcome",
    "Ping",
    "PortScanned",
    "Probe",
    "ProbeRecord",
    "Quote",
    "Reply",
    "ReplyKind",
    "SendFailure",
    "TcpAnswer",
    "TraceFinished",
    "TraceStarted",
    "VerdictReached",
    "spelled_out",
]
