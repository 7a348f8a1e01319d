"""Pacing on the wire: the installed program under ``-e``; the network counts the probes at each router.

The network counts a packet when it reads it from its queue. So packets may appear closer together than they
were sent, but unless the machine stalls at most a fourth one can fall into the same tenth of a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from internet import load, network
from internet.lab import simulated

if TYPE_CHECKING:
    from internet.lab import SimulatedInternet

pytestmark = pytest.mark.netns

IN_100_MS, IN_1_S = 3, 20
BLOCKED = "1000-1019"


def most(net: SimulatedInternet, *arguments: str) -> tuple[int, int, dict[str, Any]]:
    """The most probes that any router got in a tenth of a second and in a second, and all counts."""
    finished = net.tracetcp("-n", "-e", "-t", "500", *arguments, timeout=120)
    assert "Traceback" not in finished.err
    routers = net.counts()["router"]
    assert len(routers) > 1
    short = max(meter["in_100_ms"] for meter in routers.values())
    long = max(meter["in_1_s"] for meter in routers.values())
    return short, long, routers


@pytest.mark.parametrize(
    ("scenario", "ports"),
    [
        ("documented-proxy-port-80", "80"),
        ("firewall-rst", "80,443"),
        ("load-balancing", "80,443,135"),
        ("three-short-hops", "80"),
        ("injected-rst", "80"),
    ],
)
@pytest.mark.parametrize("family", [4, 6])
def test_controls_and_traces_together_spare_every_router(scenario: str, ports: str, family: int) -> None:
    with simulated(load(scenario)) as net:
        target = f"{net.destination}:{ports}" if family == 4 else f"[{net.destination6}]:{ports}"
        short, long, routers = most(net, target)
    assert short <= IN_100_MS, routers
    assert long <= IN_1_S, routers


@pytest.mark.parametrize("flags", [(), ("-h", "6", "-m", "3")], ids=["traced whole", "searched"])
def test_twenty_blocked_ports_spare_every_router(flags: tuple[str, ...]) -> None:
    hops = " ".join(f"{5 * n}{f'[drop {BLOCKED}]' if n == 4 else ''}" for n in range(1, 8))
    with simulated(network(f"{hops} | open 80,443 | rtt 40")) as net:
        short, long, routers = most(net, *flags, f"{net.destination}:{BLOCKED}")
    assert short <= IN_100_MS, routers
    assert long <= IN_1_S, routers
