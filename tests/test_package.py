"""The package: what is built is whole, and installs where nothing else is. By uv, which takes seconds.

Needs the package index that pip is set up for, as ``tests/run`` does.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest

from tracetcp import __version__

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
UV = Path(sys.prefix) / "bin/uv"
INSTALLED = [
    "share/man/man1/tracetcp.1",
    "share/bash-completion/completions/tracetcp",
    "share/zsh/site-functions/_tracetcp",
    "share/fish/vendor_completions.d/tracetcp.fish",
]
VERSION = f"tracetcp {__version__}\n"
USE = "import tracetcp; print(tracetcp.TraceConfig(host='192.0.2.1'))"


def run(*words: str | Path, cwd: Path = ROOT, **variables: str) -> str:
    """The output of a command that must succeed; it sees nothing of this checkout's environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    finished = subprocess.run(
        words, cwd=cwd, env=kept | variables, capture_output=True, text=True, timeout=300, check=False
    )
    assert finished.returncode == 0, finished.stdout[-2000:] + finished.stderr[-2000:]
    return finished.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The sdist, and the wheel that is made of it, by kind."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    made = sorted(folder.iterdir())
    assert [each.name for each in made] == [
        f"tracetcp-{__version__}-py3-none-any.whl",
        f"tracetcp-{__version__}.tar.gz",
    ]
    return {"wheel": made[0], "sdist": made[1]}


def test_the_index_would_take_both(built: dict[str, Path]) -> None:
    """twine stays out of the tests' environment: it brings cryptography, which scapy loads wherever it is."""
    run(
        UV,
        "tool",
        "run",
        "--quiet",
        "--python",
        sys.executable,
        "twine",
        "check",
        "--strict",
        *built.values(),
    )


def has_all(place: Path, elsewhere: Path) -> None:
    """Check the environment at ``place``: program, library, data files, and no other package."""
    assert run(place / "bin/tracetcp", "--version", cwd=elsewhere) == VERSION
    assert "192.0.2.1" in run(place / "bin/python", "-c", USE, cwd=elsewhere)
    assert [name for name in INSTALLED if not (place / name).is_file()] == []
    found = {each.name.partition("-")[0] for each in place.glob("lib/python3.*/site-packages/*.dist-info")}
    asked = {re.split(r"\W", each)[0] for each in PROJECT["project"]["dependencies"]}
    assert found - {"pip", "setuptools"} == {"tracetcp", *asked}


def test_the_sdist_installs_in_a_clean_environment(built: dict[str, Path], tmp_path: Path) -> None:
    place = tmp_path / "clean"
    run(UV, "venv", "--quiet", "--python", sys.executable, place, cwd=tmp_path)
    run(UV, "pip", "install", "--quiet", "--python", place / "bin/python", built["sdist"], cwd=tmp_path)
    has_all(place, tmp_path)


def test_the_wheel_is_installed_as_a_tool_and_run_without(built: dict[str, Path], tmp_path: Path) -> None:
    places = {f"UV_{name}_DIR": str(tmp_path / name) for name in ("TOOL", "TOOL_BIN")}
    uv = UV, "tool"
    which = "--quiet", "--python", sys.executable
    run(*uv, "install", *which, built["wheel"], cwd=tmp_path, **places)
    has_all(tmp_path / "TOOL/tracetcp", tmp_path)
    assert run(tmp_path / "TOOL_BIN/tracetcp", "--version", cwd=tmp_path) == VERSION
    run(*uv, "uninstall", "--quiet", "tracetcp", cwd=tmp_path, **places)
    once = *uv, "run", *which, "--from", built["wheel"], "tracetcp", "--version"
    assert run(*once, cwd=tmp_path, **places) == VERSION


def test_the_sdist_holds_tests_and_docs_that_work(built: dict[str, Path], tmp_path: Path) -> None:
    with tarfile.open(built["sdist"]) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    for pattern in (
        "docs/*.md",
        "tests/**/*.py",
        "tests/**/*.toml",
        "tests/golden/*",
        "README.md",
        "LICENSE",
    ):
        expected = {each.relative_to(ROOT) for each in ROOT.glob(pattern) if "__pycache__" not in each.parts}
        assert expected == {each.relative_to(unpacked) for each in unpacked.glob(pattern)}
        assert expected
    assert (unpacked / "tests/run").stat().st_mode & 0o111
    words = "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/engine/test_pacer.py", "tests/test_docs.py"
    told = run(sys.executable, *words, cwd=unpacked, PYTHONPATH=str(unpacked / "src"))
    assert re.search(r"^\d+ passed", told, re.MULTILINE)


def test_the_wheel_is_typed_and_has_nothing_of_the_tests(built: dict[str, Path]) -> None:
    with ZipFile(built["wheel"]) as archive:
        names = archive.namelist()
    assert "tracetcp/py.typed" in names
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"tracetcp"}


def test_what_the_index_shows() -> None:
    project = PROJECT["project"]
    minor = [int(line.rpartition(".")[2]) for line in project["classifiers"] if ":: 3." in line]
    assert minor == list(range(minor[0], minor[-1] + 1))
    assert project["requires-python"] == f">=3.{minor[0]}"
    assert {"Documentation", "Issues", "Source", "Changelog"} <= project["urls"].keys()
