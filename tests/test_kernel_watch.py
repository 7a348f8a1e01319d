"""A watch through the installed program, on real kernels: breaks and their ends, as root and as nobody."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from contextlib import contextmanager
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

    def next(self, pattern: str) -> str:
        """The next line, which must match ``pattern`` behind its time."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().rstrip("\n")
        self.lines.append(line)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ " + pattern, line), (line, self.lines)
        return line

    def end(self, number: int = signal.SIGINT) -> list[str]:
        """Interrupt it; the lines that it still writes."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=10)
        assert "Traceback" not in err
        return out.splitlines()


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
        process.communicate(timeout=10)


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
