"""The raw prober against real kernels: what it sends, receives and leaves behind."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab import SERVER, SERVER_6, near, rules
from prober_lab import REPLY_WAIT, STAMPS_BEGIN, ask, inside, kinds, probe, readable
from prober_lab import raw_prober as prober
from tracetcp.errors import FamilyMismatch, NoRoute, ProberError, UsageError
from tracetcp.model import FLOWS, FailureKind, ReplyKind, SendFailure
from tracetcp.probers import source_ports as ports
from tracetcp.probers.raw.batches import MOST_PACKETS
from tracetcp.probers.routes import find_route
from tracetcp.runner import first_replies

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab import Chain

pytestmark = pytest.mark.netns

QUIET = 0.3
"""Seconds to wait for replies that must not come."""
TE, UNREACHABLE, SYN_ACK, RST = (
    ReplyKind.TIME_EXCEEDED,
    ReplyKind.UNREACHABLE,
    ReplyKind.SYN_ACK,
    ReplyKind.RST,
)


def connections(lab: Chain, state: str) -> str:
    return lab.nodes["server"].run(["ss", "-Htn", "state", state])


@pytest.mark.parametrize(("family", "server"), [(4, SERVER), (6, SERVER_6)])
def test_every_hop_of_the_chain_answers(lab: Chain, family: int, server: str) -> None:
    with prober(lab.client, server) as opened:
        heard = ask(opened, *[probe(ttl, flow=ttl) for ttl in range(1, 8)])
    assert kinds(heard) == [*((TE, near(n, family)) for n in range(1, 7)), (SYN_ACK, server)]
    assert [h.reply.reply_ttl for h in heard] == [65 - n for n in range(1, 8)]
    assert [h.reply.quote.changed for h in heard if h.reply.quote] == [()] * 6
    assert [h.reply.quote.ttl for h in heard if h.reply.quote] == [1] * 6


@pytest.mark.parametrize("server", [SERVER, SERVER_6])
def test_open_and_closed_ports_are_told_apart(lab: Chain, server: str) -> None:
    with prober(lab.client, server) as opened:
        heard = ask(opened, *[probe(64, port, port) for port in (80, 81, 443)])
    assert kinds(heard) == [(SYN_ACK, server), (RST, server), (SYN_ACK, server)]
    assert heard[0].reply.answer is not None
    assert heard[0].reply.answer.mss == (1460 if server == SERVER else 1440)


@pytest.mark.parametrize(("family", "server", "icmp"), [(4, SERVER, (3, 13)), (6, SERVER_6, (1, 1))])
def test_a_router_that_prohibits_is_heard(
    lab: Chain, family: int, server: str, icmp: tuple[int, int]
) -> None:
    lab.nft("r3", rules.forwarded("tcp dport 80 reject with icmpx type admin-prohibited"))
    with prober(lab.client, server) as opened:
        (heard,) = ask(opened, probe(64))
    assert kinds([heard]) == [(UNREACHABLE, near(3, family))]
    assert (heard.reply.icmp_type, heard.reply.icmp_code) == icmp


@pytest.mark.parametrize("own", ["127.0.0.1", "::1", "10.0.1.2", "fd00:1::2"])
def test_the_machine_itself_answers(lab: Chain, own: str) -> None:
    with prober(lab.client, own) as opened:
        (heard,) = ask(opened, probe(1, 81))
        assert opened.source == own
    assert kinds([heard]) == [(RST, own)]


@pytest.mark.parametrize("own", ["127.0.0.1", "::1", "10.0.1.2", "fd00:1::2"])
def test_a_program_on_the_machine_itself_answers(lab: Chain, own: str) -> None:
    """No network card completes the checksum of its SYN-ACK."""
    with inside(lab.client):
        listener = socket.create_server(("::", 8099), family=socket.AF_INET6, dualstack_ipv6=True)
    with listener, prober(lab.client, own) as opened:
        (heard,) = ask(opened, probe(1, 8099))
    assert kinds([heard]) == [(SYN_ACK, own)]


def test_a_link_local_target_is_reached_by_its_scope(lab: Chain) -> None:
    link_local = (
        lab.nodes["r1"].run(["ip", "-6", "-o", "address", "show", "near", "scope", "link"]).split()[3]
    )
    target = link_local.partition("/")[0] + "%eth0"
    with prober(lab.client, target) as opened:
        (heard,) = ask(opened, probe(64, 81))
    assert kinds([heard]) == [(RST, target)]


@pytest.mark.parametrize("server", [SERVER, SERVER_6])
@pytest.mark.parametrize("is_guarded", [False, True], ids=["no firewall", "only established"])
def test_the_kernel_closes_what_a_syn_ack_opened(lab: Chain, server: str, is_guarded: bool) -> None:
    if is_guarded:
        lab.nft("client", rules.ONLY_ESTABLISHED)
    only = "tcp port 80"
    with lab.capture("server", only=only) as capture, prober(lab.client, server) as opened:
        (heard,) = ask(opened, probe(64))
        time.sleep(1.5)  # a half-open connection retransmits its SYN-ACK after one second
    flags = [int(value, 16) for (value,) in capture.fields("tcp", "tcp.flags")]
    assert kinds([heard]) == [(SYN_ACK, server)]
    assert flags == [0x02, 0x12, 0x04]
    assert connections(lab, "syn-recv") == ""


@pytest.mark.parametrize("server", [SERVER, SERVER_6])
def test_what_is_sent_is_a_sound_syn(lab: Chain, server: str) -> None:
    with lab.capture(only="tcp") as capture, prober(lab.client, server) as opened:
        ask(opened, probe(1), probe(64, 81, 3))
    fields = [
        "tcp.options",
        "tcp.checksum.status",
        "ip.checksum.status",
        "ip.flags.df",
        "tcp.window_size_value",
    ]
    sent = capture.fields("tcp.flags == 2", *fields)
    mss = "05b4" if server == SERVER else "05a0"
    windows = ["64240", "64240"] if server == SERVER else ["64241", "64304"]
    ip = ("1", "True") if server == SERVER else ("", "")
    expected = [(f"0204{mss}0103030801010402", "1", *ip, window) for window in windows]
    assert [(o, t, i, {"1": "True"}.get(d, d), w) for o, t, i, d, w in sent] == expected


def test_a_batch_leaves_in_the_background_and_is_told_before_its_answers(lab: Chain) -> None:
    batch = [probe(64, 1000 + port) for port in range(MOST_PACKETS)]
    with prober(lab.client, SERVER) as opened:
        began_at = opened.clock()
        assert list(opened.send_all(batch)) == []
        time.sleep(QUIET)
        early = opened.drain()
        assert opened.wake_at() == inf
        told = dict(opened.send_all(()))
        assert opened.wake_at() == -inf
        heard = {reply.token: reply for reply in opened.drain()}
        assert opened.wake_at() == inf
        assert list(opened.send_all(())) == []
    assert early == []
    assert list(told) == batch
    instants = [at for at in told.values() if isinstance(at, float)]
    assert instants == sorted(instants)
    assert all(began_at <= at < began_at + QUIET for at in instants)
    arrivals = [heard[asked.token].received_at for asked in batch]
    assert all(came_at > sent_at - 0.001 for sent_at, came_at in zip(instants, arrivals, strict=True))


def test_the_next_batch_leaves_while_the_last_is_told(lab: Chain) -> None:
    first, second = (
        [probe(64, 1000 + port) for port in range(start, start + MOST_PACKETS)] for start in (0, MOST_PACKETS)
    )
    with prober(lab.client, SERVER) as opened:
        assert list(opened.send_all(first)) == []
        assert [asked for asked, _ in opened.send_all(second)] == first
        alone = probe(64, 80)
        assert [asked for asked, _ in opened.send_all([alone])] == [alone]
        assert [asked for asked, _ in opened.send_all(())] == second


def test_what_hinders_one_probe_of_a_batch_is_told_of_that_one(lab: Chain) -> None:
    lab.nft("client", rules.leaving(rules.drop(1020)))
    batch = [probe(64, 1000 + port) for port in range(MOST_PACKETS)]
    with prober(lab.client, SERVER) as opened:
        assert list(opened.send_all(batch)) == []
        told = dict(opened.send_all(()))
        heard = {reply.token for reply in first_replies(opened, opened.clock() + REPLY_WAIT)}
    failures = [asked.port for asked, result in told.items() if isinstance(result, SendFailure)]
    assert (list(told), failures) == (batch, [1020])
    assert heard < {asked.token for asked in batch}


def test_closing_ends_the_thread_that_sends(lab: Chain) -> None:
    before = threading.active_count()
    with prober(lab.client, SERVER) as opened:
        assert list(opened.send_all([probe(64, port) for port in range(1, MOST_PACKETS)])) == []
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


def test_the_mss_follows_the_route(lab: Chain) -> None:
    lab.ip("client", f"route add {SERVER} via {near(1)} mtu 1000", f"route del {SERVER} via {near(1)}")
    with lab.capture(only="tcp") as capture, prober(lab.client, SERVER) as opened:
        ask(opened, probe(1))
    assert capture.fields("tcp.flags == 2", "tcp.options.mss_val") == [("960",)]


def test_stamps_are_the_kernels_and_on_our_clock(lab: Chain) -> None:
    with prober(lab.client, SERVER) as opened:
        time.sleep(STAMPS_BEGIN)
        asked = probe(64)
        sent_at = opened.send(asked)
        assert isinstance(sent_at, float)
        time.sleep(0.5)  # the reply waits in the socket; its stamp does not
        (reply,) = first_replies(opened, opened.clock() + REPLY_WAIT)
    assert -0.001 < reply.received_at - sent_at < 0.4


def test_strangers_do_not_wake_the_prober(lab: Chain) -> None:
    with prober(lab.client, SERVER) as opened, prober(lab.client, near(6)) as other:
        heard = ask(other, *[probe(ttl, port, ttl + port) for ttl in (2, 64) for port in (80, 81)])
        assert len(heard) == 4
        (tcp,) = [each.number for each in opened._receivers if each.protocol == socket.IPPROTO_TCP]
        assert tcp not in readable(opened), "the filter passed another trace's TCP answers"
        assert first_replies(opened, opened.clock() + QUIET) == []
        assert kinds(ask(opened, probe(64))) == [(SYN_ACK, SERVER)]


def test_an_interface_name_chooses_the_way_out(lab: Chain) -> None:
    with prober(lab.client, SERVER, interface="eth1") as opened:
        heard = ask(opened, probe(1), probe(2, flow=1))
        assert opened.source == "10.0.99.2"
    assert kinds(heard) == [(TE, "10.0.99.1"), (TE, near(3))]


def test_an_interface_address_is_the_source(lab: Chain) -> None:
    with lab.capture(only="tcp") as capture, prober(lab.client, SERVER, interface="10.0.99.2") as opened:
        heard = ask(opened, probe(2))
        assert opened.source == "10.0.99.2"
    assert kinds(heard) == [(TE, "10.0.99.1")]  # r2 answers on its own way back to that source
    assert capture.fields("tcp.flags == 2", "ip.src") == [("10.0.99.2",)]


@pytest.mark.parametrize(
    ("interface", "error", "words"),
    [
        ("eth7", UsageError, "there is no interface eth7: use one of lo, eth0, eth1"),
        ("192.0.2.7", UsageError, "no interface has the address 192.0.2.7"),
        ("fd00:1::2", FamilyMismatch, "IPv6 but the target's is IPv4"),
        ("eth1", NoRoute, "no route to 10.0.7.1 from eth1"),
    ],
)
def test_a_wrong_interface_is_a_sentence(
    lab: Chain, interface: str, error: type[Exception], words: str
) -> None:
    lab.ip(
        "client",
        "link set eth1 down",
        "link set eth1 up\nroute add default via 10.0.99.1 metric 4096\n"
        "address replace fd00:99::2/64 dev eth1 nodad\nroute add ::/0 via fd00:99::1 metric 4096",
    )
    with pytest.raises(error, match=words), prober(lab.client, SERVER, interface=interface):
        pass


@pytest.mark.parametrize(
    ("target", "words"),
    [("192.0.2.1", "Network is unreachable"), ("fe80::1", "a link-local address needs its interface")],
)
def test_no_route_is_a_sentence(lab: Chain, target: str, words: str) -> None:
    with pytest.raises(NoRoute, match=words), prober(lab.nodes["r6"], target):
        pass


@pytest.mark.parametrize(
    ("gateway", "server", "family"),
    [("10.0.99.1", SERVER, 4), ("fd00:99::1", SERVER_6, 6)],
)
def test_a_gateway_overrides_the_routing_table(lab: Chain, gateway: str, server: str, family: int) -> None:
    with (
        lab.capture(interface="eth1", only="tcp") as capture,
        prober(lab.client, server, gateway=gateway) as opened,
    ):
        heard = ask(opened, probe(1), probe(2, flow=1), probe(64, flow=2))
    assert kinds(heard) == [(TE, gateway), (TE, near(3, family)), (SYN_ACK, server)]
    sent = capture.fields("tcp.flags == 2", "tcp.checksum.status", "ip.checksum.status")
    assert sent == [("1", "1" if family == 4 else "")] * 3


def test_a_link_local_gateway_is_taken_with_a_source_that_answers_reach(lab: Chain) -> None:
    shown = lab.nodes["r2"].run(["ip", "-6", "-o", "address", "show", "side", "scope", "link"])
    gateway = shown.split()[3].partition("/")[0] + "%eth1"
    with prober(lab.client, SERVER_6, gateway=gateway) as opened:
        assert opened.source == "fd00:99::2"
        assert kinds(ask(opened, probe(2))) == [(TE, near(3, 6))]


def test_a_gateway_that_does_not_answer_is_a_sentence(lab: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracetcp.probers.raw.gateway.NEIGHBOUR_WAIT", 0.2)
    silent = pytest.raises(ProberError, match=r"gateway 10\.0\.99\.77 does not answer on eth1")
    with prober(lab.client, SERVER, gateway="10.0.99.77") as opened, silent:
        opened.send(probe(1))


@pytest.mark.parametrize(
    ("gateway", "error"), [(near(3), ProberError), ("fd00:99::1", FamilyMismatch), ("10.0.1.2", ProberError)]
)
def test_a_gateway_that_is_no_neighbour_is_a_sentence(
    lab: Chain, gateway: str, error: type[Exception]
) -> None:
    with pytest.raises(error, match=f"gateway {gateway} is"), prober(lab.client, SERVER, gateway=gateway):
        pass


def test_a_local_firewall_costs_a_probe_not_the_run(lab: Chain) -> None:
    lab.nft("client", rules.leaving(rules.drop(81)))
    with prober(lab.client, SERVER) as opened:
        failure = opened.send(probe(64, 81))
        assert isinstance(failure, SendFailure)
        assert (failure.errno, failure.kind) == (errno.EPERM, FailureKind.PROBE_LOST)
        assert kinds(ask(opened, probe(64, 80))) == [(SYN_ACK, SERVER)]


def test_a_route_that_goes_away_is_permanent(lab: Chain) -> None:
    with prober(lab.client, SERVER) as opened:
        lab.ip("client", f"route add unreachable {SERVER}", f"route del unreachable {SERVER}")
        failure = opened.send(probe(64))
        assert isinstance(failure, SendFailure)
        assert (failure.errno, failure.kind) == (errno.EHOSTUNREACH, FailureKind.NO_ROUTE)


def test_source_ports_stay_clear_of_local_programs(lab: Chain) -> None:
    with prober(lab.client, SERVER) as opened, prober(lab.client, SERVER) as other:
        firsts = sorted(p.codec._source_port_base for p in (opened, other))
        assert firsts[1] - firsts[0] >= FLOWS
        assert all(first + FLOWS <= 32768 or first > 60999 for first in firsts)
        sockets = [line.split() for line in lab.client.run(["ss", "-Htan"]).splitlines()]
        # A newer ss shows those that are only bound, as ours are.
        seen = {
            int(words[3].rpartition(":")[2])
            for words in sockets
            if words[0] not in ("BOUND-INACTIVE", "UNCONN")
        }
        assert seen.isdisjoint(port for first in firsts for port in range(first, first + FLOWS))


def own_sockets() -> set[str]:
    """The sockets that this process holds, by inode; earlier tests' threads may still close theirs."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found.add(str(descriptor.readlink()))
    return {link for link in found if link.startswith("socket:")}


