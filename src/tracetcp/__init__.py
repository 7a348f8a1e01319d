"""TCP traceroute: shows where TCP packets to a port really go.

``trace(TraceConfig(...))`` yields events as they are decided; it is built on ``open_session``.
docs/library.md has examples. Names are imported when they are first used (PEP 562), because the program's
``--help`` imports this file too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracetcp.config import Say, TraceConfig
    from tracetcp.errors import (
        FamilyMismatch,
        NameNotFound,
        NoPermission,
        NoRoute,
        ProberError,
        TracetcpError,
        UsageError,
    )
    from tracetcp.model import (
        AddressSeen,
        AddressTexts,
        Event,
        Hop,
        HopFinished,
        NameFound,
        OriginFound,
        Outcome,
        Ping,
        PortScanned,
        ProbeRecord,
        Reply,
        ReplyKind,
        TraceFinished,
        TraceStarted,
        VerdictReached,
        spelled_out,
    )
    from tracetcp.model.evidence import Evidence
    from tracetcp.model.verdict import Certainty, Kind, Verdict
    from tracetcp.session import Batch, Options, Session, open_session, trace

__version__ = "1.0.0"
__all__ = [
    "AddressSeen",
    "AddressTexts",
    "Batch",
    "Certainty",
    "Event",
    "Evidence",
    "FamilyMismatch",
    "Hop",
    "HopFinished",
    "Kind",
    "NameFound",
    "NameNotFound",
    "NoPermission",
    "NoRoute",
    "Options",
    "OriginFound",
    "Outcome",
    "Ping",
    "PortScanned",
    "ProbeRecord",
    "ProberError",
    "Reply",
    "ReplyKind",
    "Say",
    "Session",
    "TraceConfig",
    "TraceFinished",
    "TraceStarted",
    "TracetcpError",
    "UsageError",
    "Verdict",
    "VerdictReached",
    "open_session",
    "spelled_out",
    "trace",
]
_HOMES = ("config", "errors", "model", "model.evidence", "model.verdict", "session")
"""The modules that define the names above."""


if not TYPE_CHECKING:  # a type checker sees the imports above instead

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        homes = (import_module(f"{__name__}.{home}") for home in _HOMES)
        found: object = next(getattr(home, name) for home in homes if hasattr(home, name))
        globals()[name] = found  # so that the next use does not come here
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
