"""``tests/run`` itself, with a fake interpreter that only records its arguments."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

RUN = Path(__file__).parent / "run"
INTERPRETER = """#!/bin/sh
case "$*" in
    --version) cat version ;;
    -c*) ;;
    *"pip install"*) echo pip >>log; [ ! -e no-network ] ;;
    *pytest*) echo "$@" >>log ;;
esac
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "tests/engine").mkdir(parents=True)
    shutil.copy(RUN, tmp_path / "tests" / "run")
    (tmp_path / "pyproject.toml").write_text("dependencies = []\n")
    (tmp_path / "version").write_text("Python 3.11.0\n")
    interpreter = tmp_path / ".venv" / "bin" / "python"
    interpreter.parent.mkdir(parents=True)
    interpreter.write_text(INTERPRETER)
    interpreter.chmod(0o755)
    return tmp_path


def asked(project: Path, *arguments: str) -> list[str]:
    """The arguments that a run gave to the interpreter."""
    log = project / "log"
    log.unlink(missing_ok=True)
    subprocess.run([project / "tests" / "run", "--fast", *arguments], cwd="/", check=False, timeout=20)
    return log.read_text().splitlines()


CORES = len(os.sched_getaffinity(0))
IN_ONE = "-m pytest -m not netns and not slow"
TESTS = f"{IN_ONE} --numprocesses={CORES} --dist=worksteal"


def test_fast_leaves_out_what_needs_root_or_time_and_hands_on_the_rest(project: Path) -> None:
    assert asked(project, "-q", "-x") == ["pip", f"{TESTS} -q -x"]


def test_named_tests_run_in_one_process(project: Path) -> None:
    assert asked(project, "-q", "tests/engine") == ["pip", f"{IN_ONE} -q tests/engine"]
    assert asked(project, "tests/run::test_one") == [f"{IN_ONE} tests/run::test_one"]


def test_pip_is_called_again_only_for_another_pyproject_or_another_python(project: Path) -> None:
    assert asked(project) == ["pip", TESTS]
    assert asked(project) == [TESTS]
    (project / "pyproject.toml").write_text('dependencies = ["scapy"]\n')
    assert asked(project) == ["pip", TESTS]
    assert asked(project) == [TESTS]
    (project / "version").write_text("Python 3.12.0\n")
    assert asked(project) == ["pip", TESTS]


def test_an_installation_that_failed_is_not_taken_for_one(project: Path) -> None:
    (project / "no-network").touch()
    assert asked(project) == ["pip"]
    (project / "no-network").unlink()
    assert asked(project) == ["pip", TESTS]


def test_a_failed_installation_for_another_pyproject_is_not_covered_by_the_first(project: Path) -> None:
    """Even with the old pyproject.toml back, half of the new one's packages may be installed."""
    asked(project)
    old = (project / "pyproject.toml").read_text()
    (project / "pyproject.toml").write_text('dependencies = ["scapy"]\n')
    (project / "no-network").touch()
    asked(project)
    (project / "no-network").unlink()
    (project / "pyproject.toml").write_text(old)
    assert asked(project) == ["pip", TESTS]
