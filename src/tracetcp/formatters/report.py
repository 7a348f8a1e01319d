"""The text of ``--report``: Markdown for a ticket, the conclusion first. Pure; ASCII."""

from __future__ import annotations

from ipaddress import ip_address
from itertools import groupby
from math import inf
from typing import TYPE_CHECKING

from tracetcp.formatters.markdown import NOTHING, block, code, prose, table
from tracetcp.formatters.picture.drawing import Arrow, Box, Drawing, Look
from tracetcp.formatters.picture.mermaid import as_mermaid
from tracetcp.model import Outcome
from tracetcp.model.contact import Owner
from tracetcp.model.icmp_words import icmp_words
from tracetcp.model.verdict import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from tracetcp.model import Hop, Ping
    from tracetcp.model.contact import Contact
    from tracetcp.model.ticket import Ticket, TicketTrace
    from tracetcp.model.verdict import Verdict

IN_SHORT = {
    Kind.OPEN: "open",
    Kind.CLOSED: "closed",
    Kind.PROXY: "answered by a proxy",
    Kind.FORGED: "answered by a forger",
    Kind.BLOCKED: "blocked",
    Kind.REJECTED: "rejected",
    Kind.UNREACHABLE: "unreachable",
    Kind.LOOP: "lost in a loop",
    Kind.PATH_GOES_ON: "farther away than was asked",
    Kind.NO_ANSWER: "not answered",
    Kind.INCONCLUSIVE: "not answered",
}
TESTED_IN_SHORT = {
    Kind.MTU_HOLE: "loses large packets",
    Kind.MTU_HOLE_BACK: "loses large packets on the way back",
    Kind.WORD_DROPPED: "loses what is said",
    Kind.WORD_RESET: "resets on what is said",
    Kind.WORD_ANSWERED: "has what is said answered on the way",
    Kind.FORGOTTEN: "forgets silent connections",
    Kind.RESET_AFTER_IDLE: "resets silent connections",
    Kind.CLOSED_BY_HOST: "closes silent connections",
}
HEAD = ("Hop", "Address", "Name", "Network", "RTT (ms)", "Answer")
SILENT = "no answer"
MOST_SHOWN = 4
"""Addresses of one hop in a cell or a box; load sharing makes more."""


def render_report(ticket: Ticket) -> str:
    """The whole text."""
    title = f"# Port {ticket.port} of {code(ticket.host)}: {_in_short(ticket)}\n"
    parts = [title, *(_conclusion(trace, ticket) for trace in ticket.traces)]
    parts += [f"IPv{family} was not traced: {code(why)}.\n" for family, why in ticket.untraced.items()]
    for trace in ticket.traces:
        parts += _details(trace, ticket)
    parts += _requests(ticket)
    parts += _circumstances(ticket)
    return "\n".join(parts)


# The conclusion ---------------------------------------------------------------------------------------------


def _in_short(ticket: Ticket) -> str:
    words = [
        f"{IN_SHORT[trace.verdicts[0].kind]}{_tested_in_short(trace)}{_over(trace, ticket)}"
        for trace in ticket.traces
    ]
    return ", ".join(words)


def _tested_in_short(trace: TicketTrace) -> str:
    found = [TESTED_IN_SHORT[verdict.kind] for verdict in trace.tested if verdict.kind in TESTED_IN_SHORT]
    return f", but {found[0]}" if found else ""


def _over(trace: TicketTrace, ticket: Ticket) -> str:
    if len(ticket.traces) == 1 and not ticket.untraced:
        return ""
    return f"{',' if _tested_in_short(trace) else ''} over IPv{trace.family}"


def _conclusion(trace: TicketTrace, ticket: Ticket) -> str:
    family = f"IPv{trace.family}: " if len(ticket.traces) > 1 else ""
    lines = [f"**{family}{_verdict(verdict)}**" for verdict in (trace.verdicts[0], *trace.tested)]
    return "\n\n".join([*lines, _call(trace.contact, ticket.networks)]) + "\n"


def _verdict(verdict: Verdict) -> str:
    return f"{prose(verdict.sentence)} ({verdict.certainty.value})"


