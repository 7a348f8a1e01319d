"""``--say`` on real kernels: devices that stop or answer words, as root and nobody, IPv4 and IPv6."""

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
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from lab import SERVER, SERVER_6, near, program, rules
from lab.chain import SERVERS
from tracetcp.model.speech import Protocol
from tracetcp.wire.words import script_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab import Chain

pytestmark = pytest.mark.netns

FAMILIES = pytest.mark.parametrize("family", [4, 6])
USERS = pytest.mark.parametrize("user", [None, "nobody"])
NAME, CONTROL = b"blocked.example", b"example.com"
TLS, HTTP = (script_for(kind, NAME.decode(), CONTROL.decode()) for kind in (Protocol.TLS, Protocol.HTTP))
PORTS = {Protocol.TLS: 8443, Protocol.HTTP: 8080}
PEM = SERVERS / "corp.pem"
MOST_BYTES = 15
"""What nftables compare at once."""


def word(data: bytes, name: bytes = NAME) -> str:
    """The nftables match for ``name`` where it stands in ``data``."""
    at, part = data.index(name), name[:MOST_BYTES]
    return f"meta l4proto tcp @ih,{at * 8},{len(part) * 8} 0x{part.hex()}"


def serve(lab: Chain, milliseconds: int = 0) -> None:
    command = [sys.executable, str(SERVERS / "talk.py"), str(PEM), str(milliseconds)]
    lab.start("server", [*command, "8443", "8080"])


def target(family: int, port: int) -> str:
    return f"[{SERVER_6}]:{port}" if family == 6 else f"{SERVER}:{port}"


def say(
    lab: Chain, protocol: Protocol = Protocol.TLS, family: int = 4, user: str | None = None, flags: str = ""
) -> program.Finished:
    words = f"--say {protocol.value}:{NAME.decode()}"
    return lab.run(f"-n {words} {flags} {target(family, PORTS[protocol])}", user=user, timeout=40)


def verdicts(
    lab: Chain, protocol: Protocol = Protocol.TLS, family: int = 4, user: str | None = None
) -> list[dict[str, Any]]:
    finished = say(lab, protocol, family, user, "--json")
    assert finished.status == 0, finished
    assert "Traceback" not in finished.err
    told: list[dict[str, Any]] = json.loads(finished.out)["verdicts"]
    return told


def inject(lab: Chain, label: str, what: str) -> None:
    command = [sys.executable, str(SERVERS / "injector.py"), "near", NAME.decode(), *what.split()]
    lab.start(label, command)


def prerouting(rule: str) -> str:
    hook = "type filter hook prerouting priority -150;"
    return f"table inet early {{\nchain early {{\n{hook}\n{rule}\n}}\n}}\n"


# The devices


class Device(NamedTuple):
    """A device of the lab: how it is built, and what is said of it. ``sure`` are by user: root, nobody."""

    name: str
    build: Callable[[Chain], None]
    kind: str
    hop: int | None
    sure: tuple[str, str] = ("certain", "certain")
    sentence: str = ""
    protocol: Protocol = Protocol.TLS


def _drop(lab: Chain) -> None:
    lab.nft("r2", rules.forwarded(f"{word(TLS.asked)} drop"))


def _drop_early(lab: Chain) -> None:
    lab.nft("r2", prerouting(f"{word(TLS.asked)} drop"))


def _reset(lab: Chain) -> None:
    lab.nft("r2", rules.forwarded(f"{word(TLS.asked)} reject with tcp reset"))


def _listen(lab: Chain) -> None:
    inject(lab, "r3", "rst 64")


def _copy(lab: Chain) -> None:
    inject(lab, "r3", "rst copy")


def _page(lab: Chain) -> None:
    inject(lab, "r3", "page 64")
    lab.nft("r3", rules.forwarded(f"{word(HTTP.asked)} drop"))


def _any_data(lab: Chain) -> None:
    lab.nft("r2", rules.forwarded("tcp dport 8443 @ih,0,8 >= 0 drop"))


def _host_refuses(lab: Chain) -> None:
    lab.nft("server", rules.arriving(f"{word(TLS.asked)} reject with tcp reset"))


