"""One network namespace, and the removal of every namespace that this process made.

Runs ``ip``, ``nft`` and ``sysctl`` inside the namespaces it created; the only files it writes are
``/etc/netns/NAME/*`` of those namespaces, removed with them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PREFIX = "tracetcp-test"
ETC = Path("/etc/netns")
STOP_WAIT = 5.0
"""The most seconds that a process may take to end after a signal."""


class Namespace:
    """A network namespace with only a loopback until links are added.

    ``label`` names it within the lab; its name in the system also has this process's id.
    """

    def __init__(self, label: str) -> None:
        self.label = label
        self.name = f"{PREFIX}-{os.getpid()}-{label}"
        self._processes: list[subprocess.Popen[str]] = []
        _command(["ip", "netns", "add", self.name])

    def ip(self, *lines: str) -> None:
        """Run ``ip`` commands, one a line, within the namespace."""
        _command(["ip", "-n", self.name, "-batch", "-"], "\n".join(lines) + "\n")

    def nft(self, rules: str) -> None:
        """Add nftables rules to those already loaded."""
        self.run(["nft", "-f", "-"], rules)

    def sysctl(self, settings: Mapping[str, int]) -> None:
        """Set kernel parameters; skips those that this kernel does not keep per namespace."""
        lines = [f"{key}={value}" for key, value in settings.items()]
        self.run(["sysctl", "--quiet", "--ignore", "--write", *lines])

    def run(self, command: Sequence[str], text: str | None = None) -> str:
        """Run ``command`` to its end and return its standard output; raises if it fails."""
        return _command([*self.prefix, *command], text)

    @property
    def prefix(self) -> list[str]:
        """The words before a command line that make it run in this namespace."""
        return ["ip", "netns", "exec", self.name]

    def start(
        self, command: Sequence[str], *, stdout: int | None = None, stderr: int | None = None
    ) -> subprocess.Popen[str]:
        """Start ``command``; it is stopped with the namespace at the latest."""
        process = subprocess.Popen([*self.prefix, *command], text=True, stdout=stdout, stderr=stderr)
        self._processes.append(process)
        return process

    def etc(self, file_name: str, text: str) -> None:
        """Make programs started from now on see ``text`` as ``/etc/FILE_NAME``."""
        folder = ETC / self.name
        with _etc_locked():
            folder.mkdir(parents=True, exist_ok=True)
        (folder / file_name).write_text(text)

    def remove(self) -> None:
        """Stop what was started here and delete the namespace; safe to call twice."""
        for process in self._processes:
            stop(process)
        self._processes.clear()
        subprocess.run(["ip", "netns", "delete", self.name], capture_output=True, check=False)
        _forget_etc(self.name)


def stop(process: subprocess.Popen[str]) -> None:
    """End ``process``, with SIGTERM if that is enough, and close its pipes.

    Its last output is read and dropped, because a full pipe would block it.
    """
    if process.poll() is None:
        process.terminate()
        try:
            process.communicate(timeout=STOP_WAIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_WAIT)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def remove_orphans() -> None:
    """Remove the namespaces of test processes that were killed before they could do so."""
    for name in _command(["ip", "netns", "list"]).split():
        _, _, tail = name.partition(f"{PREFIX}-")
        owner = tail.partition("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists():
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
            _forget_etc(name)


def _forget_etc(name: str) -> None:
    shutil.rmtree(ETC / name, ignore_errors=True)
    with _etc_locked(), contextlib.suppress(OSError):  # others may have files there
        ETC.rmdir()


@contextlib.contextmanager
def _etc_locked() -> Iterator[None]:
    """Keep other test processes from removing the folder that this one is about to use."""
    held = os.open(ETC.parent, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def _command(command: Sequence[str], text: str | None = None) -> str:
    finished = subprocess.run(command, input=text, capture_output=True, text=True, timeout=30, check=False)
    if finished.returncode != 0:
        raise AssertionError(f"{' '.join(command)} failed: {finished.stderr.strip()}\n{text or ''}")
    return finished.stdout
