"""Every verdict seen through the installed program: on a path that has the fault, and no fault on clean ones.

The networks are simulated, one line each (``internet.notation``); the sentences are the program's own.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from internet import load, network
from internet.lab import simulated
from lab import program

if TYPE_CHECKING:
    from lab.program import Finished

pytestmark = pytest.mark.netns

SIX = "1 5 10 15 20 25 | rtt 60 | open 80,443"
"""Six plain routers before the host."""
FAULTS = {"blocked", "rejected", "unreachable", "forged", "proxy", "loop", "path-goes-on"}
FAULTS |= {"nat", "mss-rewritten", "options-stripped", "options-rewritten", "dscp-rewritten", "ecn-rewritten"}


class Case(NamedTuple):
    """``arguments`` on ``path``; ``sentence`` is the start of a line of the answer."""

    path: str
    arguments: str
    sentence: str
    further: dict[str, Any] = {}  # noqa: RUF012 - never changed


def injected(port: int, action: str) -> dict[str, Any]:
    """A listener beside hop 3 that answers ``port`` in the destination's name."""
    return {"hop_3": {"rule": [{"ports": [port], "action": action, "injected": True}]}}


FAULTY = {
    "open": Case(SIX, ":443", "Verdict: Port 443 is open at hop 7 (203.0.113.80). [certain]"),
    "closed": Case(SIX, ":8081", "Verdict: Port 8081 is closed at hop 7 (203.0.113.80). [certain]"),
    "blocked": Case(
        SIX.replace(" 5 ", " 5[drop 135] "),
        ":135 -m 9 -t 500",
        "Verdict: Port 135 is blocked after hop 2 (10.2.1.1): SYNs are silently dropped. [certain]",
    ),
    "rejected": Case(
        SIX.replace(" 10 ", " 10[unreachable 13 135] "),
        ":135 -t 500",
        "Verdict: Hop 3 (10.3.1.1) rejects port 135: Communication administratively prohibited. [certain]",
    ),
    "unreachable": Case(
        "1 5 10 15 | down | down_after 300",
        " -t 500",
        "Verdict: Hop 4 (10.4.1.1) cannot reach the destination: Host unreachable. [certain]",
    ),
    "forged RST": Case(
        SIX.replace(" 10 ", " 10[rst 135] "),
        ":135 -t 500",
        "Verdict: The answer from port 135 is forged: a device after hop 2 (10.2.1.1) sends a RST in the "
        "name of 203.0.113.80. [likely]",
    ),
    "forged RST before silent hops": Case(
        "1 5[rst 135] 10 * | rtt 30 | open 80,443",
        ":135 -t 500",
        "Verdict: The answer from port 135 is forged: a device after hop 1 (10.1.1.1) sends a RST in the "
        "name of 203.0.113.80. [likely]",
    ),
    "RST in doubt": Case(
        "1 * * *[rst 135] 10 15 * | rtt 30 | open 80,443",
        ":135 -t 500",
        "Verdict: Port 135 is closed at hop 4 (203.0.113.80). [possible]",
    ),
    "injected RST": Case(
        SIX,
        ":80 -t 500",
        "Verdict: The answer from port 80 is forged: a device after hop 2 (10.2.1.1) sends a RST in the name "
        "of 203.0.113.80. [certain]",
        injected(80, "rst"),
    ),
    "injected SYN-ACK": Case(
        SIX,
        ":81 -t 500",
        "Verdict: The answer from port 81 is forged: a device after hop 2 (10.2.1.1) sends a SYN-ACK in the "
        "name of 203.0.113.80. [certain]",
        injected(81, "syn-ack"),
    ),
    "proxy": Case(
        SIX.replace(" 5 ", " 5[syn-ack 80] "),
        ":80 -t 500",
        "Verdict: A transparent proxy at hop 2 answers port 80 for 203.0.113.80. [likely]",
    ),
    "proxy of a rare port": Case(
        SIX.replace(" 5 ", " 5[syn-ack 2525] "),
        ":2525 -t 500",
        "Verdict: A transparent proxy at hop 2 answers port 2525 for 203.0.113.80. [likely]",
    ),
    "silent router": Case(
        SIX.replace(" 10 ", " * "),
        ":443 -t 500",
        "Note: Hop 3 did not answer, but later hops did: it is silent, or it limits",
    ),
    "limited router": Case(
        SIX.replace(" 15 ", " 15! "), ":443 -p 10", "Note: The router at hop 4 (10.4.1.1) limits its answers"
    ),
    "loop": Case(
        "1 5 10 15 20",
        " -m 12 -t 500",
        "Verdict: The path loops from hop 3 (10.3.1.1) on: 10.3.1.1, 10.4.1.1 and 10.5.1.1 answer in turn.",
        {"loop": 3},
    ),
    "NAT": Case(
        SIX,
        ":443",
        "Note: NAT between hop 2 and hop 3 (10.3.1.1): the source address becomes 192.0.2.77. [certain]",
        {"hop_3": {"rewrite": {"source": "192.0.2.77"}}},
    ),
    "NAT at the last router": Case(
        SIX,
        ":443",
        "Note: NAT between hop 5 and hop 6 (10.6.1.1): the source address becomes 192.0.2.77. [possible]",
        {"hop_6": {"rewrite": {"source": "192.0.2.77"}}},
    ),
    "NAT of ports": Case(
        SIX,
        ":443",
        "Note: NAT between hop 2 and hop 3 (10.3.1.1): the source port changes (to ",
        {"hop_3": {"rewrite": {"source_port": "+7"}}},
    ),
    "MSS": Case(
        SIX,
        ":443",
        "Note: MSS rewritten between hop 2 and hop 3 (10.3.1.1): our SYN's MSS becomes 1400. [certain]",
        {"hop_3": {"rewrite": {"mss": 1400}}},
    ),
    "DSCP": Case(
        SIX,
        ":443",
        "Note: DSCP rewritten between hop 2 and hop 3 (10.3.1.1): our SYN is marked DSCP 18. [certain]",
        {"hop_3": {"rewrite": {"tos": 0x48}}},
    ),
    "ECN": Case(
        SIX,
        ":443",
        "Note: ECN bits rewritten between hop 2 and hop 3 (10.3.1.1): our SYN is marked ECN 2. [certain]",
        {"hop_3": {"rewrite": {"tos": 0x02}}},
    ),
    "path goes on": Case(
        SIX, ":443 -m 3", "Verdict: Port 443 reaches hop 3 (10.3.1.1), the last hop probed. [certain]"
    ),
    "nothing conclusive": Case(
        "1 5 10 15 | others silent | silent 80,443",
        ":80 -m 9 -t 500",
        "Verdict: Inconclusive: port 80 got no answer after hop 4 (10.4.1.1). It is blocked there, or the "
        "destination is silent. [possible]",
    ),
}