def _intercept(lab: Chain) -> None:
    lab.start("r2", [sys.executable, str(SERVERS / "talk.py"), str(PEM), "0", "8443"])
    lab.nft("r2", rules.redirect(8443, 8443))


DEVICES = [
    Device("drops in the path", _drop, "word-dropped", 2),
    Device("drops before the TTL is looked at", _drop_early, "word-dropped", 1),
    Device("resets in the path", _reset, "word-reset", 2),
    Device("listens only", _listen, "word-reset", 2, sentence="somebody who listens only answers"),
    Device("copies the TTL", _copy, "word-reset", 2, ("likely", "likely"), "somebody who listens only"),
    Device("block page", _page, "word-answered", 2, protocol=Protocol.HTTP),
    Device("drops any data", _any_data, "any-word", 2),
    Device("the host refuses", _host_refuses, "refused-by-host", 7, ("certain", "likely")),
    Device("TLS interception", _intercept, "word-answered", 2, ("likely", "likely"), "A proxy at hop 2"),
]


@pytest.mark.parametrize("device", DEVICES, ids=lambda device: device.name.replace(" ", "-"))
@FAMILIES
@USERS
def test_a_device_has_its_kind_and_its_place(
    lab: Chain, device: Device, family: int, user: str | None
) -> None:
    serve(lab, 20)
    device.build(lab)
    (verdict,) = verdicts(lab, device.protocol, family, user)
    assert (verdict["kind"], verdict["hop"]) == (device.kind, device.hop), verdict
    assert verdict["certainty"] == device.sure[user is not None]
    assert device.sentence in verdict["sentence"]
    if device.kind == "word-answered" and device.protocol is Protocol.TLS:
        told = 'Its certificate is issued by "Corp CA", which this machine does not trust.'
        assert told in verdict["evidence"]


@FAMILIES
@USERS
def test_a_block_page_beside_the_path_is_told_so(lab: Chain, family: int, user: str | None) -> None:
    serve(lab, 20)
    inject(lab, "r3", "page 64")
    (verdict,) = verdicts(lab, Protocol.HTTP, family, user)
    assert (verdict["kind"], verdict["hop"], verdict["certainty"]) == ("word-answered", 2, "certain")
    assert "somebody who listens only answers an HTTP request" in verdict["sentence"]
    assert 'The answer is "HTTP/1.1 403 Forbidden".' in verdict["evidence"]


@pytest.mark.parametrize("label", ["r4", "r5", "r6"])
@USERS
def test_who_copies_the_ttl_in_the_far_half_is_not_taken_for_the_host(
    lab: Chain, label: str, user: str | None
) -> None:
    serve(lab, 20)
    inject(lab, label, "rst copy")
    (verdict,) = verdicts(lab, user=user)
    assert (verdict["kind"], verdict["certainty"]) == ("word-reset", "likely")
    assert verdict["hop"] == int(label[1:]) - 1


@FAMILIES
def test_only_raw_sockets_tell_a_rst_of_the_host_from_one_just_before_it(lab: Chain, family: int) -> None:
    serve(lab)
    lab.nft("r6", rules.forwarded(f"{word(TLS.asked)} reject with tcp reset"))
    (seen,) = verdicts(lab, family=family)
    assert (seen["kind"], seen["hop"], seen["certainty"]) == ("word-reset", 6, "certain")
    (guessed,) = verdicts(lab, family=family, user="nobody")
    assert (guessed["kind"], guessed["certainty"]) == ("refused-by-host", "likely")


@FAMILIES
def test_an_icmp_error_has_a_sender_for_raw_sockets_alone(lab: Chain, family: int) -> None:
    serve(lab)
    lab.nft("r3", rules.forwarded(f"{word(TLS.asked)} reject with icmpx admin-prohibited"))
    (seen,) = verdicts(lab, family=family)
    assert (seen["kind"], seen["hop"], seen["address"]) == ("word-dropped", 3, near(3, family))
    (guessed,) = verdicts(lab, family=family, user="nobody")
    assert (guessed["kind"], guessed["hop"]) == ("word-dropped", None)
    assert "by whom cannot be seen from here" in guessed["sentence"]


