"""Holds what the program said against what the network is. Pure.

Complaints are what must never be:

    false row       a row that the network cannot have: an address, a link within a column, a star where a
                    router answers, an end of the trace, a missing row
    false alarm     a fault that is not there, or is elsewhere
    false note      a router called silent or limited that is not
    wrong           the answer of a box between taken for the host's, though the controls show it

What mere loss explains (a router or the host unseen, a hop too early or too late) is no complaint, but is
counted.
"""

from __future__ import annotations

import re
from collections import defaultdict
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from hunting.faults import NEARER
from hunting.world import ANSWERING, CLOSED, INJECTED, NOT_REACHED, OPEN, UNREACHABLE, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hunting.sighting import Row, Said, Sighting

NEVER = 1e-6
"""Losses less likely than this are no chance: a hunt sees some ten thousand hops."""
TERMINAL = (OPEN, CLOSED, UNREACHABLE)
TCP_KINDS = ("syn-ack", "rst")
ALARMS = frozenset(
    {"blocked", "rejected", "unreachable", "forged", "proxy", "loop", "nat", "mss-rewritten"}
    | {"options-stripped", "options-rewritten", "dscp-rewritten", "ecn-rewritten"}
)
PROHIBITED = {4: (2, 3, 9, 10, 13), 6: (1, 4, 5, 6)}
"""Codes of rejections (RFC 792, RFC 1812 section 5.2.7.1, RFC 4443 section 3.1)."""
REWRITINGS = {
    "nat": ("nat", 8),
    "mss": ("mss-rewritten", 24),
    "options": ("options-stripped", 40),
    "dscp": ("dscp-rewritten", 8),
    "ecn": ("ecn-rewritten", 8),
}
"""Fault to verdict, and how many bytes of TCP a quote must reach to show it."""
LOOP_ROUNDS = 3


class Rating(Enum):
    """How a fault was named."""

    RIGHT_HOP = "right hop"
    RIGHT_KIND = "right kind"
    UNNAMED = "not named"
    WRONG = "wrong"
    UNSEEN = "out of sight"
    """The trace did not go as far, or nothing in the network can show it."""


class Complaint(NamedTuple):
    """One thing that must not be."""

    kind: str
    text: str


class Truth(NamedTuple):
    """What should be said: ``kind`` at one of ``hops``; with loss or a limit also at one of ``or_at``.

    ``is_shown``: whether the network shows it to who asks as the program does.
    """

    kind: str
    hops: frozenset[int | None]
    or_at: frozenset[int | None] = frozenset()
    is_shown: bool = True


class Judgement(NamedTuple):
    """A case judged; ``by_chance`` counts what was lost from sight by loss."""

    rating: Rating
    complaints: tuple[Complaint, ...]
    by_chance: int


def judge(world: World, sighting: Sighting) -> Judgement:
    """Everything about one run."""
    rows = _Rows(world, sighting)
    complaints = [Complaint("false row", text) for text in rows.complaints()]
    truth = truth_of(world)
    rating = _rating(world, truth, sighting)
    complaints += _alarms(world, truth, sighting)
    complaints += [Complaint("false note", text) for text in _notes(world, sighting)]
    if rating is Rating.WRONG and not world.is_lossy:
        complaints.append(Complaint("wrong", sighting.verdicts[0].sentence))
    return Judgement(rating, tuple(complaints), rows.by_chance)


# Rows ----------------------------------------------------------------------------------------------------


