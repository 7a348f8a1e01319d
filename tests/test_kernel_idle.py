"""``--idle`` on real kernels: states that time out on the way and at the end, as root and nobody."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab import SERVER, SERVER_6, near, program, router, rules

if TYPE_CHECKING:
    from lab import Chain

pytestmark = pytest.mark.netns

FAMILIES = pytest.mark.parametrize("family", [4, 6])
USERS = pytest.mark.parametrize("user", [None, "nobody"])
RUNS = pytest.mark.parametrize(("family", "user"), [(4, None), (6, "nobody")])
PORT = 5432
QUIET = """
import socket, sys, threading
listening = socket.create_server(("::", 5432), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
if sys.argv[1:] == ["keepalive"]:
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
print("ready", flush=True)
def serve(connected):
    try:
        while connected.recv(65536):
            pass
        print("ended", flush=True)
    except OSError:
        print("reset", flush=True)
    finally:
        connected.close()
while True:
    threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()
"""
"""A server that listens, says nothing and never closes."""
SECONDS = 3
"""The lifetime of every state below."""
STATEFUL = """table inet stateful {{
chain forwarding {{
type filter hook forward priority 0; policy accept;
ct state established,related accept
tcp flags & (syn|ack) == syn ct state new accept
meta l4proto tcp {fate}
}}
}}
"""
"""A firewall that lets nothing pass of connections that it does not know (any more)."""
NAT = """table inet translating {{
chain leaving {{
type nat hook postrouting priority 100;
oifname "far" masquerade
}}
chain forwarding {{
type filter hook forward priority 0;
{rule}
}}
}}
"""
NO_RELATED = """table inet narrow {
chain forwarding {
type filter hook forward priority -5;
ct state related drop
}
}
"""
TIMEOUT = "net.netfilter.nf_conntrack_tcp_timeout_established"
PICK_UP = "net.netfilter.nf_conntrack_tcp_loose"


def host(family: int) -> str:
    return SERVER if family == 4 else SERVER_6


def after(hop: int, family: int) -> str:
    return f"after hop {hop} ({near(hop, family)})"


def forgetful(lab: Chain, label: str, ruleset: str) -> None:
    """Give ``label`` rules with states that it forgets after ``SECONDS``."""
    lab.nft(label, ruleset)
    lab.sysctl(label, {TIMEOUT: SECONDS, PICK_UP: 0}, {TIMEOUT: 432_000, PICK_UP: 1})


def serve(lab: Chain, *arguments: str) -> None:
    lab.start("server", [sys.executable, "-c", QUIET, *arguments])


def run(
    lab: Chain, family: int = 4, user: str | None = None, port: int = PORT, ages: str = "1,4", flags: str = ""
) -> program.Finished:
    target = f"[{host(family)}]:{port}" if family == 6 else f"{host(family)}:{port}"
    finished = lab.run(f"-n --idle {ages} {flags} {target}", user=user, timeout=60)
    assert finished.status == 0, finished
    assert "Traceback" not in finished.err
    return finished


def said(
    lab: Chain, family: int = 4, user: str | None = None, port: int = PORT, ages: str = "1,4"
) -> tuple[str, str]:
    """The verdict with how sure it is, and its evidence."""
    lines = run(lab, family, user, port, ages).out.partition("Trace Complete.\n")[2].splitlines()
    verdict, evidence = [*lines, ""][:2]
    return verdict.removeprefix("Verdict: "), evidence.removeprefix("Evidence: ")


def dropped(family: int) -> str:
    return (
        f"A connection silent for 4 s is forgotten {after(2, family)}: what is said then is dropped. "
        "One silent for 1 s lives. [certain]"
    )


def reset(family: int) -> str:
    return (
        f"After 4 s of silence somebody {after(2, family)} resets the connection; it is not {host(family)}. "
        "One silent for 1 s lives. [certain]"
    )


CLOSES = r"{host} itself closes silent connections, after (3|3\.[0-5]) s\. \[certain\]"


# Boxes on the way


@FAMILIES
@USERS
def test_a_firewall_that_drops_what_it_forgot(lab: Chain, family: int, user: str | None) -> None:
    serve(lab)
    forgetful(lab, "r2", STATEFUL.format(fate="drop"))
    verdict, evidence = said(lab, family, user)
    assert verdict == dropped(family)
    assert evidence.startswith("At hop 2 what is said expires as ever; beyond it ")


@FAMILIES
@USERS
def test_a_firewall_that_resets_what_it_forgot(lab: Chain, family: int, user: str | None) -> None:
    serve(lab)
    forgetful(lab, "r2", STATEFUL.format(fate="reject with tcp reset"))
    verdict, evidence = said(lab, family, user)
    assert verdict == reset(family)
    assert evidence == "What can reach hop 3 at most is reset. What is said to hop 2 expires as ever."


@USERS
def test_a_firewall_that_resets_right_before_the_host(lab: Chain, user: str | None) -> None:
    """What reaches it reaches the host: only the TTL of its RST tells who it is."""
    serve(lab)
    forgetful(lab, "r6", STATEFUL.format(fate="reject with tcp reset"))
    verdict, _ = said(lab, user=user)
    assert verdict == (
        f"After 4 s of silence somebody {after(6, 4)} resets the connection; its TTL shows that it is not "
        f"{SERVER}. One silent for 1 s lives. [certain]"
    )


@FAMILIES
def test_a_firewall_that_rejects_by_icmp(lab: Chain, family: int) -> None:
    serve(lab)
    forgetful(lab, "r2", STATEFUL.format(fate="reject"))
    verdict, evidence = said(lab, family, "nobody")
    assert verdict == (
        "A connection silent for 4 s is forgotten on the way: what is said then is rejected. "
        "One silent for 1 s lives. [certain]"
    )
    assert evidence == "An ICMP error says so; whose it is the system does not tell."


@USERS
def test_a_nat_whose_mapping_expires(lab: Chain, user: str | None) -> None:
    """What is said leaves with its own address then, which the host does not know."""
    serve(lab)
    forgetful(lab, "r2", NAT.format(rule=""))
    verdict, _ = said(lab, user=user)
    assert verdict == (
        f"After 4 s of silence {SERVER} itself resets the connection: it does not know it any more, or a NAT "
        "on the way gave it another address. One silent for 1 s lives. [certain]"
    )


@USERS
def test_a_nat_that_drops_what_it_has_no_mapping_for(lab: Chain, user: str | None) -> None:
    serve(lab)
    forgetful(lab, "r2", NAT.format(rule="ct state invalid drop"))
    assert said(lab, user=user)[0].startswith(f"A connection silent for 4 s is forgotten {after(2, 4)}: ")


@USERS
def test_a_firewall_without_related_hides_the_hops_behind_it(lab: Chain, user: str | None) -> None:
    serve(lab)
    forgetful(lab, "r2", STATEFUL.format(fate="drop") + NO_RELATED)
    verdict, _ = said(lab, user=user)
    assert verdict.startswith(
        f"A connection silent for 4 s is forgotten between hop 2 ({near(2)}) and the host ({SERVER}): "
    )
    assert verdict.endswith("[certain]")


@USERS
def test_routers_that_limit_their_errors_move_no_place(lab: Chain, user: str | None) -> None:
    serve(lab)
    for number in range(1, 7):
        lab.limit_icmp(router(number))
    forgetful(lab, "r4", STATEFUL.format(fate="drop"))
    assert said(lab, user=user)[0].startswith(f"A connection silent for 4 s is forgotten {after(4, 4)}: ")


# The other end


def start_until_open(lab: Chain, command: list[str], port: int) -> None:
    """Start a server on ``server`` and wait until it listens."""
    process = lab.nodes["server"].start(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lab._after_test.callback(_end, process)
    for _ in range(100):
        if f":{port} " in lab.nodes["server"].run(["ss", "-Hltn"]):
            return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on port {port}: {command}")


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.wait(5)


HAPROXY = """
defaults
  mode {mode}
  timeout connect 3s
  timeout client 3s
  timeout server 60s
frontend in
  bind :::8080 v4v6
  default_backend out
backend out
  server one 127.0.0.1:5432
"""
NGINX = """
daemon off; error_log {folder}/error.log; pid {folder}/nginx.pid; worker_processes 1; user root;
events {{ worker_connections 128; }}
http {{
  access_log off; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  keepalive_timeout 3s; client_header_timeout 60s;
  server {{ listen 8080; listen [::]:8080; root {folder}; }}
}}
"""
ABSENT = [name for name in ("nginx", "haproxy") if shutil.which(name) is None]
NEEDS_SERVERS = pytest.mark.skipif(
    bool(ABSENT) and os.environ.get("CI") != "true", reason=f"not installed: {ABSENT}"
)


@NEEDS_SERVERS
@pytest.mark.parametrize(("mode", "user"), [("tcp", None), ("http", "nobody")])
def test_haproxy_ends_silent_clients(lab: Chain, mode: str, user: str | None, tmp_path: Path) -> None:
    serve(lab)
    (tmp_path / "haproxy.cfg").write_text(HAPROXY.format(mode=mode))
    start_until_open(lab, ["haproxy", "-db", "-f", str(tmp_path / "haproxy.cfg")], 8080)
    verdict, evidence = said(lab, user=user, port=8080)
    assert re.fullmatch(CLOSES.format(host=re.escape(SERVER)), verdict), verdict
    assert "Those silent for 1 s worked." in evidence
    assert "A request had been answered" not in evidence


@NEEDS_SERVERS
@RUNS
def test_nginx_ends_connections_that_were_used(
    lab: Chain, family: int, user: str | None, tmp_path: Path
) -> None:
    """Its keepalive_timeout: an unused connection would live for the client_header_timeout."""
    (tmp_path / "index.html").write_text("y" * 5000)
    (tmp_path / "nginx.conf").write_text(NGINX.format(folder=tmp_path))
    command = ["nginx", "-c", str(tmp_path / "nginx.conf"), "-e", str(tmp_path / "error.log")]
    start_until_open(lab, command, 8080)
    verdict, evidence = said(lab, family, user, port=8080)
    assert re.fullmatch(CLOSES.format(host=re.escape(host(family))), verdict), verdict
    assert evidence.endswith("A request had been answered before the silence.")


@USERS
def test_a_server_that_closes_at_once_is_no_test(lab: Chain, user: str | None) -> None:
    """The lab's own servers greet and close."""
    verdict, _ = said(lab, user=user, port=80)
    assert verdict.startswith("Nothing can be said about silent connections: ")


# What lives


@RUNS
def test_what_nobody_forgets_lives(lab: Chain, family: int, user: str | None) -> None:
    serve(lab)
    verdict, evidence = said(lab, family, user, ages="2,4")
    assert (verdict, evidence) == (
        "A connection silent for 4 s still works. [certain]",
        "So do those silent for 2 s.",
    )


def test_keepalive_is_the_cure_and_is_said(lab: Chain) -> None:
    serve(lab, "keepalive")
    forgetful(lab, "r2", STATEFUL.format(fate="drop"))
    verdict, evidence = said(lab)
    assert verdict == "A connection silent for 4 s still works. [certain]"
    assert re.search(r"It was not left alone: \d segments came over it meanwhile", evidence)


@pytest.mark.slow
@USERS
def test_loss_is_no_forgetting(lab: Chain, user: str | None) -> None:
    serve(lab)
    for label in ("r2", "r4"):
        lab.nft(label, rules.forwarded("numgen random mod 1000 < 25 drop"))
    # One connection in a thousand loses three transmissions in a row, six in a hundred of these tests have
    # one. Then less is said of its silence, or nothing; but that it was forgotten, never.
    told = [said(lab, user=user, ages="1,2")[0] for _ in range(5)]
    honest = {f"A connection silent for {age} s still works. [certain]" for age in (1, 2)}
    assert [each for each in told if each not in honest and not each.startswith("Nothing can be said")] == []
    assert "A connection silent for 2 s still works. [certain]" in told


# The end of it


def test_json_tells_the_same(lab: Chain) -> None:
    serve(lab)
    forgetful(lab, "r2", STATEFUL.format(fate="drop"))
    (verdict,) = json.loads(run(lab, flags="--json").out)["verdicts"]
    assert (verdict["kind"], verdict["hop"], verdict["address"]) == ("forgotten", 2, near(2))


@USERS
def test_an_interruption_says_what_is_known_and_leaves_no_connection(lab: Chain, user: str | None) -> None:
    serve(lab)
    command = program.command(lab.client, ["-n", "--idle", "1,600", f"{SERVER}:{PORT}"], user)
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=program.environment()
    )
    assert process.stdout is not None
    while "Trace Complete." not in process.stdout.readline():
        pass
    time.sleep(4)
    assert f":{PORT}" in established(lab)
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False)
    for pid in [*map(int, children.stdout.split()), process.pid]:
        subprocess.run(["kill", f"-{int(signal.SIGINT)}", str(pid)], check=False, capture_output=True)
    out, err = process.communicate(timeout=20)
    assert "A connection silent for 1 s still works." in out
    assert "The test ended before 600 s had gone by." in out
    assert "Trace interrupted" in err
    time.sleep(0.5)
    assert f":{PORT}" not in established(lab)


