"""Runs the installed program as it is run on odd machines: under sudo, with few rights, with little room.

Each run is in the namespace of a simulated network. Nothing of the machine changes: what a run sees of the
file system it sees in a mount namespace of its own, and it is limited by ``ulimit`` in a shell of its own.
"""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, NamedTuple

from lab import program

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from internet.lab import SimulatedInternet

USER = 54_321
"""A user of whom this machine knows nothing."""
SUDO = {"SUDO_UID": str(USER), "SUDO_GID": str(USER)}

# $1 a directory that becomes another user's, of mode 700, "--", the command.
CLOSE = """
closed=$1; shift 2
layer=$(mktemp -d)
mount -t tmpfs tmpfs "$layer"
mkdir "$layer/upper" "$layer/work"
mount -t overlay overlay -o "lowerdir=$closed,upperdir=$layer/upper,workdir=$layer/work" "$closed"
chmod 700 "$closed"
chown 54322 "$closed"
cd /; exec "$@"
"""


class Way(NamedTuple):
    """How the program is run.

    ``sees_python`` is whether other users than root may read the interpreter's modules; ``limits`` are
    arguments of ``ulimit``, one after the other. A capability of a file takes effect only without
    ``no_new_privileges``.
    """

    variables: Mapping[str, str] = {}
    user: int | None = None
    sees_python: bool = True
    limits: Sequence[str] = ()
    folder: str = "/"
    no_new_privileges: bool = True


PLAIN = Way()


def open_to_all(folder: Path) -> None:
    """Let every user enter ``folder``, a test's temporary one, and those above it that are pytest's."""
    above = [*folder.parents]
    tops = [number for number, each in enumerate(above) if each.name.startswith("pytest-of-")]
    for each in (folder, *(above[: tops[0] + 1] if tops else [])):
        each.chmod(0o755)


def command(internet: SimulatedInternet, arguments: Sequence[str], way: Way = PLAIN) -> list[str]:
    """The words that run ``tracetcp ARGUMENTS`` in the network's namespace."""
    return around(internet, [str(program.SCRIPT), *arguments], way)


def around(internet: SimulatedInternet, words: Sequence[str], way: Way) -> list[str]:
    """The words that run the command ``words`` in the network's namespace in that ``way``."""
    limited = "".join(f"ulimit {limit}; " for limit in way.limits) + 'cd "$0"; exec "$@"'
    words = ["sh", "-c", limited, way.folder, *words]
    if way.user is not None:
        ids = f"--reuid={way.user}", f"--regid={way.user}"
        barred = ["--no-new-privs"] if way.no_new_privileges else []
        words = ["setpriv", *ids, "--clear-groups", *barred, "--", *words]
    is_sudo = way.variables.get("SUDO_UID") == str(USER)
    opened = program._laid_open(way.user or USER) if way.sees_python and (way.user or is_sudo) else []
    closed = [] if way.sees_python else ["sh", "-ec", CLOSE, "sh", os.path.dirname(os.__file__), "--"]  # noqa: PTH120
    variables = [f"{name}={value}" for name, value in way.variables.items()]
    return [*internet.namespace.prefix, *opened, *closed, "env", *variables, *words]


def run(
    internet: SimulatedInternet, arguments: Sequence[str], way: Way = PLAIN, *, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run ``tracetcp`` to its end; one that outlives ``timeout`` seconds fails the test."""
    return finish(command(internet, arguments, way), timeout=timeout)


def finish(words: Sequence[str], *, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run ``words`` to their end."""
    return subprocess.run(
        words,
        env=program.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def started(
    internet: SimulatedInternet, arguments: Sequence[str], way: Way = PLAIN
) -> AbstractContextManager[subprocess.Popen[str]]:
    """``tracetcp`` under way; gone when the context ends."""
    return begun(command(internet, arguments, way))


@contextmanager
def begun(words: Sequence[str], stdout: int | IO[str] = subprocess.PIPE) -> Iterator[subprocess.Popen[str]]:
    """``words`` under way, in a session of their own; gone when the context ends.

    What the tests themselves were told to ignore, by ``nohup`` or a shell's ``&``, they do not ignore.
    """
    process = subprocess.Popen(
        ["env", "--default-signal=HUP,INT,QUIT", *words],
        env=program.environment(),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate(timeout=10)


def is_one_line(text: str) -> bool:
    """Whether ``text`` is one message of the program, with nothing of Python's in it."""
    return (
        text.startswith("tracetcp: ")
        and text.count("\n") == 1
        and text.endswith("\n")
        and not any(word in text for word in ("Error", "Errno", "Traceback", "bug report"))
    )
