"""The demo shows the documented trace row for row, the same every time, and opens no socket."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

import demo

GOLDEN = Path(__file__).parent / "golden/verbose-ftp-port-21.txt"


def rows(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


def refuse(*_: object, **__: object) -> None:
    pytest.fail("the demo opened a socket")


def test_the_demo_is_the_documented_trace_and_repeats_itself(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "socket", refuse)
    documented = rows(GOLDEN.read_text(encoding="ascii"))[1:]
    for _ in range(2):
        demo.main(0.0)
        assert rows(capsys.readouterr().out) == documented


def test_the_pace_stretches_the_simulated_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def slept(pace: float) -> float:
        pauses: list[float] = []
        monkeypatch.setattr(time, "sleep", pauses.append)
        demo.main(pace)
        return sum(pauses)

    real = slept(1.0)
    assert real > 0.128  # at least the RTT of the last row
    assert slept(3.0) == pytest.approx(3 * real)
