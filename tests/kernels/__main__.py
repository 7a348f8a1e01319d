"""Runs the tests of the probers on each kernel given, and prints which end otherwise than on this one."""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING

from kernels.machine import Kernel, kernel_in, run

if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECT = Path(__file__).resolve().parents[2]
FILES = ("test_connect_prober.py", "test_raw_prober.py", "test_prober_contract.py", "test_columns_seen.py")
TOO_SLOW = "not whole_scan and not batch_leaves_in_the_background"
"""They assume a speed that an emulated machine has not."""
LIMIT = 1800.0
"""Seconds for one kernel: an emulated machine takes a quarter of an hour where this one takes two minutes."""
BOOT = 120.0
"""Seconds of that for starting and stopping."""


def pytest_words(results: str, only: str) -> list[str]:
    """The command that runs the tests ``only``; ``results`` is the file for what came of them."""
    tests = [f"tests/{name}" for name in FILES]
    options = [
        "-q",
        "--color=no",
        "--tb=short",
        "-p",
        "no:cacheprovider",
        f"--junitxml={results}",
        "-k",
        only,
    ]
    return [sys.executable, "-m", "pytest", *options, *tests]


def outcomes(results: Path) -> dict[str, str]:
    """By test: passed, failed, error or skipped; nothing where there is no complete file."""
    try:
        cases = ET.parse(results).getroot().iter("testcase")  # noqa: S314 - written by pytest, here
    except (OSError, ET.ParseError):
        return {}
    found = {}
    for case in cases:
        worse = next((each.tag for each in case if each.tag in ("failure", "error", "skipped")), "passed")
        found[f"{case.get('classname')}::{case.get('name')}"] = worse
    return found


def here(folder: Path, only: str) -> dict[str, str]:
    """What comes of the tests on this machine's own kernel."""
    results = folder / "here.xml"
    subprocess.run(
        pytest_words(str(results), only),
        cwd=PROJECT,
        env=os.environ | {"CI": "true"},
        timeout=LIMIT,
        check=False,
    )
    return outcomes(results)


def there(kernel: Kernel, busybox: Path, folder: Path, only: str) -> dict[str, str]:
    """What comes of them on ``kernel``."""
    shared = folder / kernel.version
    shared.mkdir()
    words = shlex.join(pytest_words("/mnt/results.xml", only))
    task = (
        f"cd {PROJECT}\n"
        "export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root CI=true PYTHONDONTWRITEBYTECODE=1\n"
        "ip link set lo up\n"
        f"timeout {LIMIT - BOOT:.0f} {words}\n"
    )
    sys.stdout.write(run(kernel, busybox, task, shared, LIMIT)[-4000:] + "\n")
    return outcomes(shared / "results.xml")


def differences(ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    """The tests that end otherwise, one a line."""
    names = [*ours, *(name for name in theirs if name not in ours)]
    pairs = {name: (ours.get(name, "not run"), theirs.get(name, "not run")) for name in names}
    return [f"{name}: {one} here, {other} there" for name, (one, other) in pairs.items() if one != other]


def main() -> int:
    """Run everywhere; 1 where something differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--busybox", type=Path, required=True, help="a shell linked statically")
    parser.add_argument("-k", dest="only", default=TOO_SLOW, help="which tests, as pytest takes it")
    parser.add_argument("packages", type=Path, nargs="+", help="folders into which packages were unpacked")
    arguments = parser.parse_args()
    differ = False
    with tempfile.TemporaryDirectory(prefix="kernels-") as folder:
        ours = here(Path(folder), arguments.only)
        for package in arguments.packages:
            kernel = kernel_in(package)
            found = differences(ours, there(kernel, arguments.busybox, Path(folder), arguments.only))
            differ = differ or bool(found)
            head = f"Linux {kernel.version} beside {platform.release()}: {len(found)} tests differ"
            sys.stdout.write("\n".join((head, *found, "")))
            sys.stdout.flush()
    return int(differ)


if __name__ == "__main__":
    sys.exit(main())
