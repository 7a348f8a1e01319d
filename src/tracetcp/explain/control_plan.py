"""Which controls a verdict still needs. Pure; the caller asks them, looks, and plans again.

A control is another port of the same destination. Two are asked: a web port, and a port that nothing serves,
since proxies take web ports alone. No control is asked beyond the last TTL asked for.

An answer at hop d is doubted: the destination may be farther. If it is not, it shall see few SYNs.

R1. A control is asked at d. One that is answered there with the reply TTL of the answer in doubt is as far
    away. With another reply TTL it is asked at d - 1, too; if that is silent, ``NEARER_PROBES`` times, for an
    answer may be lost.
R2. A control that is not answered at d is asked ``FARTHER`` hops beyond, where a router proves that it
    passes. The port that nothing serves is asked there at once: it is often dropped, and silence takes its
    time. If the destination answers there, the hops between are asked, to tell how far away it is.
R3. A control that meets somebody beyond, or a router at d, is the only one that is asked on. It is followed
    to the destination, some TTLs at a time, and asked at the two hops before d: the hop up to which both
    ports go the same way is as telling as the distance.
R4. The steps above end when the destination may have seen ``MOST_SYNS``, the trace's own included; but some
    controls are always asked, and more where a control met routers at d or beyond.
R5. A control that passes and has told too little is traced from the hops before d to the last router that it
    met, whatever else the destination has seen: it does not see that.
R6. If no control was answered at d and none met a router there, the port itself is asked once more, with a
    TTL that reaches any destination: whoever lets the SYN pass is not the only one to answer it.

Silence after hop k is doubted: it may be of this port alone.

R7. The controls are asked at k and at k + 1; if nothing beyond k answers any, at the next ``AHEAD`` TTLs;
    then the other web port is asked there, and all of them at the other TTLs within ``REACH``.
R8. A control that is answered beyond k is traced, one after the other, until the verdict is clear. It may be
    clear before, if the destination answered. Where one TTL alone is asked for, all controls are traced.
"""

from __future__ import annotations

from collections import Counter
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from tracetcp.model import Outcome
from tracetcp.model.evidence import TCP_KINDS, reply_of
from tracetcp.model.verdict import Kind
from tracetcp.verdicts.blocked import judge as judge_blocked
from tracetcp.verdicts.forged import judge as judge_forged
from tracetcp.verdicts.nearness import NEARER_HOPS, farthest_router, has_same_reply_ttl
from tracetcp.verdicts.proxy import judge as judge_proxy
from tracetcp.verdicts.routers import judge_loop

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from tracetcp.model.evidence import Evidence, TracedPort

WEB_PORTS = (443, 80)
"""HTTPS and HTTP pass nearly everywhere."""
UNSERVED_PORT = 46_137
"""A port that nothing serves and no proxy takes."""
REACH = 10
"""TTLs of a control: room for a few silent routers, not a second whole trace."""
AHEAD = 3
FOLLOWED = 2
"""TTLs at a time on the way to the destination: so many SYNs reach it at most."""
FARTHER = range(NEARER_HOPS - 1, NEARER_HOPS + 3)
"""Branches of load balancing differ by a hop or two: a router there is on no other branch."""
MOST_SYNS = 8
"""SYNs that a destination may see of a trace that it answers, controls included."""
CONTROL_SYNS = range(2, 4)
"""Those of controls, at least and at most."""
UNHEARD_SYNS = range(2, 5)
"""The same where nothing answered any control."""
DOUBTFUL_SYNS = range(3, 5)
"""The same where a control met a router as far away as the answer."""
PASSING_SYNS = 8
"""The same where a control passed a router so far beyond that the trace's own SYNs never got there."""
REPEATED_PROBES = 2
"""Probes at the hop of the answer, where one is lost."""
NEARER_PROBES = 3
"""Probes at a silent hop before the answer."""


class Step(NamedTuple):
    """What to ask of ``port``: a probe at each of ``ttls`` or, if ``is_trace``, a trace over them."""

    port: int
    ttls: tuple[int, ...]
    is_trace: bool = False


class Known(NamedTuple):
    """The ports that need not be asked, since they were ``traced``; whether the trace in doubt is over."""

    traced: Collection[int] = ()
    is_over: bool = True


