"""The prober of macOS and Windows, tested on Linux kernels: scapy can open its sockets here too.

Each run has a process of its own, because scapy decides on import how it captures. ``pcap`` is the way on
Windows (and on macOS where libpcap is preferred); ``native`` stands for BPF.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab import SERVER, SERVER_6, near
from tracetcp.config import TraceConfig
from tracetcp.probers import capture
from tracetcp.runner import SelectorWait

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab import Chain

SOURCE = Path(__file__).resolve().parents[1] / "src"
WAYS = pytest.mark.parametrize("way", ["native", "pcap"])

SCRIPT = """
import sys
way, target, interface, gateway, *probes = sys.argv[1:]
from scapy.config import conf
conf.use_pcap = way == "pcap"
from tracetcp.config import TraceConfig
from tracetcp.errors import TracetcpError
from tracetcp.model import Probe
from tracetcp.probers.capture import ScapyProber
from tracetcp.runner import first_replies
config = TraceConfig(host=target, interface=interface or None, gateway=gateway or None)
try:
    prober = ScapyProber(config, target)
except TracetcpError as error:
    sys.exit(f"{type(error).__name__}: {error}")
print("from", prober.source)
sent = {}
for token, words in enumerate(probes, 0x12345678):
    ttl, port = map(int, words.split(":"))
    sent[token] = prober.send(Probe(token, port, ttl, 1, token % 8))
heard = {}
until = prober.clock() + 5
while len(heard) < len(sent) and prober.clock() < until:
    heard |= {reply.token: reply for reply in first_replies(prober, until)}
for token, sent_at in sent.items():
    reply = heard[token]
    assert -0.001 < reply.received_at - sent_at < 5
    print(reply.kind.value, reply.sender, reply.reply_ttl)
prober.close()
"""


def heard(
    lab: Chain,
    way: str,
    target: str,
    *probes: str,
    interface: str = "",
    gateway: str = "",
    prefix: Sequence[str] = (),
) -> list[str]:
    """The replies to ``ttl:port`` probes; the error if the prober does not start."""
    command = [*lab.client.prefix, *prefix, sys.executable, "-c", SCRIPT, way, target, interface, gateway]
    finished = subprocess.run(
        [*command, *probes],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return (finished.stdout + finished.stderr).splitlines()


class Frames:
    """Replaces a capturing socket of scapy's: no descriptor, and nothing announces its frames."""

    closed = False

    def __init__(self) -> None:
        self.waiting: list[bytes] = []

    def select(self, _sockets: object, _wait: float) -> list[bytes]:
        return self.waiting

    def recv_raw(self) -> tuple[None, None, None]:
        self.waiting.pop()
        return None, None, None

    def close(self) -> None:
        self.closed = True


def test_on_windows_the_wait_gets_a_socket_that_stays_silent_and_frames_are_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frames = Frames()
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(capture, "_prepare_scapy", lambda _: None)
    monkeypatch.setattr(capture, "_find_way", lambda *_: capture._Way("eth0", "192.0.2.2"))
    monkeypatch.setattr(capture, "_open_socket", lambda *_: frames)
    monkeypatch.setattr(capture, "open_codec", lambda *_, **__: None)
    with closing(capture.ScapyProber(TraceConfig(host="192.0.2.1"), "192.0.2.1")) as prober:
        frames.waiting.append(b"a frame")
        with closing(SelectorWait(prober.clock)) as wait:
            assert wait(prober.descriptors(), prober.wake_at()) == set()
        assert prober.wake_at() <= prober.clock()
        assert prober.drain() == []
        assert frames.waiting == []
        assert prober.wake_at() > prober.clock() - capture.LOOK_INTERVAL
    assert frames.closed
    assert prober.descriptors() == ()


@pytest.mark.netns
@WAYS
@pytest.mark.parametrize(("family", "server"), [(4, SERVER), (6, SERVER_6)])
def test_routers_open_and_closed_ports_answer(lab: Chain, way: str, family: int, server: str) -> None:
    own = "10.0.1.2" if family == 4 else "fd00:1::2"
    assert heard(lab, way, server, "1:80", "3:80", "6:80", "64:443", "64:81") == [
        f"from {own}",
        f"time exceeded {near(1, family)} 64",
        f"time exceeded {near(3, family)} 62",
        f"time exceeded {near(6, family)} 59",
        f"syn-ack {server} 58",
        f"rst {server} 58",
    ]


@pytest.mark.netns
@WAYS
@pytest.mark.parametrize(
    ("family", "server", "gateway", "own"),
    [(4, SERVER, "10.0.99.1", "10.0.99.2"), (6, SERVER_6, "fd00:99::1", "fd00:99::2")],
)
def test_a_gateway_and_an_interface_are_taken(
    lab: Chain, way: str, family: int, server: str, gateway: str, own: str
) -> None:
    expected = [f"from {own}", f"time exceeded {gateway} 64", f"time exceeded {near(3, family)} 63"]
    assert heard(lab, way, server, "1:80", "2:80", gateway=gateway) == expected
    assert heard(lab, way, server, "1:80", "2:80", interface="eth1") == expected
    assert heard(lab, way, server, "1:80", "2:80", interface=own) == [
        *expected[:1],
        f"time exceeded {gateway} 64",
        expected[2],
    ]


@pytest.mark.netns
def test_a_link_local_target_is_reached_by_its_scope(lab: Chain) -> None:
    shown = lab.nodes["r1"].run(["ip", "-6", "-o", "address", "show", "near", "scope", "link"])
    target = shown.split()[3].partition("/")[0] + "%eth0"
    assert heard(lab, "native", target, "64:81")[1:] == [f"rst {target} 64"]


@pytest.mark.netns
@pytest.mark.parametrize(
    ("target", "options", "complaint"),
    [
        (SERVER, {"interface": "eth7"}, "UsageError: there is no interface eth7: use one of eth0, eth1, lo"),
        (SERVER, {"interface": "192.0.2.7"}, "UsageError: no interface has the address 192.0.2.7"),
        (SERVER, {"interface": "fd00:1::2"}, "FamilyMismatch: interface address fd00:1::2 is IPv6"),
        (SERVER, {"gateway": "fd00:99::1"}, "FamilyMismatch: gateway fd00:99::1 is not of the target's"),
    ],
)
def test_what_cannot_be_is_a_sentence(
    lab: Chain, target: str, options: dict[str, str], complaint: str
) -> None:
    (told,) = heard(lab, "native", target, **options)
    assert told.startswith(complaint)


@pytest.mark.netns
def test_no_route_is_a_sentence(lab: Chain) -> None:
    lab.ip(
        "client",
        "route del default\nroute del default",
        f"route add default via {near(1)}\nroute add default via 10.0.99.1 metric 4096",
    )
    (told,) = heard(lab, "native", "192.0.2.1")
    assert told.startswith("NoRoute: no route to 192.0.2.1")


@pytest.mark.netns
@WAYS
def test_a_capture_that_is_refused_is_a_sentence(lab: Chain, way: str) -> None:
    powerless = ("setpriv", "--bounding-set", "-net_raw", "--inh-caps", "-net_raw")
    (told,) = heard(lab, way, SERVER, prefix=powerless)
    assert told.startswith("NoPermission: the system refuses to capture packets on eth0")
    assert told.endswith("run tracetcp with sudo, or grant this user read and write access to /dev/bpf*")
