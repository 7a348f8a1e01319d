"""The block of a watch through the installed program on a pseudo-terminal."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from lab import SERVER, program

if TYPE_CHECKING:
    from lab import Chain

pytestmark = pytest.mark.netns


def shown(lab: Chain, key: bytes | None, environment: dict[str, str]) -> tuple[int, str]:
    """Exit status and all that a watch wrote that ended by ``key``, or by SIGINT without one."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        program.command(lab.client, ["--watch", "1", f"{SERVER}:443"], None),
        env={**program.environment(), "TERM": "xterm", **environment},
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    text, deadline, asked = b"", time.monotonic() + 30, False
    try:
        while time.monotonic() < deadline:
            if not select.select([leader], [], [], 0.5)[0]:
                continue
            try:
                text += os.read(leader, 65536)
            except OSError:  # the program has closed its end
                break
            if not asked and text.count(b"OPEN at hop 7") >= 1:
                asked = True
                if key is None:
                    process.send_signal(signal.SIGINT)
                else:
                    os.write(leader, key)
        return process.wait(10), text.decode()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)
        os.close(leader)


@pytest.mark.parametrize("key", [b"q", None])
def test_the_block_ends_with_the_summary_and_stays_on_the_screen(lab: Chain, key: bytes | None) -> None:
    status, text = shown(lab, key, {"LC_ALL": "C"})
    assert status == 0, text
    assert "\x1b[" in text
    assert "\x1b[?1049h" not in text
    assert "END open at hop 7" in text
    assert text.isascii()


def test_a_dumb_terminal_gets_lines(lab: Chain) -> None:
    status, text = shown(lab, None, {"TERM": "dumb"})
    assert status == 0, text
    assert "\x1b" not in text
    assert "END open at hop 7" in text
