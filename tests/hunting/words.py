"""Random paths with one device or host that stops or answers a word, and what ``--say`` says of them.

    PYTHONPATH=src:tests .venv/bin/python -m hunting.words --seeds 0-3999

Each seed is a path of 1 to 20 hops with silence, limits, loss and load sharing, and one device at most;
trace, search and verdict run on the virtual clock, every other seed with raw sockets. What should be said
follows from the description.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from random import Random
from typing import NamedTuple
from unittest.mock import patch

from internet import VirtualProber, network
from internet.clock import VirtualClock
from internet.sessions import VirtualSessions
from tracetcp import Options, Say, TraceConfig, Verdict, VerdictReached, open_session

TARGET = "203.0.113.80"
KINDS = {
    "none": "word-passes",
    "drop": "word-dropped",
    "early drop": "word-dropped",
    "rst": "word-reset",
    "listener": "word-reset",
    "copier": "word-reset",
    "page": "word-answered",
    "any data": "any-word",
    "host": "refused-by-host",
}
DEVICES: dict[str, dict[str, object]] = {
    "drop": {},
    "early drop": {"early": True},
    "rst": {"does": "rst"},
    "listener": {"does": "rst", "listens": True},
    "copier": {"does": "rst", "listens": True, "copies": True},
    "page": {"does": "page"},
    "any data": {"text": ""},
}
BEFORE_ITS_HOP = ("early drop", "listener", "copier")
"""What acts before its hop looks at the TTL: so it is behind the hop before."""
NEAR = 3
"""Hops from the host within which a device may look like it."""


class Case(NamedTuple):
    """A path, its device, and the words."""

    notation: str
    device: str
    hop: int
    hops: int
    silent: tuple[int, ...]
    loss: float
    protocol: str
    refusal: str

    @property
    def after(self) -> int:
        """The hop behind which the device is, the last one before that answers."""
        place = self.hop - (self.device in BEFORE_ITS_HOP)
        return max((ttl for ttl in range(1, place + 1) if ttl not in self.silent), default=0)


def case(seed: int) -> Case:
    """The case of ``seed``."""
    chance = Random(seed)
    hops, rtt, path, silent = chance.randint(1, 20), 0.0, [], []
    for hop in range(1, hops + 1):
        rtt += chance.choice((0.1, 1, 5, 20))
        if chance.random() < 0.1:
            silent.append(hop)
        mark = chance.choice(("", "", "", "", "!", ":2"))
        path.append(f"{'*' if hop in silent else ''}{rtt:.1f}{mark}")
    return Case(
        f"{' '.join(path)} | rtt {rtt + chance.choice((1, 5, 40)):.1f}",
        list(KINDS)[seed % len(KINDS)],
        chance.randint(1, hops),
        hops,
        tuple(silent),
        chance.choice((0, 0, 0.01, 0.02, 0.03)),
        chance.choice(("tls", "http")),
        chance.choice(("alert", "close", "reset")),
    )


def run(given: Case, seed: int) -> Verdict:
    """The first verdict on words."""
    table: dict[str, object] = {"loss": given.loss, "seed": seed}
    if given.device in DEVICES:
        table[f"hop_{given.hop}"] = {"words": {"text": "blocked"} | DEVICES[given.device]}
    elif given.device == "host":
        table["destination"] = {"refuses": "blocked", "refusal": given.refusal}
    scenario, wait = network(given.notation, **table), VirtualClock(0.0)
    prober = VirtualProber(scenario, wait=wait)
    sessions = VirtualSessions(scenario, wait=wait, has_ears=seed % 2 == 0, seed=seed)
    with (
        patch("tracetcp.probers.open_prober", lambda *_: prober),
        patch("tracetcp.say._open_prober", lambda *_: sessions),
        patch("tracetcp.runner.SelectorWait", lambda _: wait),
        patch("tracetcp.dialogue.SelectorWait", lambda _: wait),
        open_session(
            TraceConfig(host=TARGET), Options(names=False, say=Say(given.protocol, "blocked.example"))
        ) as session,
    ):
        events = [event for batch in session.batches() for event in batch.events]
    (judged,) = [event for event in events if isinstance(event, VerdictReached)]
    return judged.words[0]


def judge(given: Case, verdict: Verdict) -> str:
    """What is to be thought of it."""
    kind, is_near = verdict.kind.value, given.hops + 1 - given.hop <= NEAR
    if kind == "word-unknown":
        return "nothing said"
    if kind != KINDS[given.device]:
        is_hosts = kind == "refused-by-host" and verdict.certainty.value != "certain"
        return "likely the host's" if is_hosts and is_near else f"WRONG: {kind}"
    if given.device in ("none", "host"):
        return "right"
    said = verdict.hop or 0
    if said == given.after or (given.device == "copier" and said == given.hop - 1):
        return "right"
    return "right, wide" if said < given.after else "WRONG: place"


def main() -> None:
    """Print a table of what was said by device, and the seeds of what was wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", default="0-999")
    first, _, last = parser.parse_args().seeds.partition("-")
    tallies: dict[str, Counter[str]] = {device: Counter() for device in KINDS}
    for seed in range(int(first), int(last or first) + 1):
        given = case(seed)
        verdict = run(given, seed)
        word = judge(given, verdict)
        tallies[given.device][word] += 1
        if word.startswith("WRONG"):
            sys.stdout.write(f"{seed}: {word}: {given} {verdict.sentence} [{verdict.certainty.value}]\n")
    for device, tally in tallies.items():
        sys.stdout.write(f"{device:12}{dict(tally)}\n")


if __name__ == "__main__":
    main()
