"""The seven documented examples from the installed program, on simulated networks built like them.

Times vary by a few milliseconds; everything else must equal the example to the byte. Rows that an example
leaves out in prose are not compared.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from internet import load
from internet.lab import simulated

pytestmark = pytest.mark.netns

GOLDEN = Path(__file__).parent / "golden"
TIME = re.compile(r"\d+ ms *")
LEFT_OUT = ("continues until", "repeats until")


def shape(line: str) -> str:
    """The line without times and blanks, because a time of another length moves the text after it."""
    return " ".join(TIME.sub("N ms ", line).split())


def times(line: str) -> list[int]:
    return [int(number) for number in re.findall(r"(\d+) ms", line)]


@pytest.mark.parametrize("example", sorted(GOLDEN.glob("*.txt")), ids=lambda path: path.stem)
def test_a_documented_example_comes_out_of_the_program(example: Path) -> None:
    command, _, text = example.read_text(encoding="ascii").partition("\n")
    is_whole = not any(words in text for words in LEFT_OUT)
    expected = [line for line in text.splitlines() if line and not any(words in line for words in LEFT_OUT)]
    arguments = command.split()[2:]
    if example.stem == "verbose-blocked-port-135":
        arguments += ["-t", "1000"]  # 25 silent hops need not take four seconds each time
    with simulated(load(f"documented-{example.stem.partition('-')[2]}")) as net:
        finished = net.tracetcp(*arguments, timeout=80)
    assert finished.err == ""
    shown = {shape(line): line for line in finished.out.splitlines()}
    for line in expected:
        assert shape(line) in shown
        for wanted, measured in zip(times(line), times(shown[shape(line)]), strict=True):
            assert abs(wanted - measured) < 150
    if is_whole:
        assert [shape(line) for line in finished.out.splitlines() if line] == [*map(shape, expected)]


def test_an_ipv6_path_comes_out_likewise() -> None:
    with simulated(load("rate-limited-path")) as net:
        finished = net.tracetcp("-n", net.destination6, timeout=30)
    assert finished.out.splitlines()[1] == f"Tracing route to {net.destination6} on port 80"
    assert "Connection established to" in finished.out.splitlines()[-2]
