"""The prober without privileges against real kernels: what it sends, receives and leaves behind."""

from __future__ import annotations

import errno
import os
import resource
import shlex
import socket
import subprocess
import sys
import time
from math import inf
from pathlib import Path

import pytest

from lab import DEAD, DEAD_6, SERVER, SERVER_6, Chain, near, program, rules, shape
from prober_lab import REPLY_WAIT, STAMPS_BEGIN, as_nobody, ask, inside, kinds, probe
from prober_lab import connect_prober as prober
from tracetcp import descriptors
from tracetcp.errors import FamilyMismatch, NoRoute, ProberError, UsageError
from tracetcp.model import FailureKind, MplsLabel, ReplyKind, SendFailure
from tracetcp.probers.connect import errqueue, single_syn
from tracetcp.probers.connect import prober as connect
from tracetcp.runner import first_replies

pytestmark = pytest.mark.netns

TE, UNREACHABLE, SYN_ACK, RST = (
    ReplyKind.TIME_EXCEEDED,
    ReplyKind.UNREACHABLE,
    ReplyKind.SYN_ACK,
    ReplyKind.RST,
)
BOTH = pytest.mark.parametrize(("family", "server"), [(4, SERVER), (6, SERVER_6)])
LATE_SECONDS = 1.4
LATE_TIME_EXCEEDED, LATE_SYN_ACK, LATE_RST, NEVER = 7001, 7002, 7003, 7004
LATE_REASSEMBLY, LATE_SYN_ACK_RST = 7005, 7006
OVER_TWO_RETRANSMISSIONS = 3.4


def test_the_tests_have_no_privilege(lab: Chain) -> None:
    with inside(lab.client), as_nobody(), pytest.raises(PermissionError):
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)


@BOTH
def test_every_hop_of_the_chain_answers(lab: Chain, family: int, server: str) -> None:
    with prober(lab.client, server) as opened:
        heard = ask(opened, *(probe(ttl) for ttl in range(1, 8)))
    assert kinds(heard) == [*((TE, near(n, family)) for n in range(1, 7)), (SYN_ACK, server)]
    assert [h.reply.reply_ttl for h in heard] == [*(65 - n for n in range(1, 7)), None]
    assert all(0 < h.reply.received_at - h.sent_at < REPLY_WAIT for h in heard)


@BOTH
def test_open_and_closed_ports_are_told_apart(lab: Chain, family: int, server: str) -> None:
    with prober(lab.client, server) as opened:
        heard = ask(opened, probe(64, 80), probe(64, 81), probe(64, 443), probe(64, 0), probe(64, 65_535))
    assert kinds(heard) == [(kind, server) for kind in (SYN_ACK, RST, SYN_ACK, RST, RST)]


@BOTH
def test_several_attempts_of_one_port_and_flow_at_once(lab: Chain, family: int, server: str) -> None:
    with prober(lab.client, server) as opened:
        heard = ask(opened, *(probe(ttl) for ttl in (3, 3, 3, 64, 64, 64)))
    assert kinds(heard) == [(TE, near(3, family))] * 3 + [(SYN_ACK, server)] * 3


ICMP_CODES = {
    "net-unreachable": 0,
    "host-unreachable": 1,
    "prot-unreachable": 2,
    "port-unreachable": 3,
    "net-prohibited": 9,
    "host-prohibited": 10,
    "admin-prohibited": 13,
}
ICMPV6_CODES = {
    "no-route": 0,
    "admin-prohibited": 1,
    "addr-unreachable": 3,
    "port-unreachable": 4,
    "policy-fail": 5,
    "reject-route": 6,
}


