"""Whom ``--report`` says to call: networks with a known owner of the break, who is named or nobody is."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import pytest

from internet import VirtualProber, network
from internet.report import SECRET
from notation import trace
from tracetcp.config import TraceConfig
from tracetcp.engine import Engine, open_engine
from tracetcp.engine.run_state import RunState
from tracetcp.explain.explaining import ExplainingEngine
from tracetcp.model import VerdictReached
from tracetcp.model.contact import Contact, Owner
from tracetcp.model.verdict import Certainty, Kind, Verdict
from tracetcp.runner import run
from tracetcp.verdicts.contact import judge_contact

PATH = "1 5 6 7 8 15 16 17 18 25 26 | rtt 30 | open 443"
NUMBERED = "-AAAABBBBDD D"
"""Who announces the addresses of the hops and the host: A the access network, B a backbone, D the host's."""
BORROWED = "-AAAAABBBDD D"
"""The same, but the link from A to B has addresses of A: B's first router answers with one of A."""
HOME, A, B, D, HOST = "attached", "AS64501", "AS64502", "AS64504", "host"
NOBODY, UNKNOWN = "nobody", "unknown"
NETWORKS = {"A": A, "B": B, "C": "AS64503", "D": D, "M": "AS64501 AS64502"}


class Break(NamedTuple):
    """A network with a break: who runs its place, and what is said; ``port`` is traced."""

    path: str
    owner: tuple[str, ...]
    said: str
    numbered: str = NUMBERED
    port: int = 135
    options: dict[str, Any] = {}  # noqa: RUF012 - never changed
    further: dict[str, Any] = {}  # noqa: RUF012 - the same


def at(hop: int, rule: str, path: str = PATH) -> str:
    """``path`` with a rule at a hop."""
    hops, bar, rest = path.partition(" | ")
    words = hops.split()
    words[hop - 1] += f"[{rule}]"
    return " ".join(words) + bar + rest


def silent(*hops: int, path: str = PATH) -> str:
    """``path`` with silent hops."""
    words, bar, rest = path.partition(" | ")
    found = re.findall(r"(?:\[[^]]*\]|\S)+", words)
    return " ".join("*" + word if n in hops else word for n, word in enumerate(found, 1)) + bar + rest