def test_close_gives_back_every_socket_and_may_be_repeated(lab: Chain) -> None:
    before = own_sockets()
    with prober(lab.client, SERVER, gateway="10.0.99.1") as opened:
        assert own_sockets() - before
        opened.close()
        opened.close()
    assert own_sockets() - before == set()


def test_overflow_of_the_receive_buffer_is_counted(lab: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracetcp.probers.raw.receiver.RECEIVE_BUFFER", 4096)
    with prober(lab.client, SERVER) as opened:
        for flow in range(100):
            opened.send(probe(64, 81, flow))
        time.sleep(QUIET)
        received = len(first_replies(opened, opened.clock() + REPLY_WAIT))
        received += len(ask(opened, probe(64, 80, 1000)))
        assert opened.overflows > 0
        assert received + opened.overflows == 101


def test_a_block_that_another_trace_holds_in_part_is_not_taken(lab: Chain) -> None:
    with prober(lab.client, SERVER) as opened:
        first = opened.codec._source_port_base
        route = find_route(SERVER, None)
        for start in (first - 500, first - 1, first, first + 1, first + 500, first + FLOWS - 1):
            assert ports._hold(route, start, FLOWS) == []


def test_ports_of_connections_are_not_taken(lab: Chain) -> None:
    with inside(lab.client), socket.create_connection((SERVER, 80), REPLY_WAIT) as connection:
        assert connection.getsockname()[1] in ports._ports_in_use(ports.SOCKET_TABLES[4])


@pytest.mark.parametrize(
    ("ephemeral", "lowest", "highest"),
    [
        (range(32_768, 61_000), 10_000, 64_512),
        (range(49_152, 65_536), 10_000, 49_152 - FLOWS),
        (range(9_000, 30_000), 30_000, 64_512),
        (range(1_024, 65_536), 10_000, 64_512),
    ],
)
def test_blocks_lie_outside_the_ephemeral_range_if_they_can(
    ephemeral: range, lowest: int, highest: int
) -> None:
    starts = ports._starts(ephemeral, FLOWS)
    assert (min(starts), max(starts)) == (lowest, highest)
    if ephemeral.start > 1_024:
        assert all(start + FLOWS <= ephemeral.start or start >= ephemeral.stop for start in starts)


def test_no_free_block_is_a_sentence(lab: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_ports_in_use", lambda _table: set(range(65_536)))
    with pytest.raises(ProberError, match="no 1024 free source ports in a row"), prober(lab.client, SERVER):
        pass


def test_a_link_local_target_may_have_its_interface_named_apart(lab: Chain) -> None:
    with inside(lab.client):
        route = find_route("fe80::1", "eth1")
    assert route.destination == "fe80::1%eth1"
    assert route.source.endswith("%eth1")


def test_an_unknown_scope_is_a_sentence(lab: Chain) -> None:
    with pytest.raises(UsageError, match="there is no interface eth7"), prober(lab.client, "fe80::1%eth7"):
        pass


def test_a_prohibited_route_is_a_sentence(lab: Chain) -> None:
    lab.ip("client", f"route add prohibit {SERVER}", f"route del prohibit {SERVER}")
    with pytest.raises(NoRoute, match="the routing table prohibits it"), prober(lab.client, SERVER):
        pass


def test_a_wall_clock_that_is_set_does_not_bend_the_rtt(lab: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    with prober(lab.client, SERVER) as opened:
        monkeypatch.setattr("tracetcp.probers.stamps.clocks_apart", lambda: 0.0)
        (heard,) = ask(opened, probe(64))
    assert -0.001 < heard.reply.received_at - heard.sent_at < REPLY_WAIT


SCRIPT = """
import os, sys
from tracetcp.config import TraceConfig
from tracetcp.model import Probe
from tracetcp.probers import open_prober
from tracetcp.privileges import drop_privileges
from tracetcp.runner import first_replies
target = sys.argv[1]
prober = open_prober(TraceConfig(host=target, raw_only=True, gateway=sys.argv[2] or None), target)
drop_privileges()
prober.send(Probe(0x12345678, 80, 64, 1, 0))
print([reply.kind.value for reply in first_replies(prober, prober.clock() + 5)])
print(os.getresuid(), os.getresgid(), os.getgroups())
print(*(line for line in open("/proc/self/status") if line.startswith(("Cap", "NoNew"))), sep="", end="")
"""


def run_script(
    lab: Chain,
    *arguments: str,
    script_text: str = SCRIPT,
    prefix: Sequence[str] = (),
    **variables: str,
) -> list[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src"), **variables}
    command = [*lab.client.prefix, *prefix, sys.executable, "-c", script_text, *arguments]
    finished = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert finished.stderr == ""
    return finished.stdout.splitlines()


NO_CAPABILITIES = [
    *(f"Cap{kind}:\t{0:016x}" for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")),
    "NoNewPrivs:\t1",
]


@pytest.mark.parametrize(
    ("target", "gateway"), [(SERVER, ""), (SERVER_6, ""), (SERVER, "10.0.99.1"), (SERVER_6, "fd00:99::1")]
)
def test_root_probes_on_without_capabilities(lab: Chain, target: str, gateway: str) -> None:
    answer, ids, *capabilities = run_script(lab, target, gateway, SUDO_UID="", SUDO_GID="")
    assert answer == "['syn-ack']"
    assert ids.startswith("(0, 0, 0)")
    assert capabilities == NO_CAPABILITIES


def test_a_root_of_few_powers_makes_do_with_the_ordinary_buffer(lab: Chain) -> None:
    answer, *_ = run_script(lab, SERVER, "", prefix=["setpriv", "--bounding-set", "-net_admin"])
    assert answer == "['syn-ack']"


@pytest.mark.parametrize("gateway", ["", "10.0.99.1"])
def test_under_sudo_the_invoking_user_probes_on(lab: Chain, gateway: str) -> None:
    answer, ids, *capabilities = run_script(lab, SERVER, gateway, SUDO_UID="54321", SUDO_GID="54321")
    assert answer == "['syn-ack']"
    assert ids == "(54321, 54321, 54321) (54321, 54321, 54321) [54321]"
    assert capabilities == NO_CAPABILITIES


@pytest.mark.parametrize("target", [SERVER, SERVER_6])
def test_nothing_is_left_on_the_disk(lab: Chain, tmp_path: Path, target: str) -> None:
    variables = {"HOME": str(tmp_path), "XDG_CACHE_HOME": "", "XDG_CONFIG_HOME": "", "SHELL": "/bin/bash"}
    run_script(lab, target, "", **variables, PYTHONDONTWRITEBYTECODE="1")
    assert list(tmp_path.rglob("*")) == []


REFUSED = """
import sys
from tracetcp.config import TraceConfig
from tracetcp.errors import NoPermission
from tracetcp.probers import open_prober
from tracetcp.privileges import drop_privileges
drop_privileges()
sys.argv[0] = sys.argv[1]
try:
    open_prober(TraceConfig(host="127.0.0.1", raw_only=True), "127.0.0.1")
except NoPermission as error:
    print(error, "scapy" in sys.modules)
"""


@pytest.mark.parametrize(
    ("script", "program"),
    [
        ("/usr/local/bin/../bin/tracetcp", "/usr/local/bin/tracetcp"),
        ("/lib/tracetcp/__main__.py", f"{sys.executable} -I -m tracetcp"),
    ],
)
def test_without_permission_the_remedies_are_named(lab: Chain, script: str, program: str) -> None:
    (told,) = run_script(lab, script, script_text=REFUSED)
    assert told.startswith("raw sockets need root or the capability CAP_NET_RAW: run ")
    assert f"'sudo {program} ...'" in told
    assert "'setcap cap_net_raw+ep' to a copy of the interpreter " in told
    assert told.endswith("the grant holds for every script it runs) False")


def test_a_scan_without_a_thread_sends_from_the_one_it_has(
    lab: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", refuse)
    probes = [probe(64, port) for port in range(80, 120)]
    with prober(lab.client, SERVER) as opened:
        sent = list(opened.send_all(probes))
        assert [each for each, _ in sent] == probes
        assert all(isinstance(result, float) for _, result in sent)
        assert opened._batches is None
