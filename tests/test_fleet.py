"""The recipes of docs/fleet.md, run as they stand there: sshd on loopback, Ansible, DuckDB, cron's
environment.

All traffic stays in namespaces with a simulated network. What a recipe needs is installed by ``tests/run``;
without it the test is skipped, under ``CI=true`` it fails.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from internet import network
from internet.lab import SimulatedInternet, simulated
from lab.program import SCRIPT
from tracetcp.names.origins import origin_question

if TYPE_CHECKING:
    from collections.abc import Iterator

    from internet.scenario import Scenario

pytestmark = pytest.mark.netns

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "fleet.md"
PROBES = ("probe1.example", "probe2.example")
PUBLIC = ("62.253.122.9", "62.253.184.117", "212.187.131.125")
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
SSHD_CONFIG = """\
Port 22
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
StrictModes no
UsePAM no
PermitRootLogin yes
PidFile none
MaxStartups 50
SetEnv PATH={path}
Subsystem sftp internal-sftp
"""
SSH_OPTIONS = (
    "-i {folder}/user -o UserKnownHostsFile={folder}/known -o StrictHostKeyChecking=accept-new "
    "-o BatchMode=yes"
)


def need(*programs: str) -> None:
    missing = [each for each in programs if shutil.which(each, path=f"{SYSTEM_PATH}:/usr/sbin:/sbin") is None]
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"{missing[0]} is not installed: tests/run installs it", pytrace=False)
    if missing:
        pytest.skip(f"{missing[0]} is not installed: tests/run installs it as root")


def recipes(language: str) -> list[str]:
    """The fenced blocks of the document in ``language``."""
    return re.findall(
        rf"^```{language}\n(.*?)^```$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


def recipe(language: str, word: str) -> str:
    (found,) = [block for block in recipes(language) if word in block]
    return found


def internet(drop: str | None = None) -> Scenario:
    """A private hop, two of AS5089, one of AS3356 and a host; hop 3 may drop a port."""
    hops: list[dict[str, Any]] = [{"address": "192.168.0.1", "rtt": 1}]
    hops += [{"address": address, "rtt": 3 + index} for index, address in enumerate(PUBLIC)]
    if drop:
        hops[2]["rule"] = [{"action": "drop", "ports": drop}]
    texts = {
        origin_question(address): f"{number} | {address}/32 | GB | ripencc | 2000-12-06"
        for address, number in zip(PUBLIC, (5089, 5089, 3356), strict=True)
    }
    destination = {"rtt": 9, "name": "db.example", "open": "5432,443"}
    dns = {"texts": texts, "hosts": {"db.example": ["203.0.113.80"]}}
    return network("", hop=hops, destination=destination, dns=dns)


class Bench:
    """A namespace with a simulated network, a folder for files, and the recipes' programs on the path."""

    def __init__(self, net: SimulatedInternet, folder: Path) -> None:
        self.net = net
        self.folder = folder
        self.path = f"{SCRIPT.parent}:{folder}:{SYSTEM_PATH}"
        self.more: dict[str, str] = {}
        (folder / "targets.txt").write_text("db.example:5432\n203.0.113.80:443\n[2001:db8::80]:5432\n")

    def shell(self, script: str, status: int = 0) -> str:
        """Run ``script`` in the folder, as a user would paste it; the output."""
        variables = {"PATH": self.path, "HOME": self.home, "LC_ALL": "C.UTF-8", **self.more}
        words = [f"{name}={value}" for name, value in variables.items()]
        shell = ["env", "-i", "-C", str(self.folder), *words, "bash", "-c", script]
        finished = self.net.run(shell, timeout=120)
        assert finished.returncode == status, finished.stdout + finished.stderr
        return finished.stdout

    @property
    def home(self) -> str:
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return str(home)

    def objects(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / name).read_text().splitlines()]


@contextmanager
def bench(folder: Path, drop: str | None = None) -> Iterator[Bench]:
    with simulated(internet(drop)) as net:
        hosts = "".join(f"127.0.0.1 {each}\n" for each in ("localhost", *PROBES))
        net.namespace.etc("hosts", hosts)
        yield Bench(net, folder)


@contextmanager
def with_sshd(folder: Path, drop: str | None = None) -> Iterator[Bench]:
    """The same with an OpenSSH server on loopback, where both probes are."""
    need("sshd", "ssh", "ssh-keygen", "jq")
    with bench(folder, drop) as found:
        for key in ("host", "user"):
            generate = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)]
            subprocess.run(generate, check=True)
        config = folder / "sshd_config"
        config.write_text(SSHD_CONFIG.format(folder=folder, path=found.path))
        # The server wants a folder of its own below /run; this one ends with its mount namespace.
        start = f"mount -t tmpfs tmpfs /run; mkdir -m 755 /run/sshd; exec /usr/sbin/sshd -D -e -f {config}"
        found.net.namespace.start(["sh", "-ec", start], stderr=subprocess.DEVNULL)
        options = SSH_OPTIONS.format(folder=folder)
        found.more = {
            "PARALLEL_SSH": f"ssh {options}",
            "ANSIBLE_SSH_ARGS": options,
            "ANSIBLE_LOCAL_TEMP": str(folder / "ansible"),
            "ANSIBLE_REMOTE_TEMP": str(folder / "ansible"),
        }
        for _ in range(100):
            if not found.net.run(["ssh", *options.split(), PROBES[0], "true"]).returncode:
                break
            time.sleep(0.1)
        else:
            pytest.fail("sshd does not answer")
        yield found