class _Rows:
    """The rows of one run against the network's."""

    def __init__(self, world: World, sighting: Sighting) -> None:
        self.by_chance = 0
        self._world = world
        self._sighting = sighting

    def complaints(self) -> list[str]:
        found = [*self._shape(), *self._end(), *self._contents(), *self._columns()]
        return list(dict.fromkeys(found))

    def _shape(self) -> Iterator[str]:
        ttls = [row.ttl for row in self._sighting.rows]
        if ttls != list(range(self._world.start, self._world.start + len(ttls))):
            yield f"rows of TTLs {ttls}"

    def _end(self) -> Iterator[str]:
        last = self._sighting.rows[-1]
        end = self._sighting.outcome, last.ttl
        if (last.outcome or "not-reached") != self._sighting.outcome:
            yield f"outcome {self._sighting.outcome}, but the last row is {last.outcome}"
        elif self._stops_where_controls_met_the_host(end):
            return
        elif not (end in self._world.ends or self._is_late_by_loss(end) or self._is_lost_by_loss()):
            ends = " or ".join(f"{outcome} at {ttl}" for outcome, ttl in sorted(self._world.ends))
            yield f"{end[0]} at {end[1]}, but it is {ends}"

    def _stops_where_controls_met_the_host(self, end: tuple[str, int]) -> bool:
        """Whether a silent port was asked no farther than the host that answers its controls."""
        is_silent = (NOT_REACHED, self._world.last) in self._world.ends
        return is_silent and end[0] == NOT_REACHED and end[1] >= self._world.nearest

    def _is_late_by_loss(self, end: tuple[str, int]) -> bool:
        """Whether the end was lost at its own TTL, and seen a little farther (T1)."""
        ttls = [ttl for outcome, ttl in self._world.ends if outcome == end[0] and ttl < end[1]]
        hidden = [row for row in self._sighting.rows if ttls and max(ttls) <= row.ttl < end[1]]
        if not hidden or any(cell.kind for row in hidden for cell in row.cells):
            return False
        self.by_chance += 1
        return all(self._may_be_chance(row) for row in hidden)

    def _is_lost_by_loss(self) -> bool:
        """Whether losses hide a host that answers one SYN of a flow: one ping asks it on two flows (T1)."""
        world = self._world
        beyond = [row for row in self._sighting.rows if row.ttl >= world.nearest]
        is_silent = bool(beyond) and not any(cell.kind for row in beyond for cell in row.cells)
        is_hidden = world.is_lossy and world.case.config.pings == 1 and is_silent
        self.by_chance += is_hidden
        return is_hidden

    def _may_be_chance(self, row: Row) -> bool:
        """T1; and T2 for an end that routers tell of."""
        is_told_by_limited = self._sighting.outcome == UNREACHABLE and self._is_limited_reporter()
        return is_told_by_limited or self._world.loss(row.ttl) ** max(1, row.lost) > NEVER

    def _is_limited_reporter(self) -> bool:
        world = self._world
        hops = [world.fault.hop] if world.fault.hop else [each - 1 for each in world.distances]
        return any(world.is_limited(hop) for hop in hops if hop)

    def _contents(self) -> Iterator[str]:
        for row in self._sighting.rows:
            yield from self._cells(row)
            is_hidden = self._world.may_be_hidden(row.ttl)
            if row.outcome is None and self._world.must_answer(row.ttl) and not is_hidden:
                yield from self._stars(row)

    def _cells(self, row: Row) -> Iterator[str]:
        world = self._world
        for cell in row.cells:
            if cell.kind is None:
                continue
            is_router = cell.kind == "time-exceeded"
            if is_router and row.ttl > world.path_end:
                yield f"hop {row.ttl}: {cell.sender} answers beyond the end"
            elif is_router and cell.sender not in world.addresses(row.ttl):
                yield f"hop {row.ttl}: {cell.sender} is not there"
            elif not is_router and row.outcome is None and not self._may_be_host(row.ttl, cell.kind):
                yield f"hop {row.ttl}: the host's address ({cell.kind}) in the row of a router"

    def _may_be_host(self, ttl: int, kind: str) -> bool:
        """Whether a router's row may hold an answer that ends a trace: on a shorter branch (T3), T5, T8."""
        world = self._world
        if world.is_deceived and ttl >= world.first_ttl:
            return True
        is_down = world.fault.name == "host-down"
        is_elsewhere = len(world.distances) > 1 or (is_down and world.gives_up_late)
        return (kind in TCP_KINDS or is_down) and is_elsewhere and ttl >= world.nearest

    def _stars(self, row: Row) -> Iterator[str]:
        stars = sum(cell.kind is None for cell in row.cells)
        if stars and self._world.loss(row.ttl):
            self.by_chance += stars == len(row.cells)
            if stars == len(row.cells) and not self._may_be_chance(row):
                yield f"hop {row.ttl}: silent after {row.lost} losses, which loss does not explain"
        elif stars:
            yield f"hop {row.ttl}: {stars} of {len(row.cells)} are stars, but it answers"

    def _columns(self) -> Iterator[str]:
        """Each flow is one path, if the program can choose flows."""
        if not self._world.is_raw:
            return
        routers: dict[int, dict[int, str]] = defaultdict(dict)
        hosts: dict[int, int] = {}
        for row in self._sighting.rows:
            for cell in row.cells:
                if cell.flow is None or cell.sender is None:
                    continue
                if cell.kind == "time-exceeded":
                    routers[cell.flow][row.ttl] = cell.sender
                elif cell.kind in TCP_KINDS and self._world.fault.name not in ANSWERING:
                    hosts[cell.flow] = min(row.ttl, hosts.get(cell.flow, row.ttl))
        for flow in sorted(routers.keys() | hosts.keys()):
            reached = hosts.get(flow)
            if reached is not None and reached < self._world.nearest:
                continue  # a forged answer, or a false row that is told above
            if not self._world.has_path(routers[flow], reached):
                path = " ".join(f"{ttl}:{sender}" for ttl, sender in routers[flow].items())
                yield f"column of flow {flow}: no path is {path}, then the host at {reached}"