def plan_controls(evidence: Evidence, known: Known) -> tuple[Step, ...]:
    """The next steps worth taking for the verdict on ``evidence``; none where they would not change it."""
    if evidence.outcome is Outcome.NOT_REACHED:
        verdict = judge_loop(evidence) or judge_blocked(evidence)
        is_unclear = verdict is None or verdict.kind in (Kind.NO_ANSWER, Kind.INCONCLUSIVE)
        return _after_silence(evidence, known) if is_unclear else ()
    if evidence.outcome is Outcome.UNREACHABLE or judge_forged(evidence) or judge_proxy(evidence):
        return ()
    distance = evidence.distance
    if distance is None:
        return ()
    return _after_answer(evidence, distance, known)


def wants_confirmation(evidence: Evidence) -> bool:
    """Whether the port in doubt is worth another SYN."""
    distance, controls = evidence.distance or inf, evidence.controls
    is_placed = any(control.distance == distance for control in controls)
    is_passed = any(farthest_router(control, evidence.destination) >= distance for control in controls)
    seen = _arrived(evidence, distance) + sum(_arrived(control, distance) for control in controls)
    return distance < inf and not is_placed and not is_passed and seen < MOST_SYNS  # R6


def ports_to_ask(port: int) -> tuple[int, ...]:
    """The controls of ``port``, the most telling first."""
    ports = (WEB_PORTS[0], UNSERVED_PORT, *WEB_PORTS[1:])
    return tuple(other for other in ports if other != port)


def _by_port(evidence: Evidence) -> Mapping[int, TracedPort]:
    return {control.port: control for control in evidence.controls}


# After an answer ------------------------------------------------------------------------------------------


def _after_answer(evidence: Evidence, distance: int, known: Known) -> tuple[Step, ...]:
    controls = _by_port(evidence)
    left = _syns_left(evidence, distance)
    steps = []
    ports = [port for port in ports_to_ask(evidence.port)[:2] if port not in known.traced]
    everyone = {record.probe.ttl for each in evidence.controls for record in each.own_records}
    farther = [port for port in ports if port in controls and _is_farther(evidence, controls[port], distance)]
    farther.sort(key=lambda port: _rank_as_farther(controls[port], distance))
    for port in farther[:1] or ports:  # R3
        control = controls.get(port)
        for ttl in _ttls_after_answer(evidence, distance, port, control, everyone):
            left -= _may_arrive(control, ttl, distance)
            if left >= 0:  # R4
                steps.append(Step(port, (ttl,)))
                everyone.add(ttl)
    if steps or not known.is_over:
        return tuple(steps)
    first = max(evidence.start_hop, distance - 2)
    passing = [port for port in farther if _goes_farther(controls[port], distance)]
    return tuple(  # R5
        Step(port, tuple(range(first, farthest_router(controls[port]) + 1)), is_trace=True)
        for port in passing[:1]
    )


def _is_farther(evidence: Evidence, control: TracedPort, distance: int) -> bool:
    """Whether ``control`` met a router at ``distance`` or beyond, or the destination beyond."""
    is_answered = distance < control.nearest_answer <= evidence.last_ttl
    return is_answered or (control.last_router or 0) >= distance


def _rank_as_farther(control: TracedPort, distance: int) -> tuple[bool, bool, int]:
    """How well a control shows that the destination is farther, the best first."""
    is_placed = control.distance is not None and _was_asked(control, control.distance - 1)
    farthest = max(record.probe.ttl for record in control.own_records)
    return not _goes_farther(control, distance), not is_placed, -farthest


def _may_arrive(control: TracedPort | None, ttl: int, distance: int) -> bool:
    """Whether a probe with ``ttl`` may reach a destination at ``distance``, on a shorter branch perhaps."""
    last_router = (control.last_router or 0) if control else 0
    return ttl > last_router and ttl >= distance - 1


def _goes_farther(control: TracedPort, distance: int) -> bool:
    """Whether ``control`` passed a router so far beyond ``distance`` that the destination cannot be there."""
    return (control.last_router or 0) >= distance + FARTHER[0]


def _ttls_after_answer(
    evidence: Evidence, distance: int, port: int, control: TracedPort | None, everyone: Collection[int]
) -> Iterator[int]:
    """The next TTLs for one control; ``everyone`` is where any control was asked, or will be."""
    last = evidence.last_ttl
    if control is None:
        yield distance  # R1
        if port == UNSERVED_PORT and distance + FARTHER[0] <= last:
            yield distance + FARTHER[0]  # R2
        return
    asked = Counter(record.probe.ttl for record in control.own_records)
    if _goes_farther(control, distance):
        yield from _ttls_that_follow(evidence, distance, control, asked)
    elif control.nearest_answer == distance:
        before = distance - 1
        is_clear = has_same_reply_ttl(evidence, control) or control.answered[before]
        if not is_clear and before >= evidence.start_hop:
            yield from [before] * (NEARER_PROBES - asked[before] if asked[before] else 1)  # R1
    elif distance < control.nearest_answer <= last:
        yield from _ttls_that_place(evidence, distance, control, asked)
    elif control.nearest_answer > distance:
        farther = (distance + hops for hops in FARTHER)
        yield from [ttl for ttl in farther if ttl <= last and ttl not in everyone][:1]  # R2


