"""What was changed in our SYN on its way, told by the routers that quote it. Pure.

A change is believed only where it is a step: no quote nearer shows it and every quote farther does, as far
as quotes reach. A router amid others that quotes wrongly, a mark that is taken off again and branches that
treat flows differently make no step. Where the last router that quotes is the only one to show a change, it
is possible: there is nobody behind to bear it out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracetcp.model import ReplyKind
from tracetcp.model.evidence import Evidence, replies
from tracetcp.model.tcp_options import option_kinds
from tracetcp.model.verdict import Certainty, Kind, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tracetcp.model import Quote

ENOUGH_TTLS = 2
"""TTLs that show a change beyond doubt: the quoting router itself can have garbled a single one."""
OPTION_NAMES = {2: "MSS", 3: "window scale", 4: "SACK permitted", 8: "timestamps"}
"""Options that SYNs carry (RFC 9293, RFC 7323, RFC 2018)."""
USUAL_OPTIONS = (2, 3, 4)
"""What every SYN of ours carries, for paths without an intact quote to compare with."""
ECN_BITS = 0b11
"""The lower bits of the TOS byte are ECN's (RFC 3168), the upper six are DSCP's (RFC 2474)."""


class Step(NamedTuple):
    """A change first seen at TTL ``first``; ``last_intact`` is the last TTL that quoted without it."""

    first: int
    last_intact: int | None
    quote: Quote
    ttls: tuple[int, ...]


def judge(evidence: Evidence) -> tuple[Verdict, ...]:
    """A finding for each kind of change."""
    found = (_nat(evidence), _mss(evidence), _options(evidence), _dscp(evidence), _ecn(evidence))
    return tuple(verdict for verdict in found if verdict is not None)


def find_step(evidence: Evidence, shows: Callable[[Quote], bool | None]) -> Step | None:
    """The step at which quotes begin to show a change; ``shows`` says None of quotes that end too early."""
    by_ttl: dict[int, list[Quote]] = {}
    intact: set[int] = set()
    for record, reply in replies(evidence.own_records, ReplyKind.TIME_EXCEEDED, ReplyKind.UNREACHABLE):
        is_shown = None if reply.quote is None else shows(reply.quote)
        if reply.quote is not None and is_shown:
            by_ttl.setdefault(record.probe.ttl, []).append(reply.quote)
        elif is_shown is False:
            intact.add(record.probe.ttl)
    if not by_ttl or max(intact, default=0) >= min(by_ttl):
        return None
    if len(by_ttl) < ENOUGH_TTLS and not intact:
        return None
    first = min(by_ttl)
    return Step(first, max(intact, default=None), by_ttl[first][0], tuple(sorted(by_ttl)))


def _nat(evidence: Evidence) -> Verdict | None:
    for field, words in _TRANSLATIONS.items():
        step = find_step(evidence, lambda quote, field=field: field in quote.changed)  # type: ignore[misc]
        if step is not None:
            return _verdict(evidence, step, Kind.NAT, f"NAT {_between(evidence, step)}", words(step.quote))
    return None


_TRANSLATIONS: Mapping[str, Callable[[Quote], str]] = {
    "source address": lambda quote: f"the source address becomes {quote.source}",
    "source port": lambda quote: f"the source port changes (to {quote.source_port} in one probe)",
    "destination address": lambda quote: f"the destination becomes {quote.destination}",
    "destination port": lambda quote: f"the destination port becomes {quote.destination_port}",
}


def _mss(evidence: Evidence) -> Verdict | None:
    step = find_step(evidence, lambda quote: None if quote.mss is None else "mss" in quote.changed)
    if step is None:
        return None
    return _verdict(
        evidence,
        step,
        Kind.MSS_REWRITTEN,
        f"MSS rewritten {_between(evidence, step)}",
        f"our SYN's MSS becomes {step.quote.mss}",
    )


def _options(evidence: Evidence) -> Verdict | None:
    """Options other than the MSS's value: a changed MSS alone is a finding of its own."""
    sent = _sent_options(evidence)

    def shows(quote: Quote) -> bool | None:
        if quote.options is None:
            return None
        is_rewritten = "options" in quote.changed and "mss" not in quote.changed
        return is_rewritten or bool(_missing(quote, sent))

    step = find_step(evidence, shows)
    if step is None:
        return None
    missing = _missing(step.quote, sent)
    if missing:
        gone = " and ".join(OPTION_NAMES.get(kind, f"option {kind}") for kind in missing)
        head, tail = f"TCP options stripped {_between(evidence, step)}", f"our SYN loses {gone}"
        return _verdict(evidence, step, Kind.OPTIONS_STRIPPED, head, tail)
    head = f"TCP options rewritten {_between(evidence, step)}"
    return _verdict(evidence, step, Kind.OPTIONS_REWRITTEN, head, "they are no longer those that we sent")


def _sent_options(evidence: Evidence) -> tuple[int, ...]:
    """The kinds of options sent, from a quote that shows them unchanged."""
    for _, reply in replies(evidence.own_records, ReplyKind.TIME_EXCEEDED, ReplyKind.UNREACHABLE):
        if reply.quote and reply.quote.options is not None and "options" not in reply.quote.changed:
            return option_kinds(reply.quote.options)
    return USUAL_OPTIONS


def _missing(quote: Quote, sent: tuple[int, ...]) -> tuple[int, ...]:
    if "options" not in quote.changed:
        return ()
    kinds = option_kinds(quote.options or b"")
    return tuple(kind for kind in sent if kind not in kinds)


def _dscp(evidence: Evidence) -> Verdict | None:
    step = find_step(evidence, lambda quote: (quote.tos ^ evidence.tos) & ~ECN_BITS != 0)
    if step is None:
        return None
    head = f"DSCP rewritten {_between(evidence, step)}"
    sent = f", sent with {evidence.tos >> 2}," if evidence.tos & ~ECN_BITS else ""
    tail = f"our SYN{sent} is marked DSCP {step.quote.tos >> 2}"
    return _verdict(evidence, step, Kind.DSCP_REWRITTEN, head, tail)


def _ecn(evidence: Evidence) -> Verdict | None:
    step = find_step(evidence, lambda quote: (quote.tos ^ evidence.tos) & ECN_BITS != 0)
    if step is None:
        return None
    head = f"ECN bits rewritten {_between(evidence, step)}"
    sent = f", sent with {evidence.tos & ECN_BITS}," if evidence.tos & ECN_BITS else ""
    tail = f"our SYN{sent} is marked ECN {step.quote.tos & ECN_BITS}"
    return _verdict(evidence, step, Kind.ECN_REWRITTEN, head, tail)


def _between(evidence: Evidence, step: Step) -> str:
    first = evidence.place(step.first)
    if step.last_intact is None:
        return f"before {first}"
    return f"between hop {step.last_intact} and {first}"


def _verdict(evidence: Evidence, step: Step, kind: Kind, head: str, tail: str) -> Verdict:
    if len(step.ttls) < ENOUGH_TTLS:
        certainty, fact = (
            Certainty.POSSIBLE,
            f"Only hop {step.first}, the last one to quote our SYN, shows it.",
        )
    else:
        certainty = Certainty.CERTAIN if step.last_intact is not None else Certainty.LIKELY
        fact = f"Every hop from {step.first} to {step.ttls[-1]} that quotes our SYN shows it."
    return Verdict(
        kind=kind,
        sentence=f"{head}: {tail}.",
        certainty=certainty,
        evidence=(fact,),
        hop=step.first,
        address=evidence.router(step.first),
    )
