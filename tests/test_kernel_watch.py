"""A watch through the installed program, on real kernels: breaks and their ends, as root and as nobody."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from lab import SERVER, SERVER_6, program, rules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab import Chain

pytestmark = pytest.mark.netns

TARGETS = {4: f"{SERVER}:443", 6: f"[{SERVER_6}]:443"}
NEAR = {4: "10.0.{}.1", 6: "fd00:{}::1"}
PATIENCE = 30.0
"""Seconds for an event on a busy machine; where it matters how fast one comes, the virtual clock tells."""


class Watching:
    """The installed program under way, and the lines it has written."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._coming: SimpleQueue[str] = SimpleQueue()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._coming.put(line.rstrip("\n"))

    def next(self, pattern: str) -> str:
        """The next line, which must match ``pattern`` behind its time."""
        try:
            line = self._coming.get(timeout=PATIENCE)
        except Empty:
            pytest.fail(f"nothing more in {PATIENCE} s, expected {pattern}; so far {self.lines}")
        self.lines.append(line)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ " + pattern, line), (line, self.lines)
        return line

    def end(self, number: int = signal.SIGINT) -> list[str]:
        """Interrupt it; the lines that it still writes."""
        self.process.send_signal(number)
        self.process.wait(10)
        self._reader.join(10)
        assert self.process.stderr is not None
        assert "Traceback" not in self.process.stderr.read()
        rest = []
        while not self._coming.empty():
            rest.append(self._coming.get())
        return rest