# The fault -----------------------------------------------------------------------------------------------


def truth_of(world: World) -> Truth | None:
    """What should be said of the fault; None where there is none to be named."""
    name = world.fault.name
    if name in REWRITINGS:
        return _rewriting(world)
    make = _TRUTHS.get(name)
    return make(world) if make else None


def _blocked(world: World) -> Truth:
    """After the last hop that answers the port, before the one that does not; a host may drop a port too."""
    is_host = world.fault.name == "port-silent"
    limit = max(world.distances) - 1 if is_host else world.first_ttl - 1
    first = max(world.distances) if is_host else world.first_ttl
    nearer = frozenset({None, *range(1, limit + 1)})
    hops = frozenset(world.last_answers(limit) | world.last_answers(limit, 1))  # nearer hops are searched
    return Truth("blocked", hops, nearer, first <= world.last)


def _unanswered(world: World) -> Truth:
    """Where nothing is answered beyond, nobody can tell a block from a silent host."""
    is_host = world.fault.name == "host-silent"
    limit = max(world.distances) - 1 if is_host else world.first_ttl - 1
    first = max(world.distances) if is_host else world.first_ttl
    nearer = frozenset(range(world.start, limit + 1))
    hops = frozenset(world.last_answers(limit))
    return Truth("inconclusive" if hops == {None} else "no-answer", hops, nearer, first <= world.last)


def _rejected(world: World) -> Truth:
    fault, family = world.fault, world.case.family
    kind = "rejected" if fault.code[family == 6] in PROHIBITED[family] else "unreachable"
    first = max(world.first_ttl, world.start)
    hop = fault.hop if fault.hop >= world.start and not fault.at_expiry else first
    return Truth(kind, frozenset({hop}), frozenset({first}), first <= world.last)


def _host_down(world: World) -> Truth:
    last = {distance - 1 for distance in world.distances}
    seeming = {hop + 1 for hop in last if len(world.routers(hop)) > 1}  # T7
    if min(last) < world.start:  # it is never asked where it is
        seeming |= set(range(world.start, max(world.distances) + 1))
    hops = frozenset(max(hop, world.start) for hop in last | seeming)
    is_shown = all(outcome == UNREACHABLE for outcome, _ in world.ends)
    return Truth("unreachable", hops, frozenset(range(world.nearest, world.last + 1)), is_shown)


def _injected(world: World) -> Truth:
    first = max(world.first_ttl, world.start)
    later = frozenset(range(first, world.last + 1))
    if world.is_deceived and INJECTED[world.fault.name] == OPEN:  # as a proxy would
        return Truth("proxy", later, is_shown=False)
    return Truth("forged", frozenset({first}), later, world.is_raw and first <= world.last)


def _taken(world: World) -> Truth:
    """A box that answers for the host; seen by a control that goes on past it."""
    kind = "proxy" if ANSWERING[world.fault.name] == OPEN else "forged"
    hop = max(world.first_ttl, world.start)
    return Truth(kind, frozenset({hop}), is_shown=_is_told_apart(world, hop))


def _is_told_apart(world: World, hop: int) -> bool:
    """Whether the rules of ``verdicts.nearness`` can be met: a control goes on, through a shared router."""
    fault, end = world.fault, min(world.nearest - 1, world.last)
    farther = [ttl for ttl in range(hop + NEARER - 1, end + 1) if _speaks_to_controls(world, ttl)]
    before = [ttl for ttl in (hop - 1, hop - 2) if ttl >= world.start and world.must_answer(ttl)]
    passing = set(CONTROLS) - {*fault.ports, world.case.port}
    return bool(passing and farther and (before or hop == 1) and hop >= fault.hop)


CONTROLS = (443, 80, 46_137)


def _speaks_to_controls(world: World, ttl: int) -> bool:
    return all(not router.is_silent for router in world.routers(ttl))


