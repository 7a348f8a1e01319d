"""Random networks without a fault, as tables of the scenario format. Pure.

Of hops and of the host's manners all is drawn that real paths have; each trait is drawn apart, so that most
networks have a few of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from random import Random

Values: TypeAlias = dict[str, Any]
LONGEST = 25
CONTROLS = (80, 443)
"""Ports whose state at the host is drawn apart: the program asks them as controls."""
PORTS = (80, 443, 22, 25, 135, 8080, 3389)
PROFILES = {"lan": (0.1, 1.5), "continent": (1.0, 9.0), "ocean": (2.0, 14.0)}
"""Milliseconds that each hop adds, at least and at most."""
OCEAN = (80.0, 220.0)
"""Milliseconds of the one long link of its profile."""


class Branching(NamedTuple):
    """A second path: its own ``hops`` stand in place of those from ``first`` to ``last`` (both counted)."""

    first: int
    last: int
    hops: list[Values]


class Draft:
    """A network in the making. ``hops`` are tables; ``shared`` are the numbers of the hops of all flows."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.length = _length(chance)
        self.hops = _hops(chance, self.length)
        self.branching: Branching | None = None
        self.top: Values = {"seed": chance.randrange(2**31)}
        self.shared = list(range(1, self.length + 1))
        _share_load(self)
        self.rtt = max(hop["rtt"] for hop in self.hops) + round(chance.uniform(0.1, 4), 1)
        self.destination = _destination(chance, self.rtt)
        for number in range(1, self.length + 1):
            _dress(self, number)
        _dress_path(self)

    def table(self, title: str, command: str) -> Values:
        """The whole as a scenario's table."""
        table = self.top | {"title": title, "command": command, "hop": self.hops}
        if self.branching:
            first, last, hops = self.branching
            table["route"] = [{"hop": [*self.hops[: first - 1], *hops, *self.hops[last:]]}]
        return table | {"destination": self.destination}


def _length(chance: Random) -> int:
    low, high = chance.choice(((1, 4), (4, 12), (4, 12), (10, 18), (16, LONGEST)))
    return chance.randint(low, high)


def _addresses(hop: int, router: int) -> Values:
    return {"address": f"10.{hop}.{router}.1", "address6": f"fd00:{hop:x}:{router:x}::1"}


def _hops(chance: Random, length: int) -> list[Values]:
    name = chance.choice(tuple(PROFILES))
    least, most = PROFILES[name]
    long_link = chance.randint(1, length) if name == "ocean" else 0
    rtt, hops = 0.0, []
    for number in range(1, length + 1):
        rtt += chance.uniform(least, most) + (chance.uniform(*OCEAN) if number == long_link else 0)
        hops.append(_addresses(number, 1) | {"rtt": round(rtt, 1)})
    return hops


def _share_load(draft: Draft) -> None:
    chance = draft.chance
    if draft.length < 4:
        return
    kind = chance.choices(("none", "routers", "lengths"), (60, 25, 15))[0]
    if kind == "routers":
        _share_among_routers(draft)
    elif kind == "lengths":
        _share_between_branches(draft)


def _share_among_routers(draft: Draft) -> None:
    """Two to four routers at each of a few hops in a row: every one linked to every next one, or in lanes."""
    chance = draft.chance
    first = chance.randint(2, draft.length - 1)
    last = min(draft.length, first + chance.randint(0, 3))
    width, is_meshed = chance.randint(2, 4), chance.random() < 0.5
    for number in range(first, last + 1):
        lanes = number < last and not is_meshed
        routers = [
            _addresses(number, router) | ({"next": [router]} if lanes else {})
            for router in range(1, width + 1)
        ]
        hop = draft.hops[number - 1]
        del hop["address"], hop["address6"]
        hop["router"] = routers
    draft.shared = [n for n in draft.shared if not first <= n <= last]


def _share_between_branches(draft: Draft) -> None:
    """A second path whose middle is up to two hops shorter or longer."""
    chance = draft.chance
    first = chance.randint(2, draft.length - 1)
    last = min(draft.length, first + chance.randint(0, 3))
    count = max(1, last - first + 1 + chance.choice((-2, -1, 1, 2)))
    before, after = draft.hops[first - 2]["rtt"], draft.hops[last - 1]["rtt"]
    hops = [
        _addresses(100 + place, 1) | {"rtt": round(before + (after - before) * place / count, 1)}
        for place in range(1, count + 1)
    ]
    draft.branching = Branching(first, last, hops)
    draft.shared = list(range(1, first))


def _dress(draft: Draft, number: int) -> None:
    """Traits of one hop."""
    chance, hop = draft.chance, draft.hops[number - 1]
    if chance.random() < 0.1:
        hop["silent"] = True
    limited = chance.random()
    if limited < 0.2:
        hop["limit"] = "linux"
    elif limited < 0.25:
        hop["limit"] = {"burst": chance.randint(1, 6), "per_second": chance.choice((1, 2, 5))}
    if chance.random() < 0.08:
        hop["labels"] = [{"label": chance.randint(16, 1_000_000), "ttl": 1}]
    elif chance.random() < 0.25:
        hop["quote"] = chance.choice((8, 8, 12, 16, 20, 28))
    if chance.random() < 0.15:
        hop["jitter"] = round(chance.uniform(0.5, 30), 1)
    if chance.random() < 0.3:
        hop["reply_ttl"] = chance.choice((64, 128, 240, 61))
    if chance.random() < 0.04:
        hop["duplicates"] = chance.randint(1, 2)


def _dress_path(draft: Draft) -> None:
    """Traits of the path as a whole: loss, a firewall that tracks connections, stray packets."""
    chance = draft.chance
    lossy = chance.random()
    if lossy < 0.15:
        draft.top["loss"] = round(chance.uniform(0.005, 0.05), 3)
    elif lossy < 0.2:
        draft.top[chance.choice(("loss_out", "loss_back"))] = round(chance.uniform(0.01, 0.1), 3)
    elif lossy < 0.3:
        key = chance.choice(("loss", "loss_out", "loss_back"))
        chance.choice(draft.hops)[key] = round(chance.uniform(0.01, 0.1), 3)
    if chance.random() < 0.08:
        draft.hops[chance.choice(draft.shared) - 1]["conntrack"] = True
    if chance.random() < 0.1:
        draft.top["noise"] = {"per_second": chance.randint(20, 300)}


def _destination(chance: Random, rtt: float) -> Values:
    """The host: its manners and the states of its ports."""
    ports: dict[str, list[int]] = {"open": [], "closed": [], "silent": []}
    for port in CONTROLS:
        ports[chance.choices(tuple(ports), (75, 15, 10))[0]].append(port)
    host: Values = {
        "rtt": rtt,
        "others": chance.choices(("closed", "silent"), (70, 30))[0],
        "again": chance.choice(("answer", "linux", "linux", "silent", "rst", "challenge")),
    } | ports
    if chance.random() < 0.5:
        host["ttl"] = chance.choice((128, 255, 63, 57, 120))
    if chance.random() < 0.1:
        host["once"] = True
    if chance.random() < 0.08:
        host["refuse_ttl"] = chance.randint(1, 3)
    if chance.random() < 0.05:
        host["duplicates"] = 1
    if chance.random() < 0.2:
        host["retransmit"] = True
    if chance.random() < 0.1:
        host["jitter"] = round(chance.uniform(0.5, 20), 1)
    if chance.random() < 0.05:
        host["wrong_ack"] = True
    return host