def test_every_recipe_has_its_test() -> None:
    assert [len(recipes(language)) for language in ("sh", "sql", "cron")] == [5, 1, 1]


def test_parallel_traces_from_every_machine_and_diff_reads_its_file(tmp_path: Path) -> None:
    need("parallel")
    with with_sshd(tmp_path) as found:
        found.shell(recipe("sh", "--nonall"))
        traces = found.objects("fleet.ndjson")
        assert sorted(trace["from"] for trace in traces) == list(PROBES)
        assert {(trace["outcome"], trace["target"]["host"]) for trace in traces} == {("open", "db.example")}
        said = found.shell("tracetcp --diff fleet.ndjson fleet.ndjson")
    assert said == "1 target compared: no difference.\n"


def test_parallel_shares_targets_out(tmp_path: Path) -> None:
    need("parallel")
    with with_sshd(tmp_path, drop="5432") as found:
        found.shell(recipe("sh", "> run.ndjson"))
        traces = found.objects("run.ndjson")
    assert sorted((trace["target"]["host"], trace["port"], trace["outcome"]) for trace in traces) == [
        ("2001:db8::80", 5432, "not-reached"),
        ("203.0.113.80", 443, "open"),
        ("db.example", 5432, "not-reached"),
    ]


def test_ansible_traces_from_every_machine_whatever_the_outcome(tmp_path: Path) -> None:
    need("ansible")
    for drop, outcome in ((None, "open"), ("5432", "not-reached")):
        folder = tmp_path / outcome
        folder.mkdir()
        with with_sshd(folder, drop=drop) as found:
            found.shell(recipe("sh", "ansible"))
            traces = found.objects("fleet.ndjson")
        assert [trace["from"] for trace in traces] == [f"results/{each}" for each in PROBES]
        assert {trace["outcome"] for trace in traces} == {outcome}


def test_duckdb_tells_which_targets_stop_at_which_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bench(tmp_path, drop="5432") as found:
        for port in (5432, 443):
            trace = f"tracetcp --json -n -A -t 500 -m 9 db.example:{port} >> fleet.ndjson"
            found.shell(trace, status=1 if port == 5432 else 0)
    monkeypatch.chdir(tmp_path)
    (sentence,) = re.findall(r"`(SELECT [^`]*)`", DOCUMENT.read_text(encoding="utf-8"))
    rows = [duckdb.execute(sql).fetchall() for sql in (recipe("sql", "SELECT"), sentence)]
    assert rows == [[("AS5089", 1, ["db.example:5432"])], []]


def test_cron_is_silent_until_something_changes(tmp_path: Path) -> None:
    need("flock")
    script = tmp_path / "tracetcp-changes"
    script.write_text(recipe("sh", "#!/bin/sh"))
    script.chmod(0o755)
    minute, hour, day, month, weekday, command = recipe("cron", "flock").split(None, 5)
    assert (minute, hour, day, month, weekday) == ("*/15", "*", "*", "*", "*")
    assert "%" not in command, "cron ends a command there"
    command = command.strip().replace("/var/lib/tracetcp", str(tmp_path))
    said = []
    for drop in (None, None, "5432", "5432"):
        with bench(tmp_path, drop=drop) as found:
            (tmp_path / "targets.txt").write_text("db.example:5432\ndb.example:443\n")
            said.append(found.shell(f"exec sh -c {json.dumps(command)}"))
    assert said[0] == said[1] == said[3] == ""
    assert said[2] == (
        "db.example:5432 (203.0.113.80)\n"
        "  Port 5432 was open at hop 5; now it is blocked after hop 3 (62.253.184.117). [certain]\n\n"
        "2 targets compared: 1 differs.\n"
    )


def test_node_exporter_gets_a_file_that_says_whether_the_port_answers(tmp_path: Path) -> None:
    script = recipe("sh", "--metrics").strip().replace("/var/lib/node_exporter", str(tmp_path))
    script = script.replace("--watch 30", "--watch 1 --count 3")
    for drop, up in ((None, 1), ("5432", 0)):
        with bench(tmp_path, drop=drop) as found:
            found.shell(script, status=1 - up)
        metrics = (tmp_path / "db.prom").read_text()
        assert re.search(rf"^tracetcp_watch_up\{{[^}}]*\}} {up}(\.0)?$", metrics, re.MULTILINE), metrics
        assert ("\ntracetcp_watch_blocked_hop{" in metrics) is not bool(up), metrics