@pytest.mark.parametrize(
    ("family", "server", "icmp_type", "codes"), [(4, SERVER, 3, ICMP_CODES), (6, SERVER_6, 1, ICMPV6_CODES)]
)
def test_every_unreachable_that_a_firewall_sends_is_told(
    lab: Chain, family: int, server: str, icmp_type: int, codes: dict[str, int]
) -> None:
    protocol = "icmp" if family == 4 else "icmpv6"
    ports = {200 + code: name for name, code in codes.items()}
    lab.nft(
        "r3", rules.forwarded(*(f"tcp dport {p} reject with {protocol} {name}" for p, name in ports.items()))
    )
    with prober(lab.client, server) as opened:
        heard = ask(opened, *(probe(64, port) for port in ports))
    assert kinds(heard) == [(UNREACHABLE, near(3, family))] * len(codes)
    assert [(h.reply.icmp_type, h.reply.icmp_code) for h in heard] == [
        (icmp_type, code) for code in codes.values()
    ]


@pytest.mark.parametrize(
    ("family", "server", "route", "icmp"),
    [
        (4, SERVER, "unreachable", (3, 1)),
        (4, SERVER, "prohibit", (3, 13)),
        (6, SERVER_6, "unreachable", (1, 0)),
        (6, SERVER_6, "prohibit", (1, 1)),
    ],
)
def test_routes_that_lead_nowhere_are_told(
    lab: Chain, family: int, server: str, route: str, icmp: tuple[int, int]
) -> None:
    lab.ip("r2", f"route add {route} {server}", f"route del {route} {server}")
    time.sleep(1.1)  # Linux sends this error once a second, and the last test may have used it up
    with prober(lab.client, server) as opened:
        (heard,) = ask(opened, probe(64))
    assert kinds([heard]) == [(UNREACHABLE, near(2, family))]
    assert (heard.reply.icmp_type, heard.reply.icmp_code) == icmp


@pytest.mark.parametrize(("family", "dead", "code"), [(4, DEAD, 1), (6, DEAD_6, 3)])
def test_a_host_that_is_not_there_is_reported_by_the_last_router(
    lab: Chain, family: int, dead: str, code: int
) -> None:
    with prober(lab.client, dead) as opened:
        (heard,) = ask(opened, probe(64))
    assert kinds([heard]) == [(UNREACHABLE, near(6, family))]
    assert heard.reply.icmp_code == code


@pytest.mark.parametrize("gone", ["10.0.1.77", "fd00:1::77"])
def test_a_neighbour_that_is_not_there_is_reported_by_this_machine(lab: Chain, gone: str) -> None:
    """The kernel reports it after three seconds and sends nothing."""
    with lab.capture(only="tcp") as capture, prober(lab.client, gone) as opened:
        (heard,) = ask(opened, probe(64))
        own = opened.source
    assert kinds([heard]) == [(UNREACHABLE, own)]
    assert capture.packets() == []


@BOTH
def test_silence_is_no_reply_and_nothing_stays_open(lab: Chain, family: int, server: str) -> None:
    lab.ip("r2", f"route add blackhole {server}", f"route del blackhole {server}")
    with prober(lab.client, server, timeout=0.3) as opened:
        assert ask(opened, probe(64), probe(64, 81), patience=0.5) == []
        assert opened._pending == {}
        assert opened.wake_at() == inf


def test_sockets_are_closed_though_nothing_arrives(lab: Chain) -> None:
    lab.nft("r1", rules.forwarded(rules.drop(99)))
    with prober(lab.client, SERVER, timeout=0.3) as opened:
        sent_at = opened.send(probe(64, 99))
        assert isinstance(sent_at, float)
        assert opened.wake_at() == sent_at + 0.3
        time.sleep(0.4)
        assert opened.drain() == []
        assert opened._pending == {}


@pytest.mark.parametrize("own", ["127.0.0.1", "::1", "10.0.1.2", "fd00:1::2"])
def test_the_machine_itself_answers(lab: Chain, own: str) -> None:
    with inside(lab.client):
        listener = socket.create_server(("::", 8099), family=socket.AF_INET6, dualstack_ipv6=True)
    with listener, prober(lab.client, own) as opened:
        heard = ask(opened, probe(1, 81), probe(1, 8099))
        assert opened.source == own
    assert kinds(heard) == [(RST, own), (SYN_ACK, own)]


