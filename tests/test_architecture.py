"""The rules of docs/design.md that no other test would catch: imports between layers, headers, streams."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "tracetcp"
MODULES = sorted(SOURCE.rglob("*.py"))

LAYERS: dict[str, tuple[str, ...]] = {
    "errors": (),
    "limits": ("errors",),
    "addresses": (),
    "descriptors": (),
    "memory": (),
    "late_imports": (),
    "config": ("errors", "late_imports", "limits"),
    "model": ("limits",),
    "engine": ("config", "model"),
    "verdicts": ("model",),
    "differences": ("limits", "model", "verdicts"),
    "explain": ("config", "engine", "limits", "model", "verdicts"),
    "watch": ("config", "engine", "explain", "model"),
    "wire": ("addresses", "late_imports", "model"),
    "probers": ("addresses", "config", "descriptors", "errors", "model", "wire"),
    "names": ("addresses", "descriptors", "errors", "memory", "model"),
    "formatters": ("config", "model", "verdicts"),
    "cli": ("addresses", "config", "errors", "formatters.display", "limits"),
    "privileges": ("errors",),
    "early_imports": ("names", "privileges", "wire"),
    "pcap_file": ("errors", "wire"),
    "picture_file": ("errors", "formatters", "model"),
    "runner": ("engine", "errors", "model", "probers.prober"),
    "diagnosis": ("config", "errors", "model", "probers", "runner"),
    "lasting": ("config", "diagnosis", "errors", "model", "names", "probers"),
    "dialogue": ("errors", "model", "probers", "runner"),
    "afterwards": ("errors", "explain", "model"),
    "mtu": ("afterwards", "config", "dialogue", "engine", "model", "probers", "runner", "verdicts", "wire"),
    "idle": ("afterwards", "config", "dialogue", "engine", "model", "probers", "runner", "verdicts", "wire"),
    "say": (
        "afterwards",
        "config",
        "dialogue",
        "engine",
        "errors",
        "limits",
        "model",
        "privileges",
        "probers",
        "runner",
        "verdicts",
        "wire",
    ),
    "session": (
        "afterwards",
        "config",
        "early_imports",
        "engine",
        "errors",
        "explain",
        "idle",
        "lasting",
        "limits",
        "model",
        "mtu",
        "names",
        "pcap_file",
        "privileges",
        "probers",
        "runner",
        "say",
        "watch",
    ),
    "shortages": (),
    "targets": (
        "cli.target_list",
        "config",
        "early_imports",
        "engine",
        "errors",
        "memory",
        "model",
        "names",
        "privileges",
        "probers",
        "runner",
        "session",
        "shortages",
        "verdicts",
    ),
    "saved_runs": ("differences", "errors", "model"),
    "reporting": ("config", "errors", "model", "names", "session", "verdicts"),
    "screen": ("errors", "formatters", "model", "session", "targets"),
    "signals": (),
    "watch_screen": (
        "config",
        "errors",
        "formatters",
        "model",
        "runner",
        "screen",
        "session",
        "signals",
        "watch",
    ),
    "app": (
        "cli",
        "config",
        "diagnosis",
        "errors",
        "formatters",
        "picture_file",
        "reporting",
        "saved_runs",
        "screen",
        "session",
        "shortages",
        "signals",
        "targets",
        "watch_screen",
    ),
    "__main__": ("app",),
}
"""What each layer may import besides itself: a layer, or a single module of one. Lower layers come first, and
nothing imports upwards. docs/design.md shows this table; a test compares them.
"""
PURE = (
    "errors",
    "limits",
    "config",
    "model",
    "engine",
    "verdicts",
    "differences",
    "explain",
    "watch",
    "formatters",
)
FORBIDDEN_IN_PURE = {"socket", "select", "selectors", "time", "threading", "subprocess", "os", "sys"}
LIBRARIES = {"scapy": ("wire", "probers"), "dns": ("names",)}
"""The layers that may import a library, always late."""
WRITERS = ("app", "screen", "watch_screen")
TOP = ("app", "reporting", "screen", "session", "shortages", "signals", "targets", "watch_screen", "__main__")
"""They wire everything, so the design page does not list what they may import."""


def name_of(path: Path) -> str:
    """``engine.trace.path`` for src/tracetcp/engine/trace/path.py, ``engine`` for the package's own file."""
    name = path.relative_to(SOURCE).with_suffix("").as_posix().replace("/", ".")
    return name.removesuffix("__init__").rstrip(".")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path: Path) -> frozenset[str]:
    """Every module that ``path`` imports: at the top, inside a function, or for types only."""
    found: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{name_of(path)} has a relative import"
            found |= {_module(node.module, alias.name) for alias in node.names}
    return frozenset(found)