def _loop(world: World) -> Truth:
    case = world.case
    period = len(case.scenario.routes[0].hops) - world.fault.hop + 1
    first = max(world.start, world.fault.hop)
    is_shown = world.last >= first + LOOP_ROUNDS * period - 1
    return Truth("loop", frozenset({first}), frozenset(range(first, world.last + 1)), is_shown)


def _rewriting(world: World) -> Truth:
    kind, quoting = REWRITINGS[world.fault.name]
    hop, end = world.fault.hop, min(world.path_end, world.last)
    showing = [ttl for ttl in range(max(hop, world.start), end + 1) if world.must_quote(ttl, quoting)]
    intact = [ttl for ttl in range(world.start, min(hop, end + 1)) if world.must_quote(ttl, quoting)]
    is_shown = world.is_raw and (len(showing) > 1 or bool(showing and intact))
    later = frozenset(range(max(hop, world.start), end + 1))
    return Truth(kind, frozenset(world.first_answers(hop, quoting)), later, is_shown)


_TRUTHS = {
    "port-silent": _blocked,
    "drop": _blocked,
    "drop-all": _unanswered,
    "host-silent": _unanswered,
    "reject": _rejected,
    "no-way": _rejected,
    "host-down": _host_down,
    "rst-injected": _injected,
    "syn-ack-injected": _injected,
    "rst": _taken,
    "rst-near": _taken,
    "proxy": _taken,
    "proxy-near": _taken,
    "loop": _loop,
}


def _rating(world: World, truth: Truth | None, sighting: Sighting) -> Rating:
    main = sighting.verdicts[0]
    if truth is None:
        is_right = (main.kind, main.hop) in world.ends
        if not is_right and all(outcome not in (OPEN, CLOSED) for outcome, _ in world.ends):
            return Rating.UNSEEN
        return Rating.RIGHT_HOP if is_right else Rating.UNNAMED
    said = [each for each in sighting.verdicts if each.kind == truth.kind]
    if any(each.hop in truth.hops for each in said):
        return Rating.RIGHT_HOP
    if said:
        return Rating.RIGHT_KIND
    if main.kind in TERMINAL and _is_mistaken(world, truth, main):
        return Rating.WRONG
    return Rating.UNNAMED if truth.is_shown else Rating.UNSEEN


def _is_mistaken(world: World, truth: Truth, main: Said) -> bool:
    """Whether a box's answer is called the host's, surely or though the controls show otherwise."""
    if world.fault.name not in ANSWERING or main.kind not in (OPEN, CLOSED):
        return False
    is_nearer = main.hop is not None and main.hop < world.nearest
    return is_nearer and (truth.is_shown or main.certainty == "certain")


# What must not be said -----------------------------------------------------------------------------------


def _alarms(world: World, truth: Truth | None, sighting: Sighting) -> Iterator[Complaint]:
    for said in sighting.verdicts:
        if said.kind not in ALARMS or (world.is_deceived and said.kind in _FORGED):
            continue
        if truth is None or said.kind != truth.kind:
            yield Complaint("false alarm", said.sentence)
        elif said.hop not in truth.hops and not (_may_slip(world) and said.hop in truth.or_at):
            hops = " or ".join(map(str, sorted(truth.hops, key=str)))
            yield Complaint("false alarm", f"{said.sentence} (it is hop {hops})")


_FORGED = ("forged", "proxy")
"""Either is right of an answer that hides the host's (T8)."""


def _may_slip(world: World) -> bool:
    """Whether chance may hide the very hop (T1, T2)."""
    is_limited = any(world.is_limited(ttl) for ttl in range(world.start, world.path_end + 1))
    is_late = world.fault.name == "host-down" and world.gives_up_late
    return world.is_lossy or is_late or (is_limited and not world.case.config.anti_flood)


_HOPS = re.compile(r"Hops? ([\d, and]+) did not answer")


def _notes(world: World, sighting: Sighting) -> Iterator[str]:
    for said in sighting.verdicts:
        if said.kind == "silent-router":
            found = _HOPS.match(said.sentence)
            hops = [int(hop) for hop in re.findall(r"\d+", found[1])] if found else []
            wrong = [hop for hop in hops if world.must_answer(hop) and not world.loss(hop)]
            if wrong or not hops:
                yield f"{said.sentence} (wrong of {wrong})"
        elif said.kind == "limited-router" and said.hop is not None and not world.is_limited(said.hop):
            yield said.sentence
