"""Many targets through the installed program, on real kernels: lists, both families, resuming, memory."""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import machine
from lab import SERVER, SERVER_6, near, program, rules

if TYPE_CHECKING:
    from lab import Chain

pytestmark = pytest.mark.netns

KILLS = 50
PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


@pytest.fixture
def crowd(lab: Chain) -> Chain:
    lab.crowd()
    return lab


def listed(folder: Path, *lines: str) -> Path:
    path = folder / "targets"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def hosts(count: int) -> list[str]:
    return [f"10.9.{number >> 8}.{number & 255}" for number in range(1, count + 1)]


def records(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def is_right(record: dict[str, Any]) -> bool:
    """Whether a record shows the chain, as a trace alone does."""
    family = 6 if ":" in record["target"]["address"] else 4
    *routers, last = record["hops"]
    met = [{probe["sender"] for probe in hop["probes"] if probe["sender"]} for hop in routers]
    return met == [{near(number, family)} for number in range(1, 7)] and last["outcome"] == record["outcome"]


@pytest.mark.parametrize("user", [None, "nobody"])
def test_a_list_in_every_form_is_traced_and_bad_lines_are_told(
    user: str | None, crowd: Chain, tmp_path: Path
) -> None:
    machine.open_to_all(tmp_path)
    path = listed(
        tmp_path,
        "# a list",
        "10.9.0.1",
        "10.9.0.2:80,81  # one open, one closed",
        "",
        "[fd00:9::3]:80",
        "www.lab.example:443",
        "10.9.0.4:80 x",
        "http://10.9.0.5/path#part",
        "nosuch.lab.example",
    )
    finished = crowd.run(f"-f {path} --json -n -p 1", user=user, timeout=60)
    told = [line for line in finished.err.splitlines() if "privileges" not in line]
    assert told == [
        f"tracetcp: {path}, line 7: unexpected word 'x': one target a line, remarks after a #",
        f"tracetcp: {path}, line 9: nosuch.lab.example does not exist in DNS: check the spelling",
    ]
    assert finished.status == 2
    found = records(finished.out)
    failed = [each for each in found if each["outcome"] == "not-traced"]
    assert [(each["target"]["host"], each["target"]["address"], each["error"]) for each in failed] == [
        ("nosuch.lab.example", None, "nosuch.lab.example does not exist in DNS: check the spelling")
    ]
    found.remove(failed[0])
    assert all(map(is_right, found))
    assert {(each["target"]["host"], each["port"], each["outcome"]) for each in found} == {
        ("10.9.0.1", 80, "open"),
        ("10.9.0.2", 80, "open"),
        ("10.9.0.2", 81, "closed"),
        ("fd00:9::3", 80, "open"),
        ("www.lab.example", 443, "open"),
        ("10.9.0.5", 80, "open"),
    }


def test_standard_input_is_read_as_it_comes(crowd: Chain) -> None:
    command = program.command(crowd.client, ["-f", "-", "-c", "-n", "-p", "1"])
    with subprocess.Popen(
        command, env=program.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        for host in hosts(2):
            running.stdin.write(f"{host}:80\n")
            running.stdin.flush()
            rows = iter(running.stdout.readline, "")
            assert next(row for row in rows if "Dest." in row).endswith(f"Port OPEN on {host}\n")
        running.stdin.close()
        assert running.wait(20) == 0


def test_condensed_rows_of_a_target_stay_together_and_verbose_blocks_are_whole(
    crowd: Chain, tmp_path: Path
) -> None:
    path = listed(tmp_path, *(f"{host}:80" for host in hosts(20)))
    condensed = crowd.run(f"-f {path} -c -n -p 1")
    blocks = condensed.out.split("\n\n")
    assert len(blocks) == 20
    for block in blocks:
        rows = block.strip().splitlines()
        assert [row.split()[1] for row in rows] == [str(number) for number in range(1, 8)]
        assert len({row.split()[0] for row in rows}) == 1
    verbose = crowd.run(f"-f {path} -n -p 1")
    assert verbose.out.count("Tracing route to ") == verbose.out.count("Trace Complete.\n") == 20
    assert all(block.count("\n") == 10 for block in verbose.out.split("\nTracing route to ")[1:-1])
    one_row = crowd.run(f"-f {path} -c -n -p 1 -h 3 -m 1")
    assert len(one_row.out.splitlines()) == 20
    assert (condensed.status, verbose.status, one_row.status) == (0, 0, 1)


def test_ports_of_the_command_line_win_and_a_target_without_a_route_is_told(
    crowd: Chain, tmp_path: Path
) -> None:
    crowd.ip("client", "route add unreachable 10.77.0.0/16", "route del unreachable 10.77.0.0/16")
    path = listed(tmp_path, "10.9.0.1:443", "10.77.0.1")
    finished = crowd.run(f"-f {path} -c -n -s 80 81")
    assert sorted(finished.out.splitlines()) == [
        "[10.9.0.1:80]  1        Dest. in 0 ms. Port OPEN on 10.9.0.1",
        "[10.9.0.1:81]  1        Dest. in 0 ms. Port CLOSED on 10.9.0.1",
    ]
    assert re.fullmatch(rf"tracetcp: {path}, line 2: no route to 10\.77\.0\.1 .*\n", finished.err), (
        finished.err
    )
    assert finished.status == 3


def test_all_addresses_of_a_name_end_in_one_conclusion(crowd: Chain) -> None:
    finished = crowd.run("--all-addresses -n -p 1 www.lab.example:443")
    assert finished.out.count("Tracing route to") == 2
    assert finished.out.splitlines()[-1].startswith("Conclusion: Port 443: IPv6 is open, IPv4 is open. [")
    assert finished.status == 0


def test_a_family_that_is_blocked_is_told_with_the_hop(crowd: Chain) -> None:
    crowd.nft("r3", rules.forwarded("meta nfproto ipv6 tcp dport 443 drop"))
    finished = crowd.run("-e --all-addresses -n -p 2 -m 9 -t 600 www.lab.example:443", timeout=60)
    assert finished.out.splitlines()[-1] == (
        f"Conclusion: Port 443: IPv6 is blocked after hop 3 ({near(3, 6)}), IPv4 is open. [likely]"
    )
    assert finished.status == 1
    found = records(
        crowd.run("--all-addresses --json -n -p 1 -m 9 -t 600 www.lab.example:443", timeout=60).out
    )
    assert [len(each["verdicts"]) for each in found] == [0, 1]
    (verdict,) = found[-1]["verdicts"]
    assert verdict["kind"] == "addresses-differ"
    assert verdict["sentence"] == f"Port 443: IPv6 is silent after hop 3 ({near(3, 6)}), IPv4 is open."
    assert {each["target"]["address"] for each in found} == {SERVER, SERVER_6}


@pytest.mark.parametrize("user", [None, "nobody"])
def test_limited_routers_are_called_silent_for_no_target(
    user: str | None, crowd: Chain, tmp_path: Path
) -> None:
    for label in ("r1", "r2", "r3"):
        crowd.limit_icmp(label)
    machine.open_to_all(tmp_path)
    path = listed(tmp_path, *(f"{host}:80" for host in hosts(14)))
    finished = crowd.run(f"-f {path} --json -n -p 1 --rate 500", user=user, timeout=100)
    found = records(finished.out)
    assert len(found) == 14
    assert all(map(is_right, found)), [each["target"] for each in found if not is_right(each)]
    assert finished.status == 0


def test_killed_again_and_again_and_resumed_no_target_is_lost_or_done_twice(
    crowd: Chain, tmp_path: Path
) -> None:
    count = 400
    path = listed(tmp_path, *(f"{host}:80" for host in hosts(count)))
    out = tmp_path / "out.ndjson"
    out.touch()
    chance = random.Random(16)
    kills = 0
    began_at = time.monotonic()
    command = program.command(
        crowd.client, ["-f", str(path), "--json", "-n", "-p", "1", "--rate", "100", "--resume", str(out)]
    )
    status = None
    while status != 0:
        assert time.monotonic() - began_at < 300
        with out.open("ab") as to:
            running = subprocess.Popen(command, env=program.environment(), stdout=to, stderr=subprocess.PIPE)
            try:
                status = running.wait(chance.uniform(0.25, 0.9) if kills < KILLS else 120)
            except subprocess.TimeoutExpired:
                kills += 1
                running.send_signal(signal.SIGKILL)
                running.wait(10)
            assert running.stderr is not None
            running.stderr.close()
    assert kills == KILLS
    found = records(out.read_text())
    assert sorted(each["target"]["host"] for each in found) == sorted(hosts(count))
    assert all(map(is_right, found))


def test_memory_does_not_grow_with_the_number_of_targets(crowd: Chain, tmp_path: Path) -> None:
    def peak(count: int) -> int:
        """The most resident memory of a run over so many targets, in kB: read until the process is gone."""
        path = listed(tmp_path, *(f"{host}:80" for host in hosts(count)))
        command = program.command(crowd.client, ["-f", str(path), "--json", "-p", "1", "--rate", "2000"])
        most = 0
        with subprocess.Popen(command, env=program.environment(), stdout=subprocess.DEVNULL) as running:
            while running.poll() is None:
                status = Path(f"/proc/{running.pid}/status")
                found = PEAK.search(status.read_text()) if status.exists() else None
                most = max(most, int(found[1]) if found else 0)
                time.sleep(0.005)
        assert running.returncode == 0
        return most

    one, many = peak(1), peak(1000)
    assert one > 10_000
    assert many - one < 20_000


def test_a_name_that_was_not_found_is_tried_again_by_resume_and_told_by_diff(
    crowd: Chain, tmp_path: Path
) -> None:
    path = listed(tmp_path, "nosuch.lab.example:80,443", "10.9.0.1:80")
    file = tmp_path / "out.ndjson"
    first = crowd.run(f"-f {path} --json -n -p 1")
    assert first.status == 3
    assert sorted((each["port"], each["outcome"]) for each in records(first.out)) == [
        (80, "not-traced"),
        (80, "open"),
        (443, "not-traced"),
    ]
    file.write_text(first.out)
    again = crowd.run(f"-f {path} --json -n -p 1 --resume {file}")
    assert [(each["target"]["host"], each["port"]) for each in records(again.out)] == [
        ("nosuch.lab.example", 80),
        ("nosuch.lab.example", 443),
    ]
    assert again.err.count("does not exist in DNS") == 1
    assert again.err.count("\n") == 1
    before, after = tmp_path / "before", tmp_path / "after"
    before.write_text(crowd.run("--json -n -p 1 www.lab.example:443").out)
    after.write_text(
        next(
            line for line in first.out.splitlines() if "not-traced" in line and '"port":443' in line
        ).replace("nosuch", "www")
        + "\n"
    )
    told = crowd.run(f"--diff {before} {after}")
    assert told.status == 1
    assert re.search(
        r"Port 443 was open at hop \d+; now it is not traced: www\.lab\.example does not exist in DNS\.",
        told.out,
    )
