"""Forged packets on a virtual clock: one costs one cell at most, never a row nor the end of the trace.

The forger sees what is sent, as somebody on the path does.
"""

from __future__ import annotations

from itertools import combinations
from random import Random
from typing import TYPE_CHECKING, TypeAlias

import pytest

from internet import Report, Scenario, VirtualProber, network, trace
from tracetcp.config import TraceConfig
from tracetcp.engine.loose_quotes import REMEMBERED
from tracetcp.engine.trace.scheduler import MOST_LOOSE
from tracetcp.model import AddressSeen, Outcome, Probe, Quote, Reply, ReplyKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetcp.model import SendFailure

STRANGER, OTHER_STRANGER = "203.0.113.66", "203.0.113.67"
LONG = "1 10 20 * 30 40 50 | rtt 60"
"""The destination is at hop 8; hop 4 is silent."""
ROWS = [
    "1 1 1 1 10.1.1.1",
    "2 10 10 10 10.2.1.1",
    "3 20 20 20 10.3.1.1",
    "4 * * *",
    "5 30 30 30 10.5.1.1",
    "6 40 40 40 10.6.1.1",
    "7 50 50 50 10.7.1.1",
    "8 60 open",
]
Fields: TypeAlias = dict[str, dict[str, object]]
FIELDS: Fields = {
    "source port": {"source_port": 61_234},
    "destination address": {"destination": "10.0.0.80"},
    "destination port": {"destination_port": 8080},
    "sequence number": {"sequence": 77},
}


def exceeded(probe: Probe, sender: str, at: float, *changed: str, **values: object) -> Reply:
    """Time Exceeded about ``probe``, whose quote has ``changed`` fields."""
    sent = Quote(
        "198.18.0.2", "203.0.113.80", 40_000 + probe.flow, 80, probe.token, 1, 0, 7, 8, None, None, ()
    )
    quote = sent._replace(changed=changed, **values)  # type: ignore[arg-type]
    return Reply(probe.token, ReplyKind.TIME_EXCEEDED, sender, at, 60, 11, 0, quote)


def attacked(
    forge: Callable[[Probe, float], list[Reply]], path: str | Scenario = LONG, **options: object
) -> Report:
    """A trace during which ``forge`` answers probes as they leave."""
    scenario = network(path) if isinstance(path, str) else path
    prober = VirtualProber(scenario)

    def listen(probe: Probe) -> SendFailure | None:
        prober.inject(*forge(probe, prober.clock()))
        return None

    prober.failing = listen
    return Report(prober, TraceConfig(host="target", **options))  # type: ignore[arg-type]


def once(
    chosen: Callable[[Probe], bool], sender: str = STRANGER, delay: float = 0.001
) -> Callable[..., list[Reply]]:
    """Forges one exact Time Exceeded, to the first probe that is ``chosen``."""
    done: list[Probe] = []

    def forge(probe: Probe, now: float) -> list[Reply]:
        if done or not chosen(probe):
            return []
        done.append(probe)
        return [exceeded(probe, sender, now + delay)]

    return forge


# The end of the trace


@pytest.mark.parametrize("ttl", range(8, 13))
@pytest.mark.parametrize("delay", [0.001, 0.059, 0.061, 0.2])
def test_one_forged_time_exceeded_at_the_destination_or_beyond_moves_no_row(ttl: int, delay: float) -> None:
    assert attacked(once(lambda probe: probe.ttl == ttl, delay=delay)).lines() == ROWS


@pytest.mark.parametrize("ttl", range(8, 13))
def test_nor_does_it_where_the_port_is_closed(ttl: int) -> None:
    rows = [*ROWS[:-1], "8 60 closed"]
    assert attacked(once(lambda probe: probe.ttl == ttl), ports=(81,)).lines() == rows


def test_one_forged_to_the_far_probe_moves_no_row() -> None:
    path = "1 10 20 * * * * * * * | rtt 60"
    clean = trace(network(path), TraceConfig(host="target")).lines()
    assert clean[-1] == "11 60 open"
    assert attacked(once(lambda probe: probe.ttl == 30), path).lines() == clean


