"""``--mtu`` on real kernels: sizes lost there and back, told or not, as root and nobody, real servers."""

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
from lab.chain import EVERYWHERE, NO_RATE_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab import Chain

pytestmark = pytest.mark.netns

FAMILIES = pytest.mark.parametrize("family", [4, 6])
USERS = pytest.mark.parametrize("user", [None, "nobody"])
QUIET = """table inet quiet {
chain leaving {
type filter hook output priority 0;
icmp type destination-unreachable icmp code 4 drop
icmpv6 type packet-too-big drop
}
}
"""
"""A router that says nothing of packets that are too large."""
WEB = """
import socket, threading
listening = socket.create_server(("::", 8888), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
print("ready", flush=True)
def serve(connected):
    try:
        heard = b""
        while not heard.endswith(b"\\r\\n\\r\\n"):
            new = connected.recv(65536)
            if not new:
                return
            heard += new
        connected.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 5000\\r\\n\\r\\n" + b"y" * 5000)
        connected.recv(1)
    except OSError:
        pass
    finally:
        connected.close()
while True:
    threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()
"""
GREETER = """
import socket, sys, threading
listening = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
def serve(connected):
    try:
        connected.sendall(sys.argv[2].encode() + b"\\r\\n")
        while connected.recv(65536):
            pass
    except OSError:
        pass
while True:
    threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()
"""
PASSES = "Packets of 1500 bytes pass both ways."


def host(family: int) -> str:
    return SERVER if family == 4 else SERVER_6


def hop_there(family: int) -> str:
    return f"hop 2 ({near(2, family)})"


def limit_there(lab: Chain, size: int) -> None:
    """From r2 on towards the server no packet may be larger."""
    for network, gateway in (("10.0.7.0/24", near(3)), ("fd00:7::/64", near(3, 6))):
        route = f"route change {network} via {gateway}"
        lab.ip("r2", f"{route} mtu {size}", route)


def limit_back(lab: Chain, size: int) -> None:
    """From r3 on towards the client no packet may be larger."""
    for network, gateway in (("10.0.1.0/24", "10.0.3.2"), ("fd00:1::/64", "fd00:3::2")):
        route = f"route change {network} via {gateway}"
        lab.ip("r3", f"{route} mtu {size}", route)


@pytest.fixture(autouse=True)
def forget(lab: Chain) -> Iterator[None]:
    """What kernels have learnt of path MTUs is forgotten before and after each test."""
    _forget(lab)
    yield
    _forget(lab)


def _forget(lab: Chain) -> None:
    for label in ("client", "server"):
        lab.nodes[label].run(["ip", "route", "flush", "cache"])
        lab.nodes[label].run(["ip", "-6", "route", "flush", "cache"])


def serve(lab: Chain) -> None:
    lab.start("server", [sys.executable, "-c", WEB])


def said(
    lab: Chain, family: int = 4, port: int = 8888, user: str | None = None, flags: str = ""
) -> list[str]:
    """What is said of sizes: the sentences of the verdicts with how sure they are."""
    target = f"[{host(family)}]:{port}"
    finished = lab.run(f"-n --mtu {flags} {target if family == 6 else f'{host(4)}:{port}'}", user=user)
    assert finished.status == 0, finished
    assert "Traceback" not in finished.err
    lines = finished.out.partition("Trace Complete.\n")[2].splitlines()
    return [line.removeprefix("Verdict: ") for line in lines if not line.startswith("Evidence: ")]


def there(family: int, size: int = 1400) -> str:
    where = f"after {hop_there(family)}"
    return f"Packets of more than {size} bytes are lost {where}, and no router says so. [certain]"


def back(family: int, size: int = 1400) -> str:
    return (
        f"Packets of more than {size} bytes do not come back from {host(family)}; "
        "where they are lost cannot be seen from here. [certain]"
    )


# The five situations


@FAMILIES
@USERS
def test_a_clean_path_passes_both_ways(lab: Chain, family: int, user: str | None) -> None:
    serve(lab)
    assert said(lab, family, user=user) == [f"{PASSES} [certain]"]


@FAMILIES
@USERS
def test_a_quiet_hole_there(lab: Chain, family: int, user: str | None) -> None:
    serve(lab)
    limit_there(lab, 1400)
    lab.nft("r2", QUIET)
    assert said(lab, family, user=user) == [there(family)]


@FAMILIES
@USERS
def test_a_quiet_hole_back(lab: Chain, family: int, user: str | None) -> None:
    serve(lab)
    limit_back(lab, 1400)
    lab.nft("r3", QUIET)
    assert said(lab, family, user=user) == [back(family)]


@FAMILIES
@USERS
def test_quiet_holes_both_ways(lab: Chain, family: int, user: str | None) -> None:
    serve(lab)
    limit_there(lab, 1400)
    limit_back(lab, 1320)
    lab.nft("r2", QUIET)
    lab.nft("r3", QUIET)
    assert said(lab, family, user=user) == [there(family), back(family, 1320)]