def _ttls_that_place(
    evidence: Evidence, distance: int, control: TracedPort, asked: Counter[int]
) -> Iterator[int]:
    """For a control that is answered beyond ``distance``: how far beyond?"""
    before = int(control.nearest_answer) - 1
    if not control.answered[distance] and asked[distance] < REPEATED_PROBES:  # R2
        yield distance
    elif before > distance and not asked[before]:  # R2
        yield before
    elif before + 1 - distance >= NEARER_HOPS:
        yield from _ttls_before(evidence, distance, asked)  # R3


def _ttls_before(evidence: Evidence, distance: int, asked: Counter[int]) -> list[int]:
    return [ttl for ttl in (distance - 2, distance - 1) if ttl >= evidence.start_hop and not asked[ttl]]


def _ttls_that_follow(
    evidence: Evidence, distance: int, control: TracedPort, asked: Counter[int]
) -> Iterator[int]:
    yield from _ttls_before(evidence, distance, asked)  # R3
    if control.nearest_answer > evidence.last_ttl:
        last = min(max(asked) + FOLLOWED, distance + REACH - 1, evidence.last_ttl)
        yield from range(max(asked) + 1, last + 1)  # R3


def _syns_left(evidence: Evidence, distance: int) -> int:
    """How many more SYNs of controls the destination may see (R4)."""
    farthest = max((control.last_router or 0 for control in evidence.controls), default=0)
    seen = sum(_arrived(control, distance) for control in evidence.controls)
    if farthest >= distance + FARTHER[0]:
        return PASSING_SYNS - seen
    is_heard = any(control.answered for control in evidence.controls)
    syns = DOUBTFUL_SYNS if farthest >= distance else CONTROL_SYNS if is_heard else UNHEARD_SYNS
    least, *_, most = syns
    return max(least, min(most, MOST_SYNS - _arrived(evidence, distance))) - seen


def _arrived(traced: TracedPort, distance: float) -> int:
    """How many probes reached the destination if it is ``distance`` hops away, lost ones included."""
    return sum(
        reply_of(record, *TCP_KINDS) is not None or (not record.replies and record.probe.ttl >= distance)
        for record in traced.own_records
    )


# After silence --------------------------------------------------------------------------------------------


def _after_silence(evidence: Evidence, known: Known) -> tuple[Step, ...]:
    last = evidence.last_router or evidence.start_hop - 1
    controls = _by_port(evidence)
    ports = [port for port in ports_to_ask(evidence.port) if port not in known.traced]
    if evidence.start_hop == evidence.last_ttl:
        return tuple(_trace(evidence, port, last) for port in ports)  # R8
    passing = [port for port in ports if port in controls and _passes(controls[port], last)]
    if passing:
        return (_trace(evidence, passing[0], last),)  # R8
    if any(_passes(control, last) for control in evidence.controls):
        return ()
    for count, ttls in _stages(last):  # R7
        steps = tuple(
            Step(port, (ttl,))
            for port in ports[:count]
            for ttl in ttls
            if evidence.start_hop <= ttl <= evidence.last_ttl and not _was_asked(controls.get(port), ttl)
        )
        if steps:
            return steps
    return ()


def _trace(evidence: Evidence, port: int, first: int) -> Step:
    first = max(evidence.start_hop, first)
    return Step(port, tuple(range(first, min(first + REACH - 1, evidence.last_ttl) + 1)), is_trace=True)


def _stages(last: int) -> Iterator[tuple[int, range]]:
    """How many of the controls are asked at which TTLs, one stage after the other."""
    yield 2, range(last, last + 2)
    yield 2, range(last, last + 2 + AHEAD)
    yield 3, range(last, last + 2 + AHEAD)
    yield 3, range(last, last + REACH)


def _passes(control: TracedPort, last: int) -> bool:
    return any(ttl > last for ttl in control.answered)


def _was_asked(control: TracedPort | None, ttl: int) -> bool:
    return control is not None and any(record.probe.ttl == ttl for record in control.own_records)
