"""Random paths with one box or host that forgets silent connections, and what ``--idle`` says of them.

    PYTHONPATH=tests .venv/bin/python -m hunting.silences --seeds 0-3999

Each seed is a path of 2 to 25 hops with silence, limits, loss and load sharing, and one fault at most, on the
virtual clock. What should be said follows from the description.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from random import Random
from typing import NamedTuple

from internet import network
from internet.sessions import VirtualSessions
from tracetcp.dialogue import converse
from tracetcp.engine.run_state import RunState
from tracetcp.engine.session.silence import SilenceSearch
from tracetcp.engine.session.waves import AT_ONCE, IN_A_RUN, WaveEngine
from tracetcp.model.silence import Origin, Sign, SilenceFound
from tracetcp.wire.words import words_for

AGES = (1, 2, 5, 20, 60, 350, 900, 3600, 86_400)
FAULTS = ("none", "drop", "rst", "nat", "unreachable", "close", "host closes", "host aborts")
BOXES = FAULTS[1:6]
PORT = 5432


class Case(NamedTuple):
    """A path, its fault, and what should be found of it."""

    notation: str
    fault: str
    ages: tuple[int, ...]
    lifetime: float
    hop: int
    silent: tuple[int, ...]
    loss: float

    @property
    def lived(self) -> tuple[int, ...]:
        """The ages that live."""
        return tuple(age for age in self.ages if self.fault == "none" or age < self.lifetime)

    def neighbours(self, hops: int) -> tuple[int, int | None]:
        """The hops that answer next to the box, before and behind it."""
        answering = [ttl for ttl in range(1, hops + 1) if ttl not in self.silent]
        return (
            max((ttl for ttl in answering if ttl <= self.hop), default=0),
            min((ttl for ttl in answering if ttl > self.hop), default=None),
        )


def case(seed: int) -> Case:
    """The case of ``seed``."""
    chance = Random(seed)
    hops, rtt, path, silent = chance.randint(2, 25), 0.0, [], []
    for hop in range(1, hops + 1):
        rtt += chance.choice((0.1, 1, 5, 20))
        if chance.random() < 0.1:
            silent.append(hop)
        mark = chance.choice(("", "", "", "!", ":2"))
        path.append(f"{'*' if hop in silent else ''}{rtt:.1f}{mark}")
    ages = tuple(sorted(chance.sample(AGES, chance.randint(1, 4))))
    first_dead = chance.randrange(len(ages))
    floor = ages[first_dead - 1] if first_dead else 0
    fault, hop = FAULTS[seed % len(FAULTS)], chance.randint(1, hops)
    if fault == "unreachable" and hop in silent:
        fault = "drop"  # whoever is silent says nothing of that either
    return Case(
        f"{' '.join(path)} | rtt {rtt + 1:.1f} | open {PORT}",
        fault,
        ages,
        floor + (ages[first_dead] - floor) * 0.7,
        hop,
        tuple(silent),
        chance.choice((0, 0, 0.01, 0.03, 0.05)),
    )


def run(given: Case, seed: int) -> tuple[SilenceFound, int]:
    """What is found, and the number of hops."""
    table: dict[str, object] = {"loss": given.loss, "seed": seed}
    if given.fault in BOXES:
        table[f"hop_{given.hop}"] = {"forgets": given.lifetime, "forgotten": given.fault}
    elif given.fault.startswith("host"):
        table["destination"] = {given.fault.partition(" ")[2]: given.lifetime}
    prober = VirtualSessions(network(given.notation, **table), port=PORT)
    distance = len(prober._routers) + 1
    hops = [ttl for ttl in range(1, distance) if ttl not in given.silent]
    words = words_for(PORT, "www.example.com")
    plan = SilenceSearch(given.ages, hops, distance, reply_ttl=None, has_opening=False)
    converse(WaveEngine(plan.plan(), words, RunState(b"a secret of 16 b").routers, 4.0), prober, prober.wait)
    assert prober.opened <= IN_A_RUN
    assert prober.most_open <= AT_ONCE
    assert not prober.still_open
    return plan.so_far(), distance - 1


def judge(given: Case, found: SilenceFound, hops: int) -> str:
    """What is to be thought of it."""
    if not found.is_connected or found.is_out_of_sight or found.is_contradictory:
        return "nothing said"
    is_alarm = found.lost is not None or (found.closed is not None and not found.is_early)
    if given.fault == "none":
        return "WRONG: alarm" if is_alarm else "right"
    if found.lived != given.lived:
        return "WRONG: age"
    return _judge_fault(given, found, hops) if is_alarm else "nothing said"


def _judge_fault(given: Case, found: SilenceFound, hops: int) -> str:
    closed, lost = found.closed, found.lost
    if given.fault in ("close", "host closes", "host aborts"):
        if closed is None or abs(closed.earliest - given.lifetime) > 1:
            return "WRONG: time"
        expected = Origin.NEARER if given.fault == "close" else Origin.HOST
        return "right" if closed.origin is expected else f"{closed.origin.value} origin"
    if lost is None:
        return "WRONG: kind"
    signs = {"drop": Sign.SILENCE, "unreachable": Sign.REJECTION}
    if lost.sign is not signs.get(given.fault, Sign.RESET):
        return "WRONG: sign"
    if given.fault == "unreachable":
        return "right"
    if given.fault == "nat":
        return "right" if lost.origin is Origin.HOST else f"{lost.origin.value} origin"
    return _judge_place(given, (lost.after, lost.before), hops)


def _judge_place(given: Case, place: tuple[int, int | None], hops: int) -> str:
    if place == given.neighbours(hops):
        return "right"
    after, before = place
    return "right, wide" if after <= given.hop < (before or hops + 1) else "WRONG: place"


def main() -> None:
    """Print a table of what was said by fault, and the seeds of what was wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", default="0-999")
    first, _, last = parser.parse_args().seeds.partition("-")
    tallies: dict[str, Counter[str]] = {fault: Counter() for fault in FAULTS}
    for seed in range(int(first), int(last or first) + 1):
        given = case(seed)
        word = judge(given, *run(given, seed))
        tallies[given.fault][word] += 1
        if word.startswith("WRONG"):
            sys.stdout.write(f"seed {seed}: {word}: {given}\n")
    for fault, tally in tallies.items():
        counts = ", ".join(f"{count} {word}" for word, count in tally.most_common())
        sys.stdout.write(f"{fault}: {tally.total()} runs: {counts}\n")


if __name__ == "__main__":
    main()
