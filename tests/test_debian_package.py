"""The recipe of docs/packaging.md for this Debian release makes a package, where debhelper is installed."""

from __future__ import annotations

import os
import platform
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
SHARED = {
    "usr/bin/tracetcp",
    "usr/share/bash-completion/completions/tracetcp",
    "usr/share/fish/vendor_completions.d/tracetcp.fish",
    "usr/share/man/man1/tracetcp.1.gz",
    "usr/share/zsh/vendor-completions/_tracetcp",
}
CONTENT = {
    "12": SHARED | {"usr/lib/tracetcp/scapy/all.py", "usr/lib/tracetcp/tracetcp/app.py"},
    "13": SHARED | {"usr/lib/python3/dist-packages/tracetcp/app.py"},
}
NEEDS = {"12": {"python3:any"}, "13": {"python3-dnspython", "python3-scapy", "python3:any"}}
TAKEN_BY_13 = {"debian/changelog", "debian/copyright", "debian/source/format"}
RELEASE = platform.freedesktop_os_release().get("VERSION_ID", "") if Path("/etc/os-release").exists() else ""


def recipe(release: str) -> dict[str, str]:
    """The text of each file of the recipe for Debian ``release``, by name; 13 takes three from 12."""
    of_12, of_13 = PAGE.split("## A package for Debian ")[1:]
    indent = re.compile(r"^ {4}", re.MULTILINE)

    def files(text: str) -> dict[str, str]:
        return {name: indent.sub("", content).rstrip() + "\n" for name, content in FILE.findall(text)}

    if release == "12":
        return files(of_12)
    return {name: text for name, text in files(of_12).items() if name in TAKEN_BY_13} | files(of_13)


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


@pytest.mark.parametrize(("release", "own_files"), [("12", 6), ("13", 5)])
def test_the_recipe_is_of_this_version(release: str, own_files: int) -> None:
    files = recipe(release)
    assert files["debian/changelog"].startswith(f"tracetcp ({__version__}-1) ")
    assert len(files) == own_files


@pytest.mark.slow
@pytest.mark.skipif(RELEASE not in CONTENT, reason="this is neither Debian 12 nor 13")
@pytest.mark.skipif(
    any(shutil.which(name) is None for name in BUILDERS), reason="debhelper and dh-python are not installed"
)
def test_the_recipe_makes_a_package_that_runs(tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--no-isolation", "--sdist", "--outdir", tmp_path, ROOT, cwd=tmp_path)
    with tarfile.open(tmp_path / f"tracetcp-{__version__}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    source = tmp_path / f"tracetcp-{__version__}"
    for name, text in recipe(RELEASE).items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text, encoding="utf-8")
    (source / "debian/rules").chmod(0o755)
    run("dpkg-buildpackage", "-us", "-uc", "-b", cwd=source)
    package = tmp_path / f"tracetcp_{__version__}-1_all.deb"
    needs = run("dpkg-deb", "--field", package, "Depends", cwd=tmp_path).strip().split(", ")
    assert set(needs) == NEEDS[RELEASE]
    place = tmp_path / "unpacked"
    run("dpkg-deb", "--extract", package, place, cwd=tmp_path)
    assert {name for name in CONTENT[RELEASE] if not (place / name).is_file()} == set()
    assert said_by(place, tmp_path) == f"tracetcp {__version__}\n"


def said_by(place: Path, folder: Path) -> str:
    """What the package unpacked in ``place`` says of its version, run by Debian's own Python."""
    if RELEASE == "13":
        library = place / "usr/lib/python3/dist-packages"
        start = (
            f"import sys; sys.path.insert(0, {str(library)!r}); import tracetcp.__main__ as m; m.console()"
        )
        return run("/usr/bin/python3", "-I", "-c", start, "--version", cwd=folder)
    launcher = (place / "usr/bin/tracetcp").read_text(encoding="utf-8")
    (folder / "launcher").write_text(launcher.replace("/usr/lib", f"{place}/usr/lib"), encoding="utf-8")
    return run("/usr/bin/python3", "-I", folder / "launcher", "--version", cwd=folder)