@FAMILIES
@USERS
def test_a_hello_of_two_segments_is_told_apart(lab: Chain, family: int, user: str | None) -> None:
    serve(lab)
    payload = f"meta length {760 + (52 if family == 4 else 72)}"
    lab.nft("r2", rules.forwarded(f"tcp dport 8443 {payload} drop"))
    long, passes = verdicts(lab, family=family, user=user)
    assert (long["kind"], long["hop"]) == ("word-dropped", 2)
    assert long["sentence"].startswith("A hello of two segments (1760 bytes) is dropped after hop 2")
    assert passes["kind"] == "word-passes"


@USERS
@pytest.mark.parametrize("verb", ["drop", "reject with tcp reset"])
def test_a_path_that_remembers_is_noted(lab: Chain, user: str | None, verb: str) -> None:
    serve(lab)
    pair = "ip saddr . ip daddr"
    known = "set bad {\ntype ipv4_addr . ipv4_addr\nflags dynamic, timeout\ntimeout 20s\n}"
    chain = f"type filter hook forward priority 0;\n{pair} @bad {verb}\n"
    chain += f"{word(TLS.asked)} add @bad {{ {pair} }} {verb}"
    lab.nft("r2", f"table ip f {{\n{known}\nchain c {{\n{chain}\n}}\n}}\n")
    blocked, note = verdicts(lab, user=user)
    assert (blocked["hop"], blocked["certainty"]) == (2, "likely")
    assert blocked["kind"] == ("word-dropped" if verb == "drop" else "word-reset")
    assert note["kind"] == "residual"


def test_a_control_that_is_stopped_is_about_the_protocol_or_its_name(lab: Chain) -> None:
    serve(lab)
    lab.nft("r3", rules.forwarded("tcp dport 8443 @ih,0,16 0x1603 drop"))
    (every,) = verdicts(lab)
    assert (every["kind"], every["hop"]) == ("word-dropped", 3)
    assert "whatever name it asks for" in every["sentence"]
    lab.nft("r3", f"flush ruleset\n{rules.forwarded(f'{word(TLS.control, CONTROL)} drop')}")
    passes, control = verdicts(lab)
    assert (passes["kind"], control["kind"], control["hop"]) == ("word-passes", "word-dropped", 3)


def test_words_of_a_file_have_their_place(lab: Chain, tmp_path: Path) -> None:
    serve(lab)
    (tmp_path / "words.bin").write_bytes(b"\x13BitTorrent protocol")
    lab.nft("r4", rules.forwarded("tcp dport 8080 @ih,0,32 0x13426974 drop"))
    finished = lab.run(f"-n --say @{tmp_path / 'words.bin'} {SERVER}:8080")
    assert (
        "Verdict: What words.bin holds (20 bytes) is dropped after hop 4 (10.0.4.1). [certain]"
        in finished.out
    )


@USERS
@pytest.mark.parametrize("build", [_drop, _reset])
def test_it_is_quick(lab: Chain, user: str | None, build: Callable[[Chain], None]) -> None:
    """The target is a second on an idle machine; the limit here leaves room for a busy one."""
    serve(lab)
    build(lab)
    assert say(lab, user=user).seconds < 4


@pytest.mark.parametrize("build", [_drop, _reset, _listen, _any_data])
@USERS
def test_routers_that_limit_their_errors_move_no_place(
    lab: Chain, build: Callable[[Chain], None], user: str | None
) -> None:
    """As Linux does unless it is told otherwise: six errors, then one a second."""
    serve(lab, 20)
    for label in ("r1", "r2", "r3", "r4", "r5", "r6"):
        lab.limit_icmp(label)
    build(lab)
    (verdict,) = verdicts(lab, user=user)
    assert (verdict["kind"], verdict["hop"]) in {
        (each.kind, each.hop) for each in DEVICES if each.build is build
    }


# What no server hears


def heard_by(packets: list[bytes]) -> list[bytes]:
    return [packet for packet in packets if NAME in packet]


