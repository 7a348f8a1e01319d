"""``--report`` through the installed program, with a DNS server that knows the networks and their names."""

from __future__ import annotations

import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from internet import network
from internet.lab import simulated
from lab import program
from tracetcp.names.origins import origin_question

if TYPE_CHECKING:
    from internet.scenario import Scenario

pytestmark = pytest.mark.netns

NETWORKS = {
    "5089": ("62.253.0.0/16", ("62.253.122.9", "62.253.184.117", "62.253.184.130"), "2a02:8800::/32"),
    "3356": ("212.187.128.0/17", ("212.187.131.125", "212.187.131.126"), "2001:1900::/32"),
}
HOST, HOST6 = "212.187.140.80", "2001:1900::80"
NAME = "www.target.example"


def internet(*rules: str, **dns: Any) -> Scenario:
    """A private hop, three of AS5089, two of AS3356, and a host there. ``rules`` are those of hop 2."""
    hops: list[dict[str, Any]] = [{"address": "192.168.0.1", "address6": "fd00::1", "rtt": 1}]
    texts = {}
    for number, (prefix, addresses, prefix6) in NETWORKS.items():
        for index, address in enumerate(addresses, 1):
            six = prefix6.replace("/32", str(index))
            hops.append({"address": address, "address6": six, "rtt": 2 + len(hops)})
            texts[origin_question(address)] = f"{number} | {prefix} | GB | ripencc | 2000-12-06"
            texts[origin_question(six)] = f"{number} | {prefix6} | GB | ripencc | 2000-12-06"
        texts[f"as{number}.asn.cymru.com"] = (
            f"{number} | GB | ripencc | 1996-01-01 | NET{number} - <b>Network</b> {number}, GB"
        )
    texts[origin_question(HOST)] = f"3356 | {NETWORKS['3356'][0]} | GB | ripencc | 2000-12-06"
    texts[origin_question(HOST6)] = f"3356 | {NETWORKS['3356'][2]} | GB | ripencc | 2000-12-06"
    hops[1]["rule"] = [{"action": rule, "ports": "135"} for rule in rules]
    words = {"texts": texts, "names": {"62.253.122.9": "www.evil.example", "212.187.131.125": "b.example"}}
    destination = {"address": HOST, "address6": HOST6, "rtt": 9, "name": NAME, "open": "443"}
    return network("", hop=hops, destination=destination, dns=words | dns)


def test_both_families_of_a_name_are_traced_and_the_network_of_the_break_is_named() -> None:
    with simulated(internet("drop")) as net:
        finished = net.tracetcp("--report", "-t", "800", f"{NAME}:135")
    assert (finished.status, finished.err) == (1, "")
    out = finished.out
    assert out.startswith(f"# Port 135 of `{NAME}`: blocked over IPv4, blocked over IPv6\n")
    assert (
        "**IPv4: Port 135 is blocked after hop 2 (`62.253.122.9`): SYNs are silently dropped. (certain)"
        in out
    )
    assert (
        out.count("Whom to call: `AS5089` (`NET5089 - ?b?Network?/b? 5089, GB`). What drops the port is ")
        == 2
    )
    assert "| `www.evil.example` " in out
    assert "evil" not in out.partition("## Evidence")[0]
    assert f"\ntracetcp --report -t 800 {NAME}:135\n" in out
    assert out.count("raw sockets") == 2
    assert "tcp port 135 and host 198.18.0.2" in out
    assert "tcp port 135 and host 2001:db8:ffff::2" in out


def test_an_open_port_of_an_address_needs_one_trace_and_no_call() -> None:
    with simulated(internet()) as net:
        finished = net.tracetcp("--report", f"{HOST}:443")
        asked = net.questions()
    assert (finished.status, finished.err) == (0, "")
    assert finished.out.startswith(f"# Port 443 of `{HOST}`: open\n")
    assert "Whom to call: nobody." in finished.out
    assert "IPv6" not in finished.out
    assert not [question for question in asked if question.startswith("as")], "no network has to be named"


def test_an_ordinary_user_gets_the_same_conclusion() -> None:
    with simulated(internet("drop")) as net:
        finished = program.run(
            net.namespace, ["--report", "-t", "800", f"{NAME}:135"], user="nobody", timeout=60
        )
    assert finished.status == 1
    assert finished.err.startswith("tracetcp: no raw sockets, probing without privileges")
    assert finished.err.count("\n") == 1
    assert finished.out.count("Whom to call: `AS5089` (") == 2
    assert finished.out.count("connecting sockets") == 2


def test_ctrl_c_ends_it_without_half_a_report() -> None:
    with simulated(internet("drop")) as net:
        command = program.command(net.namespace, ["--report", "-F", f"{NAME}:135"])
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, "", "Trace interrupted.\n")


def test_a_family_that_cannot_be_traced_is_told() -> None:
    with simulated(internet(hosts={NAME: [HOST]})) as net:
        four = net.tracetcp("--report", f"{NAME}:443").out
    with simulated(internet()) as net:
        net.namespace.ip("route del ::/0")
        half = net.tracetcp("--report", f"{NAME}:443")
        finished = net.tracetcp("--report", f"{HOST6}:443")
    assert f"\nIPv6 was not traced: `{NAME} has no IPv6 address, only {HOST}`.\n" in four
    assert four.startswith(f"# Port 443 of `{NAME}`: open over IPv4\n")
    assert (half.status, half.err) == (0, "")
    assert "\nIPv6 was not traced: `no route to" in half.out
    assert (finished.status, finished.out) == (3, "")
    assert finished.err.count("\n") == 1


def test_a_name_that_does_not_exist_is_told_as_ever() -> None:
    with simulated(internet()) as net:
        finished = net.tracetcp("--report", "nowhere.example:443")
    assert (finished.status, finished.out) == (3, "")
    assert finished.err == "tracetcp: nowhere.example does not exist in DNS: check the spelling\n"


def test_without_an_answer_from_dns_the_report_comes_and_says_less() -> None:
    scenario = internet("drop")
    failures = dict.fromkeys(scenario.table["dns"]["texts"], "timeout")
    with simulated(internet("drop", failures=failures)) as net:
        finished = net.tracetcp("--report", "-n", "-t", "800", f"{HOST}:135")
    assert finished.status == 1
    assert "Whom to call: cannot be said." in finished.out
    assert finished.seconds < 20
