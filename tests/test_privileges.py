"""Work that reads from the network is done where no privilege is left."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab import SERVER, program, rules
from tracetcp.errors import NameNotFound, TracetcpError
from tracetcp.privileges import unprivileged

if TYPE_CHECKING:
    from lab import Chain


def effective_capabilities() -> str:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:"))


def test_the_work_has_no_capability_and_this_process_keeps_its_own() -> None:
    before = effective_capabilities()
    assert int(unprivileged(effective_capabilities), 16) == 0
    assert effective_capabilities() == before


def test_its_error_comes_out_as_it_was() -> None:
    def fail() -> str:
        raise NameNotFound("no such name")

    with pytest.raises(NameNotFound, match="no such name"):
        unprivileged(fail)


def test_a_mistake_in_it_is_an_error_with_a_sentence() -> None:
    def fail() -> str:
        raise ZeroDivisionError("divided")

    with pytest.raises((TracetcpError, ZeroDivisionError), match="divided"):
        unprivileged(fail)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't start new thread")])
def test_a_child_without_room_is_told_as_this_process_would_be(error: Exception) -> None:
    def fail() -> str:
        raise error

    with pytest.raises(type(error)) as told:
        unprivileged(fail)
    assert str(told.value) == str(error)


def test_an_ordinary_user_does_it_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert unprivileged(lambda: str(os.getpid())) == str(os.getpid())


@pytest.mark.netns
def test_an_interrupt_ends_the_work_too(monkeypatch: pytest.MonkeyPatch) -> None:
    children: list[int] = []
    fork = os.fork

    def remember() -> int:
        children.append(fork())
        return children[-1]

    def interrupted(*_: object, **__: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fork", remember)
    monkeypatch.setattr("os.fdopen", interrupted)
    with pytest.raises(KeyboardInterrupt):
        unprivileged(lambda: os.read(os.pipe()[0], 1).decode())
    with pytest.raises(ProcessLookupError):
        os.kill(children[0], 0)


@pytest.mark.netns
def test_no_thread_of_a_scan_has_a_capability(lab: Chain) -> None:
    lab.nft("r2", rules.forwarded(f"ip daddr {SERVER} tcp dport 101-65535 drop"))
    scan = program.command(lab.client, ["-n", "-c", "-s", "1", "9999", SERVER])[len(lab.client.prefix) :]
    process = lab.start("client", scan, ready=":100]")
    statuses = [path.read_text() for path in Path(f"/proc/{process.pid}/task").glob("*/status")]
    assert len(statuses) == 2, "the scan no longer sends from a thread of its own: this test sees nothing"
    for status in statuses:
        masks = dict(re.findall(r"^(Cap(?:Inh|Prm|Eff|Amb)):\s+(\w+)$", status, re.MULTILINE))
        assert len(masks) == 4
        assert {int(mask, 16) for mask in masks.values()} == {0}
