"""Silent connections: which silence they live through, and where they are forgotten. Pure.

The search (``engine.session.silence``) has told age from loss, and places from chance. Here it is said what
that means:

1. What does not live is forgotten on the way where words are dropped or rejected, and reset where a RST
   answers them. Two connections must have shown it, else it is only likely. So it is where routers share the
   load at that hop: which of them it was is not certain.
2. A RST to words that could not reach the host is not the host's. Of one that only words to the host met, the
   TTL says so: of as far as the host it is the host's, which does not know the connection (any more).
3. A connection that ended before anything was said was closed by the host, if the end came from as far.
   Where paths differ in length between flows, TTLs tell nothing certain.
4. Of ages that were not come to nothing is said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.model import Outcome
from tracetcp.model.silence import Origin, Sign
from tracetcp.model.sizes import Place
from tracetcp.model.verdict import Certainty, Kind, Verdict
from tracetcp.verdicts.places import between
from tracetcp.verdicts.stating import stated, with_facts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracetcp.model.evidence import Evidence
    from tracetcp.model.silence import Closed, Lost, SilenceFound

NEARER = (Kind.PROXY, Kind.FORGED)
"""Main verdicts that say that somebody nearer than the destination answers."""
ENOUGH = 2
"""Connections that must show the same."""
EXACT = 10
"""Seconds below which tenths are of interest."""
ALIKE = 0.5
"""Seconds between the ends of connections that one timer closed, at most."""


def judge_silence(evidence: Evidence, found: SilenceFound | None, main: Kind) -> tuple[Verdict, ...]:
    """The verdicts on silent connections, the main one first; ``found`` is None where nothing was tested.

    ``main`` is the kind of the main verdict on the trace.
    """
    if found is None or not found.is_connected or _ends_at_once(found):
        return (_untested(evidence, ends_at_once=found is not None and _ends_at_once(found)),)
    verdict = _main(evidence, found)
    facts = [*_facts(evidence, found, verdict.kind)]
    if main in NEARER:
        facts.append("Somebody nearer than the host answers this port: only the way up to there was tested.")
    return (with_facts(verdict, *facts),)


def _main(evidence: Evidence, found: SilenceFound) -> Verdict:
    if found.lost is not None:
        if found.lost.sign is Sign.RESET:
            return _reset(evidence, found, found.lost)
        return _forgotten(evidence, found, found.lost)
    if found.closed is not None and not found.is_early:
        return _closed(evidence, found.closed)
    if found.lived:
        sentence = f"A connection silent for {found.lived[-1]} s still works."
        return _verdict(Kind.REMEMBERED, sentence)
    return _verdict(Kind.IDLE_UNKNOWN, f"Nothing can be said about silent connections: {_why(found)}.")


def _ends_at_once(found: SilenceFound) -> bool:
    """Whether the other side waits for nothing to be said."""
    closed = found.closed
    return found.ends_at_once or (closed is not None and not found.is_early and closed.latest < ALIKE)


def _untested(evidence: Evidence, *, ends_at_once: bool) -> Verdict:
    if ends_at_once:
        why = f"{evidence.destination} ends connections to port {evidence.port} at once"
    elif evidence.outcome is Outcome.OPEN:
        why = f"port {evidence.port} takes connections, but what is said to it gets no answer"
    else:
        why = f"port {evidence.port} takes no connection"
    return _verdict(Kind.IDLE_UNKNOWN, f"Nothing can be said about silent connections: {why}.")


def _why(found: SilenceFound) -> str:
    """Why nothing is known of the shortest age."""
    if found.is_out_of_sight:
        return f"after {found.unasked[0]} s a new connection did not work either"
    if found.is_contradictory:
        return f"after {found.unasked[0]} s one worked and another did not, as if they went different ways"
    if not found.opened:
        return "the connections that were to be silent could not be opened"
    return f"the test ended before {found.unasked[0]} s had gone by"


# What does not live -----------------------------------------------------------------------------------------


def _forgotten(evidence: Evidence, found: SilenceFound, lost: Lost) -> Verdict:
    fate = "dropped" if lost.sign is Sign.SILENCE else "rejected"
    where = f" {between(evidence, _place(lost))}" if lost.is_placed else " on the way"
    facts = []
    if lost.sign is Sign.REJECTION:
        facts.append("An ICMP error says so; whose it is the system does not tell.")
    elif lost.after:
        facts.append(_probed(lost))
    return _verdict(
        Kind.FORGOTTEN,
        f"A connection silent for {lost.age} s is forgotten{where}: what is said then is {fate}. "
        f"{_control(found)}",
        *facts,
        hop=lost.after or None,
        address=evidence.router(lost.after),
        is_certain=_is_certain(evidence, lost),
    )


def _reset(evidence: Evidence, found: SilenceFound, lost: Lost) -> Verdict:
    silence, host = f"After {lost.age} s of silence", evidence.destination
    where = between(evidence, _place(lost))
    facts = []
    hop, address = lost.after or None, evidence.router(lost.after)
    if lost.before is not None:  # 2
        sentence = f"{silence} somebody {where} resets the connection; it is not {host}."
        facts.append(f"What can reach hop {lost.before} at most is reset.")
    elif lost.origin is Origin.NEARER:
        sentence = f"{silence} somebody {where} resets the connection; its TTL shows that it is not {host}."
    elif lost.origin is Origin.HOST:
        sentence = (
            f"{silence} {host} itself resets the connection: it does not know it any more, "
            "or a NAT on the way gave it another address."
        )
        hop, address = evidence.distance, host
    else:
        sentence = f"{silence} the connection is reset, by {host} or by somebody {where}."
    if hop is not None and hop != evidence.distance:
        facts.append(f"What is said to hop {lost.after} expires as ever.")
    return _verdict(
        Kind.RESET_AFTER_IDLE,
        f"{sentence} {_control(found)}",
        *facts,
        hop=hop,
        address=address,
        is_certain=_is_certain(evidence, lost),
    )


def _closed(evidence: Evidence, closed: Closed) -> Verdict:
    host, after = evidence.destination, _after(closed)
    ends = "resets" if closed.is_reset else "closes"
    is_certain = not _paths_differ(evidence)  # 3
    if closed.origin is Origin.NEARER:
        return _verdict(
            Kind.RESET_AFTER_IDLE,
            f"Somebody on the way {ends} silent connections, {after}; the TTL shows that it is not {host}.",
            is_certain=is_certain,
        )
    if closed.origin is Origin.HOST:
        sentence, hop = f"{host} itself {ends} silent connections, {after}.", evidence.distance
        return _verdict(Kind.CLOSED_BY_HOST, sentence, hop=hop, address=host, is_certain=is_certain)
    sentence = f"Silent connections are {'reset' if closed.is_reset else 'closed'} by {host}, {after}."
    return _verdict(Kind.CLOSED_BY_HOST, sentence, is_certain=False)


def _is_certain(evidence: Evidence, lost: Lost) -> bool:
    """1, 3."""
    rests_on_ttl = lost.origin is not Origin.UNKNOWN
    is_shared = len(evidence.routers.get(lost.after, ())) > 1
    return lost.connections >= ENOUGH and not (is_shared or (rests_on_ttl and _paths_differ(evidence)))


def _paths_differ(evidence: Evidence) -> bool:
    return any(len(routers) > 1 for routers in evidence.routers.values())


# Evidence ---------------------------------------------------------------------------------------------------


def _facts(evidence: Evidence, found: SilenceFound, kind: Kind) -> Iterable[str]:
    closed = found.closed
    if kind is Kind.REMEMBERED:
        if found.lived[:-1]:
            yield f"So do those silent for {_list(found.lived[:-1])}."
        if found.unasked:
            yield f"{_unasked(found)}."
        if found.segments:
            yield (
                f"It was not left alone: {found.segments} segments came over it meanwhile, "
                f"as of TCP keepalive at {evidence.destination}."
            )
    elif closed is not None and not found.is_early:
        yield f"{closed.connections} of {found.opened} connections heard it before anything was said."
        if found.lived:
            yield f"Those silent for {_list(found.lived)} worked."
    if closed is not None and found.is_early:
        yield f"{closed.connections} of {found.opened} connections had ended before, {_after(closed)}."
    if kind is Kind.CLOSED_BY_HOST and found.was_used:
        yield "A request had been answered before the silence."


def _unasked(found: SilenceFound) -> str:
    """Why nothing is known of longer ages, where something is of shorter ones."""
    ages = _list(found.unasked)
    if found.is_out_of_sight:
        return f"After {found.unasked[0]} s a new connection did not work either"
    if found.is_contradictory:
        return f"Of connections silent for {found.unasked[0]} s one worked and another did not"
    return f"The test ended before {ages} had gone by"


def _control(found: SilenceFound) -> str:
    if found.lived:
        return f"One silent for {found.lived[-1]} s lives."
    return "A new one lives."


def _probed(lost: Lost) -> str:
    """What the search rests on, where words were lost."""
    connections = "one connection" if lost.connections == 1 else f"{lost.connections} connections"
    return (
        f"At hop {lost.after} what is said expires as ever; beyond it {connections} lost it "
        "in each of three transmissions."
    )


def _after(closed: Closed) -> str:
    if closed.latest - closed.earliest < ALIKE:
        return f"after {_seconds(closed.earliest)} s"
    return f"after {_seconds(closed.earliest)} to {_seconds(closed.latest)} s"


# Words ------------------------------------------------------------------------------------------------------


def _place(lost: Lost) -> Place:
    return Place(lost.after, lost.before)


def _seconds(time: float) -> str:
    return f"{time:.0f}" if time >= EXACT else f"{time:.1f}".removesuffix(".0")


def _list(ages: tuple[int, ...]) -> str:
    *others, last = map(str, ages)
    return f"{', '.join(others)} and {last} s" if others else f"{last} s"


def _verdict(
    kind: Kind,
    sentence: str,
    *facts: str,
    hop: int | None = None,
    address: str | None = None,
    is_certain: bool = True,
) -> Verdict:
    certainty = Certainty.CERTAIN if is_certain else Certainty.LIKELY
    return stated(kind, sentence, *facts, hop=hop, address=address, certainty=certainty)