@FAMILIES
@USERS
@pytest.mark.parametrize("verb", ["drop", "reject with tcp reset"])
@pytest.mark.parametrize("end", [None, signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_forbidden_name_arrives_behind_the_filter_whatever_the_end(
    lab: Chain, family: int, user: str | None, verb: str, end: signal.Signals | None
) -> None:
    """The server has seen every connection open, and the control."""
    serve(lab)
    lab.nft("r2", rules.forwarded(f"{word(TLS.asked)} {verb}"))
    with lab.capture("server") as captured:
        if end is None:
            say(lab, family=family, user=user)
        else:
            _interrupt(lab, family, user, end)
        time.sleep(0.7)  # the kernel would have sent again by then
    packets = [bytes(packet) for packet in captured.packets()]
    assert any(CONTROL in packet for packet in packets)
    assert heard_by(packets) == []


def _interrupt(lab: Chain, family: int, user: str | None, end: signal.Signals) -> None:
    """Run it, and end it once the forbidden name has left, behind the control.

    A kernel sends again for a while what a killed program has said: with its TTL, so no farther.
    """
    words = ["-n", "--say", f"tls:{NAME.decode()}", target(family, 8443)]
    with lab.capture("client") as leaving:
        process = subprocess.Popen(
            program.command(lab.client, words, user),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=program.environment(),
        )
        for _ in range(2000):
            _, control, after = leaving.file.read_bytes().rpartition(CONTROL)
            if control and NAME in after:
                break
            time.sleep(0.005)
        else:
            raise AssertionError("it never said the name")
        for pid in [*_descendants(process.pid), process.pid]:
            subprocess.run(["kill", f"-{int(end)}", str(pid)], check=False, capture_output=True)
        process.communicate(timeout=20)


def _descendants(pid: int) -> list[int]:
    children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    below = [int(child) for child in children.stdout.split()]
    return [each for child in below for each in [*_descendants(child), child]]


def test_nothing_is_said_unless_it_is_asked_for(lab: Chain) -> None:
    serve(lab)
    with lab.capture("server") as captured:
        lab.run(f"-n -e {SERVER}:8443")
        lab.run(f"-n --say tls:{NAME.decode()} --versus {NAME.decode()} {SERVER}:8443")
    assert not any(b"example" in bytes(packet) for packet in captured.packets())


@pytest.mark.parametrize("flags", ["--report", "-c", "-c -e"])
def test_every_form_of_output_has_the_verdict(lab: Chain, flags: str) -> None:
    serve(lab)
    _drop(lab)
    out = say(lab, flags=flags).out.replace("`", "")
    assert "A TLS hello for blocked.example is dropped after hop 2 (10.0.2.1)." in out


def test_every_connection_ends(lab: Chain) -> None:
    serve(lab)
    _drop(lab)
    say(lab)
    time.sleep(0.3)
    assert ":8443" not in lab.nodes["server"].run(["ss", "-Htn", "state", "established"])


# Clean paths


def _limits(lab: Chain) -> None:
    for label in ("r1", "r2", "r3", "r4", "r5", "r6"):
        lab.limit_icmp(label)


def _loss(lab: Chain) -> None:
    lab.nft("r3", rules.forwarded("numgen random mod 100 < 2 drop"))


def _silent_and_stateful(lab: Chain) -> None:
    lab.nft("r4", rules.leaving("icmp type time-exceeded drop", "icmpv6 type time-exceeded drop"))
    lab.nft("r2", rules.forwarded("ct state invalid drop"))


CLEAN: list[tuple[str, Callable[[Chain], None], int]] = [
    ("as it is", lambda _: None, 0),
    ("a slow server", lambda _: None, 400),
    ("limited routers", _limits, 0),
    ("a path that loses packets", _loss, 0),
    ("a silent router and a stateful firewall", _silent_and_stateful, 0),
]


@pytest.mark.parametrize(("name", "build", "delay"), CLEAN, ids=[name for name, _, _ in CLEAN])
@pytest.mark.parametrize("protocol", [Protocol.TLS, Protocol.HTTP])
@USERS
def test_a_clean_path_raises_no_alarm(
    lab: Chain,
    protocol: Protocol,
    user: str | None,
    name: str,
    build: Callable[[Chain], None],
    delay: int,
) -> None:
    serve(lab, delay)
    build(lab)
    told = verdicts(lab, protocol, 4 if name != "as it is" else 6, user)
    assert [verdict["kind"] for verdict in told] == ["word-passes"], told


# Real servers


HAPROXY = """
defaults
  mode tcp
  timeout connect 3s
  timeout client 9s
  timeout server 9s
frontend in
  bind :::8446 v4v6
  tcp-request inspect-delay 2s
  tcp-request content reject if {{ req.ssl_sni -i {name} }}
  tcp-request content accept if {{ req.ssl_hello_type 1 }}
  default_backend out
backend out
  server one 127.0.0.1:8443
"""
NGINX = """
daemon off; error_log {folder}/error.log; pid {folder}/nginx.pid; worker_processes 1; user root;
events {{ worker_connections 128; }}
http {{
  access_log off; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  ssl_certificate {pem}; ssl_certificate_key {pem};
  server {{ listen 8446 ssl default_server; listen [::]:8446 ssl default_server; root {folder}; }}
  server {{ listen 8446 ssl; listen [::]:8446 ssl; server_name {name}; ssl_reject_handshake on; }}
}}
"""
ABSENT = [name for name in ("nginx", "haproxy", "openssl") if shutil.which(name) is None]


def start(lab: Chain, command: list[str], port: int) -> None:
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


def refuse_with(lab: Chain, server: str, folder: Path) -> None:
    """Start a server that refuses the name by itself."""
    serve(lab)
    if server == "nginx":
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, pem=PEM, name=NAME.decode()))
        start(lab, ["nginx", "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")], 8446)
    elif server == "haproxy":
        (folder / "haproxy.cfg").write_text(HAPROXY.format(name=NAME.decode()))
        start(lab, ["haproxy", "-db", "-f", str(folder / "haproxy.cfg")], 8446)
    else:
        command = ["openssl", "s_server", "-accept", "8446", "-cert", str(PEM), "-quiet", "-www"]
        names = ["-servername", CONTROL.decode(), "-servername_fatal", "-cert2", str(PEM), "-key2", str(PEM)]
        start(lab, [*command, *names], 8446)


