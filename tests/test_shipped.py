"""Help, man page, completions and the declared flags agree, and the shells accept the completions."""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import tree_sitter
import tree_sitter_powershell

from shipped import DATA, shipped
from tracetcp.cli.flags import build_parser

COMPLETE = """\
source "$1"; shift
COMP_WORDS=(tracetcp "$@"); COMP_CWORD=$#; COMP_LINE="tracetcp $*"
_shtab_tracetcp tracetcp "${@: -1}" "${@: -2:1}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def flags() -> set[str]:
    return {flag for action in build_parser()._actions for flag in action.option_strings}


NAMES = ["tracetcp.1", "tracetcp.bash", "_tracetcp", "tracetcp.fish", "tracetcp.ps1"]
TYPED = [
    (["--exp"], "--explain"),
    (["-r", "1", "2", "--num"], "--numeric"),
    (["-i", "l"], "lo"),
    (["--pcap", "/etc/host"], "/etc/hosts"),
]
"""What was typed, and a word that is then offered."""
PROMPT = "READY "


def needs(shell: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")


@pytest.mark.parametrize("name", NAMES)
def test_what_is_shipped_is_what_the_flags_make(name: str) -> None:
    assert (DATA / name).read_text(encoding="utf-8") == shipped()[name], "run: python tests/shipped.py"


@pytest.mark.parametrize("name", NAMES)
def test_what_is_shipped_names_every_flag(name: str) -> None:
    text = re.sub(r"\\f[BIR]|\\", "", (DATA / name).read_text(encoding="utf-8"))
    if name == "tracetcp.fish":  # -s h -l start-hop
        text = re.sub(r" -s '?(.)'?", r" -\1", re.sub(r" -l (\S+)", r" --\1", text))
    assert {
        flag for flag in flags() if not re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", text)
    } == set()


def test_the_man_page_and_the_help_name_no_other_flag() -> None:
    page = re.sub(r"\\f[BIR]|\\[,/]|\\", "", (DATA / "tracetcp.1").read_text(encoding="utf-8"))
    for text in (page, build_parser().format_help()):
        assert set(re.findall(r"(?<![\w-])--?[A-Za-z0-9?][\w-]*", text)) == flags()


@pytest.mark.parametrize(("typed", "found"), TYPED)
def test_bash_completes(typed: list[str], found: str) -> None:
    arguments = ["bash", "--norc", "-c", COMPLETE, "bash", str(DATA / "tracetcp.bash"), *typed]
    finished = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=30)
    assert found in finished.stdout.split()


@needs("fish")
@pytest.mark.parametrize(("typed", "found"), TYPED)
def test_fish_completes(typed: list[str], found: str, tmp_path: Path) -> None:
    script = 'source $argv[1]; complete --do-complete "$argv[2]"'
    line = shlex.join(["tracetcp", *typed])
    finished = subprocess.run(
        ["fish", "--no-config", "-c", script, str(DATA / "tracetcp.fish"), line],
        env=os.environ | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert finished.stderr == ""
    assert found in [row.partition("\t")[0] for row in finished.stdout.splitlines()]


@needs("zsh")
@pytest.mark.parametrize(("typed", "found"), TYPED)
def test_zsh_completes(typed: list[str], found: str, tmp_path: Path) -> None:
    """In a terminal, because zsh completes nowhere else: Tab, and what is then on the line or below it."""
    functions = tmp_path / "functions"
    functions.mkdir()
    shutil.copy(DATA / "_tracetcp", functions)
    (tmp_path / ".zshrc").write_text(
        f"fpath=({functions} $fpath)\nautoload -Uz compinit; compinit -u -d {tmp_path}/dump\n"
        f"PS1='{PROMPT}'; setopt no_list_beep; unsetopt zle_bracketed_paste 2>/dev/null\n"
    )
    shown = in_terminal(["zsh", "-i"], shlex.join(["tracetcp", *typed]) + "\t", Path(found).name, tmp_path)
    assert Path(found).name in shown


def in_terminal(command: list[str], typed: str, awaited: str, home: Path) -> str:
    """What ``command`` shows in a terminal of its own after ``typed``, until that contains ``awaited``."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", *command],
        env=os.environ | {"HOME": str(home), "ZDOTDIR": str(home), "TERM": "dumb"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    shown = ""
    until = time.monotonic() + 20
    try:
        for words, wanted in ((typed, PROMPT), ("", awaited)):
            while wanted not in shown and time.monotonic() < until:
                if select.select([ours], [], [], 0.5)[0]:
                    shown += os.read(ours, 65536).decode(errors="replace")
            if words:
                shown = ""
                os.write(ours, words.encode())
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)
    return shown


def test_powershell_reads_its_completion() -> None:
    """By its grammar: PowerShell itself is in no package index that the tests use."""
    script = (DATA / "tracetcp.ps1").read_bytes()
    tree = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language())).parse(script)
    assert not tree.root_node.has_error
    broken = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language())).parse(script[:-3])
    assert broken.root_node.has_error
