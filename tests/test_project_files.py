"""The files for contributors' tools fit their schemas, name what exists, and agree with the package."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
GITHUB = ROOT / ".github"
PROGRAMS = Path(sys.prefix) / "bin"
WORKFLOW = GITHUB / "workflows/checks.yml"
FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config")


def passes(*words: str | Path) -> None:
    finished = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-workflows", [WORKFLOW]),
        ("custom.github-workflows-require-timeout", [WORKFLOW]),
        ("vendor.github-issue-forms", FORMS),
        ("vendor.github-issue-config", [GITHUB / "ISSUE_TEMPLATE/config.yml"]),
    ],
)
def test_a_file_fits_its_schema(schema: str, files: list[Path]) -> None:
    assert files
    passes(PROGRAMS / "check-jsonschema", "--builtin-schema", schema, *files)


def test_the_workflow_gives_nothing_away() -> None:
    passes(PROGRAMS / "zizmor", "--offline", "--persona=pedantic", "--no-progress", WORKFLOW)


def test_the_workflow_runs_every_version_that_the_package_names() -> None:
    jobs = YAML(typ="safe").load(WORKFLOW)["jobs"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = re.findall(r"Python :: (3\.\d+)$", "\n".join(project["classifiers"]), re.MULTILINE)
    assert jobs["versions"]["strategy"]["matrix"]["python"] == named
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert all((ROOT / re.findall(r"\S*(?:tests|\.ci)/run", command)[0]).is_file() for command in commands)


def test_every_form_asks_for_what_tells_a_network() -> None:
    for form in FORMS:
        text = form.read_text(encoding="utf-8")
        assert all(flag in text for flag in ("--check", "--json", "--pcap")), form


def test_every_hook_before_a_commit_calls_a_program_that_is_there() -> None:
    hooks = YAML(typ="safe").load(ROOT / ".pre-commit-config.yaml")["repos"][0]["hooks"]
    for hook in hooks:
        program, *rest = hook["entry"].split()
        assert Path(program).parent == Path(".venv/bin")
        assert (PROGRAMS / Path(program).name).is_file()
        assert all((ROOT / word).is_file() for word in rest if word.startswith("tests/"))
