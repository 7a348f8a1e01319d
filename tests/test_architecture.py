"""The rules of docs/design.md that code can break without any other test noticing."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "tracetcp"
MODULES = sorted(SOURCE.rglob("*.py"))
VOCABULARY = {"errors", "limits", "model", "config", "icmp_words"}
PURE = ("engine", "formatters", "verdicts")
FORBIDDEN_IN_PURE = {"socket", "select", "time", "threading", "subprocess", "os", "sys", "scapy", "dns"}
SCAPY_USERS = (
    "packets",
    "scapy_start",
    "probers/raw",
    "probers/generic",
    "probers/link",
    "probers/neighbour",
)


def name_of(path: Path) -> str:
    """``engine/path`` for src/tracetcp/engine/path.py."""
    return path.relative_to(SOURCE).with_suffix("").as_posix()


def imports(path: Path) -> set[str]:
    """Every module that ``path`` names in an import, at top level or inside a function, types aside."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If)
        and isinstance(branch.test, ast.Name)
        and branch.test.id == "TYPE_CHECKING"
        for node in ast.walk(branch)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            if node.module == "tracetcp":
                found |= {f"tracetcp.{alias.name}" for alias in node.names}
    return found


def calls(path: Path) -> set[str]:
    """What ``path`` calls, and every dotted name in it."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    called = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
    return called | {ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute)}


def is_pure(name: str) -> bool:
    return name in VOCABULARY or name.startswith(PURE)


def test_there_is_something_to_check() -> None:
    assert len(MODULES) > 20
    assert {name_of(path) for path in MODULES} >= VOCABULARY | {"app", "cli", "names", "engine/path"}


@pytest.mark.parametrize("path", [p for p in MODULES if is_pure(name_of(p))], ids=name_of)
def test_pure_modules_import_the_standard_library_and_each_other_downward(path: Path) -> None:
    own_package = name_of(path).split("/")[0]
    for module in imports(path):
        top, _, rest = module.partition(".")
        assert top not in FORBIDDEN_IN_PURE, f"{name_of(path)} imports {module}"
        assert top == "tracetcp" or top in sys.stdlib_module_names, f"{name_of(path)} imports {module}"
        if top == "tracetcp" and rest:
            assert rest.split(".")[0] in VOCABULARY | {own_package}, f"{name_of(path)} imports {module}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_scapy_and_dnspython_have_their_places(path: Path) -> None:
    for module in imports(path):
        assert module != "scapy.all", "scapy.all costs half a second and opens sockets"
        if module.split(".")[0] == "scapy":
            assert name_of(path).startswith(SCAPY_USERS), f"{name_of(path)} imports {module}"
        if module.split(".")[0] == "dns":
            assert name_of(path) == "names", f"{name_of(path)} imports {module}"


@pytest.mark.parametrize("path", [p for p in MODULES if name_of(p) != "app"], ids=name_of)
def test_only_the_app_writes_to_streams(path: Path) -> None:
    assert not calls(path) & {"print", "input", "sys.stdout", "sys.stderr"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_the_top_level_holds_what_it_should() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    top = {name.split("/")[0] for name in tracked}
    assert {name for name in top if not name.startswith(".")} == {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "src",
        "tests",
        "docs",
    }


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["--nonsense"], [], ["-p", "0", "host"], ["host:nosuchservice"]]
)
def test_help_version_and_usage_errors_need_neither_scapy_nor_dnspython(arguments: list[str]) -> None:
    code = (
        "import sys; from tracetcp.app import main; main(sys.argv[1:]);"
        "sys.exit(any(m.split('.')[0] in ('scapy', 'dns') for m in sys.modules))"
    )
    finished = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, check=False)
    assert finished.returncode == 0