@pytest.mark.skipif(bool(ABSENT) and os.environ.get("CI") != "true", reason=f"not installed: {ABSENT}")
@pytest.mark.parametrize(
    ("server", "how"),
    [
        ("nginx", "itself refuses a TLS hello for blocked.example: alert 112, unrecognized name."),
        ("s_server", "itself refuses a TLS hello for blocked.example: alert 112, unrecognized name."),
        ("haproxy", "itself closes the connection upon a TLS hello for blocked.example."),
    ],
)
@USERS
def test_real_servers_refuse_a_name_by_themselves(
    lab: Chain, server: str, how: str, user: str | None, tmp_path: Path
) -> None:
    refuse_with(lab, server, tmp_path)
    finished = lab.run(f"-n --json --say tls:{NAME.decode()} {SERVER}:8446", user=user, timeout=40)
    (verdict,) = json.loads(finished.out)["verdicts"]
    assert (verdict["kind"], verdict["hop"]) == ("refused-by-host", 7)
    assert verdict["sentence"] == f"{SERVER} {how}"


def test_the_cookbook_says_what_is_said_here(lab: Chain) -> None:
    text = (Path(__file__).parents[1] / "docs/usage.md").read_text(encoding="utf-8")
    section = text.partition("### The port is open, and one name does not work\n")[2].partition("\n### ")[0]
    serve(lab)
    lab.nft("r2", rules.forwarded(f"{word(TLS.asked)} drop"))
    said = re.findall("^(Verdict|Evidence): (.*)$", say(lab, user="nobody").out, re.MULTILINE)
    documented = re.findall("^    (Verdict|Evidence): (.*)$", section, re.MULTILINE)
    assert _without_counts(documented[:2]) == _without_counts(said)


def _without_counts(lines: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(kind, re.sub(r"\d+ times", "N times", line)) for kind, line in lines]