def test_a_link_local_target_is_reached_by_its_scope(lab: Chain) -> None:
    shown = lab.nodes["r1"].run(["ip", "-6", "-o", "address", "show", "near", "scope", "link"])
    target = shown.split()[3].partition("/")[0] + "%eth0"
    with prober(lab.client, target) as opened:
        heard = ask(opened, probe(64, 81))
    assert kinds(heard) == [(RST, target)]


def test_a_link_local_sender_has_its_scope(lab: Chain) -> None:
    """A router without a global address on the link answers from its link-local one."""
    lab.nft("r1", rules.arriving("tcp dport 99 reject with icmpv6 admin-prohibited"))
    shown = lab.nodes["r1"].run(["ip", "-6", "-o", "address", "show", "near", "scope", "link"])
    target = shown.split()[3].partition("/")[0] + "%eth0"
    with prober(lab.client, target) as opened:
        heard = ask(opened, probe(64, 99))
    assert kinds(heard) == [(UNREACHABLE, target)]


def late_server(lab: Chain, seconds: float = LATE_SECONDS) -> None:
    """Make the server answer some ports after ``seconds``, and one never."""
    lab.nft("server", rules.arriving(rules.drop("7001-7006")))
    server = Path(__file__).parent / "servers" / "late.py"
    lab.start("server", [sys.executable, str(server), "eth0", str(seconds)])


@BOTH
def test_one_syn_a_probe_and_late_answers_are_heard(lab: Chain, family: int, server: str) -> None:
    late_server(lab)
    ports = (LATE_TIME_EXCEEDED, LATE_SYN_ACK, LATE_RST, NEVER)
    with lab.capture(only="tcp") as capture, prober(lab.client, server) as opened:
        heard = ask(
            opened, *(probe(64, port) for port in (*ports, 80, 81)), patience=OVER_TWO_RETRANSMISSIONS
        )
    late = heard[:3]
    assert kinds(late) == [(TE, server), (SYN_ACK, server), (RST, server)]
    assert all(LATE_SECONDS <= h.reply.received_at - h.sent_at < LATE_SECONDS + 1 for h in late)
    assert kinds(heard[3:]) == [(SYN_ACK, server), (RST, server)]
    syns = capture.fields("tcp.flags == 2", "tcp.dstport")
    assert sorted(syns) == sorted((str(port),) for port in (*ports, 80, 81))


@BOTH
def test_a_late_syn_ack_is_answered_with_rst_alone(lab: Chain, family: int, server: str) -> None:
    """Nothing completes the handshake, so no application sees a connection."""
    late_server(lab)
    with lab.capture(only=f"tcp port {LATE_SYN_ACK}") as capture, prober(lab.client, server) as opened:
        ask(opened, probe(64, LATE_SYN_ACK))
    assert [int(flags, 16) for (flags,) in capture.fields("tcp", "tcp.flags")] == [0x02, 0x12, 0x14]


@BOTH
def test_an_answer_below_the_least_ttl_is_not_heard(lab: Chain, family: int, server: str) -> None:
    """The server is six routers away, so its answers arrive with 58."""
    with prober(lab.client, server) as opened:
        heard = ask(opened, *(probe(64, port)._replace(min_reply_ttl=58) for port in (80, 81)))
        assert kinds(heard) == [(SYN_ACK, server), (RST, server)]
        deaf = [probe(64, port)._replace(min_reply_ttl=59) for port in (80, 81)]
        assert ask(opened, *deaf, patience=0.5) == []


@BOTH
def test_a_connection_that_was_not_heard_is_closed_by_the_kernel(
    lab: Chain, family: int, server: str
) -> None:
    with prober(lab.client, server, timeout=0.3) as opened:
        assert ask(opened, probe(64)._replace(min_reply_ttl=255), patience=0.5) == []
        assert opened._pending == {}
    time.sleep(1.5)  # the server sends its SYN-ACK again after a second
    assert lab.nodes["server"].run(["ss", "-Htn", "state", "connected"]) == ""