def explained(case: Case) -> Finished:
    with simulated(network(case.path, **case.further)) as net:
        return net.tracetcp(*f"-n -e {net.destination}{case.arguments}".split())


@pytest.mark.parametrize("fault", FAULTY)
def test_a_fault_is_told_with_its_place(fault: str) -> None:
    out = explained(FAULTY[fault]).out
    said = [line for line in out.splitlines() if line.startswith(("Verdict: ", "Note: "))]
    assert any(line.startswith(FAULTY[fault].sentence) for line in said), out
    if FAULTY[fault].sentence.startswith("Note: "):
        assert said[0] == "Verdict: Port 443 is open at hop 7 (203.0.113.80). [certain]"


NEEDS_THE_PACKET = {"NAT", "NAT at the last router", "NAT of ports", "MSS", "DSCP", "ECN"}
"""Told from the header that a router quotes: the kernel keeps that, and all that quotes a changed port."""
NEEDS_TWO_REPLIES = {"injected RST": "forged", "injected SYN-ACK": "proxy"}
"""Certain by two replies to one SYN, and a socket hears one. By fault: the kind that nobody is told."""


@pytest.mark.parametrize("fault", [fault for fault in FAULTY if fault not in NEEDS_THE_PACKET])
def test_an_ordinary_user_is_told_the_same(fault: str) -> None:
    """The same kind at the same hop."""
    case = FAULTY[fault]
    with simulated(network(case.path, **case.further)) as net:
        words = f"--json -n -e {net.destination}{case.arguments}".split()
        finished = program.run(net.namespace, words, user="nobody", timeout=60)
        root = program.run(net.namespace, words, timeout=60)
    told, known = (json.loads(each.out.splitlines()[0])["verdicts"][0] for each in (finished, root))
    assert told["kind"] == NEEDS_TWO_REPLIES.get(fault, known["kind"])
    assert told["hop"] == known["hop"]