def established(lab: Chain) -> str:
    """The connections that the server still holds."""
    return lab.nodes["server"].run(["ss", "-Htn", "state", "established"])


def test_at_most_six_connections_are_open(lab: Chain) -> None:
    """Servers bound the number of strangers."""
    serve(lab)
    with lab.capture("server", only=f"tcp port {PORT}") as captured:
        run(lab, ages="1")
    opened: set[int] = set()
    most = total = 0
    for packet in captured.packets():
        flags, ports = int(packet["TCP"].flags), (packet["TCP"].sport, packet["TCP"].dport)
        client = ports[0] if ports[1] == PORT else ports[1]
        if flags & 0x12 == 0x12:
            opened.add(client)
            total += 1
        elif flags & 0x04:
            opened.discard(client)
        most = max(most, len(opened))
    assert most <= 6 + 3  # and the three SYNs of the trace, which the raw prober's kernel resets
    assert total <= 64


def test_the_cookbook_says_what_is_said_here() -> None:
    text = (Path(__file__).parents[1] / "docs/usage.md").read_text(encoding="utf-8")
    section = text.partition("### The connection dies when nothing was said for a while\n")[2]
    told = re.findall("^    Verdict: (.*)$", section.partition("\n### ")[0], re.MULTILINE)
    assert told[:2] == [dropped(4), reset(4)]
    assert re.fullmatch(CLOSES.format(host=re.escape(SERVER)), told[2])
