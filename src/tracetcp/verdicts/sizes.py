"""Packet sizes: what a connection loses, where, and whether anybody says so. Pure.

The search has looked for chance itself (``engine.session``): what it calls lost was lost in every
transmission of several connections, while smaller packets passed. Here it is said where, and what it means:

1. A hole there has the place that the search found: between two hops, or after one if they are neighbours.
   Where routers share the load at that hop, which of them it was is not certain.
2. A hole back has no place: only its size can be seen from here. One of the same size as there fits it.
3. A router that tells of its size is the one before the first TTL that was told: it looks at the TTL first.
4. Sizes pass both ways if answers came as large as what passes there; shorter answers prove nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.model import Outcome
from tracetcp.model.connection import IP_AND_TCP
from tracetcp.model.verdict import Certainty, Kind, Verdict
from tracetcp.verdicts.places import between, place_of
from tracetcp.verdicts.stating import stated, with_facts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetcp.model.evidence import Evidence
    from tracetcp.model.sizes import Place, SizesFound, Told

NEARER = (Kind.PROXY, Kind.FORGED)
"""Main verdicts that say that somebody nearer than the destination answers."""
TOO_SHORT = 100
"""Bytes by which an answer must be longer than the packets in question to say anything about them."""


def judge_sizes(evidence: Evidence, found: SizesFound | None, main: Kind) -> tuple[Verdict, ...]:
    """The verdicts on packet sizes, the main ones first; ``found`` is None where nothing could be tested.

    ``main`` is the kind of the main verdict on the trace.
    """
    if found is None or not found.is_connected:
        return (_untested(evidence),)
    if found.is_contradictory or found.is_cut_short:
        return (_inconclusive(found),)
    verdicts = [*_told(evidence, found)]
    if found.hole is not None:
        verdicts.append(_hole(evidence, found))
    if found.back_hole is not None:
        verdicts.append(_hole_back(evidence, found))
    if not verdicts:
        verdicts.append(stated(Kind.MTU_WHOLE, _passing(found)))
    if main in NEARER:
        fact = "Somebody nearer than the host answers this port: only the way up to there was tested."
        verdicts[0] = with_facts(verdicts[0], fact)
    if found.limit is not None:
        verdicts.append(_limited(evidence, found.limit, is_own=found.is_own_limit))
    return tuple(verdicts)


def _untested(evidence: Evidence) -> Verdict:
    if evidence.outcome is Outcome.OPEN:
        why = f"port {evidence.port} takes connections, but what is said to it gets no answer"
    else:
        why = f"port {evidence.port} takes no connection"
    return stated(Kind.MTU_UNKNOWN, f"Nothing can be said about packet sizes: {why}.")


def _inconclusive(found: SizesFound) -> Verdict:
    why = (
        "the same size was lost and passed, on different connections"
        if found.is_contradictory
        else "it would take more connections than one run may open"
    )
    return stated(Kind.MTU_UNKNOWN, f"Nothing conclusive about packet sizes: {why}.")


# Routers that tell ------------------------------------------------------------------------------------------


def _told(evidence: Evidence, found: SizesFound) -> Iterator[Verdict]:
    facts = () if found.hole else (_passing(found),)
    if found.remembered is not None:
        sentence = (
            f"This machine holds {found.remembered} bytes for the path MTU to {evidence.destination}, "
            f"though its own link carries {found.link}: a router told it so, or its routing table does."
        )
        yield stated(Kind.MTU_TOLD, sentence, *facts)
    for told in found.told:
        hop = told.after if told.before == told.after + 1 and told.after else None  # 3
        allows = f"allows packets of {told.size} bytes only and says so: connections adapt."
        sentence = f"{_teller(evidence, told)} {allows}"
        yield stated(Kind.MTU_TOLD, sentence, *facts, hop=hop, address=evidence.router(hop))


def _teller(evidence: Evidence, told: Told) -> str:
    if told.after and told.before == told.after + 1:
        place = place_of(evidence, told.after)
        return place[0].upper() + place[1:]
    after = place_of(evidence, told.after) if told.after else "this machine"
    return f"A router between {after} and {place_of(evidence, told.before)}"


# Holes ------------------------------------------------------------------------------------------------------


def _hole(evidence: Evidence, found: SizesFound) -> Verdict:
    hole, place = found.hole, found.place
    assert hole is not None, "there is one"
    assert place is not None, "a search that is conclusive has the place of what it found"
    counts = (
        f"{_answerers(place)} up to {hole.passed} bytes were answered {_times(hole.passes)}, {hole.lost} "
        f"bytes and more 0 of {_times(hole.losses)}{_both(place)}."
    )
    cure = f"Connections hang unless their MSS is {hole.passed - _headers(evidence)} or less."
    facts = [counts, cure]
    if found.answers is not None and found.answers.largest > hole.passed:
        facts.append(f"Packets of {found.answers.largest} bytes come back.")
    is_shared = len(evidence.routers.get(place.after, ())) > 1
    return stated(
        Kind.MTU_HOLE,
        f"Packets of more than {hole.passed} bytes are lost {between(evidence, place)}, "
        "and no router says so.",
        *facts,
        hop=place.after or None,
        address=evidence.router(place.after),
        certainty=Certainty.LIKELY if is_shared else Certainty.CERTAIN,  # 1
    )


def _answerers(place: Place) -> str:
    return "At the host" if place.before is None else f"At hop {place.before} and at the host"


def _both(place: Place) -> str:
    return f"; hop {place.after} answers both" if place.after else ""


def _hole_back(evidence: Evidence, found: SizesFound) -> Verdict:
    hole, headers = found.back_hole, _headers(evidence)
    assert hole is not None, "there is one"
    counts = (
        f"With an MSS of {hole.passed - headers} or less the host's answer came {_times(hole.passes)}; with "
        f"{hole.lost - headers} and more it was missing {_times(hole.losses)}, but for what overtook a gap."
    )
    facts = [counts]
    if found.hole is None:
        facts.append(f"Packets of {found.passed} bytes pass there.")
    elif found.hole.passed == hole.passed:
        facts.append(
            "That is the size that is lost on the way there as well: one link may be behind both."
        )  # 2
    return stated(
        Kind.MTU_HOLE_BACK,
        f"Packets of more than {hole.passed} bytes do not come back from {evidence.destination}; "
        "where they are lost cannot be seen from here.",
        *facts,
    )


# What passes ------------------------------------------------------------------------------------------------


def _passing(found: SizesFound) -> str:
    answers, passed = found.answers, found.passed
    if answers is not None and answers.largest == passed:
        return f"Packets of {passed} bytes pass both ways."
    there = f"Packets of {passed} bytes pass there"
    if found.back_hole is not None:
        return f"{there}."
    if answers is None or answers.length < min(passed, answers.allowed) - TOO_SHORT:  # 4
        return f"{there}; the host's answers were too short to tell about the way back."
    return f"{there}; the largest that came back had {answers.largest} bytes."


def _limited(evidence: Evidence, limit: int, *, is_own: bool) -> Verdict:
    if is_own:
        why = "This machine's kernel begins small (tcp_mtu_probing is 2)"
        return stated(
            Kind.MSS_LIMITED, f"{why}: packets of more than {limit} bytes were not tried on the way there."
        )
    mss = limit - _headers(evidence)
    return stated(
        Kind.MSS_LIMITED,
        f"The SYN-ACK allows an MSS of {mss}: connections send packets of {limit} bytes at most, "
        "and larger ones were not tried.",
    )


# Words ------------------------------------------------------------------------------------------------------


def _headers(evidence: Evidence) -> int:
    return IP_AND_TCP[6 if ":" in evidence.destination else 4]


def _times(count: int) -> str:
    return f"{count} time{'' if count == 1 else 's'}"
