"""Verdicts, JSON, captures and checks through the installed program, on real kernels."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING

import jsonschema  # type: ignore[import-untyped]
import pytest
from scapy.layers.inet import ICMP, TCP
from scapy.utils import rdpcap

from lab import SERVER, rules

if TYPE_CHECKING:
    from pathlib import Path

    from lab import Chain

pytestmark = pytest.mark.netns


def verdict_of(out: str) -> str:
    return next(line for line in out.splitlines() if line.startswith(("Verdict: ", "# Verdict: ")))


def test_a_blocked_port_is_told_with_the_hop(lab: Chain) -> None:
    lab.nft("r2", rules.forwarded(rules.drop(135)))
    finished = lab.run(f"-n -e -t 500 -m 9 {SERVER}:135")
    assert verdict_of(finished.out) == (
        "Verdict: Port 135 is blocked after hop 2 (10.0.2.1): SYNs are silently dropped. [certain]"
    )


def test_a_transparent_proxy_is_told_by_a_port_that_goes_farther(lab: Chain) -> None:
    lab.nft("r2", rules.redirect(80, 8080))
    finished = lab.run(f"-n -e {SERVER}:80")
    assert "proxy" in verdict_of(finished.out)
    assert "hop 2" in verdict_of(finished.out)


@pytest.mark.parametrize(
    ("rule", "note"),
    [
        ("tcp option maxseg size set 1300", "MSS rewritten {place}: our SYN's MSS becomes 1300."),
        ("reset tcp option sack-perm", "TCP options stripped {place}: our SYN loses SACK permitted."),
        ("ip dscp set 10", "DSCP rewritten {place}: our SYN is marked DSCP 10."),
        ("ip ecn set 1", "ECN bits rewritten {place}: our SYN is marked ECN 1."),
    ],
)
def test_what_a_router_rewrites_is_told_with_its_place(lab: Chain, rule: str, note: str) -> None:
    lab.nft("r2", rules.forwarded(f"tcp flags syn {rule}"))
    lines = lab.run(f"-n -e {SERVER}:80").out.splitlines()
    assert [line for line in lines if line.startswith("Note: ")] == [
        f"Note: {note.format(place='between hop 2 and hop 3 (10.0.3.1)')} [certain]"
    ]


@pytest.mark.parametrize(("port", "state"), [(80, "open"), (81, "closed")])
def test_a_plain_port_raises_no_alarm(lab: Chain, port: int, state: str) -> None:
    finished = lab.run(f"-n -e {SERVER}:{port}")
    assert state in verdict_of(finished.out)
    assert "Note: " not in finished.out


def test_several_ports_end_in_a_matrix_of_comments(lab: Chain) -> None:
    lab.nft("r2", rules.forwarded(rules.drop("135, 137-139")))
    finished = lab.run(f"-h 3 -m 1 -p 1 -t 500 -c -n -e -r 134 140 {SERVER}")
    rest = [line for line in finished.out.splitlines() if line and not line.startswith("[")]
    assert all(line.startswith("# ") for line in rest)
    assert any(line.startswith("# 135,137-139 ") and "dropped" in line for line in rest)
    assert any(line.startswith("# 134,136,140 ") and "passes hop 3" in line for line in rest)


def test_compared_ports_stand_side_by_side(lab: Chain) -> None:
    lab.nft("r2", rules.forwarded(rules.drop(135)))
    out = lab.run(f"-n --compare 80 135 -t 500 -m 4 {SERVER}").out
    assert "PORT 80" in out
    assert "PORT 135" in out


def test_json_is_valid_and_nothing_else_is_on_stdout(lab: Chain) -> None:
    schema = json.loads((files("tracetcp") / "schema.json").read_text(encoding="utf-8"))
    finished = lab.run("--json -e www.lab.example:80,81 -4")
    traces = [json.loads(line) for line in finished.out.splitlines()]
    assert [trace["port"] for trace in traces] == [80, 81]
    for trace in traces:
        jsonschema.validate(trace, schema)
        assert trace["verdicts"]
    assert traces[0]["hops"][0]["probes"][0]["name"] == "wintermute"


def test_a_capture_holds_our_probes_and_the_replies_that_counted(lab: Chain, tmp_path: Path) -> None:
    path = tmp_path / "trace.pcap"
    finished = lab.run(f"-n -m 2 --pcap {path} {SERVER}")
    packets = rdpcap(str(path))
    assert finished.status == 1
    assert sum(packet.haslayer(TCP) and not packet.haslayer(ICMP) for packet in packets) == 6
    assert sum(packet.haslayer(ICMP) for packet in packets) == 6


def test_a_capture_that_cannot_be_is_a_sentence(lab: Chain) -> None:
    assert lab.run(f"--pcap /nowhere/x {SERVER}").status == 3
    refused = lab.run(f"-n --pcap /tmp/x {SERVER}", user="nobody")
    assert refused.status == 3
    assert "--pcap needs raw sockets" in refused.err


def test_the_check_passes_here_and_names_what_fails(lab: Chain) -> None:
    passed = lab.run(f"--check {SERVER}")
    assert passed.status == 0
    assert passed.rows
    assert all(line.startswith("passed  ") for line in passed.out.splitlines())
    lab.nft("client", rules.leaving('oifname "lo" tcp flags syn drop'))
    failed = lab.run("--check")
    assert failed.status == 3
    assert "failed  loopback TCP" in failed.out


def test_silence_from_the_first_hop_on_is_looked_into(lab: Chain) -> None:
    lab.nft(
        "client",
        rules.arriving('iifname != "lo" drop', 'iifname "lo" icmp type destination-unreachable drop'),
    )
    finished = lab.run(f"-n -m 2 -p 1 -t 300 {SERVER}")
    assert finished.status == 1
    assert "nothing answered: ICMP errors do not arrive" in finished.err


def test_without_privilege_one_line_says_so(lab: Chain) -> None:
    finished = lab.run(f"-n {SERVER}", user="nobody")
    assert finished.status == 0
    assert finished.err.count("\n") == 1
    assert "without privileges" in finished.err