def test_an_ordinary_user_is_told_the_ttls_of_a_near_proxy_for_a_bounded_number_of_syns() -> None:
    """No router before it answers, so that only the TTLs show that it is another machine."""
    case = Case(
        "1 5[syn-ack 80] * 15 20 25 30 35 | rtt 60 | ttl 128 | open 443 | closed 80", ":80 -t 500", ""
    )
    with simulated(network(case.path, hop_1={"silent": True}, **case.further)) as net:
        words = f"-n -e {net.destination}{case.arguments}".split()
        counts, outs = [], []
        for user in (None, "nobody"):
            before = net.counts()["syns"]
            outs.append(program.run(net.namespace, words, user=user, timeout=60).out)
            counts.append(net.counts()["syns"] - before)
    assert "A transparent proxy at hop 2 answers port 80" in outs[0]
    evidence = [[line for line in out.splitlines() if "TTL" in line] for out in outs]
    assert evidence[0] == evidence[1] != []
    assert counts[1] <= counts[0] + 2 * 10


def test_the_hop_that_drops_ports_is_found_when_only_a_farther_one_is_asked() -> None:
    with simulated(load("documented-one-hop-range")) as net:
        finished = net.tracetcp(*f"-h 3 -m 1 -p 1 -t 500 -c -n -e -r 130 140 {net.destination}".split())
        counts = net.counts()
    assert finished.out.splitlines()[-3:] == [
        "# PORTS            MET",
        "# 130-134,136,140  passes hop 3 (62.30.193.33)",
        "# 135,137-139      dropped after hop 2 (10.78.128.1)",
    ]
    assert sum(line.startswith("[") for line in finished.out.splitlines()) == 11
    assert all(router["in_1_s"] <= 20 for router in counts["router"].values())


def test_a_scan_tells_where_silent_ports_are_dropped() -> None:
    with simulated(network("1 5[drop 23,25] 10 15 | rtt 20 | open 22,24")) as net:
        finished = net.tracetcp(*f"-s 20 28 -e -t 500 {net.destination}".split())
    assert finished.out.splitlines()[-4:] == [
        "# PORTS        MET",
        "# 20-21,26-28  closed at 203.0.113.80",
        "# 22,24        open at 203.0.113.80",
        "# 23,25        dropped after hop 2 (10.2.1.1)",
    ]


def lanes(*lengths: int) -> dict[str, Any]:
    """Further paths of so many hops, which share the flows."""
    return {
        "route": [
            {"hop": [{"address": f"10.{lane}.{hop}.9", "rtt": 5 * hop} for hop in range(1, length + 1)]}
            for lane, length in enumerate(lengths, 101)
        ]
    }


CLEAN = {
    "plain": Case(SIX, "-n", ""),
    "lossy": Case(SIX, "-n", "", {"loss": 0.05}),
    "rate-limited": Case("1! 5! 10! 15! 20! 25! | rtt 60 | open 80,443", "-n", ""),
    "load-balanced": Case("1 5:3 10:3 15:2 20:4 25 | rtt 60 | open 80,443", "-n", ""),
    "lengths": Case(SIX, "-n", "", lanes(5, 8)),
    "asymmetric": Case(
        f"{SIX} | ttl 51", "-n", "", {"hop_3": {"reply_ttl": 240}, "hop_5": {"reply_ttl": 61}}
    ),
    "slow DNS": Case(
        SIX,
        "",
        "",
        {"dns": {"delay": 700, "names": {f"10.{hop}.1.1": f"r{hop}.example" for hop in range(7)}}},
    ),
    "long RTT": Case("600 700 800 900 | rtt 1000 | open 80,443", "-n -p 1", ""),
    "silent router": Case(SIX.replace(" 10 ", " * "), "-n", ""),
    "silent host": Case("1 5 10 15 20 25 | others silent | silent 80,443", "-n -m 12 -t 500", ""),
}
"""Paths without a fault; closed ports are traced on each."""


