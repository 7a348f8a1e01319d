"""Every module can be imported without Linux, and other systems get their own prober."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tracetcp.config import TraceConfig
from tracetcp.probers import capture as generic
from tracetcp.probers import open_prober

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(__file__).resolve().parents[1] / "src"
ELSEWHERE = pytest.mark.parametrize("platform", ["darwin", "win32", "freebsd14"])

SCRIPT = """
import builtins, importlib, os, select, socket, sys

platform, *modules = sys.argv[1:]
absent = {"resource", "pwd", "grp", "termios", "fcntl", "tty"} if platform == "win32" else set()
for name in modules:
    importlib.import_module(name)  # the standard library, on the system that is really here
for name in modules:
    del sys.modules[name]
sys.platform = platform
for module, names in {
    socket: ("SO_BINDTODEVICE", "MSG_ERRQUEUE", "AF_PACKET", "AF_NETLINK", "SO_MARK", "IP_RECVTTL"),
    select: ("epoll", "poll", "EPOLLIN", "EPOLLOUT", "EPOLLERR", "EPOLLHUP", "POLLIN"),
    os: ("setns", "unshare", *(("geteuid", "fork", "set_blocking") if platform == "win32" else ())),
}.items():
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
really_import = builtins.__import__

def strict_import(name, *rest):
    if name.split(".")[0] in absent:
        raise ImportError(f"{platform} has no module {name}")
    return really_import(name, *rest)

builtins.__import__ = strict_import
for name in modules:
    importlib.import_module(name)
"""


def modules() -> Iterator[str]:
    """Every module of the package except ``__main__``, which runs the program."""
    for path in sorted((SOURCE / "tracetcp").rglob("*.py")):
        words = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(words[:-1] if words[-1] == "__init__" else words)
        if words[-1] != "__main__":
            yield name


@ELSEWHERE
def test_every_module_can_be_imported_without_linux(platform: str) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", SCRIPT, platform, *modules()],
        env={"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.stderr == ""
    assert finished.returncode == 0


@ELSEWHERE
def test_other_systems_probe_through_scapy(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(generic, "ScapyProber", lambda config, destination: (config.host, destination))
    opened: object = open_prober(TraceConfig(host="www.lab.example"), "192.0.2.1")
    assert opened == ("www.lab.example", "192.0.2.1")