INGRESS = {"rule": [{"action": "drop", "ports": "135", "expiring": True}]}
REFUSES = {"rule": [{"action": "unreachable", "code": 3, "code6": 4, "ports": "135"}]}
ALL_SILENT = PATH.replace("open 443", "others silent")
BREAKS = {
    "A drops in its middle": Break(at(3, "drop 135"), (A,), A),
    "A drops on the way out": Break(at(5, "drop 135"), (A,), UNKNOWN),
    "B drops on the way in": Break(PATH, (B,), UNKNOWN, further={"hop_6": INGRESS}),
    "B drops at a router with an address of A": Break(at(6, "drop 135"), (B,), UNKNOWN, BORROWED),
    "B drops on the way in, at such a router": Break(
        PATH, (B,), UNKNOWN, BORROWED, further={"hop_6": INGRESS}
    ),
    "B drops in its middle": Break(at(7, "drop 135"), (B,), B),
    "B drops in its middle, behind such a router": Break(at(7, "drop 135"), (B,), B, BORROWED),
    "D drops": Break(at(10, "drop 135"), (D,), D),
    "the host drops": Break(PATH + " | silent 135", (D, HOST), D),
    "the host drops, in a network of its own": Break(
        PATH + " | silent 135", ("AS64503", HOST), UNKNOWN, "-AAAABBBBDD C"
    ),
    "the first router drops": Break(at(1, "drop 135"), (HOME,), UNKNOWN),
    "A refuses in its middle": Break(at(3, "unreachable 13 135"), (A,), UNKNOWN),
    "D refuses": Break(at(10, "unreachable 13 135"), (D,), D),
    "A's last router refuses": Break(at(5, "unreachable 13 135"), (A,), UNKNOWN),
    "B refuses at a router with an address of A": Break(at(6, "unreachable 13 135"), (B,), UNKNOWN, BORROWED),
    "the first router refuses": Break(at(1, "unreachable 13 135"), (HOME,), HOME),
    "the first router knows no way": Break(at(1, "unreachable 0"), (HOME,), HOME),
    "the host refuses": Break(PATH, (HOST,), HOST),
    "the host refuses by ICMP": Break(
        PATH.replace(" |", " 30@ |", 1), (HOST,), HOST, further={"hop_12": REFUSES}
    ),
    "a firewall of B refuses all in the host's name": Break(at(9, "rst"), (B,), UNKNOWN),
    "a firewall of D refuses all in the host's name": Break(at(11, "rst"), (D,), D),
    "the host is silent": Break(ALL_SILENT, (D, HOST), D),
    "A drops everything": Break(at(4, "drop"), (A,), UNKNOWN),
    "the host is down": Break(PATH + " | down", (D, HOST), D),
    "B knows no way": Break(at(7, "unreachable 0"), (B, D), UNKNOWN),
    "a loop in B": Break(PATH, (B,), UNKNOWN, "-AAAABB D", further={"loop": 6}),
    "a loop in D": Break(PATH, (D,), D, further={"loop": 10}),
    "a proxy in A": Break(at(3, "passing syn-ack 80"), (A,), UNKNOWN, port=80),
    "a proxy at the boundary": Break(at(5, "passing syn-ack 80"), (A,), UNKNOWN, port=80),
    "B forges RSTs": Break(at(7, "injected rst 443"), (B,), B, port=443),
    "a silent hop in A": Break(silent(4, path=at(3, "drop 135")), (A,), UNKNOWN),
    "a silent hop in B": Break(silent(8, path=at(7, "drop 135")), (B,), UNKNOWN),
    "silent hops at the boundary": Break(silent(5, 6, path=at(4, "drop 135")), (A,), UNKNOWN),
    "private addresses in A": Break(at(3, "drop 135"), (A,), UNKNOWN, "-AA-ABBBBDD D"),
    "an exchange between A and B": Break(at(4, "drop 135"), (A,), UNKNOWN, "-AAA-BBBBDD D"),
    "an address that two announce": Break(at(3, "drop 135"), (A,), UNKNOWN, "-AMAABBBBDD D"),
    "nothing is broken": Break(PATH, (NOBODY,), NOBODY, port=443),
    "too few hops": Break(PATH, (NOBODY,), NOBODY, options={"max_hops": 4}),
    "no network is known": Break(at(3, "drop 135"), (A,), UNKNOWN, "----------- -"),
    "no hop answers": Break(silent(*range(1, 12), path=ALL_SILENT), (HOME, A), UNKNOWN),
}


def contact(case: Break, family: int) -> Contact:
    """What is said of ``case``."""
    prober = VirtualProber(network(case.path, **case.further), family)
    state = RunState(SECRET)
    config = TraceConfig(host="target", ports=(case.port,), **case.options)

    def fresh(config: TraceConfig) -> Engine:
        return open_engine(config, state)

    engine = ExplainingEngine(config, prober.destination, fresh, state)
    events = [event for events in run(engine, prober, wait=prober.wait) for event in events]
    (judged,) = [event for event in events if isinstance(event, VerdictReached)]
    hops, _, host = case.numbered.partition(" ")
    origins = {prober.destination: NETWORKS[host]} if host in NETWORKS else {}
    for hop, letter in enumerate(hops, 1):
        if letter in NETWORKS:
            origins |= {f"10.{hop}.1.1": NETWORKS[letter], f"fd00:{hop:x}:1::1": NETWORKS[letter]}
    return judge_contact(judged.evidence, judged.verdicts[0], origins)


def said(found: Contact) -> str:
    return found.network or "" if found.owner is Owner.NETWORK else found.owner.value


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("name", BREAKS)
def test_the_owner_of_the_break_is_named_or_nobody_is(name: str, family: int) -> None:
    case = BREAKS[name]
    found = contact(case, family)
    assert said(found) in (*case.owner, UNKNOWN), found
    assert said(found) == case.said, found


def test_an_answer_that_may_be_somebody_elses_is_nobodys() -> None:
    verdict = Verdict(kind=Kind.CLOSED, sentence="Perhaps.", certainty=Certainty.POSSIBLE, hop=3)
    found = judge_contact(trace("192.0.2.1 192.0.2.2 closed"), verdict, {})
    assert found.owner is Owner.UNKNOWN


def test_most_owners_within_a_network_are_named() -> None:
    assert len(BREAKS) >= 20
    assert sum(case.said != UNKNOWN for case in BREAKS.values()) >= 15