@pytest.mark.parametrize("name", CLEAN)
def test_a_clean_path_raises_no_alarm(name: str) -> None:
    case = CLEAN[name]
    with simulated(network(case.path, **case.further)) as net:
        finished = net.tracetcp("--json", "-e", *case.arguments.split(), f"{net.destination}:80,443,81")
    traces = [json.loads(line) for line in finished.out.splitlines()]
    kinds = {trace["port"]: {verdict["kind"] for verdict in trace["verdicts"]} for trace in traces}
    assert list(kinds) == [80, 443, 81]
    assert not set.union(*kinds.values()) & FAULTS, finished.out
    if name == "silent host":
        assert all("no-answer" in found for found in kinds.values())
    else:
        assert "open" in kinds[80] & kinds[443]
        assert "closed" in kinds[81]


COOKBOOK = {
    "tracert and tracetcp disagree": "documented-ftp-port-21",
    "A transparent proxy": "documented-proxy-port-80",
    "A firewall that answers in the host's name": "injected-rst",
    "A blocked port": "documented-blocked-port-135",
    "Which outgoing ports does my provider drop?": "documented-one-hop-range",
    "Which ports of a host are open?": "documented-port-scan",
}
"""The network of each section."""
ON_KERNELS = (
    "The port answers, and still the connection hangs",
    "Some connections hang",
    "The connection dies when nothing was said for a while",
    "The port is open, and one name does not work",
)
"""Sections whose runs need more: ``test_kernel_mtu``, ``_branches``, ``_idle`` and ``_say`` hold them."""
ON_SAVED_RUNS = ("Before and after a change", "A ticket for the provider")
"""Sections that ``test_tickets_seen`` holds."""
ON_WATCHES = ("Watch a port",)
"""Sections of runs that take minutes: ``test_kernel_watch`` and ``test_watch_formats`` hold their lines."""
CONCLUSIONS = ("Verdict: ", "Evidence: ", "Note: ", "The paths ", "# PORTS", "HOP ")
TABLE_ROW = re.compile(r"(# )?[\d,-]+  +((?! ms|timed out).)*")


def sections() -> dict[str, str]:
    """The cookbook's sections by title."""
    text = (Path(__file__).parents[1] / "docs/usage.md").read_text(encoding="utf-8")
    parts = text.partition("## Cookbook")[2].split("\n### ")[1:]
    return {title: body for title, _, body in (part.partition("\n") for part in parts)}


def test_every_section_of_the_cookbook_has_its_network() -> None:
    assert list(sections()) == [*COOKBOOK, *ON_KERNELS, *ON_SAVED_RUNS, *ON_WATCHES]


@pytest.mark.alone
@pytest.mark.parametrize("title", COOKBOOK)
def test_the_cookbook_says_what_the_program_says(title: str) -> None:
    blocks = sections()[title].split("    $ tracetcp ")[1:]
    with simulated(load(COOKBOOK[title])) as net:
        for block in blocks:
            command, *shown = block.splitlines()
            out = _without_counts(net.tracetcp(*shlex.split(command)).out.splitlines())
            expected = [line[4:] for line in shown if line.startswith("    ")]
            told = [line for line in expected if line.startswith(CONCLUSIONS) or TABLE_ROW.fullmatch(line)]
            assert told
            assert [line for line in _without_counts(told) if line not in out] == []


def _without_counts(lines: list[str]) -> list[str]:
    """``lines`` without numbers of probes: of a machine that is busy, some are sent again."""
    return [re.sub(r"\b\d+ probes\b", "N probes", line) for line in lines]