@contextmanager
def watching(lab: Chain, arguments: str, user: str | None = None) -> Iterator[Watching]:
    process = subprocess.Popen(
        program.command(lab.client, arguments.split(), user),
        env=program.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Watching(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("user", [None, "nobody"])
def test_a_dropped_port_is_told_with_the_hop_and_so_is_its_end(
    lab: Chain, user: str | None, family: int
) -> None:
    with watching(lab, f"--watch 1 {TARGETS[family]}", user) as watch:
        watch.next(r"OPEN at hop 7 \(\S+\), \d+ ms")
        time.sleep(2)
        lab.nft("r4", rules.forwarded(rules.drop(443)))
        router = re.escape(NEAR[family].format(4))
        watch.next(rf"BLOCKED after hop 4 \({router}\): silently dropped \[certain\]")
        time.sleep(1)
        lab.reset()
        watch.next(r"OPEN again at hop 7, down \d+ s")
        (end,) = watch.end()
    assert re.search(r" END open at hop 7 .*1 outage, longest \d+ s; 0 path changes", end)
    assert watch.process.returncode == 0


BYPASS = {
    4: ("10.0.88.{}/24", "10.0.7.0/24", "10.0.88.5"),
    6: ("fd00:88::{}/64", "fd00:7::/64", "fd00:88::5"),
}


def bypass_r4(lab: Chain, family: int) -> None:
    """Link r3 and r5, and let r3 send what is for the server over that link."""
    address, network, gateway = BYPASS[family]
    third, fifth = lab.nodes["r3"], lab.nodes["r5"]
    lab.ip("r3", f"link add bypass type veth peer name bypass netns {fifth.name}", "link delete bypass")
    nodad = " nodad" if family == 6 else ""
    for node, number in ((third, 3), (fifth, 5)):
        node.ip("link set bypass up", f"address add {address.format(number)} dev bypass{nodad}")
    far = "10.0.4.1" if family == 4 else "fd00:4::1"
    lab.ip("r3", f"route replace {network} via {gateway}", f"route replace {network} via {far}")


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("user", [None, "nobody"])
def test_another_route_is_told_with_the_first_hop_that_differs(
    lab: Chain, user: str | None, family: int
) -> None:
    with watching(lab, f"--watch 1 {TARGETS[family]}", user) as watch:
        watch.next(r"OPEN at hop 7 .*")
        time.sleep(9)
        bypass_r4(lab, family)
        near = [re.escape(NEAR[family].format(number)) for number in range(8)]
        fifth = near[5] if family == 4 else BYPASS[6][2]  # Linux answers from the interface of the way back
        before, after = rf"{near[4]} {near[5]} {near[6]}( {near[7]})?", f"{fifth} {near[6]} {near[7]}"
        watch.next(rf"PATH from hop 4: {before} -> {after}, 7 -> 6 hops")
        (end,) = watch.end()
    assert "1 path change;" in end


@pytest.mark.parametrize("user", [None, "nobody"])
def test_a_route_that_is_gone_is_told_as_this_machines(lab: Chain, user: str | None) -> None:
    with watching(lab, f"--watch 1 --heartbeat 2 {SERVER}:443", user) as watch:
        watch.next(r"OPEN at hop 7 .*")
        lab.client.ip("route flush 0.0.0.0/0")
        line = watch.next(r"(LOCAL no route to 10\.0\.7\.1 .*|STILL .*)")
        while "STILL" in line:
            line = watch.next(r"(LOCAL no route to 10\.0\.7\.1 .*|STILL .*)")
        time.sleep(3)
        lab.client.ip("route add default via 10.0.1.1")
        lab.client.ip("route add default via 10.0.99.1 metric 4096")
        line = watch.next(r".*")
        while "STILL" in line:
            line = watch.next(r".*")
        assert re.search(r" LOCAL over after \d+ s: no route to 10\.0\.7\.1", line)
        time.sleep(2)
        (end,) = [line for line in watch.end() if "END" in line]
    assert " END open at hop 7 " in end
    assert "down 0 s, unknown " in end
    assert watch.process.returncode == 0


@pytest.mark.parametrize("user", [None, "nobody"])
def test_a_stopped_program_blames_nobody(lab: Chain, user: str | None) -> None:
    with watching(lab, f"--watch 1 {SERVER}:443", user) as watch:
        watch.next(r"OPEN at hop 7 .*")
        time.sleep(2)
        watch.process.send_signal(signal.SIGSTOP)
        time.sleep(7)
        watch.process.send_signal(signal.SIGCONT)
        watch.next(r"LOCAL nothing was asked for \d+ s: this program stood still")
        time.sleep(2)
        (end,) = watch.end()
    assert " END open at hop 7 " in end


@pytest.fixture
def without_a_second_way(lab: Chain) -> Iterator[None]:
    """The client's only default route is that through r1; afterwards all is as it was."""
    client = lab.client
    client.ip("route delete default via 10.0.99.1 metric 4096")
    yield
    client.ip("link set eth0 up", "address replace fd00:1::2/64 dev eth0 nodad")
    client.ip("route replace default via 10.0.1.1", "route replace default via fd00:1::1")
    client.ip("route replace default via 10.0.99.1 metric 4096")


@pytest.mark.usefixtures("without_a_second_way")
@pytest.mark.parametrize("user", [None, "nobody"])
def test_a_link_that_goes_down_and_up_is_told_as_this_machines(lab: Chain, user: str | None) -> None:
    with watching(lab, f"--watch 1 {SERVER}:443", user) as watch:
        watch.next(r"OPEN at hop 7 .*")
        lab.client.ip("link set eth0 down")
        cause = r"(no route to 10\.0\.7\.1 .*|interface eth0 is down)"
        line = watch.next(f"LOCAL {cause}")
        lab.client.ip("link set eth0 up", "route replace default via 10.0.1.1")
        while " LOCAL over after " not in line:  # the cause may have another name at the next look
            line = watch.next(rf"LOCAL (over after \d+ s: )?{cause}")
        time.sleep(3)
        (end,) = watch.end()
    assert re.search(r" END open at hop 7 .*; up \d+ s, down 0 s, unknown \d+ s; ", end)


@pytest.mark.usefixtures("without_a_second_way")
@pytest.mark.parametrize("user", [None, "nobody"])
def test_another_address_of_this_machine_is_told_and_taken_into_use(lab: Chain, user: str | None) -> None:
    with watching(lab, f"--watch 1 {SERVER}:443", user) as watch:
        watch.next(r"OPEN at hop 7 .*")
        time.sleep(1)
        lab.client.ip("address delete 10.0.1.2/24 dev eth0", "address add 10.0.1.77/24 dev eth0")
        lab.client.ip("route replace default via 10.0.1.1")
        changed = "LOCAL the address of this machine changed: 10.0.1.2 -> 10.0.1.77"
        while changed not in watch.next(r"LOCAL .*"):  # there may be no route for a moment
            pass
        time.sleep(3)
        lines = watch.end()
        lab.client.ip("address delete 10.0.1.77/24 dev eth0", "address add 10.0.1.2/24 dev eth0")
    assert re.search(r" END open at hop 7 .*; up \d+ s, down 0 s", lines[-1])
