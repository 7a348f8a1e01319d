"""Before and after a change, and the ticket: the cookbook's sections say what the installed program says."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

from internet.lab import simulated
from internet.notation import network
from test_report_seen import internet
from test_verdicts_seen import sections

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.netns

BEFORE = "1 5 9:3 13! 20 26 31 | rtt 40 | open 5432,443"
AFTER = "1 5 9:3 13! 20[drop 5432] 26 31 | rtt 40 | open 5432,443"


def shown(title: str) -> list[tuple[str, list[str]]]:
    """The commands of a section, each with the lines below it."""
    blocks = sections()[title].split("    $ ")[1:]
    return [
        (command, [line[4:] for line in lines if line.startswith("    ")])
        for command, *lines in (block.splitlines() for block in blocks)
    ]


def test_before_and_after_a_change(tmp_path: Path) -> None:
    (first, _), (second, _), (diff, said) = shown("Before and after a change")
    for command, path in ((first, BEFORE), (second, AFTER)):
        words, _, file = command.partition(" > ")
        with simulated(network(path)) as net:
            for _ in range(2):
                finished = net.tracetcp(*shlex.split(words)[1:])
                (tmp_path / file).write_text(finished.out)
    with simulated(network(BEFORE)) as net:
        again = net.run(["env", "-C", str(tmp_path), *program(diff)])
        same = net.tracetcp("--diff", *[str(tmp_path / "before.ndjson")] * 2)
    assert ([line for line in again.stdout.splitlines() if line], again.stderr) == (said, "")
    assert again.returncode == 1
    assert (same.status, same.out) == (0, "1 target compared: no difference.\n")


def program(command: str) -> list[str]:
    from lab.program import SCRIPT

    return [str(SCRIPT), *shlex.split(command)[1:]]


def test_a_ticket() -> None:
    ((command, said),) = shown("A ticket for the provider")
    with simulated(internet("drop")) as net:
        out = net.tracetcp(*shlex.split(command)[1:]).out
    assert said
    wanted = [re.escape(line) for line in said if line != "..."]
    found = [re.sub(r"\d+\.\d \d+\.\d \d+\.\d", "1.0 1.0 1.0", line) for line in out.splitlines()]
    assert [line for line in wanted if not any(re.fullmatch(line, each) for each in found)] == []