@BOTH
def test_open_connections_are_reset(lab: Chain, family: int, server: str) -> None:
    with lab.capture("server", only="tcp port 80") as capture, prober(lab.client, server) as opened:
        ask(opened, probe(64))
    last = int(
        capture.fields("tcp && ip.src == 10.0.1.2 || tcp && ipv6.src == fd00:1::2", "tcp.flags")[-1][0], 16
    )
    assert last & 0x04
    assert lab.nodes["server"].run(["ss", "-Htn", "state", "connected"]) == ""
    assert lab.client.run(["ss", "-Htan"]) == ""


@BOTH
def test_a_host_that_accepts_and_resets_is_open(lab: Chain, family: int, server: str) -> None:
    late_server(lab, seconds=0.1)
    with prober(lab.client, server) as opened:
        asked = probe(64, LATE_SYN_ACK_RST)
        opened.send(asked)
        time.sleep(0.8)  # both have arrived when the prober looks
        replies = first_replies(opened, opened.clock() + REPLY_WAIT)
    assert [(r.token, r.kind, r.sender) for r in replies] == [(asked.token, SYN_ACK, server)]


@BOTH
def test_a_reassembly_that_timed_out_is_no_answer(lab: Chain, family: int, server: str) -> None:
    late_server(lab, seconds=0.1)
    with prober(lab.client, server) as opened:
        assert ask(opened, probe(64, LATE_REASSEMBLY), patience=0.8) == []