@FAMILIES
@USERS
def test_a_router_that_tells(lab: Chain, family: int, user: str | None) -> None:
    serve(lab)
    limit_there(lab, 1400)
    where = hop_there(family)
    sentence = f"H{where[1:]} allows packets of 1400 bytes only and says so: connections adapt. [certain]"
    assert said(lab, family, user=user) == [sentence]
    first, *_ = said(lab, family, user=user)
    assert first.startswith(f"This machine holds 1400 bytes for the path MTU to {host(family)}, ")


@pytest.mark.alone
@USERS
def test_it_is_quick(lab: Chain, user: str | None) -> None:
    """The target is 1.5 s on an idle machine; the limit here leaves room for a busy one."""
    serve(lab)
    limit_there(lab, 1400)
    limit_back(lab, 1400)
    lab.nft("r2", QUIET)
    lab.nft("r3", QUIET)
    finished = lab.run(f"-n --mtu {SERVER}:8888", user=user)
    assert finished.out.count("Verdict: Packets of more than 1400 bytes") == 2
    assert finished.seconds < 5


# What else is on the way


@USERS
def test_routers_that_limit_their_errors_move_no_hole(lab: Chain, user: str | None) -> None:
    serve(lab)
    for number in range(1, 7):
        lab.limit_icmp(router(number))
    limit_there(lab, 1400)
    lab.nft("r2", QUIET)
    assert said(lab, user=user) == [there(4)]


@FAMILIES
def test_a_clamped_mss_is_the_cure_and_is_said(lab: Chain, family: int) -> None:
    serve(lab)
    limit_there(lab, 1400)
    limit_back(lab, 1400)
    clamp = "tcp flags syn tcp option maxseg size set " + ("1360" if family == 4 else "1340")
    lab.nft("r2", QUIET + rules.forwarded(clamp))
    lab.nft("r3", QUIET)
    sizes, note = said(lab, family)
    assert sizes.startswith("Packets of 1400 bytes pass")
    assert note.startswith(f"Note: The SYN-ACK allows an MSS of {1360 if family == 4 else 1340}: ")


def test_a_tunnel_that_is_quiet(lab: Chain) -> None:
    """r2 reaches r3 through VXLAN, whose link takes 1450 bytes of the 1500 below it."""
    serve(lab)
    ends = {"r2": ("far", "10.0.3.2", near(3)), "r3": ("near", near(3), "10.0.3.2")}
    for label, (device, own, other) in ends.items():
        peer = "172.16.0.2" if label == "r2" else "172.16.0.3"
        add = f"link add vx0 type vxlan id 7 local {own} remote {other} dstport 4789 dev {device}"
        lab.ip(label, add, "link delete vx0")
        lab.nodes[label].sysctl(EVERYWHERE | NO_RATE_LIMIT)
        lab.nodes[label].ip("link set vx0 up", f"address add {peer}/24 dev vx0")
    lab.ip("r2", "route change 10.0.7.0/24 via 172.16.0.3", f"route change 10.0.7.0/24 via {near(3)}")
    lab.nft("r2", QUIET)
    assert said(lab) == [there(4, 1450)]


@pytest.mark.parametrize("probing", [0, 1, 2])
@pytest.mark.parametrize("end", ["client", "server"])
def test_kernels_that_probe_for_themselves_hide_nothing(lab: Chain, end: str, probing: int) -> None:
    serve(lab)
    setting = "net.ipv4.tcp_mtu_probing"
    lab.sysctl(end, {setting: probing}, {setting: 0})
    limit_there(lab, 1400)
    limit_back(lab, 1400)
    lab.nft("r2", QUIET)
    lab.nft("r3", QUIET)
    told = said(lab)
    if (end, probing) == ("client", 2):  # it begins with small packets: what it does not send cannot be lost
        returning, note = told
        assert returning == back(4)
        assert note.startswith("Note: This machine's kernel begins small (tcp_mtu_probing is 2)")
    else:
        assert told == [there(4), back(4)]


@pytest.mark.slow
@USERS
def test_loss_is_no_hole(lab: Chain, user: str | None) -> None:
    serve(lab)
    for label in ("r2", "r4"):
        lab.nft(label, rules.forwarded("numgen random mod 1000 < 25 drop"))
    for _ in range(5):
        told = said(lab, user=user)
        assert not any("are lost" in each or "do not come back" in each for each in told), told


# Real servers


def certificate(folder: Path) -> tuple[Path, Path]:
    """A chain of two certificates, so that a server's first flight is longer than a packet."""
    key, chain = folder / "key.pem", folder / "chain.pem"
    names = []
    for name in ("leaf", "authority"):
        one = folder / f"{name}.pem"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-out", str(one)]
        command += ["-subj", f"/CN={name}.lab.example"]
        command += ["-keyout", str(key if name == "leaf" else folder / "other.pem")]
        subprocess.run(command, check=True, capture_output=True)
        names.append(one.read_text())
    chain.write_text("".join(names * 2))
    return key, chain


