"""Origin ASes (``-A``) through the installed program, with a DNS server that knows some."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from internet import network
from internet.lab import simulated
from tracetcp.names.origins import origin_question

if TYPE_CHECKING:
    from internet.scenario import Scenario

pytestmark = pytest.mark.netns

PUBLIC = ("62.253.122.9", "62.253.184.117", "212.187.131.125")
PUBLIC6 = ("2a02:8800::1", "2a02:8800::2", "2001:1900::9")
ORIGINS = {
    "62.253.122.9": "5089 | 62.253.0.0/16 | GB | ripencc | 2000-12-06",
    "62.253.184.117": "5089 | 62.253.0.0/16 | GB | ripencc | 2000-12-06",
    "212.187.131.125": "3356 3549 | 212.187.128.0/17 | GB | ripencc | 1998-10-01",
    "2a02:8800::1": "5089 | 2a02:8800::/32 | GB | ripencc | 2008-01-01",
    "2a02:8800::2": "5089 | 2a02:8800::/32 | GB | ripencc | 2008-01-01",
    "2001:1900::9": "3356 | 2001:1900::/32 | US | arin | 2004-08-20",
}
MOST_WAITED = 1.0
"""The seconds that rows wait for texts, all together (docs/output.md)."""


def internet(**dns: Any) -> Scenario:
    """A private hop, three public ones, and a host; one of the public ones has a name."""
    hops = [{"address": "192.168.0.1", "address6": "fd00::1", "rtt": 1}]
    hops += [{"address": v4, "address6": v6, "rtt": 5} for v4, v6 in zip(PUBLIC, PUBLIC6, strict=True)]
    texts = {origin_question(address): text for address, text in ORIGINS.items()}
    words = {"texts": texts, "names": {PUBLIC[0]: "edge.example", PUBLIC6[0]: "edge6.example"}}
    return network("", hop=hops, destination={"rtt": 9}, dns=words | dns)


def rows(out: str) -> list[str]:
    """The text after the times in each router's row."""
    return [
        " ".join(line.split()[7:]) for line in out.splitlines() if line[:1].isdigit() and "Dest" not in line
    ]


def test_the_origin_stands_behind_address_and_name() -> None:
    with simulated(internet()) as net:
        assert rows(net.tracetcp("-A", "-4", net.destination).out) == [
            "192.168.0.1",
            "62.253.122.9 [edge.example] [AS5089]",
            "62.253.184.117 [AS5089]",
            "212.187.131.125 [AS3356 AS3549]",
        ]
        assert rows(net.tracetcp("-A", "-n", net.destination6).out) == [
            "fd00::1",
            "2a02:8800::1 [AS5089]",
            "2a02:8800::2 [AS5089]",
            "2001:1900::9 [AS3356]",
        ]


def test_condensed_rows_have_it_too() -> None:
    with simulated(internet()) as net:
        out = net.tracetcp("-A", "-n", "-c", net.destination).out
    assert out.splitlines()[1].endswith("62.253.122.9    [AS5089]")


def test_private_and_reserved_addresses_are_never_asked_for_nor_any_twice() -> None:
    with simulated(internet()) as net:
        net.tracetcp("-A", "-n", net.destination)
        asked = [name for name in net.questions() if "cymru" in name]
    assert set(asked) <= {origin_question(address) for address in PUBLIC}
    assert len(asked) == len(set(asked))


def test_without_the_flag_nobody_is_asked() -> None:
    with simulated(internet()) as net:
        assert "AS5089" not in net.tracetcp(net.destination).out
        assert not [name for name in net.questions() if "cymru" in name]


def test_a_dns_server_that_never_answers_delays_rows_by_a_second_once() -> None:
    failures = {origin_question(address): "timeout" for address in PUBLIC}
    with simulated(internet(failures=failures)) as net:
        plain = net.tracetcp("-n", net.destination)
        slow = net.tracetcp("-n", "-A", net.destination)
    assert rows(slow.out) == rows(plain.out)
    assert slow.seconds < plain.seconds + MOST_WAITED + 1.5
