"""Who runs what with which rights: sudo's variables, a closed interpreter, hostile folders, a capability."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import machine
from internet.lab import simulated
from internet.notation import network
from lab import program
from machine import SUDO, Way
from tracetcp import early_imports, privileges
from tracetcp.errors import ProberError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from internet.lab import SimulatedInternet

NAMES = {
    "names": {"10.1.1.1": "one.example", "10.2.1.1": "two.example", "fd00:1:1::1": "one6.example"},
    "hosts": {"target.example": ["203.0.113.80"]},
    "texts": {"1.1.0.1.origin.asn.cymru.com": "64500 | 1.1.0.0/24 |"},
}


@pytest.fixture(scope="module")
def internet() -> Iterator[SimulatedInternet]:
    with simulated(network("1 2 3 | open 80 | rtt 4", dns=NAMES)) as running:
        yield running


def have_sudo(monkeypatch: pytest.MonkeyPatch, uid: str | None, gid: str | None) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    for name, value in (("SUDO_UID", uid), ("SUDO_GID", gid)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)


# Whose rights are left ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uid", "gid", "user"),
    [
        ("1000", "1001", (1000, 1001)),
        ("0001000", "0", (1000, 0)),
        ("4294967294", "4294967294", (2**32 - 2, 2**32 - 2)),
        ("0", "0", None),
        ("", "", None),
        (None, None, None),
    ],
)
def test_the_caller_is_who_sudo_says(
    uid: str | None, gid: str | None, user: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    have_sudo(monkeypatch, uid, gid)
    assert privileges.caller() == user


NO_IDS = [
    "4294967295",
    "99999999999",
    "\uff11\uff10\uff10\uff10",
    "\u0967",
    "-1",
    "+1",
    " 1",
    "1_0",
    "1\n",
    "0x1",
]


@pytest.mark.parametrize("text", [*NO_IDS, "", None])
def test_a_caller_that_is_none_is_refused_with_the_variable(
    text: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    have_sudo(monkeypatch, text, "1000")
    with pytest.raises(ProberError, match="SUDO_UID is"):
        privileges.caller()
    have_sudo(monkeypatch, "1000", text)
    with pytest.raises(ProberError, match="SUDO_GID is"):
        privileges.caller()


def test_only_root_asks_who_called_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    have_sudo(monkeypatch, "nonsense", "nonsense")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert privileges.caller() is None


@pytest.mark.netns
@pytest.mark.parametrize("text", NO_IDS)
def test_no_probe_is_sent_for_a_caller_that_is_none(text: str, internet: SimulatedInternet) -> None:
    before = internet.counts()["destination_syns"]
    for variables in ({**SUDO, "SUDO_UID": text}, {**SUDO, "SUDO_GID": text}):
        finished = machine.run(internet, ["-n", internet.destination], Way(variables))
        assert (finished.returncode, finished.stdout) == (3, "")
        assert machine.is_one_line(finished.stderr)
    assert internet.counts()["destination_syns"] == before


@pytest.mark.netns
def test_a_system_that_keeps_root_ends_the_run_with_a_line(internet: SimulatedInternet) -> None:
    """A user namespace that knows no other user than root, as in a container."""
    words = ["unshare", "--user", "--map-root-user", "env", *(f"{name}={SUDO[name]}" for name in SUDO)]
    words += [str(program.SCRIPT), "-n", "-i", "lo", "127.0.0.1"]
    finished = machine.finish(["unshare", "--user", "--map-root-user", "--net", *words])
    assert (finished.returncode, finished.stdout) == (3, "")
    assert machine.is_one_line(finished.stderr)


# A Python that the caller cannot read ----------------------------------------------------------------------


@pytest.mark.netns
@pytest.mark.parametrize(
    "arguments",
    [
        "{}",
        "-A {}",
        "-e {}",
        "-c -A {}",
        "--compare 80 443 {}",
        "-s 1 100 {}",
        "-r 80 82 -n {}",
        "-n {}",
        "-4 target.example",
        "-n -m 2 -t 300 203.0.113.99",
        "-e -A {six}",
        "-c -s 1 100 {six}",
        "-n -m 2 -t 300 2001:db8::99",
    ],
)
def test_a_python_that_the_caller_cannot_read_costs_nothing(
    arguments: str, internet: SimulatedInternet
) -> None:
    words = arguments.format(internet.destination, six=internet.destination6).split()
    closed = machine.run(internet, words, Way(SUDO, sees_python=False))
    opened = machine.run(internet, words, Way(SUDO))
    assert _without_times(closed.stdout) == _without_times(opened.stdout)
    assert (closed.returncode, closed.stderr) == (opened.returncode, opened.stderr)
    assert "target.example" in arguments or closed.stdout


def _without_times(text: str) -> list[str]:
    """The words of ``text`` but what differs from run to run: RTTs, and evidence that came in time."""
    lines = [line for line in text.splitlines() if not line.startswith("Evidence: ")]
    return [word for line in lines for word in line.split() if not word.isdigit()]


@pytest.mark.netns
def test_root_that_gives_up_its_powers_cannot_read_it_either(internet: SimulatedInternet) -> None:
    finished = machine.run(internet, ["-A", internet.destination], Way(sees_python=False))
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "one.example" in finished.stdout


@pytest.mark.netns
def test_json_needs_nothing_either(internet: SimulatedInternet) -> None:
    finished = machine.run(internet, ["--json", "-A", internet.destination], Way(SUDO, sees_python=False))
    assert (finished.returncode, finished.stderr) == (0, "")
    assert '"name":"one.example"' in finished.stdout


def test_who_is_not_root_loses_no_right_to_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(early_imports, "is_open", pytest.fail)
    early_imports.import_what_would_be_closed(look_ups=True)


def test_where_all_can_be_read_nothing_is_imported_early(monkeypatch: pytest.MonkeyPatch) -> None:
    have_sudo(monkeypatch, None, None)
    monkeypatch.setattr(early_imports, "is_open", lambda *_: True)
    monkeypatch.setattr(early_imports, "import_module", pytest.fail)
    early_imports.import_what_would_be_closed(look_ups=True)


def test_where_not_all_is_and_dnspython_only_for_look_ups(monkeypatch: pytest.MonkeyPatch) -> None:
    imported: list[str] = []
    have_sudo(monkeypatch, None, None)
    monkeypatch.setattr(early_imports, "is_open", lambda *_: False)
    monkeypatch.setattr(early_imports, "import_module", imported.append)
    monkeypatch.setattr("tracetcp.names.resolver.import_module", imported.append)
    early_imports.import_what_would_be_closed(look_ups=False)
    assert {"tracetcp.diagnosis", "tracetcp.formatters.json", "encodings.ascii", "inspect"} <= set(imported)
    assert not {"tracetcp.__main__", "dns.resolver"} & set(imported)
    have_sudo(monkeypatch, "1000", "1000")
    early_imports.import_what_would_be_closed(look_ups=True)
    assert "dns.rdtypes.ANY.PTR" in imported


@pytest.mark.parametrize(
    ("mode", "owner", "group", "is_open"),
    [
        (0o755, 1, 1, True),
        (0o700, 1, 1, False),
        (0o700, 5, 1, True),
        (0o077, 5, 5, False),
        (0o750, 1, 5, True),
        (0o705, 1, 5, False),
        (0o744, 1, 1, False),
        (0o711, 1, 1, False),
        (0o050, 1, 6, True),
    ],
)
def test_modes_say_who_can_read(
    mode: int, owner: int, group: int, is_open: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stat(path: str) -> os.stat_result:
        shown = (mode, owner, group) if path == "/some/python" else (0o755, 0, 0)
        return os.stat_result((shown[0], 0, 0, 0, *shown[1:], 0, 0, 0, 0))

    monkeypatch.setattr("os.stat", stat)
    monkeypatch.setattr("os.path.realpath", str)
    assert early_imports.is_open(["/some/python"], 5, [5, 6]) == is_open


def test_a_closed_folder_above_closes_what_is_below(tmp_path: Path) -> None:
    inner = tmp_path / "closed" / "lib"
    inner.mkdir(parents=True)
    everybody = {os.getuid(): [os.getgid()]}
    uid, groups = next(iter(everybody.items()))
    assert early_imports.is_open([str(inner), str(inner / "gone" / "lib")], uid, groups)
    inner.parent.chmod(0o600)
    try:
        assert not early_imports.is_open([str(inner)], uid, groups)
    finally:
        inner.parent.chmod(0o700)


def test_the_folders_are_those_of_the_modules_and_of_dnspython(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.machinery import PathFinder

    import dns

    assert dns.__file__ is not None
    wanted = {os.path.dirname(file) for file in (os.__file__, early_imports.__file__, dns.__file__)}  # noqa: PTH120
    assert wanted <= early_imports._folders()
    monkeypatch.setattr(PathFinder, "find_spec", lambda *_: None)
    assert os.path.dirname(os.__file__) in early_imports._folders()  # noqa: PTH120


# Folders that lie in wait ----------------------------------------------------------------------------------

SHADOWED = [
    "tracetcp",
    "scapy",
    "dns",
    "queue",
    "contextlib",
    "typing",
    "re",
    "struct",
    "selectors",
    "argparse",
]


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A folder with modules of many names that tell that they were run."""
    machine.open_to_all(tmp_path)
    place = tmp_path / "trap"
    (place / ".config" / "scapy").mkdir(parents=True)
    for name in (
        *(f"{name}.py" for name in SHADOWED),
        ".config/scapy/prestart.py",
        ".config/scapy/startup.py",
    ):
        (place / name).write_text("import sys; sys.stderr.write('caught'); sys.exit(77)\n")
    return place


