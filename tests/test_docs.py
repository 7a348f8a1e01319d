"""README and docs are correct: links resolve, commands parse, every flag is listed, the demo works."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tracetcp.cli.flags import build_parser
from tracetcp.cli.parsing import parse

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
COMMAND = re.compile(r"^ {4}(?:\$ )?(?:sudo )?(?:\S*/)?tracetcp (.+)$", re.MULTILINE)
NO_COMMAND = ("[options]", "(")
"""How a synopsis goes on, and an entry of Debian's changelog."""
FLAG = re.compile(r"(?<![\w-])(--?[A-Za-z0-9?][\w-]*)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link


def commands() -> list[tuple[str, str]]:
    """Every tracetcp command line of the documents, cut before a pipe or comment, with its page."""
    lines = [
        (page.name, line) for page in PAGES for line in COMMAND.findall(page.read_text(encoding="utf-8"))
    ]
    return [
        (page, re.split(r" (?:[|#>]|>>) | {2,}", line)[0])
        for page, line in lines
        if not line.startswith(NO_COMMAND)
    ]


@pytest.mark.parametrize(("page", "line"), commands())
def test_every_command_is_understood(page: str, line: str) -> None:
    assert parse(shlex.split(line)) is not None, page


def test_there_are_commands_to_check() -> None:
    assert len(commands()) > 8


def test_usage_names_every_flag_and_no_other() -> None:
    table = (
        (ROOT / "docs/usage.md")
        .read_text(encoding="utf-8")
        .partition("## Flags")[2]
        .partition("## Cookbook")[0]
    )
    first_cells = "\n".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))
    declared = {flag for action in build_parser()._actions for flag in action.option_strings}
    assert set(FLAG.findall(first_cells)) == declared


def test_the_demo_shows_the_documented_hops() -> None:
    finished = subprocess.run(
        [sys.executable, str(ROOT / "tests/demo.py"), "0"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={"PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tests'}"},
    )
    golden = (ROOT / "tests/golden/verbose-ftp-port-21.txt").read_text(encoding="ascii").splitlines()[1:]

    def without_times(lines: list[str]) -> list[str]:
        return [re.sub(r"\d+ ms", "N ms", " ".join(line.split())) for line in lines]

    assert without_times(finished.stdout.splitlines()) == without_times(golden)
