"""The vocabulary of all layers: probes, replies, hops, events.

Frozen values only; this package knows no socket, no clock and no output format. An instant is in seconds on
the prober's clock, and its name ends in ``_at``; a duration is in seconds. Import ``evidence``, ``verdict``,
``icmp_words`` and ``tcp_options`` from their own modules: a plain trace needs none of them.
"""

from __future__ import annotations

from tracetcp.model.events import (
    AddressSeen,
    Event,
    HopFinished,
    NameFound,
    OriginFound,
    PortScanned,
    TraceFinished,
    TraceStarted,
    VerdictReached,
    spelled_out,
)
from tracetcp.model.hop import OUTCOMES, Hop, Outcome, Ping, ProbeRecord, outcome_of
from tracetcp.model.probe import FLOWS, FailureKind, Probe, ProbeKind, SendFailure
from tracetcp.model.reply import QUOTE_FIELDS, MplsLabel, Quote, Reply, ReplyKind, TcpAnswer
from tracetcp.model.texts import NO_TEXTS, AddressTexts

__all__ = [
    "FLOWS",
    "NO_TEXTS",
    "OUTCOMES",
    "QUOTE_FIELDS",
    "AddressSeen",
    "AddressTexts",
    "Event",
    "FailureKind",
    "Hop",
    "HopFinished",
    "MplsLabel",
    "NameFound",
    "OriginFound",
    "Outcome",
    "Ping",
    "PortScanned",
    "Probe",
    "ProbeKind",
    "ProbeRecord",
    "Quote",
    "Reply",
    "ReplyKind",
    "SendFailure",
    "TcpAnswer",
    "TraceFinished",
    "TraceStarted",
    "VerdictReached",
    "outcome_of",
    "spelled_out",
]