def _call(contact: Contact, names: Mapping[str, str]) -> str:
    who = {
        Owner.NOBODY: "nobody",
        Owner.HOST: "whoever runs the host",
        Owner.ATTACHED: "whoever runs the network that this machine is attached to",
        Owner.UNKNOWN: "cannot be said",
    }.get(contact.owner, "")
    network = _network(contact.network, names) if contact.network else ""
    if contact.owner is Owner.HOST and network:
        network = f", in {network}"
    text = f"Whom to call: {who}{network}. {prose(contact.reason)}"
    if contact.owner is Owner.UNKNOWN and contact.networks:
        text += f" Networks there: {', '.join(_network(each, names) for each in contact.networks)}."
    return text


def _network(number: str, names: Mapping[str, str]) -> str:
    return f"{code(number)} ({code(names[number])})" if number in names else code(number)


# The details ------------------------------------------------------------------------------------------------


def _details(trace: TicketTrace, ticket: Ticket) -> Iterator[str]:
    evidence = trace.evidence
    yield f"## Evidence over IPv{trace.family}: {code(evidence.destination)}\n"
    main, *notes = trace.verdicts
    facts = [*main.evidence, *(fact for verdict in trace.tested for fact in verdict.evidence)]
    listed = [*map(prose, facts), *(f"Note: {_verdict(note)}" for note in notes)]
    if listed:
        yield "".join(f"- {each}\n" for each in listed)
    yield table([HEAD, *_rows(trace, ticket.precision)])
    yield block(_picture(trace, ticket), "mermaid")


def _rows(trace: TicketTrace, precision: int) -> Iterator[tuple[str, ...]]:
    """The hops; a run of silent ones is one row. Behind the last answer also what other ports met."""
    evidence = trace.evidence
    last = max(evidence.answered, default=0)
    for is_silent, group in groupby(evidence.hops, lambda hop: not hop.senders):
        hops = tuple(group)
        if is_silent:
            yield _silent_row(hops)
        else:
            yield from (_row(hop, trace, precision) for hop in hops)
    yield from _others(trace, last)


def _others(trace: TicketTrace, last: int) -> Iterator[tuple[str, ...]]:
    """What other ports met behind ``last``, and where the host answered them."""
    evidence = trace.evidence
    met: dict[tuple[int, str], dict[int, None]] = {}
    for control in evidence.controls:
        for ttl, senders in control.routers.items():
            met |= {
                (ttl, each): met.get((ttl, each), {}) | {control.port: None} for each in senders if ttl > last
            }
        nearest = control.nearest_answer
        if last < nearest < inf and evidence.distance is None:
            place = (int(nearest), evidence.destination)
            met[place] = met.get(place, {}) | {control.port: None}
    for ttl, sender in sorted(met):
        ports = " and ".join(map(str, sorted(met[ttl, sender])))
        who = "the host, to" if sender == evidence.destination else "to"
        yield f"{ttl}", *_who((sender,), trace), NOTHING, f"{who} port {ports} alone"


def _silent_row(hops: Sequence[Hop]) -> tuple[str, ...]:
    first, last = hops[0].ttl, hops[-1].ttl
    number = f"{first}" if first == last else f"{first}-{last}"
    return number, NOTHING, NOTHING, NOTHING, NOTHING, SILENT


def _row(hop: Hop, trace: TicketTrace, precision: int) -> tuple[str, ...]:
    rtts = " ".join(_rtt(ping, precision) for ping in hop.pings)
    return str(hop.ttl), *_who(hop.senders, trace), rtts, _met(hop)


def _rtt(ping: Ping, precision: int) -> str:
    return "lost" if ping.rtt is None else f"{ping.rtt * 1000:.{precision}f}"


def _met(hop: Hop) -> str:
    if hop.outcome is None:
        return "router"
    final = hop.final_reply
    if hop.outcome is Outcome.UNREACHABLE and final is not None:
        return prose(icmp_words(final.icmp_type, final.icmp_code))
    return f"the host: {hop.outcome.value}"


def _who(senders: Sequence[str], trace: TicketTrace) -> tuple[str, str, str]:
    """The cells of address, name and network."""
    texts = trace.texts
    shown = senders[:MOST_SHOWN]
    names = [texts.names[each] for each in shown if each in texts.names]
    networks = dict.fromkeys(texts.origins[each] for each in shown if each in texts.origins)
    return _listed(shown, len(senders) - len(shown)), _listed(names), _listed(tuple(networks))


def _listed(texts: Sequence[str], more: int = 0) -> str:
    return (", ".join(map(code, texts)) or NOTHING) + (f" and {more} more" if more else "")