NGINX = """
daemon off; error_log {folder}/error.log; pid {folder}/nginx.pid; worker_processes 1; user root;
events {{ worker_connections 128; }}
http {{
  access_log off; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{ listen 8080; listen [::]:8080; root {folder}; }}
  ssl_certificate {chain}; ssl_certificate_key {key};
  server {{ listen 8443 ssl; listen [::]:8443 ssl; root {folder}; }}
}}
"""
HAPROXY = """
defaults
  mode {mode}
  timeout connect 3s
  timeout client 9s
  timeout server 9s
frontend in
  bind :::8080 v4v6
  default_backend out
backend out
  server one 127.0.0.1:8888
"""


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


def start(lab: Chain, server: str, folder: Path) -> int:
    """Start a real server; its port."""
    key, chain = certificate(folder)
    (folder / "index.html").write_text("y" * 5000)
    if server.startswith("nginx"):
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, key=key, chain=chain))
        port = 8443 if server == "nginx TLS" else 8080
        start_until_open(
            lab, ["nginx", "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")], port
        )
        return port
    if server.startswith("haproxy"):
        serve(lab)
        (folder / "haproxy.cfg").write_text(HAPROXY.format(mode=server.split()[1]))
        start_until_open(lab, ["haproxy", "-db", "-f", str(folder / "haproxy.cfg")], 8080)
        return 8080
    command = ["openssl", "s_server", "-accept", "8443", "-cert", str(chain), "-key", str(key), "-quiet"]
    start_until_open(lab, [*command, "-cert_chain", str(chain), "-www"], 8443)
    return 8443


SERVERS = ["nginx", "nginx TLS", "haproxy http", "haproxy tcp", "s_server"]
ABSENT = [name for name in ("nginx", "haproxy", "openssl") if shutil.which(name) is None]


@pytest.mark.skipif(bool(ABSENT) and os.environ.get("CI") != "true", reason=f"not installed: {ABSENT}")
@pytest.mark.parametrize("server", SERVERS)
def test_real_servers_are_tested_both_ways(lab: Chain, server: str, tmp_path: Path) -> None:
    port = start(lab, server, tmp_path)
    assert said(lab, port=port, user="nobody") == [f"{PASSES} [certain]"]
    limit_there(lab, 1400)
    limit_back(lab, 1400)
    lab.nft("r2", QUIET)
    lab.nft("r3", QUIET)
    assert said(lab, port=port, user="nobody") == [there(4), back(4)]


@pytest.mark.parametrize(
    ("port", "greeting"), [(22, "SSH-2.0-OpenSSH_9.2"), (25, "220 mail.lab.example ESMTP")]
)
def test_servers_that_speak_first_are_tested_there(lab: Chain, port: int, greeting: str) -> None:
    lab.start("server", [sys.executable, "-c", GREETER, str(port), greeting])
    short = "Packets of 1500 bytes pass there; the host's answers were too short to tell about the way back."
    assert said(lab, port=port) == [f"{short} [certain]"]
    limit_there(lab, 1400)
    lab.nft("r2", QUIET)
    assert said(lab, port=port) == [there(4)]


# The end of it


def test_json_tells_the_same(lab: Chain) -> None:
    serve(lab)
    limit_there(lab, 1400)
    lab.nft("r2", QUIET)
    finished = lab.run(f"-n --mtu --json {SERVER}:8888")
    (verdict,) = json.loads(finished.out)["verdicts"]
    assert (verdict["kind"], verdict["hop"], verdict["address"]) == ("mtu-hole", 2, near(2))


def test_an_interruption_leaves_no_connection_behind(lab: Chain) -> None:
    serve(lab)
    limit_there(lab, 1400)
    lab.nft("r2", QUIET)
    command = program.command(lab.client, ["-n", "--mtu", f"{SERVER}:8888"])
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=program.environment()
    )
    assert process.stdout is not None
    while "Trace Complete." not in process.stdout.readline():
        pass
    time.sleep(0.4)
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False)
    for pid in [*map(int, children.stdout.split()), process.pid]:
        subprocess.run(["kill", f"-{int(signal.SIGINT)}", str(pid)], check=False, capture_output=True)
    out, err = process.communicate(timeout=20)
    assert re.search("Trace interrupted", err), (out, err)
    time.sleep(0.5)
    assert ":8888" not in lab.nodes["server"].run(["ss", "-Htn", "state", "established"])


def test_the_cookbook_says_what_is_said_here() -> None:
    text = (Path(__file__).parents[1] / "docs/usage.md").read_text(encoding="utf-8")
    section = text.partition("### The port answers, and still the connection hangs\n")[2].partition("\n### ")[
        0
    ]
    told = re.findall("^    Verdict: (.*)$", section, re.MULTILINE)
    assert told == [there(4), back(4)]
