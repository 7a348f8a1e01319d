"""Each column is one path, with raw sockets and without, through the installed program.

Eight lanes share the load between hops 2 and 5, and no router has a link to another lane: so a column that
mixes paths would show links that do not exist.
"""

from __future__ import annotations

import json
import shlex
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from internet import Scenario, load
from internet.lab import simulated
from lab import program

if TYPE_CHECKING:
    from internet.lab import SimulatedInternet

pytestmark = pytest.mark.netns

LANES = range(1, 9)
USERS = pytest.mark.parametrize("user", [None, "nobody"])


def lanes(first: int, last: int) -> Scenario:
    """A path of one router a hop, but of eight lanes from hop ``first`` to hop ``last``."""
    hops: list[dict[str, Any]] = [{"rtt": 4 * number} for number in range(1, last + 2)]
    for hop in hops[first - 1 : last - 1]:
        hop["router"] = [{"next": lane} for lane in LANES]
    hops[last - 1]["routers"] = len(LANES)
    rtt = 4 * (last + 2)
    return Scenario.of({"title": "lanes", "hop": hops, "destination": {"rtt": rtt, "open": 80}}, "lanes")


def columns(net: SimulatedInternet, user: str | None, arguments: str = "") -> list[list[str]]:
    """Of each flow that pings: the routers that it met, nearest first; a trace to port 80."""
    words = shlex.split(f"--json -n {arguments} {net.destination}:80")
    finished = program.run(net.namespace, words, user=user)
    assert finished.status == 0
    probes = [probe for hop in json.loads(finished.out)["hops"] for probe in hop["probes"]]
    met = [probe for probe in probes if probe["kind"] == "time-exceeded"]
    flows = {probe["flow"] for probe in met if probe["flow"] == probe["attempt"] - 1}
    return [[probe["sender"] for probe in met if probe["flow"] == flow] for flow in sorted(flows)]


@USERS
@pytest.mark.parametrize(("first", "last"), [(2, 5), (5, 9)])
def test_each_column_is_one_path(user: str | None, first: int, last: int) -> None:
    with simulated(lanes(first, last)) as net:
        found = columns(net, user)
    assert len(found) == 3
    for column in found:
        places = [(int(ttl), int(lane)) for _, ttl, lane, _ in (each.split(".") for each in column)]
        shared = {ttl: lane for ttl, lane in places if first <= ttl <= last}
        assert list(shared) == list(range(first, last + 1))
        assert len(set(shared.values())) == 1, column


@USERS
def test_so_is_each_of_six_from_a_farther_hop_on(user: str | None) -> None:
    with simulated(lanes(2, 5)) as net:
        found = columns(net, user, "-h 3 -p 6")
    assert len(found) == 6
    for column in found:
        assert len({address.split(".")[2] for address in column[:3]}) == 1, column


@USERS
def test_no_link_is_shown_that_does_not_exist(user: str | None) -> None:
    links = {
        "10.1.1.1": {"10.2.1.1", "10.2.2.1"},
        "10.2.1.1": {"10.3.1.1", "10.3.2.1"},
        "10.2.2.1": {"10.3.3.1", "10.3.4.1"},
        "10.3.1.1": {"10.4.1.1"},
        "10.3.2.1": {"10.4.1.1", "10.4.2.1"},
        "10.3.3.1": {"10.4.2.1", "10.4.3.1"},
        "10.3.4.1": {"10.4.3.1"},
        **{f"10.4.{n}.1": {"10.5.1.1"} for n in (1, 2, 3)},
    }
    with simulated(load("load-balancing")) as net:
        for column in columns(net, user):
            assert all(farther in links[nearer] for nearer, farther in pairwise(column)), column