def test_a_kernel_that_gives_up_is_no_answer(lab: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one retransmission, which is suppressed, it gives up three seconds after the SYN."""
    monkeypatch.setattr(connect, "SYN_RETRANSMISSIONS", 1)
    linear = "net.ipv4.tcp_syn_linear_timeouts"
    lab.sysctl("client", {linear: 0}, {linear: 4})
    lab.nft("r1", rules.forwarded(rules.drop(99)))
    with prober(lab.client, SERVER, timeout=20.0) as opened:
        assert ask(opened, probe(64, 99), patience=REPLY_WAIT) == []
        assert opened._pending == {}


def test_where_nothing_silences_a_socket_it_is_closed_in_time(
    lab: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a kernel without segment routing headers."""
    monkeypatch.setattr(single_syn, "SEGMENT_ROUTING_HEADER", b"\0\1")
    late_server(lab)
    with lab.capture(only="tcp") as capture, prober(lab.client, SERVER_6) as opened:
        assert ask(opened, probe(64, NEVER), patience=OVER_TWO_RETRANSMISSIONS) == []
        assert kinds(ask(opened, probe(64, 80))) == [(SYN_ACK, SERVER_6)]
    assert sorted(capture.fields("tcp.flags == 2", "tcp.dstport")) == [(str(NEVER),), ("80",)]


def test_a_silent_neighbour_gets_one_syn(lab: Chain) -> None:
    """There is no router in between, so only closing the socket prevents a second SYN."""
    lab.nft("r1", rules.arriving(rules.drop(99)))
    with lab.capture(only="tcp") as capture, prober(lab.client, near(1)) as opened:
        assert ask(opened, probe(64, 99), patience=OVER_TWO_RETRANSMISSIONS) == []
        assert opened._pending == {}
    assert len(capture.packets()) == 1


def test_close_gives_back_every_socket_and_may_be_repeated(lab: Chain) -> None:
    lab.ip("r2", f"route add blackhole {SERVER}", f"route del blackhole {SERVER}")
    before = len(list(Path("/proc/self/fd").iterdir()))
    with prober(lab.client, SERVER) as opened:
        opened.send(probe(64))
        opened.close()
        opened.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert lab.client.run(["ss", "-Htan"]) == ""


def test_stamps_are_the_kernels_and_on_our_clock(lab: Chain) -> None:
    with prober(lab.client, SERVER) as opened:
        time.sleep(STAMPS_BEGIN)
        asked = [probe(2), probe(64)]
        sent = {p.token: opened.send(p) for p in asked}
        time.sleep(0.5)  # the replies wait in their sockets; their stamps do not
        replies = first_replies(opened, opened.clock() + REPLY_WAIT)
    for reply in replies:
        sent_at = sent[reply.token]
        assert isinstance(sent_at, float)
        assert 0 < reply.received_at - sent_at < 0.4
    assert len(replies) == 2


def test_a_wall_clock_that_is_set_does_not_bend_the_rtt(lab: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 0.0)
    with prober(lab.client, SERVER) as opened:
        (heard,) = ask(opened, probe(2))
    assert 0 < heard.reply.received_at - heard.sent_at < REPLY_WAIT


def test_an_interface_name_chooses_the_way_out(lab: Chain) -> None:
    with prober(lab.client, SERVER, interface="eth1") as opened:
        heard = ask(opened, probe(1), probe(2))
        assert opened.source == "10.0.99.2"
    assert kinds(heard) == [(TE, "10.0.99.1"), (TE, near(3))]


def test_an_interface_address_is_the_source(lab: Chain) -> None:
    with lab.capture(only="tcp") as capture, prober(lab.client, SERVER, interface="10.0.99.2") as opened:
        heard = ask(opened, probe(2))
    assert kinds(heard) == [(TE, "10.0.99.1")]  # r2 answers on its own way back to that source
    assert capture.fields("tcp.flags == 2", "ip.src") == [("10.0.99.2",)]


@pytest.mark.parametrize(
    ("target", "options", "error", "words"),
    [
        (SERVER, {"gateway": near(1)}, ProberError, "gateway 10.0.1.1 cannot be used without raw sockets"),
        (SERVER, {"interface": "eth7"}, UsageError, "there is no interface eth7"),
        (SERVER, {"interface": "fd00:1::2"}, FamilyMismatch, "IPv6 but the target's is IPv4"),
        ("fe80::1", {}, NoRoute, "a link-local address needs its interface"),
    ],
)
def test_what_cannot_be_is_a_sentence(
    lab: Chain, target: str, options: dict[str, str], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words), prober(lab.client, target, **options):
        pass


def test_a_route_that_goes_away_is_permanent(lab: Chain) -> None:
    with prober(lab.client, SERVER) as opened:
        os.seteuid(0)
        lab.ip("client", f"route add unreachable {SERVER}", f"route del unreachable {SERVER}")
        failure = opened.send(probe(64))
    assert isinstance(failure, SendFailure)
    assert (failure.errno, failure.kind) == (errno.EHOSTUNREACH, FailureKind.NO_ROUTE)


@pytest.mark.parametrize("how", ["reject with tcp reset", "reject"])
def test_a_local_firewall_that_rejects_is_heard(lab: Chain, how: str) -> None:
    lab.nft("client", rules.leaving(f"tcp dport 81 {how}"))
    with prober(lab.client, SERVER) as opened:
        (heard,) = ask(opened, probe(64, 81))
    expected = (RST, SERVER) if "reset" in how else (UNREACHABLE, "10.0.1.2")
    assert kinds([heard]) == [expected]


def test_no_free_source_port_costs_a_probe_not_the_run(lab: Chain) -> None:
    lab.sysctl(
        "client",
        {"net.ipv4.ip_local_port_range": "40000 40001"},  # type: ignore[dict-item]
        {"net.ipv4.ip_local_port_range": "32768 60999"},  # type: ignore[dict-item]
    )
    lab.nft("r1", rules.forwarded(rules.drop(99)))
    with prober(lab.client, SERVER) as opened:
        results = [opened.send(probe(64, 99)) for _ in range(3)]
        assert [isinstance(result, float) for result in results] == [True, True, False]
        assert isinstance(results[2], SendFailure)
        assert (results[2].errno, results[2].kind) == (errno.EADDRNOTAVAIL, FailureKind.PROBE_LOST)
        assert kinds(ask(opened, probe(64, 80))) == [(SYN_ACK, SERVER)]


def test_a_source_address_that_goes_away_ends_the_run(lab: Chain) -> None:
    with prober(lab.client, SERVER, interface="10.0.99.2") as opened:
        os.seteuid(0)
        lab.ip(
            "client",
            "address del 10.0.99.2/24 dev eth1",
            "address add 10.0.99.2/24 dev eth1\nroute add default via 10.0.99.1 metric 4096",
        )
        failure = opened.send(probe(64))
    assert isinstance(failure, SendFailure)
    assert (failure.errno, failure.kind) == (errno.EADDRNOTAVAIL, FailureKind.NO_ROUTE)


def test_no_descriptor_left_costs_a_probe_not_the_run(lab: Chain) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with prober(lab.client, SERVER) as opened:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
        failure = opened.send(probe(64))
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert isinstance(failure, SendFailure)
    assert (failure.errno, failure.kind) == (errno.EMFILE, FailureKind.PROBE_LOST)


def test_past_its_capacity_the_prober_closes_the_oldest(lab: Chain) -> None:
    lab.nft("r1", rules.forwarded(rules.drop(99)))
    with prober(lab.client, SERVER) as opened:
        opened.capacity = 2
        probes = [probe(64, 99) for _ in range(3)]
        for asked in probes:
            opened.send(asked)
        assert [f.token for f in opened._pending.values()] == [p.token for p in probes[1:]]


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "room", "new_soft"),
    [
        (1000, 1000, 500, 500, 1000),
        (100, 1000, 500, 500, "needed"),
        (100, 200, 500, "rest of 200", 200),
        (20, 20, 500, 0, 20),
        (100, resource.RLIM_INFINITY, 500, 500, "needed"),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, 500, 500, resource.RLIM_INFINITY),
    ],
)
def test_descriptors_are_raised_as_far_as_allowed(
    soft: int, hard: int, wanted: int, room: int | str, new_soft: int | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    used, limits = 10, [(soft, hard)]
    monkeypatch.setattr(descriptors, "_lowest_free", lambda: used)
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, new: limits.append(new))
    needed = used + descriptors.RESERVED_DESCRIPTORS + wanted
    assert descriptors.room_for(wanted) == (
        200 - used - descriptors.RESERVED_DESCRIPTORS if isinstance(room, str) else room
    )
    assert limits[-1] == (needed if isinstance(new_soft, str) else new_soft, hard)


