"""The network changes or lies while a trace runs: links and routes that go, other copies, floods."""

from __future__ import annotations

import re
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import machine
from internet.lab import INTERFACE, simulated
from internet.noise import KINDS, STRANGER
from internet.notation import network
from machine import USER, Way

if TYPE_CHECKING:
    from collections.abc import Iterator

    from internet.lab import SimulatedInternet

pytestmark = pytest.mark.netns
PROBERS = {"root": Way(), "nobody": Way(user=USER)}
each_prober = pytest.mark.parametrize("way", PROBERS.values(), ids=PROBERS)
each_family = pytest.mark.parametrize("family", [4, 6])


def destination(internet: SimulatedInternet, family: int) -> str:
    return internet.destination if family == 4 else internet.destination6


def own_lines(text: str) -> list[str]:
    """The lines of standard error but the one that any run without privileges has."""
    return [line for line in text.splitlines(keepends=True) if "no raw sockets" not in line]


# Links, addresses and routes -------------------------------------------------------------------------------

LOSSES = {
    "link down": f"link set {INTERFACE} down",
    "no link": f"link delete {INTERFACE}",
    "no address": "address delete {address} dev " + INTERFACE,
    "no route": "-{family} route delete default",
    "blackhole": "-{family} route replace blackhole default",
}


@each_prober
@each_family
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_what_is_gone_in_mid_trace_is_told_and_the_rows_stay(loss: str, family: int, way: Way) -> None:
    with simulated(network("1 2 3 4 | down")) as internet:
        target = destination(internet, family)
        with machine.started(internet, ["-n", "-t", "1500", "-m", "12", target], way) as process:
            assert process.stdout is not None
            rows = [process.stdout.readline() for _ in range(3 + 4)]
            address = f"{internet.scenario.clients[family]}/{32 if family == 4 else 128}"
            words = loss.format(family=family, address=address).split()
            subprocess.run(["ip", "-n", internet.namespace.name, *words], check=True)
            out, err = process.communicate(timeout=20)
    told = own_lines(err)
    assert process.returncode in (1, 3)
    assert [row[:1] for row in rows[3:] if " ms " in row] == list("1234")
    assert out.startswith("5 ") or process.returncode == 3
    assert len(told) == 1 or (process.returncode == 1 and "address" not in loss)
    assert all(machine.is_one_line(line) and "'ip " in line for line in told)


# Other copies ----------------------------------------------------------------------------------------------


@each_family
@pytest.mark.parametrize("ways", [["root"] * 4, ["root", "nobody"] * 2, ["nobody"] * 4], ids="-".join)
def test_copies_that_trace_one_host_at_once_see_what_one_alone_sees(family: int, ways: list[str]) -> None:
    """Each on the same ports: a reply that crossed would be a row too many, or a time too short."""
    with simulated(network("5 10 15 20 25 | open 80 | rtt 30")) as internet, ExitStack() as running:
        arguments = ["-n", "-p", "6", destination(internet, family)]
        copies = [running.enter_context(machine.started(internet, arguments, PROBERS[way])) for way in ways]
        outputs = [copy.communicate(timeout=30) for copy in copies]
    for out, err in outputs:
        assert own_lines(err) == []
        rows = out.splitlines()[3:]
        assert len(rows) == 7
        for number, row in enumerate(rows[:5], 1):
            assert row.startswith(f"{number} ")
            times = [int(text) for text in re.findall(r"(\d+) ms", row)]
            assert len(times) == 6
            assert min(times) >= 5 * number
            assert row.split()[-1] == (f"10.{number}.1.1" if family == 4 else f"fd00:{number}:1::1")
        assert "Connection established" in rows[5]


@each_family
def test_copies_that_scan_one_host_at_once_miss_no_port(family: int) -> None:
    with simulated(network("1 2 | open 80,443 | rtt 5")) as internet, ExitStack() as running:
        arguments = ["-s", "1", "1000", destination(internet, family)]
        copies = [
            running.enter_context(machine.started(internet, arguments, PROBERS[way]))
            for way in ("root", "nobody", "root")
        ]
        outputs = [copy.communicate(timeout=60) for copy in copies]
    for out, err in outputs:
        assert own_lines(err) == []
        assert re.findall(r":(\d+)\]\s.*OPEN", out) == ["80", "443"]
        assert out.count("CLOSED") == 998


# Floods ----------------------------------------------------------------------------------------------------

FLOOD = 20_000
"""Packets a second, from the first SYN on."""
UNSEEN = ("malformed icmp", "quoted header length")
"""Quotes of our very SYN, sequence number included, with a field spoilt that the kernel does not check as it
hands the error to a connecting socket. Only who sees our packets can send them.
"""


@pytest.mark.alone
@each_prober
@each_family
@pytest.mark.parametrize("is_up", [True, False], ids=["open", "silent"])
def test_a_flood_costs_no_row_and_no_memory(is_up: bool, family: int, way: Way) -> None:
    """Measured: 17 to 29 MB, as without one. A silent host is traced for the whole of its timeouts."""
    kinds = [kind for kind in KINDS if not way.user or kind not in UNSEEN]
    end = "open 80" if is_up else "down"
    flood = {"per_second": FLOOD, "kinds": kinds}
    with simulated(network(f"1 2 3 * 5 6 | {end} | rtt 8", noise=flood)) as internet:
        arguments = ["-n", "-m", "10", "-t", "1500", destination(internet, family)]
        with machine.started(internet, arguments, way) as process:
            peaks = list(_peaks(process))
            out, err = process.communicate(timeout=30)
        sent = internet.counts()["noise"]
    told = own_lines(err)
    assert (process.returncode, told) == (0 if is_up else 1, [])
    rows = {int(row.split()[0]): row for row in out.splitlines() if row[:1].isdigit()}
    for hop in (1, 2, 3, 5, 6):
        assert rows[hop].split()[-1] == (f"10.{hop}.1.1" if family == 4 else f"fd00:{hop}:1::1")
    assert STRANGER[family] not in out
    assert len(rows) == (7 if is_up else 10)
    assert max(peaks) < 100
    assert sent > 1000


def _peaks(process: subprocess.Popen[str]) -> Iterator[float]:
    """The most memory that the process had so far, in MB, looked at until it ends."""
    until = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < until:
        with suppress(OSError, IndexError):  # it has just ended
            status = Path(f"/proc/{process.pid}/status").read_text()
            yield int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024
        time.sleep(0.05)
