"""Every rule in the header of a module is at a branch of its code, and every branch names a rule.

The form: in the module's docstring a line that begins with ``R1. `` states a rule. The ids count up from R1
without a gap; a rule may have several lines. In a function below, a comment that begins with the id stands at
the branch that follows the rule: at the end of its line or alone on the line above, as ``# R1``, ``# R1, R4``
or ``# R1: why so``. One rule may have several branches. A module without such lines has no rules.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "tracetcp"
MODULES = sorted(SOURCE.rglob("*.py"))

STATED = re.compile(r"^\s*(R\d+)\. ", re.MULTILINE)
FOLLOWED = re.compile(r"# (R\d+(?:, R\d+)*)(?![\w,])")


def stated(source: str) -> list[str]:
    """The ids in the header, in order."""
    return STATED.findall(ast.get_docstring(ast.parse(source)) or "")


def followed(source: str) -> dict[int, list[str]]:
    """The ids in comments, by line."""
    found = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        match = FOLLOWED.match(token.string) if token.type == tokenize.COMMENT else None
        if match:
            found[token.start[0]] = match[1].split(", ")
    return found


def lines_of_functions(source: str) -> set[int]:
    """The lines on which a branch may stand: those of the bodies of functions."""
    functions = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return {line for each in functions for line in range(each.lineno, (each.end_lineno or 0) + 1)}


def complaints(source: str) -> list[str]:
    """The differences between the rules in the header and those at the branches."""
    rules, places = stated(source), followed(source)
    inside = lines_of_functions(source)
    below = {rule for ids in places.values() for rule in ids}
    expected = [f"R{number}" for number in range(1, len(rules) + 1)]
    return [
        *([] if rules == expected else [f"the header counts {', '.join(rules)}"]),
        *(f"{rule} stands at no branch" for rule in rules if rule not in below),
        *(f"{rule} is not in the header" for rule in sorted(below - set(rules))),
        *(f"line {line} is outside of any function" for line in sorted(places.keys() - inside)),
    ]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_every_rule_of_a_header_stands_at_a_branch_and_every_branch_names_a_rule(path: Path) -> None:
    assert complaints(path.read_text(encoding="utf-8")) == []


HEADER = (
    '"""Does something.\n\nR1. The first rule,\n    on two lines (R7 is no rule).\nR2. The second.\n"""\n'
)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (HEADER + "def f(a):\n    if a:  # R1, R2\n        pass\n", []),
        (HEADER + "def f(a):\n    # R2: why\n    if a:  # R1\n        return '# R9'\n", []),
        ("def f():  # RFC 9002 and R2D2 are no rules\n    pass\n", []),
        (HEADER + "def f(a):\n    if a:  # R1\n        pass\n", ["R2 stands at no branch"]),
        (HEADER + "def f(a):\n    return a  # R1, R2, R3\n", ["R3 is not in the header"]),
        (
            HEADER + "A = 1  # R1\ndef f(a):\n    return a  # R2\n",
            ["line 7 is outside of any function"],
        ),
        (
            '"""R1. One.\nR3. Three."""\ndef f(a):\n    return a  # R1, R3\n',
            ["the header counts R1, R3"],
        ),
    ],
)
def test_the_reader_of_rules_reads_them(source: str, expected: list[str]) -> None:
    assert complaints(source) == expected