def test_labels_are_found_behind_the_quote() -> None:
    extension = bytes.fromhex("2000 0000 0008 0101 03039201")
    tcp = bytes(128 - 20) + extension
    assert errqueue._labels(tcp, ip_header=20) == (MplsLabel(0x03039, 1, False, 1),)
    assert errqueue._labels(tcp[:40], ip_header=20) == ()


def run_limited(lab: Chain, arguments: str, descriptors_allowed: int) -> program.Finished:
    """Run the program as nobody with at most ``descriptors_allowed`` descriptors."""
    command = program.command(lab.client, shlex.split(arguments), user="nobody")
    began_at = time.monotonic()
    finished = subprocess.run(
        ["bash", "-c", f'ulimit -n {descriptors_allowed}; exec "$@"', "bash", *command],
        env=program.environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return program.Finished(
        finished.returncode, finished.stdout, finished.stderr, time.monotonic() - began_at
    )


def test_a_whole_scan_with_few_descriptors(lab: Chain) -> None:
    finished = run_limited(lab, f"-s 1 65535 {SERVER}", 256)
    assert finished.status == 0
    assert len(finished.rows) == 65_535
    opened = [row.split(":")[1].split("]")[0] for row in finished.rows if "Port OPEN" in row]
    assert opened == ["21", "23", "80", "443"]
    assert sum("Port CLOSED" in row for row in finished.rows) == 65_531


@BOTH
def test_a_trace_says_the_same_as_with_raw_sockets(lab: Chain, family: int, server: str) -> None:
    """Without names: a row waits a second for them, and on a busy machine that may not be enough."""
    for arguments in (
        f"-n {server}",
        f"-n [{server}]:81" if family == 6 else f"-n {server}:81",
        f"-n -c -r 79 81 {server}",
    ):
        ordinary, raw = lab.run(arguments, user="nobody"), lab.run(arguments)
        assert shape(ordinary.out) == shape(raw.out)
        assert ordinary.status == raw.status == 0