def _module(package: str, name: str) -> str:
    """The module that ``from package import name`` needs; ``name`` may itself be a module."""
    return f"{package}.{name}" if f"{package}.{name}" in names() else package


@cache
def names() -> frozenset[str]:
    return frozenset(f"tracetcp.{name_of(path)}".rstrip(".") for path in MODULES)


def own_imports(path: Path) -> set[str]:
    """The modules of this project among ``imports``, without the project's name; "" is the package itself."""
    return {name.removeprefix("tracetcp").lstrip(".") for name in imports(path) if name in names()}


def layer_of(name: str) -> str:
    return name.partition(".")[0]


def calls(path: Path) -> set[str]:
    """The names that ``path`` calls, and every dotted name in it."""
    nodes = list(ast.walk(tree_of(path)))
    called = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
    return called | {ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute)}


def test_every_module_belongs_to_a_layer() -> None:
    assert {layer_of(name_of(path)) for path in MODULES} - {""} == set(LAYERS)


def test_no_layer_may_import_a_higher_one() -> None:
    order = list(LAYERS)
    for layer, allowed in LAYERS.items():
        for other in allowed:
            assert order.index(layer_of(other)) < order.index(layer), f"{layer} is below {other}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_imports_only_what_its_layer_may(path: Path) -> None:
    layer = layer_of(name_of(path))
    if not layer:
        return
    for module in own_imports(path) - {""}:
        allowed = module in LAYERS[layer] or layer_of(module) in (layer, *LAYERS[layer])
        assert allowed, f"{name_of(path)} imports {module}"


def test_no_module_imports_itself_through_others() -> None:
    graph = {name_of(path): own_imports(path) - {""} for path in MODULES}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail[trail.index(name) :], name))
        if name not in done:
            for other in sorted(graph.get(name, ())):
                visit(other, (*trail, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())


@pytest.mark.parametrize("path", [p for p in MODULES if layer_of(name_of(p)) in PURE], ids=name_of)
def test_pure_modules_import_the_standard_library_without_its_sockets_and_clocks(path: Path) -> None:
    for module in imports(path):
        top = module.partition(".")[0]
        assert top not in FORBIDDEN_IN_PURE, f"{name_of(path)} imports {module}"
        assert top == "tracetcp" or top in sys.stdlib_module_names, f"{name_of(path)} imports {module}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_libraries_have_their_places_and_are_imported_late(path: Path) -> None:
    at_the_top = {
        name
        for node in tree_of(path).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    }
    for module in imports(path):
        assert module != "scapy.all", "scapy.all costs half a second and opens sockets"
        top = module.partition(".")[0]
        if top in LIBRARIES:
            assert layer_of(name_of(path)) in LIBRARIES[top], f"{name_of(path)} imports {module}"
            assert module not in at_the_top, f"{name_of(path)} imports {module} before a trace starts"


@pytest.mark.parametrize("path", [p for p in MODULES if name_of(p) not in WRITERS], ids=name_of)
def test_only_the_screen_of_the_app_writes_to_streams(path: Path) -> None:
    assert not calls(path) & {"print", "input", "sys.stdout", "sys.stderr"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(tree_of(path))


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
def test_help_version_and_usage_errors_need_neither_libraries_nor_the_model(arguments: list[str]) -> None:
    code = (
        "import sys; from tracetcp.app import main; main(sys.argv[1:]);"
        "late = ('scapy', 'dns', 'tracetcp.model', 'tracetcp.engine');"
        "sys.exit(any(m in late or m.split('.')[0] in late for m in sys.modules))"
    )
    finished = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, check=False)
    assert finished.returncode == 0


def test_the_design_page_shows_the_table_of_layers() -> None:
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| .+ \| ((?:`[\w.]+`(?:, )?)*) ?\|$", page, re.MULTILINE)
    shown = {layer: tuple(re.findall(r"`([\w.]+)`", allowed)) for layer, allowed in rows}
    assert shown == {layer: allowed for layer, allowed in LAYERS.items() if layer not in TOP}
