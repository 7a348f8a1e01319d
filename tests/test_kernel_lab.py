"""The lab itself works as the other kernel tests assume, checked with other programs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab import OPEN_PORTS, SERVER, SERVER_6, near, rules

if TYPE_CHECKING:
    from lab import Chain

pytestmark = pytest.mark.netns

GREETING = "import socket; print(socket.create_connection(('{}', {}), 5).recv(99).decode(), end='')"


def greeting(lab: Chain, host: str, port: int) -> str:
    return lab.client.run([sys.executable, "-c", GREETING.format(host, port)])


@pytest.mark.parametrize("address", [SERVER, SERVER_6])
@pytest.mark.parametrize("port", OPEN_PORTS)
def test_the_server_answers_through_six_routers(lab: Chain, address: str, port: int) -> None:
    assert greeting(lab, address, port) == "this is server\n"


@pytest.mark.parametrize("address", [SERVER, SERVER_6])
def test_the_proxy_answers_in_the_servers_name(lab: Chain, address: str) -> None:
    lab.nft("r2", rules.redirect(80, 8080))
    assert greeting(lab, address, 80) == "this is r2\n"
    assert greeting(lab, address, 443) == "this is server\n"


def test_changes_end_with_the_test(lab: Chain) -> None:
    lab.nft("r2", rules.redirect(80, 8080))
    lab.reset()
    assert greeting(lab, SERVER, 80) == "this is server\n"


@pytest.mark.parametrize("number", [1, 3, 6])
@pytest.mark.parametrize("family", [4, 6])
def test_every_router_answers_an_expired_ttl(lab: Chain, number: int, family: int) -> None:
    target = near(7, family)
    command = ["ping", "-n", "-c", "1", "-W", "5", "-t", str(number), target]
    finished = subprocess.run(
        [*lab.client.prefix, *command], capture_output=True, text=True, timeout=10, check=False
    )
    assert f"From {near(number, family)} icmp_seq=1 Time " in finished.stdout


def test_names_come_from_the_lab(lab: Chain) -> None:
    assert lab.client.run(["getent", "hosts", "10.0.3.1"]).split() == ["10.0.3.1", "core-3.lab.example"]
    assert lab.client.run(["getent", "ahostsv4", "four.lab.example"]).split()[0] == SERVER


def test_no_namespace_has_a_link_to_the_outside(lab: Chain) -> None:
    inside = sum(len(node.run(["ls", "/sys/class/net"]).split()) for node in lab.nodes.values())
    loopbacks, ends = len(lab.nodes), 2 * len(lab.nodes)
    assert inside == loopbacks + ends  # the seven links of the chain and the side link have two ends each


def test_the_lab_goes_away_when_its_process_is_interrupted(lab: Chain, tmp_path: Path) -> None:
    script = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from lab import Chain
with Chain(Path({str(tmp_path)!r})):
    raise KeyboardInterrupt
"""
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True)
    _, err = process.communicate(timeout=30)
    assert "KeyboardInterrupt" in err
    left = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    assert f"-{process.pid}-" not in left
    assert lab.client.name in left
    assert not list(Path("/etc/netns").glob(f"*-{process.pid}-*"))
