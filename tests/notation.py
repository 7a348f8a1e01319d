"""Traces in one line: ``'10.0.0.1 10.0.1.1 * 10.0.3.1 open'`` is a path of three routers and a silent hop.

A place is a router's address, several addresses if flows take different paths (``10.0.1.1|10.0.1.2``), ``*``
for silence, or an end: ``open``, ``closed`` or ``ADDRESS!TYPE/CODE`` (unreachable). ``x9`` repeats the place
before it. Only the last place may be an end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.model import Hop, Outcome, Ping, Probe, ProbeRecord, Quote, Reply, ReplyKind, TcpAnswer
from tracetcp.model.evidence import Evidence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tracetcp.model.evidence import TracedPort

TARGET = "198.51.100.9"
SOURCE = "192.0.2.1"
MSS, WINDOW_SCALE, SACK = b"\x02\x04\x05\xb4", b"\x01\x03\x03\x08", b"\x01\x01\x04\x02"
OPTIONS = MSS + WINDOW_SCALE + SACK
LINUX = TcpAnswer(64_240, 1460, OPTIONS)
SPACING = 0.11
ENDS = {"open": (ReplyKind.SYN_ACK, Outcome.OPEN), "closed": (ReplyKind.RST, Outcome.CLOSED)}


def quote(
    changed: tuple[str, ...] = (), *, source: str = SOURCE, tos: int = 0, options: bytes | None = OPTIONS
) -> Quote:
    mss = int.from_bytes(options[2:4], "big") if options is not None and options[:1] == b"\x02" else None
    return Quote(source, TARGET, 40_000, 80, 1, 1, tos, 7, 32, mss, options, changed)


def places(text: str) -> list[str]:
    found: list[str] = []
    for word in text.split():
        if word[0] == "x" and word[1:].isdigit():
            found += [found[-1]] * (int(word[1:]) - 1)
        else:
            found.append(word)
    return found


def reply_at(place: str, flow: int, received_at: float, end_ttl: int | None, quoted: Quote | None) -> Reply:
    """The reply of a place that answers."""
    if place in ENDS:
        answer = LINUX if place == "open" else TcpAnswer(0, None, b"")
        return Reply(0, ENDS[place][0], TARGET, received_at, end_ttl, answer=answer)
    if "!" in place:
        sender, _, code = place.partition("!")
        icmp_type, icmp_code = map(int, code.split("/"))
        return Reply(
            0, ReplyKind.UNREACHABLE, sender, received_at, 64, icmp_type, icmp_code, quote=quoted or quote()
        )
    senders = place.split("|")
    sender = senders[flow % len(senders)]
    return Reply(0, ReplyKind.TIME_EXCEEDED, sender, received_at, 64, 11, 0, quote=quoted or quote())


def trace(
    text: str,
    port: int = 80,
    *,
    pings: int = 3,
    start: int = 1,
    last: int | None = None,
    back: int | None = None,
    initial: int = 64,
    quotes: Mapping[int, Quote] | None = None,
    is_lost: Callable[[int, int], bool] = lambda ttl, flow: False,
    controls: tuple[TracedPort, ...] = (),
    names: Mapping[str, str] | None = None,
    extra: tuple[ProbeRecord, ...] = (),
) -> Evidence:
    """The evidence of a trace over ``text``; ``start`` is the TTL of its first place.

    ``back`` is the number of hops on the way back from the destination (by default as many as forward), which
    sends with TTL ``initial``. ``quotes`` are by TTL. ``last`` is the last TTL of the trace.
    """
    hops, records = [], []
    outcome = Outcome.NOT_REACHED
    for ttl, place in enumerate(places(text), start):
        row, end = [], None
        for flow in range(pings):
            sent_at = ttl + flow * SPACING
            probe = Probe(1000 * port + 100 * flow + ttl, port, ttl, flow + 1, flow)
            end_ttl = initial + 1 - (back or ttl)
            heard = None
            if place != "*" and not is_lost(ttl, flow):
                heard = reply_at(place, flow, sent_at + 0.01 * ttl, end_ttl, (quotes or {}).get(ttl))
            records.append(ProbeRecord(probe, sent_at, (heard,) if heard else ()))
            row.append(Ping(flow + 1, 0.01 * ttl if heard else None, heard))
        if place in ENDS and any(ping.reply for ping in row):
            outcome = end = ENDS[place][1]
            answers = [ping for ping in row if ping.reply]
            row = [*row[: row.index(answers[0])], answers[0]]
        elif "!" in place:
            outcome = end = Outcome.UNREACHABLE
        hops.append(Hop(ttl, tuple(row), end))
    return Evidence(
        port=port,
        outcome=outcome,
        hops=tuple(hops),
        records=(*records, *extra),
        destination=TARGET,
        start_hop=start,
        last_ttl=last or (30 if outcome is not Outcome.NOT_REACHED else hops[-1].ttl),
        controls=controls,
        names=names or {},
    )
