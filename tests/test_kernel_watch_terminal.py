"""The block of a watch through the installed program on a pseudo-terminal.

A test waits for what it sees on the screen, never for a time.
"""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from lab import SERVER, program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lab import Chain

pytestmark = pytest.mark.netns

PATIENCE = 30.0
"""Seconds for something to show on a busy machine."""
SIZE = 100, 200
"""Lines and columns: no line of these tests is cut, and none is left out."""
DRAWN = "\x1b[J"
"""Ends every picture of the block."""
ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|\r")
COUNTED = re.compile(r"STILL .*; \d+ of (\d+) answered")


class Terminal:
    """The program on a terminal, and all that it has written."""

    def __init__(self, process: subprocess.Popen[bytes], leader: int) -> None:
        self.process = process
        self.text = ""
        self._leader = leader

    def press(self, key: str) -> None:
        os.write(self._leader, key.encode())

    def read_until(self, is_seen: Callable[[], bool], what: str) -> None:
        """Read what the program writes until ``what`` ``is_seen``."""
        deadline = time.monotonic() + PATIENCE
        while not is_seen():
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._leader], [], [], left)[0]:
                pytest.fail(f"no {what} in {PATIENCE} s:\n{self.text[-4000:]}")
            try:
                self.text += os.read(self._leader, 65536).decode()
            except OSError:  # the program has closed its end
                assert is_seen(), (what, self.text)

    def end(self) -> int:
        """Read what is still written; the exit status."""
        while select.select([self._leader], [], [], PATIENCE)[0]:
            try:
                self.text += os.read(self._leader, 65536).decode()
            except OSError:
                break
        return self.process.wait(PATIENCE)

    # Of the block, whose pictures stand one after the other in the text

    @property
    def pictures(self) -> list[str]:
        """Every whole picture, without what moves the cursor."""
        return [ESCAPES.sub("", each) for each in self.text.split(DRAWN)[:-1]]

    def picture(self, pattern: str, *, after: int = 0) -> int:
        """Wait for a picture that ``pattern`` is in, the first one ``after`` so many; how many it makes."""
        found: list[int] = []

        def is_seen() -> bool:
            pictures = self.pictures
            found[:] = [
                n for n in range(after, len(pictures)) if re.search(pattern, pictures[n], re.MULTILINE)
            ]
            return bool(found)

        self.read_until(is_seen, f"picture of {pattern}")
        return found[0] + 1


@contextmanager
def terminal(lab: Chain, arguments: str, environment: dict[str, str]) -> Iterator[Terminal]:
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, SIZE)
    process = subprocess.Popen(
        program.command(lab.client, ["--watch", "1", *arguments.split(), f"{SERVER}:443"], None),
        env={**program.environment(), "TERM": "xterm", **environment},
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    try:
        yield Terminal(process, leader)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)
        os.close(leader)


def shown(lab: Chain, key: str | None, environment: dict[str, str]) -> tuple[int, str]:
    """Exit status and all that a watch wrote that ended by ``key``, or by SIGINT without one."""
    with terminal(lab, "", environment) as screen:
        screen.read_until(lambda: "OPEN at hop 7" in screen.text, "state")
        if key is None:
            screen.process.send_signal(signal.SIGINT)
        else:
            screen.press(key)
        return screen.end(), screen.text


@pytest.mark.parametrize("key", ["q", None])
def test_the_block_ends_with_the_summary_and_stays_on_the_screen(lab: Chain, key: str | None) -> None:
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


def asked(picture: str) -> list[int]:
    """How many questions each heartbeat in ``picture`` counts."""
    return [int(count) for count in COUNTED.findall(picture)]


def test_p_pauses_and_goes_on(lab: Chain) -> None:
    """A heartbeat each second counts what was asked: as much as before while it pauses, then more."""
    with terminal(lab, "--heartbeat 1", {"LC_ALL": "C"}) as screen:
        screen.picture(COUNTED.pattern)
        screen.press("p")
        paused = screen.picture("^PAUSED; open at hop 7 ")
        before = len(asked(screen.pictures[paused - 1]))
        seen = screen.picture(rf"(?s)(STILL.*){{{before + 4}}}", after=paused)
        assert all(re.search("^PAUSED", each, re.MULTILINE) for each in screen.pictures[paused - 1 :])
        (count,) = set(asked(screen.pictures[seen - 1])[before:])
        screen.press("p")
        going_on = screen.picture("^open at hop 7 ", after=seen)
        screen.read_until(lambda: asked(screen.pictures[-1])[-1] > count, "question asked after the pause")
        assert not any("PAUSED" in each for each in screen.pictures[going_on - 1 :])
        screen.press("q")
        assert screen.end() == 0


def test_r_starts_the_figures_anew_and_nothing_else(lab: Chain) -> None:
    with terminal(lab, "--heartbeat 1", {"LC_ALL": "C"}) as screen:
        seen = screen.picture(r"STILL .*; \d+ of (?:[5-9]|\d\d+) answered")
        before = asked(screen.pictures[seen - 1])
        screen.press("r")
        begun = screen.picture(rf"^ +7( +-){{5}} .* {re.escape(SERVER)}", after=seen)
        picture = screen.pictures[begun - 1]
        assert re.search(r"^open at hop 7 for \d+ s", picture, re.MULTILINE)
        assert re.search(r"^ +4( +-){5} +10\.0\.4\.1", picture, re.MULTILINE)
        assert "OPEN at hop 7" in picture
        beats = len(asked(picture))
        seen = screen.picture(rf"(?s)(STILL.*){{{beats + 1}}}", after=begun)
        assert asked(screen.pictures[seen - 1])[beats] < before[-1]
        screen.press("q")
        assert screen.end() == 0
