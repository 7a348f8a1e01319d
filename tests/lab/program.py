"""Runs the installed ``tracetcp`` console script inside a namespace, as root or as nobody.

An ordinary user must be able to read the interpreter and the checkout. If they are under a closed directory
(root's home), the run gets a private mount namespace in which only those trees are readable; the file system
of the machine does not change.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.namespaces import Namespace

SCRIPT = Path(sys.executable).parent / "tracetcp"
SOURCE = Path(__file__).resolve().parents[2] / "src"
UNTRUSTED_ENVIRONMENT = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONSAFEPATH", "TRACETCP_OPTIONS")

# Arguments: the closed directory, the trees below it that the user may read, "--", the command.
LAY_OPEN = """
closed=$1; shift
trees=""; while [ "$1" != -- ]; do trees="$trees $1"; shift; done; shift
staging=$(mktemp -d)
mount -t tmpfs tmpfs "$staging"
for tree in $trees; do mkdir -p "$staging$tree"; mount --bind "$tree" "$staging$tree"; done
mount -t tmpfs -o mode=755 tmpfs "$closed"
for tree in $trees; do mkdir -p "$tree"; mount --bind "$staging$tree" "$tree"; done
umount -R "$staging"; rmdir "$staging"
cd /; exec "$@"
"""


class Finished(NamedTuple):
    """The results of a run of the program; ``seconds`` is its whole wall time."""

    status: int
    out: str
    err: str
    seconds: float

    @property
    def rows(self) -> list[str]:
        """The non-empty lines of the output."""
        return [line for line in self.out.splitlines() if line]


def command(namespace: Namespace, arguments: Sequence[str], user: str | None = None) -> list[str]:
    """The full command line that runs ``tracetcp ARGUMENTS`` in ``namespace``, as ``user`` if given."""
    assert SCRIPT.exists(), f"{SCRIPT} is missing: install the project with pip install -e '.[tests]'"
    words = [str(SCRIPT), *arguments]
    if user is not None:
        words = [*_laid_open(pwd.getpwnam(user).pw_uid), *_without_privilege(user), *words]
    return [*namespace.prefix, *words]


def environment() -> dict[str, str]:
    """The tests' environment without the variables that would change the installed program."""
    return {key: value for key, value in os.environ.items() if key not in UNTRUSTED_ENVIRONMENT}


def run(
    namespace: Namespace,
    arguments: Sequence[str],
    *,
    user: str | None = None,
    timeout: float = 20,
    extra_environment: dict[str, str] | None = None,
) -> Finished:
    """Run ``tracetcp`` to its end; the test fails if it takes longer than ``timeout`` seconds."""
    began_at = time.monotonic()
    finished = subprocess.run(
        command(namespace, arguments, user),
        env=environment() | (extra_environment or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Finished(finished.returncode, finished.stdout, finished.stderr, time.monotonic() - began_at)


def _without_privilege(user: str) -> list[str]:
    return [
        *("setpriv", "--reuid", user, "--regid", str(pwd.getpwnam(user).pw_gid), "--clear-groups"),
        *("--inh-caps=-all", "--bounding-set=-all", "--no-new-privs", "--"),
    ]


def _laid_open(uid: int) -> list[str]:
    """The words that open closed directories above the program for ``uid``; none if all are open."""
    trees = sorted({Path(sys.prefix), Path(sys.base_prefix), SOURCE})
    words: list[str] = []
    for closed in sorted({top for tree in trees for top in [_closed_above(tree, uid)] if top}):
        inside = [str(tree) for tree in trees if tree.is_relative_to(closed)]
        words = ["sh", "-ec", LAY_OPEN, "sh", str(closed), *_outermost(inside), "--", *words]
    return words


def _closed_above(tree: Path, uid: int) -> Path | None:
    """The outermost directory at or above ``tree`` that ``uid`` may not enter, or None."""
    for directory in [*reversed(tree.parents), tree]:
        status = directory.stat()
        if status.st_uid != uid and not status.st_mode & 0o001:
            return directory
    return None


def _outermost(trees: list[str]) -> list[str]:
    return [tree for tree in trees if not any(Path(tree).is_relative_to(o) for o in trees if o != tree)]
