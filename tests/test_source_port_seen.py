"""``--source-port`` through the installed program: two runs on the same ports meet the same routers."""

from __future__ import annotations

import json
import socket
from itertools import groupby
from typing import TYPE_CHECKING

import pytest

from internet import Scenario
from internet.lab import simulated
from lab import SERVER, program
from prober_lab import inside

if TYPE_CHECKING:
    from internet.lab import SimulatedInternet
    from lab import Chain

pytestmark = pytest.mark.netns

USERS = pytest.mark.parametrize("user", [None, "nobody"])
FIRST = 21_000
SHARED = Scenario.of(
    {
        "title": "eight routers share the load",
        "hop": [{"rtt": 1}, {"rtt": 2, "routers": 8}, {"rtt": 3}],
        "destination": {"rtt": 4, "open": 80},
    }
)


def met(net: SimulatedInternet, user: str | None, first: int) -> dict[int, set[str]]:
    """By source port: who answered at hop 2."""
    words = f"--json -n -p 8 --source-port {first} {net.destination}:80".split()
    finished = program.run(net.namespace, words, user=user)
    assert finished.status == 0
    trace = json.loads(finished.out)
    assert trace["config"]["source_port"] == first
    probes = [probe for probe in trace["hops"][1]["probes"] if probe["sender"]]
    by_port = groupby(sorted(probes, key=lambda probe: probe["source_port"]), lambda p: p["source_port"])
    return {port: {probe["sender"] for probe in each} for port, each in by_port}


@USERS
def test_a_port_meets_the_same_router_in_every_run(user: str | None) -> None:
    with simulated(SHARED) as net:
        once, again, elsewhere = met(net, user, FIRST), met(net, user, FIRST), met(net, user, FIRST + 2000)
    assert len(once) >= 8
    assert all(FIRST <= port < FIRST + 1024 for port in once)
    common = once.keys() & again.keys()
    assert len(common) >= 8
    assert {port: once[port] for port in common} == {port: again[port] for port in common}
    assert elsewhere.keys().isdisjoint(once)


@USERS
def test_a_port_that_is_taken_is_refused_in_a_line(lab: Chain, user: str | None) -> None:
    with inside(lab.client), socket.create_server(("", FIRST + 9)):
        words = ["-n", "--source-port", str(FIRST), SERVER]
        finished = program.run(lab.client, words, user=user)
    assert finished.status == 3
    assert finished.out == ""
    assert finished.err.splitlines()[-1].startswith(
        f"tracetcp: source port {FIRST + 9} is taken, and the run needs {FIRST} to {FIRST + 1023}: "
    )