# The picture ------------------------------------------------------------------------------------------------


def _picture(trace: TicketTrace, ticket: Ticket) -> str:
    """The path from this machine to the host, broken where it ends."""
    evidence = trace.evidence
    last = max(evidence.answered, default=0)
    here = ("this machine", trace.source)
    places: list[tuple[tuple[str, ...], Look]] = [(here, Look.PLAIN)]
    for is_silent, group in groupby(
        (hop for hop in evidence.hops if hop.ttl <= last), lambda hop: not hop.senders
    ):
        hops = tuple(group)
        if is_silent:
            label = f"hop {hops[0].ttl}" if len(hops) == 1 else f"hops {hops[0].ttl} to {hops[-1].ttl}"
            places.append(((label, SILENT), Look.SILENT))
        else:
            places += [_box(hop, trace) for hop in hops if not _is_host(hop)]
    is_reached = evidence.distance is not None
    ending = evidence.outcome.value if is_reached else IN_SHORT[trace.verdicts[0].kind]
    host = (evidence.destination, f"port {ticket.port} {ending}")
    places.append((host, Look.REACHED if is_reached else Look.BROKEN))
    boxes = tuple(Box(row, *place) for row, place in enumerate(places))
    arrows = [Arrow(row, row + 1) for row in range(len(boxes) - 1)]
    if not is_reached:
        arrows[-1] = arrows[-1]._replace(look=Look.BROKEN)
    return as_mermaid(Drawing("", (), boxes, tuple(arrows), ()))


def _is_host(hop: Hop) -> bool:
    return hop.outcome in (Outcome.OPEN, Outcome.CLOSED)


def _box(hop: Hop, trace: TicketTrace) -> tuple[tuple[str, ...], Look]:
    """The lines of a router's box and its look; names are left to the table."""
    shown = hop.senders[:MOST_SHOWN]
    networks = dict.fromkeys(trace.texts.origins[each] for each in shown if each in trace.texts.origins)
    is_fault = hop.outcome is Outcome.UNREACHABLE
    final = hop.final_reply
    words = (icmp_words(final.icmp_type, final.icmp_code),) if is_fault and final else ()
    lines = (f"hop {hop.ttl}", *shown, *networks, *words)
    return lines, Look.BROKEN if is_fault else Look.PLAIN


# What to ask, and how it was made ---------------------------------------------------------------------------


def _requests(ticket: Ticket) -> Iterator[str]:
    yield "## What to ask the other side to run\n"
    yield "On the host, while we trace again: do our SYNs arrive, and does it answer?\n"
    yield block(
        "\n".join(f"tcpdump -n 'tcp port {ticket.port} and host {trace.source}'" for trace in ticket.traces)
    )
    yield "On the host, and in each network on the way: the path back to us, and the path onwards.\n"
    commands = [
        f"tracetcp -e {address}"
        for trace in ticket.traces
        for address in (trace.source, _with_port(trace.evidence.destination, ticket.port))
    ]
    yield block("\n".join(commands))
    private = [trace.source for trace in ticket.traces if not _is_global(trace.source)]
    if private:
        yield (
            f"Not public, so NAT on our side changes it: {_listed(private)}. "
            "Ask us what arrives in its place.\n"
        )


def _with_port(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _is_global(address: str) -> bool:
    return ip_address(address.partition("%")[0]).is_global


def _circumstances(ticket: Ticket) -> Iterator[str]:
    yield "## How this was made\n"
    yield block(ticket.command)
    rows = [("Family", "From", "To", "Began (UTC)", "Ended (UTC)", "Sent by")]
    rows += [
        (
            f"IPv{trace.family}",
            code(trace.source),
            code(trace.evidence.destination),
            code(_utc(trace.started_at)),
            code(_utc(trace.ended_at)),
            "raw sockets" if trace.is_raw else "connecting sockets",
        )
        for trace in ticket.traces
    ]
    yield table(rows)
    yield (
        f"tracetcp {ticket.version}. Certain, likely and possible are its words for how sure it is. A "
        "network is the one that announces an address (asked of Team Cymru's DNS); it need not run the "
        "router.\n"
    )


def _utc(instant: datetime) -> str:
    """``2026-01-02 03:04:05``; the caller gives UTC."""
    return instant.strftime("%Y-%m-%d %H:%M:%S")