@pytest.mark.netns
@pytest.mark.parametrize("way", [Way(), Way(SUDO), Way(user=machine.USER)], ids=["root", "sudo", "nobody"])
def test_the_script_runs_no_module_of_the_folder_it_is_called_in(
    way: Way, internet: SimulatedInternet, trap: Path
) -> None:
    places = {"HOME": str(trap), "XDG_CONFIG_HOME": f"{trap}/.config", "XDG_CACHE_HOME": f"{trap}/.cache"}
    there = way._replace(folder=str(trap), variables={**way.variables, **places})
    finished = machine.run(internet, ["-A", internet.destination], there)
    assert finished.returncode == 0
    assert "caught" not in finished.stderr


@pytest.mark.netns
def test_an_isolated_interpreter_runs_none_whatever_the_environment_says(
    internet: SimulatedInternet, trap: Path
) -> None:
    way = Way({"PYTHONPATH": str(trap), "HOME": str(trap)}, folder=str(trap))
    words = ["-m", "tracetcp", "-n", internet.destination]
    isolated = machine.finish(machine.around(internet, [sys.executable, "-I", *words], way))
    assert (isolated.returncode, isolated.stderr) == (0, "")
    exposed = machine.finish(machine.around(internet, [sys.executable, *words], way))
    assert "caught" in exposed.stderr, "without -I the trap catches nothing: this test sees nothing"