@pytest.mark.parametrize("ttl", range(1, 8))
def test_one_forged_on_the_way_costs_one_cell_at_most(ttl: int) -> None:
    rows = attacked(once(lambda probe: probe.ttl == ttl)).lines()
    differing = [number for number, row in enumerate(rows) if row != ROWS[number]]
    assert len(rows) == len(ROWS)
    assert differing in ([], [ttl - 1])
    assert (
        sum(cell not in ROWS[ttl - 1].split() for cell in rows[ttl - 1].split()) <= 2
    )  # a time and a sender


def test_a_witness_is_asked_where_a_router_contradicts_the_destination() -> None:
    """A box beside the last router refuses the port in the host's name, and the host refuses it as well."""
    report = trace(
        network("1 10 20[passing injected rst 81] | rtt 30"), TraceConfig(host="target", ports=(81,))
    )
    assert report.lines() == [*ROWS[:2], "3 20 20 20 10.3.1.1", "4 20 closed"]


# Loose quotes


@pytest.mark.parametrize("field", FIELDS)
def test_a_lone_loose_quote_is_no_row_but_kept_as_evidence(field: str) -> None:
    def forge(probe: Probe, now: float) -> list[Reply]:
        if probe.ttl != 4 or probe.flow:
            return []
        return [exceeded(probe, STRANGER, now + 0.001, field, **FIELDS[field])]

    report = attacked(forge)
    assert report.lines() == ROWS
    assert all(event != AddressSeen(STRANGER) for _, event in report.events)
    records = [record for record in report.finished[0].records if record.unsupported]
    assert [(record.probe.ttl, record.unsupported[0].sender) for record in records] == [(4, STRANGER)]
    assert records[0].replies == ()


def anybody(chance: Random) -> str:
    return f"45.{chance.randrange(256)}.111.{chance.randrange(256)}"


def noisy(seed: int, fields: Fields, sender: Callable[[Random], str]) -> Callable[..., list[Reply]]:
    """Forges a loose quote to every other probe, with values of chance."""
    chance = Random(seed)

    def forge(probe: Probe, now: float) -> list[Reply]:
        if chance.random() < 0.5:
            return []
        field = chance.choice(sorted(fields))
        values: dict[str, object] = {
            "source_port": chance.randrange(65_536),
            "destination": f"10.9.{chance.randrange(256)}.{chance.randrange(256)}",
            "destination_port": chance.randrange(65_536),
            "sequence": chance.getrandbits(32),
        }
        chosen = {name: values[name] for name in fields[field]}
        return [exceeded(probe, sender(chance), now + chance.random() * 0.05, field, **chosen)]

    return forge


@pytest.mark.parametrize("seed", range(20))
def test_a_stranger_who_answers_every_other_probe_invents_no_router(seed: int) -> None:
    assert attacked(noisy(seed, FIELDS, lambda _: STRANGER)).lines() == ROWS


@pytest.mark.parametrize("seed", range(20))
def test_nor_do_strangers_with_an_address_of_chance_each(seed: int) -> None:
    report = attacked(noisy(seed, FIELDS, anybody))
    assert report.lines() == ROWS


@pytest.mark.parametrize("delay", [0.0001, 0.05])
def test_an_exact_quote_outranks_a_loose_one_whichever_came_first(delay: float) -> None:
    """The loose ones bear each other out: they come from two senders, with the same destination quoted."""

    def forge(probe: Probe, now: float) -> list[Reply]:
        if probe.ttl not in (2, 3) or probe.flow:
            return []
        sender = STRANGER if probe.ttl == 2 else OTHER_STRANGER
        return [exceeded(probe, sender, now + delay, "destination address", destination="10.0.0.80")]

    assert attacked(forge).lines() == ROWS


