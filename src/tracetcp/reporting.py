"""The run of ``--report``: traces the host over each family that it has, and gathers what its text needs."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from tracetcp import __version__
from tracetcp.errors import TracetcpError
from tracetcp.model import VerdictReached
from tracetcp.model.ticket import Ticket, TicketTrace
from tracetcp.names import network_names
from tracetcp.names.hosts import resolve_numeric
from tracetcp.session import Batch, Session, open_sessions
from tracetcp.verdicts.contact import judge_contact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tracetcp.config import TraceConfig
    from tracetcp.model.evidence import Evidence
    from tracetcp.session import Options

FAMILIES = (4, 6)
MOST_NETWORKS = 8
"""Networks whose names are asked for; those at a break come first."""


class Reported(NamedTuple):
    """A finished run, and the sessions of it, which are closed."""

    ticket: Ticket
    sessions: tuple[Session, ...]


def make_report(
    config: TraceConfig,
    options: Options,
    command: str,
    precision: int,
    warn: Callable[[str], None],
    follow: Callable[[Session], Iterable[Batch]] = Session.batches,
) -> Reported:
    """Trace, and gather; raises ``TracetcpError`` where no family can be traced.

    ``command`` is the command line, ``precision`` the decimals of an RTT. ``follow`` goes through the run of
    each family, and may tell how far it is.
    """
    configs = _configs(config)
    opened = open_sessions(configs, options, warn)
    sessions = tuple(each for each in opened if isinstance(each, Session))
    errors = {
        each.family or 0: error
        for each, error in zip(configs, opened, strict=True)
        if isinstance(error, TracetcpError)
    }
    if not sessions:
        raise next(iter(errors.values()))
    with ExitStack() as stack:
        for session in sessions:
            stack.enter_context(session)
        traces = tuple(_trace(session, follow(session)) for session in sessions)
    ticket = Ticket(
        host=config.host,
        port=config.ports[0],
        command=command,
        version=__version__,
        traces=traces,
        untraced={family: _reason(error) for family, error in errors.items()},
        networks=network_names(_networks(traces)),
        precision=precision,
    )
    return Reported(ticket, sessions)


def _configs(config: TraceConfig) -> list[TraceConfig]:
    """One for each family that is wanted: both for a name, unless one was asked for."""
    if config.family is not None or resolve_numeric(config.host, None) is not None:
        return [config]
    return [replace(config, family=family) for family in FAMILIES]


def _reason(error: TracetcpError) -> str:
    """What happened, without the remedy: the other family was traced."""
    return str(error).partition(": ")[0]


def _trace(session: Session, batches: Iterable[Batch]) -> TicketTrace:
    """Go through the ``batches`` of ``session``, and wait for the networks of all that it met."""
    clock_to_utc = time.time() - session.clock()
    judged = [event for events, _ in batches for event in events if isinstance(event, VerdictReached)]
    (found,) = judged
    evidence = found.evidence
    for address in _addresses(evidence):
        session.look_up(address)
    instants = [record.sent_at for record in evidence.records]
    instants += [reply.received_at for record in evidence.records for reply in record.replies]

    def utc(instant: float) -> datetime:
        return datetime.fromtimestamp(instant + clock_to_utc, UTC)

    return TicketTrace(
        evidence=evidence,
        verdicts=found.verdicts,
        tested=found.tested,
        contact=judge_contact(evidence, found.verdicts[0], session.texts.origins),
        texts=session.texts,
        source=session.source,
        started_at=utc(min(instants)),
        ended_at=utc(max(instants)),
        is_raw=session.prober_kind != "connect",
    )


def _addresses(evidence: Evidence) -> Mapping[str, None]:
    """Those on the path of any port, and the host's, each once."""
    traces = (evidence, *evidence.controls)
    routers = (address for trace in traces for senders in trace.routers.values() for address in senders)
    return dict.fromkeys([*routers, evidence.destination])


def _networks(traces: Iterable[TicketTrace]) -> list[str]:
    """Those at the breaks, and the hosts'."""
    contacts = [trace.contact for trace in traces]
    wanted = [each for contact in contacts for each in (contact.network, *contact.networks) if each]
    return list(dict.fromkeys(wanted))[:MOST_NETWORKS]