# A capability ----------------------------------------------------------------------------------------------


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The interpreter's copy of docs/privileges.md, in an environment of its own."""
    machine.open_to_all(tmp_path)
    environment = Path(sys.prefix)
    (tmp_path / "bin").mkdir()
    (tmp_path / "lib").symlink_to(environment / "lib")
    shutil.copy(environment / "pyvenv.cfg", tmp_path)
    made = Path(shutil.copy(sys.executable, tmp_path / "bin" / "python-tracetcp"))
    subprocess.run(["setcap", "cap_net_raw+ep", str(made)], check=True)
    return made


@pytest.mark.netns
@pytest.mark.parametrize("target", ["203.0.113.99", "2001:db8::99"])
def test_a_copy_with_the_capability_gives_it_up(
    target: str, internet: SimulatedInternet, copy: Path, trap: Path
) -> None:
    way = Way(user=machine.USER, no_new_privileges=False, folder=str(trap))
    words = [str(copy), "-I", "-m", "tracetcp", "-R", "-A", target]
    with machine.begun(machine.around(internet, words, way)) as process:
        until = time.monotonic() + 10
        while time.monotonic() < until and len(statuses := _statuses(process.pid)) < 2:
            time.sleep(0.02)
        err = process.stderr
        assert process.poll() is None, err and err.read()
    assert len(statuses) >= 2, "no look-up was under way: this test sees one thread only"
    for status in statuses:
        assert {status[f"Cap{name}"] for name in ("Inh", "Prm", "Eff", "Amb")} == {"0" * 16}
        assert status["NoNewPrivs"] == "1"
        assert status["Uid"].split() == [str(machine.USER)] * 4


@pytest.mark.netns
@pytest.mark.parametrize("target", ["203.0.113.99", "2001:db8::99"])
def test_an_ordinary_user_can_gain_nothing_either(target: str, internet: SimulatedInternet) -> None:
    way = Way(user=machine.USER, no_new_privileges=False)
    with machine.started(internet, ["-A", target], way) as process:
        until = time.monotonic() + 10
        while time.monotonic() < until and len(statuses := _statuses(process.pid)) < 2:
            time.sleep(0.02)
    assert len(statuses) >= 2, "no look-up was under way: this test sees one thread only"
    for status in statuses:
        assert {status[f"Cap{name}"] for name in ("Inh", "Prm", "Eff", "Amb")} == {"0" * 16}
        assert status["NoNewPrivs"] == "1"


def _statuses(pid: int) -> list[dict[str, str]]:
    """What /proc says of each thread."""
    found = []
    for file in Path(f"/proc/{pid}/task").glob("*/status"):
        with suppress(OSError):  # a thread that has just ended
            lines = file.read_text().splitlines()
            found.append({name: value.strip() for name, _, value in (line.partition(":") for line in lines)})
    return found