@pytest.mark.parametrize("flood", [20, pytest.param(2_000, marks=pytest.mark.repeats)])
def test_a_flood_of_loose_quotes_costs_bounded_memory(flood: int) -> None:
    chance = Random(1)

    def forge(probe: Probe, now: float) -> list[Reply]:
        senders = (f"45.{chance.getrandbits(8)}.{n >> 8}.{n & 255}" for n in range(flood))
        ports = (chance.randrange(65_536) for _ in range(flood))
        return [
            exceeded(probe, sender, now + n * 1e-6, "source port", source_port=port)
            for n, (sender, port) in enumerate(zip(senders, ports, strict=True))
        ]

    report = attacked(forge)
    assert report.lines() == ROWS
    assert max(len(record.unsupported) for record in report.finished[0].records) <= MOST_LOOSE
    assert MOST_LOOSE < REMEMBERED


# What NATs really do is still seen

REWRITES: Fields = {
    "source port": {"source_port": 61_234},
    "source port by flow": {"source_port": "+1000"},
    "destination": {"destination": "10.0.0.80"},
    "destination port": {"destination_port": 8080},
    "sequence": {"sequence": "+305419896"},
    "source": {"source": "100.64.0.9"},
}
NAT_PAIRS = [
    pair
    for pair in combinations(sorted(REWRITES), 2)
    if set(pair)
    not in (
        {"source port", "source port by flow"},
        {"sequence", "source port"},
        {"sequence", "source port by flow"},
    )
]
"""What one NAT rewrites in pairs. Without sequence number and source port nothing is left to be known by."""


@pytest.mark.parametrize("fields", [*((field,) for field in sorted(REWRITES)), *NAT_PAIRS], ids=" and ".join)
@pytest.mark.parametrize("hop", range(1, 8))
def test_routers_behind_whatever_rewrites_our_packets_are_all_shown(
    fields: tuple[str, ...], hop: int
) -> None:
    rewrite = {name: value for field in fields for name, value in REWRITES[field].items()}
    path = network("1 10 20 25 30 40 50 | rtt 60", **{f"hop_{hop}": {"rewrite": rewrite}})
    report = trace(path, TraceConfig(host="target"))
    assert report.lines() == [*ROWS[:3], "4 25 25 25 10.4.1.1", *ROWS[4:]]
    assert report.outcomes == {80: Outcome.OPEN}


# Scans


def scanned(forge: Callable[[Probe, float], list[Reply]], path: str, **rewrite: object) -> dict[int, str]:
    """The rows of a scan of four ports during which ``forge`` answers probes, by port."""
    scenario = network(path, hop_1={"rewrite": rewrite} if rewrite else {})
    options = {"ports": (80, 81, 82, 83), "start_hop": 128, "max_hops": 1, "pings": 1, "timeout": 0.5}
    report = attacked(forge, scenario, **options)
    return {row.port: report.lines(row.port)[0] for row in report.hops()}


def test_a_scan_takes_no_loose_time_exceeded() -> None:
    def forge(probe: Probe, now: float) -> list[Reply]:
        return [exceeded(probe, STRANGER, now + 0.001, "source port", source_port=7)]

    rows = {80: "128 20 open", 81: "128 20 closed", 82: "128 20 closed", 83: "128 20 closed"}
    assert scanned(forge, "1 10 | rtt 20") == rows


def test_a_scan_behind_a_nat_shows_who_rejects_and_no_lone_forger() -> None:
    def forge(probe: Probe, now: float) -> list[Reply]:
        if probe.port != 80 or probe.attempt > 1:
            return []
        forged = exceeded(probe, STRANGER, now + 0.001, "source port", source_port=7)
        return [forged._replace(kind=ReplyKind.UNREACHABLE, icmp_type=3, icmp_code=13)]

    rows = scanned(forge, "1 10[unreachable 13 81-82] | rtt 20", destination="10.0.0.80")
    assert rows == {
        80: "128 20 open",
        81: "128 10 10.2.1.1 unreachable",
        82: "128 10 10.2.1.1 unreachable",
        83: "128 20 closed",
    }
