"""Makes the man page and the shell completions from the argparse declaration. Writes into src/tracetcp/data.

They are checked in and shipped, so that installing tracetcp needs no generator. Run ``python
tests/shipped.py`` after a change of the flags.
"""

from __future__ import annotations

import re
from pathlib import Path

import shtab
from argparse_manpage.manpage import Manpage  # type: ignore[import-untyped]

from powershell import powershell_completion
from tracetcp import __version__
from tracetcp.cli.flags import EXAMPLES, build_parser

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "src/tracetcp/data"
SUMMARY = "show where TCP packets to a port really go"
LEFT_OUT = "HELP"
"""Replaces ``--help``, which the generator would leave out: ours must be shown because of ``-?``."""
HELPERS = """\
_tracetcp_hosts() { compgen -A hostname -- "$1"; }
_tracetcp_interfaces() { compgen -W "$(ls /sys/class/net 2>/dev/null)" -- "$1"; }
"""
"""Completions that bash lacks; zsh has its own."""
COMPLETED = {
    "target": {"bash": "_tracetcp_hosts", "zsh": "_hosts", "fish": "(__fish_print_hostnames)"},
    "interface": {
        "bash": "_tracetcp_interfaces",
        "zsh": "_net_interfaces",
        "fish": "(__fish_print_interfaces)",
    },
    "diff": shtab.FILE,
    "pcap": shtab.FILE,
    "resume": shtab.FILE,
    "targets": shtab.FILE,
}


def shipped() -> dict[str, str]:
    """The content of each file in ``DATA``, by file name."""
    return {
        "tracetcp.1": man_page(),
        "tracetcp.bash": bash_completion(),
        "_tracetcp": zsh_completion(),
        "tracetcp.fish": fish_completion(),
        "tracetcp.ps1": powershell_completion(build_parser(), files=("diff", "pcap"), interfaces="interface"),
    }


def man_page() -> str:
    """The manual: each group of the help and each closing block is a section."""
    parser = build_parser()
    parser.epilog = None
    for action in parser._actions:
        if "--help" in action.option_strings:
            action.option_strings = ["-?", LEFT_OUT]
    page = Manpage(
        parser,
        {
            "project_name": "tracetcp",
            "version": __version__,
            "description": SUMMARY,
            "date": release_date(),
            "manual_title": "User Commands",
        },
    )
    text = str(page).replace(LEFT_OUT, r"\-\-help")
    return text + "".join(_section(block) for block in EXAMPLES.split("\n\n"))


def _section(block: str) -> str:
    """``targets:`` with its lines, or ``exit status: ...``, as a section with the same lines."""
    title, _, text = block.partition(":")
    body = text.lstrip("\n").rstrip().replace("\\", "\\\\").replace("-", "\\-")
    return f".SH {title.upper()}\n.nf\n{body}\n.fi\n"


def release_date() -> str:
    """The date of the newest release in the changelog."""
    changelog = (ROOT / "docs/changelog.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[[^]]+\] - (\S+)$", changelog, re.MULTILINE)
    assert newest, "docs/changelog.md names no release"
    return newest[1]


def bash_completion() -> str:
    """Completion for bash."""
    return _completion("bash")


def zsh_completion() -> str:
    """Completion for zsh; adds the quotes and the second arguments that the generator leaves out."""
    text = _completion("zsh").replace("{-?,--help}", "{'-?',--help}")
    text = re.sub(r":\('(\w+)', '(\w+)'\):_files", r":\1:_files:\2:_files", text)
    return re.sub(r":\('(\w+)', '(\w+)'\):", r":\1: :\2: ", text)


def fish_completion() -> str:
    """Completion for fish; adds the quotes round ``-?``, which is a pattern to fish."""
    return _completion("fish").replace(" -s ? ", " -s '?' ")


def _completion(shell: str) -> str:
    parser = build_parser()
    for action in parser._actions:
        if action.dest in COMPLETED:
            action.complete = COMPLETED[action.dest]  # type: ignore[attr-defined]
        if action.dest == "target":
            action.help = "the host to trace, and its port"
    text = shtab.complete(parser, shell=shell, preamble=HELPERS if shell == "bash" else "")
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


if __name__ == "__main__":
    DATA.mkdir(exist_ok=True)
    for name, content in shipped().items():
        (DATA / name).write_text(content, encoding="utf-8")
