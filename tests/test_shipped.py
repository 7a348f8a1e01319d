"""Help, man page, completions and the declared flags agree, and the shells accept the completions."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

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


@pytest.mark.parametrize("name", ["tracetcp.1", "tracetcp.bash", "_tracetcp"])
def test_what_is_shipped_is_what_the_flags_make(name: str) -> None:
    assert (DATA / name).read_text(encoding="utf-8") == shipped()[name], "run: python tests/shipped.py"


@pytest.mark.parametrize("name", ["tracetcp.1", "tracetcp.bash", "_tracetcp"])
def test_what_is_shipped_names_every_flag(name: str) -> None:
    text = re.sub(r"\\f[BIR]|\\", "", (DATA / name).read_text(encoding="utf-8"))
    assert {
        flag for flag in flags() if not re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", text)
    } == set()


def test_the_man_page_and_the_help_name_no_other_flag() -> None:
    page = re.sub(r"\\f[BIR]|\\[,/]|\\", "", (DATA / "tracetcp.1").read_text(encoding="utf-8"))
    for text in (page, build_parser().format_help()):
        assert set(re.findall(r"(?<![\w-])--?[A-Za-z0-9?][\w-]*", text)) == flags()


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        (["--exp"], "--explain"),
        (["-r", "1", "2", "--num"], "--numeric"),
        (["-i", "l"], "lo"),
        (["--pcap", "/etc/host"], "/etc/hosts"),
    ],
)
def test_bash_completes(typed: list[str], found: str) -> None:
    arguments = ["bash", "--norc", "-c", COMPLETE, "bash", str(DATA / "tracetcp.bash"), *typed]
    finished = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=30)
    assert found in finished.stdout.split()


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_reads_its_completion() -> None:
    subprocess.run(["zsh", "-f", "-n", str(DATA / "_tracetcp")], check=True, timeout=30)
