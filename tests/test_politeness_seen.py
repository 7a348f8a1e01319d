"""Politeness of the installed program under ``-e``, by its own capture: when probes left, with which TTL.

Every path here has one router a TTL, or several that share it: what holds for a TTL holds for each of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from internet import load, network
from internet.counts import most_within
from internet.lab import simulated

if TYPE_CHECKING:
    from pathlib import Path

    from internet.lab import SimulatedInternet

pytestmark = pytest.mark.netns

IN_100_MS, IN_1_S = 3, 20
BLOCKED = "1000-1019"


def sent_by_ttl(net: SimulatedInternet, capture: Path, hops: int, *arguments: str) -> dict[int, list[float]]:
    """When the probes left that expired at each of the ``hops`` in front of the destination."""
    from scapy.layers.inet import IP, TCP
    from scapy.layers.inet6 import IPv6
    from scapy.utils import rdpcap

    finished = net.tracetcp("-n", "-e", "-t", "500", "--pcap", str(capture), *arguments, timeout=120)
    assert "Verdict:" in finished.out
    sent: dict[int, list[float]] = {ttl: [] for ttl in range(1, hops + 1)}
    for packet in rdpcap(str(capture)):
        if TCP not in packet or packet[TCP].flags != "S":
            continue
        ttl = packet[IP].ttl if IP in packet else packet[IPv6].hlim
        sent.get(ttl, []).append(float(packet.time))
    assert any(sent.values())
    return {ttl: sorted(instants) for ttl, instants in sent.items()}


def spares_every_router(sent: dict[int, list[float]]) -> None:
    in_100_ms = {ttl: most_within(instants, 0.1) for ttl, instants in sent.items()}
    in_1_s = {ttl: most_within(instants, 1.0) for ttl, instants in sent.items()}
    assert max(in_100_ms.values()) <= IN_100_MS, in_100_ms
    assert max(in_1_s.values()) <= IN_1_S, in_1_s


@pytest.mark.parametrize(
    ("scenario", "hops", "ports"),
    [
        ("documented-proxy-port-80", 4, "80"),
        ("firewall-rst", 5, "80,443"),
        ("load-balancing", 5, "80,443,135"),
        ("three-short-hops", 2, "80"),
        ("injected-rst", 5, "80"),
    ],
)
@pytest.mark.parametrize("family", [4, 6])
def test_controls_and_traces_together_spare_every_router(
    scenario: str, hops: int, ports: str, family: int, tmp_path: Path
) -> None:
    with simulated(load(scenario)) as net:
        target = f"{net.destination}:{ports}" if family == 4 else f"[{net.destination6}]:{ports}"
        spares_every_router(sent_by_ttl(net, tmp_path / "packets", hops, target))


@pytest.mark.parametrize("flags", [(), ("-h", "6", "-m", "3")], ids=["traced whole", "searched"])
def test_twenty_blocked_ports_spare_every_router(flags: tuple[str, ...], tmp_path: Path) -> None:
    hops = " ".join(f"{5 * n}{f'[drop {BLOCKED}]' if n == 4 else ''}" for n in range(1, 8))
    with simulated(network(f"{hops} | open 80,443 | rtt 40")) as net:
        sent = sent_by_ttl(net, tmp_path / "packets", 5, *flags, f"{net.destination}:{BLOCKED}")
    spares_every_router(sent)
