"""The recipe of docs/packaging.md makes a Debian package, where debhelper is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tracetcp import __version__

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs/packaging.md").read_text(encoding="utf-8")
FILE = re.compile(r"^`(debian/[\w/]+)`[^\n]*:\n\n((?:    .*\n|\n)+)", re.MULTILINE)
BUILDERS = ("dpkg-buildpackage", "dh", "dh_python3")
DEBIANS = "/usr/sbin:/usr/bin:/sbin:/bin"
"""Where Debian's own Python comes first."""
CONTENT = {
    "usr/bin/tracetcp",
    "usr/lib/tracetcp/scapy/all.py",
    "usr/lib/tracetcp/tracetcp/app.py",
    "usr/share/bash-completion/completions/tracetcp",
    "usr/share/fish/vendor_completions.d/tracetcp.fish",
    "usr/share/man/man1/tracetcp.1.gz",
    "usr/share/zsh/vendor-completions/_tracetcp",
}


def files() -> dict[str, str]:
    """The text of each file of the recipe, by name."""
    indent = re.compile(r"^ {4}", re.MULTILINE)
    return {name: indent.sub("", text).rstrip() + "\n" for name, text in FILE.findall(PAGE)}


def run(*words: str | Path, cwd: Path) -> str:
    finished = subprocess.run(
        words,
        cwd=cwd,
        env=os.environ | {"PATH": DEBIANS},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout[-3000:] + finished.stderr[-3000:]
    return finished.stdout


def test_the_recipe_is_of_this_version() -> None:
    assert files()["debian/changelog"].startswith(f"tracetcp ({__version__}-1) ")
    assert len(files()) == 6


@pytest.mark.slow
@pytest.mark.skipif(
    any(shutil.which(name) is None for name in BUILDERS), reason="debhelper and dh-python are not installed"
)
def test_the_recipe_makes_a_package_that_runs(tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--no-isolation", "--sdist", "--outdir", tmp_path, ROOT, cwd=tmp_path)
    with tarfile.open(tmp_path / f"tracetcp-{__version__}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    source = tmp_path / f"tracetcp-{__version__}"
    for name, text in files().items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text, encoding="utf-8")
    (source / "debian/rules").chmod(0o755)
    run("dpkg-buildpackage", "-us", "-uc", "-b", cwd=source)
    package = tmp_path / f"tracetcp_{__version__}-1_all.deb"
    assert run("dpkg-deb", "--field", package, "Depends", cwd=tmp_path) == "python3:any\n"
    place = tmp_path / "unpacked"
    run("dpkg-deb", "--extract", package, place, cwd=tmp_path)
    assert {name for name in CONTENT if not (place / name).is_file()} == set()
    launcher = (place / "usr/bin/tracetcp").read_text(encoding="utf-8")
    (tmp_path / "launcher").write_text(launcher.replace("/usr/lib", f"{place}/usr/lib"), encoding="utf-8")
    said = run("/usr/bin/python3", "-I", tmp_path / "launcher", "--version", cwd=tmp_path)
    assert said == f"tracetcp {__version__}\n"
