"""Names: hosts file, DNS, background look-ups, origins. The DNS server is a fake one on loopback."""

from __future__ import annotations

import errno
import re
import resource
import select
import socket
import subprocess
import sys
import threading
import time
from ipaddress import ip_address, ip_network
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Self

import dns.message
import dns.rcode
import dns.rdatatype
import dns.resolver
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fake_dns import FakeDns, Zone
from tracetcp.addresses import usual_text
from tracetcp.errors import FamilyMismatch, NameNotFound
from tracetcp.memory import has_room
from tracetcp.names import hosts as hosts_file
from tracetcp.names import lookups, network_names, resolving
from tracetcp.names import origins as origins_module
from tracetcp.names.escape import LONGEST_TEXT, printable, printable_domain
from tracetcp.names.hosts import numeric_address, parse_hosts
from tracetcp.names.lookups import MOST_WORKERS, ROW_WAIT, AddressLookup, ReverseNames
from tracetcp.names.origins import (
    NetworkNames,
    OriginNames,
    best_origin,
    is_global,
    origin_question,
    parse_network_name,
    parse_origin,
)
from tracetcp.names.resolver import system_resolver
from tracetcp.names.resolving import resolve, resolve_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    ServeZone = Callable[..., FakeDns]

V4, V6 = "192.0.2.7", "2001:db8::7"
ROUTER = "192.0.2.1"
ROUTER_PTR = "1.2.0.192.in-addr.arpa"
ROUTER_ORIGIN = "1.2.0.192.origin.asn.cymru.com"
SOURCE = Path(resolving.__file__).parents[1]
AMPLE = 10.0
"""Seconds that are ample for anything, even on a busy machine."""


@pytest.fixture(autouse=True)
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hosts file of the test's own, empty at first."""
    path = tmp_path / "hosts"
    path.touch()
    monkeypatch.setattr(hosts_file, "HOSTS_FILE", path)
    return path


@pytest.fixture(autouse=True)
def resolv_conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's resolver configuration: no server at first, so that no test asks this machine's."""
    path = tmp_path / "resolv.conf"
    path.touch()
    read = dns.resolver.Resolver.read_resolv_conf
    monkeypatch.setattr(dns.resolver.Resolver, "read_resolv_conf", lambda self, _: read(self, str(path)))
    return path


@pytest.fixture
def serve() -> Iterator[ServeZone]:
    """Starts a fake DNS server with the zone that the arguments describe."""
    running: list[FakeDns] = []

    def start(records: dict[tuple[str, str], list[str]], *args: object, **options: object) -> FakeDns:
        server = FakeDns(Zone(records, *args, **options))  # type: ignore[arg-type]
        running.append(server.__enter__())
        return server

    yield start
    for server in running:
        server.__exit__()


@pytest.fixture
def usable(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The addresses that the machine can reach: none at first."""
    reachable: set[str] = set()
    monkeypatch.setattr(resolving, "_is_usable", reachable.__contains__)
    return reachable


def settle(lookup: AddressLookup, address: str) -> str | None:
    """Ask, wait for the descriptor as the runner does, and return what was found."""
    lookup.ask(address)
    deadline = time.monotonic() + AMPLE
    while lookup.waits_until(address) > -inf and time.monotonic() < deadline:
        select.select([lookup.fileno()], [], [], 1)
        lookup.acknowledge()
    return lookup.found.get(address)


# Numeric hosts


@pytest.mark.parametrize(
    ("host", "address"),
    [
        (V4, V4),
        (V6, V6),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("::ffff:192.0.2.7", "::ffff:192.0.2.7"),
        ("2001:DB8:0:0::7", V6),
        ("127.1", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("3232235777", "192.168.1.1"),
    ],
)
def test_a_numeric_host_is_its_own_address_in_the_usual_text(host: str, address: str) -> None:
    assert numeric_address(host) == address
    assert resolve(host) == address


@pytest.mark.parametrize(
    "host", ["router", "1e100.net", "10.example", "", "fe80::1%", "192.0.2.1%eth0", "1.2.3.4 x"]
)
def test_a_name_is_not_numeric(host: str) -> None:
    assert numeric_address(host) is None


@pytest.mark.parametrize(("address", "family"), [(V4, 6), (V6, 4)])
def test_a_numeric_host_of_the_other_family_is_refused(address: str, family: int) -> None:
    with pytest.raises(
        FamilyMismatch, match=f"{address} is an IPv{10 - family} address: leave out -{family}"
    ):
        resolve(address, family)


def test_numeric_hosts_and_the_hosts_file_need_no_dnspython(hosts: Path) -> None:
    hosts.write_text(f"{V4} homely\n")
    program = (
        "import sys; from pathlib import Path; from tracetcp.names import hosts, resolving\n"
        f"hosts.HOSTS_FILE = Path({str(hosts)!r})\n"
        f"print(resolving.resolve('homely'), resolving.resolve({V6!r}), 'dns' in sys.modules)"
    )
    run = [sys.executable, "-c", program]
    environment = {"PYTHONPATH": str(SOURCE)}
    finished = subprocess.run(run, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert finished.stdout == f"{V4} {V6} False\n"


# The hosts file


def test_the_hosts_file_comes_first_whatever_the_case(hosts: Path) -> None:
    hosts.write_text(f"# comment\n{V4} Router.Example alias # more\n2001:DB8::0:7 six\nbad six\n{V4}\n")
    assert resolve("router.example.") == V4
    assert resolve("ALIAS", 4) == V4
    assert resolve("six") == V6


def test_the_hosts_file_is_chosen_from_as_dns_is(hosts: Path, usable: set[str]) -> None:
    hosts.write_text(f"{V4} both\n{V6} both\n")
    usable |= {V4, V6}
    assert resolve("both") == V6
    assert resolve("both", 4) == V4
    usable -= {V6}
    assert resolve("both") == V4


def test_dns_is_asked_where_the_hosts_file_has_the_other_family_only(hosts: Path, serve: ServeZone) -> None:
    hosts.write_text(f"{V4} host.example\n")
    assert resolve("host.example", 6, serve({("host.example", "AAAA"): [V6]}).resolver) == V6


def test_a_hosts_entry_of_the_other_family_is_named_where_dns_has_none(hosts: Path, serve: ServeZone) -> None:
    hosts.write_text(f"{V4} router\n")
    told = rf"router has no IPv6 address, only {V4}: use -4 or leave -6 out"
    with pytest.raises(FamilyMismatch, match=told):
        resolve("router", 6, serve({}).resolver)


def test_an_unreadable_hosts_file_is_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve: ServeZone
) -> None:
    monkeypatch.setattr(hosts_file, "HOSTS_FILE", tmp_path / "none")
    assert resolve("host.example", 4, serve({("host.example", "A"): [V4]}).resolver) == V4
    assert hosts_file.names_of_addresses() == {}


# Host to address by DNS


@pytest.mark.parametrize(("family", "address"), [(4, V4), (6, V6)])
def test_dns_is_asked_for_the_family_wanted_only(serve: ServeZone, family: int, address: str) -> None:
    server = serve({("host.example", "A"): [V4], ("host.example", "AAAA"): [V6]})
    assert resolve("host.example", family, server.resolver) == address
    assert server.asked == [("host.example", resolving.RECORD_TYPES[family])]


@pytest.mark.parametrize(("reachable", "chosen"), [({V4, V6}, V6), ({V4}, V4), ({V6}, V6), (set(), V4)])
def test_without_a_family_ipv6_comes_first_where_it_is_usable(
    serve: ServeZone, usable: set[str], reachable: set[str], chosen: str
) -> None:
    server = serve({("both.example", "A"): [V4], ("both.example", "AAAA"): [V6]})
    usable |= reachable
    assert resolve("both.example", None, server.resolver) == chosen


def test_of_several_addresses_a_usable_one_is_chosen(serve: ServeZone, usable: set[str]) -> None:
    usable.add("192.0.2.8")
    server = serve({("many.example", "A"): [V4, "192.0.2.8", "192.0.2.9"]})
    assert resolve("many.example", None, server.resolver) == "192.0.2.8"


@pytest.mark.parametrize(("kind", "address"), [("A", V4), ("AAAA", V6)])
def test_the_only_family_is_taken_even_without_a_route(
    serve: ServeZone, usable: set[str], kind: str, address: str
) -> None:
    assert usable == set()
    assert resolve("one.example", None, serve({("one.example", kind): [address]}).resolver) == address


class Route:
    """Replaces a socket that asks the kernel for a route; ``source`` None means that there is none."""

    source: str | None = None

    def __init__(self, *_: object) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def connect(self, _: object) -> None:
        if self.source is None:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")

    def getsockname(self) -> tuple[str | None, int]:
        return self.source, 0


@pytest.mark.parametrize(
    ("destination", "source", "is_usable"),
    [
        (V4, "198.51.100.1", True),
        (V4, None, False),
        (V6, "2001:db8::1", True),
        (V6, None, False),
        (V6, "fd00::1", False),
        (V6, "fe80::1", False),
        ("fd00:7::1", "fd00::1", True),
        ("fd00:7::1", "2001:db8::1", True),
        ("fe80::1", "fe80::2", True),
    ],
)
def test_an_address_is_usable_with_a_route_and_a_source_that_fits(
    monkeypatch: pytest.MonkeyPatch, destination: str, source: str | None, is_usable: bool
) -> None:
    monkeypatch.setattr(Route, "source", source)
    monkeypatch.setattr("tracetcp.names.resolving.socket.socket", Route)
    assert resolving._is_usable(destination) is is_usable


def test_a_machine_without_ipv6_sockets_can_use_no_ipv6_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

    monkeypatch.setattr("tracetcp.names.resolving.socket.socket", refuse)
    assert not resolving._is_usable(V6)


def test_an_address_of_an_interface_that_is_not_there_is_not_usable() -> None:
    assert not resolving._is_usable("fe80::1%nowhere0")


def test_the_kernel_is_asked_for_the_route_to_loopback() -> None:
    assert resolving._is_usable("127.0.0.1")


def test_a_family_whose_queries_are_dropped_is_not_waited_for_long(
    serve: ServeZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolving, "OTHER_FAMILY_WAIT", 0.05)
    monkeypatch.setattr(
        resolving, "RESOLVE_TIME", AMPLE
    )  # as long as the query that nobody waits for lives on
    server = serve({("host.example", "A"): [V4]}, silent={("host.example", "AAAA")})
    began = time.monotonic()
    assert resolve("host.example", None, server.resolver) == V4
    assert time.monotonic() - began < AMPLE / 2


def test_the_slower_family_is_waited_for_a_moment(serve: ServeZone, usable: set[str]) -> None:
    records = {("both.example", "A"): [V4], ("both.example", "AAAA"): [V6]}
    usable |= {V4, V6}
    server = serve(records, delays={("both.example", "AAAA"): 0.2})
    assert resolve("both.example", None, server.resolver) == V6


@pytest.mark.parametrize(
    ("host", "asked"),
    [("bücher.example", "xn--bcher-kva.example"), ("BÜCHER.example.", "xn--bcher-kva.example")],
)
def test_an_international_name_is_asked_in_its_ascii_form(serve: ServeZone, host: str, asked: str) -> None:
    assert resolve(host, 4, serve({(asked, "A"): [V4]}).resolver) == V4


def test_an_alias_is_followed(serve: ServeZone) -> None:
    records = {
        ("www.example", "CNAME"): ["cdn.example."],
        ("cdn.example", "CNAME"): ["edge.example."],
        ("edge.example", "A"): [V4],
    }
    assert resolve("www.example", 4, serve(records).resolver) == V4


def test_a_truncated_answer_is_asked_for_again_over_tcp(serve: ServeZone) -> None:
    question = ("big.example", "A")
    assert resolve("big.example", 4, serve({question: [V4]}, truncated={question}).resolver) == V4


def test_the_search_list_and_ndots_of_the_system_count(serve: ServeZone, resolv_conf: Path) -> None:
    server = serve({("host.corp.example", "A"): [V4], ("a.b.corp.example", "A"): [ROUTER]})
    resolv_conf.write_text("nameserver 127.0.0.1\nsearch lab.example corp.example\noptions ndots:2\n")

    def configured(lifetime: float) -> dns.resolver.Resolver:
        resolver = system_resolver(lifetime)
        resolver.port = server.port
        return resolver

    assert resolve("host", 4, configured) == V4
    assert [name for name, _ in server.asked] == ["host.lab.example", "host.corp.example"]
    server.asked.clear()
    assert resolve("a.b", 4, configured) == ROUTER
    assert server.asked[0] == ("a.b.lab.example", "A")


def test_a_name_too_long_for_the_search_list_is_asked_as_it_is(serve: ServeZone) -> None:
    host = ".".join(["a" * 62] * 4)
    server = serve({(host, "A"): [V4]})

    def searching(lifetime: float) -> dns.resolver.Resolver:
        resolver = server.resolver(lifetime)
        resolver.search = [dns.name.from_text("corp.example")]
        return resolver

    assert resolve(host, 4, searching) == V4


def test_a_server_that_denies_one_record_type_does_not_hide_the_other(serve: ServeZone) -> None:
    class Denying(Zone):
        def answer(self, query: dns.message.Message) -> dns.message.Message:
            response = super().answer(query)
            if query.question[0].rdtype == dns.rdatatype.AAAA:
                response.set_rcode(dns.rcode.NXDOMAIN)
            return response

    with FakeDns(Denying({("host.example", "A"): [V4]})) as server:
        assert resolve("host.example", None, server.resolver) == V4
        with pytest.raises(FamilyMismatch, match=f"only {V4}"):
            resolve("host.example", 6, server.resolver)


# No address: a sentence with the reason and a remedy


@pytest.mark.parametrize("family", [None, 4, 6])
@pytest.mark.parametrize(
    ("host", "sentence"),
    [
        ("nowhere.example", "nowhere.example does not exist in DNS: check the spelling"),
        ("empty.example", "empty.example has no address in DNS: check the name"),
        ("broken.example", r"the DNS servers could not answer for broken.example \(SERVFAIL\): try again"),
        ("refused.example", r"the DNS servers could not answer for refused.example \(REFUSED\): try again"),
    ],
)
def test_a_name_without_address_is_told_with_the_reason(
    serve: ServeZone, host: str, sentence: str, family: int | None
) -> None:
    rcodes = {"broken.example": dns.rcode.SERVFAIL, "refused.example": dns.rcode.REFUSED}
    server = serve({("empty.example", "TXT"): ["nothing"]}, rcodes)
    with pytest.raises(NameNotFound, match=sentence):
        resolve(host, family, server.resolver)


@pytest.mark.parametrize(
    ("host", "sentence"),
    [
        ("a..example", "a..example is not a host name: there is nothing between two of its dots"),
        (".example", "is not a host name: there is nothing between two of its dots"),
        ("a" * 64 + ".example", "is not a host name: no part between dots may be longer than 63 characters"),
        ("ü" * 64 + ".example", "is not a host name: a part between its dots is too long, or holds"),
        ("a." * 124 + "example", "is not a host name: it may have 253 characters at most"),
        ("\ue000.example", "is not a host name: a part between its dots is too long, or holds a character"),
        ("\ud800.example", "is not a host name: "),
        ("no\x1b[31mname", r"no\\027\\09131mname is not a host name: use letters, digits, hyphens and dots"),
        ("two words", r"two\\032words is not a host name: use letters, digits, hyphens and dots"),
        ("@", "@ is not a host name: use letters"),
        (".", r"\. is not a host name: use letters"),
        ("256.1.1.1", "256.1.1.1 is no address: write it like 192.0.2.1"),
        ("fe80::1%", "fe80::1% is no address: write it like"),
        ("1::2::3", "1::2::3 is no address: write it like"),
    ],
)
def test_what_is_no_host_name_is_refused_before_anything_is_sent(host: str, sentence: str) -> None:
    def never(_: float) -> dns.resolver.Resolver:
        raise AssertionError

    with pytest.raises(NameNotFound, match=sentence) as told:
        resolve(host, None, never)
    assert str(told.value).isprintable()


def test_a_name_of_the_other_family_only_is_a_mismatch_that_names_what_was_found(serve: ServeZone) -> None:
    server = serve({("four.example", "A"): [V4]})
    with pytest.raises(FamilyMismatch, match=rf"four\.example has no IPv6 address, only {V4}: use -4"):
        resolve("four.example", 6, server.resolver)


@pytest.mark.parametrize("family", [None, 4])
def test_silent_servers_are_given_up_in_bounded_time(
    serve: ServeZone, monkeypatch: pytest.MonkeyPatch, family: int | None
) -> None:
    monkeypatch.setattr(resolving, "RESOLVE_TIME", 0.3)
    server = serve({}, is_silent=True)
    began = time.monotonic()
    with pytest.raises(NameNotFound, match=r"no DNS server answered for host.example within 0.3 s: check"):
        resolve("host.example", family, server.resolver)
    assert time.monotonic() - began < AMPLE


def test_half_a_denial_is_not_taken_for_the_whole(serve: ServeZone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolving, "RESOLVE_TIME", 0.3)
    server = serve({("half.example", "TXT"): ["x"]}, silent={("half.example", "AAAA")})
    with pytest.raises(NameNotFound, match=r"no DNS server answered for half\.example"):
        resolve("half.example", None, server.resolver)


def test_an_answer_of_no_meaning_is_told(serve: ServeZone) -> None:
    question = ("noise.example", "A")
    server = serve({question: [V4]}, truncated={question}, garbage={question})
    with pytest.raises(NameNotFound, match=r"could not answer for noise.example \(unreadable answer\)"):
        resolve("noise.example", 4, server.resolver)


@pytest.mark.parametrize(
    "error", [OSError(errno.ENETUNREACH, "Network is unreachable"), OSError("Network is unreachable")]
)
def test_servers_that_cannot_be_reached_are_told(
    error: OSError, serve: ServeZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("dns.query.udp", refuse)
    told = r"no DNS server can be reached for host.example \(Network is unreachable\): check the network"
    with pytest.raises(NameNotFound, match=told):
        resolve("host.example", None, serve({}).resolver)


@pytest.mark.parametrize("text", ["", "nameserver\n", "nameserver not-an-address\n"])
def test_a_machine_without_usable_servers_is_told(resolv_conf: Path, text: str) -> None:
    resolv_conf.write_text(text)
    with pytest.raises(NameNotFound, match=r"resolv.conf names no usable server: add a line"):
        resolve("host.example")


def test_the_system_resolver_is_bounded(resolv_conf: Path) -> None:
    resolv_conf.write_text("nameserver 192.0.2.53\n")
    resolver = system_resolver(0.5)
    assert (resolver.lifetime, resolver.nameservers) == (0.5, ["192.0.2.53"])


# Address to name


def test_a_name_in_the_hosts_file_is_known_at_once(hosts: Path) -> None:
    hosts.write_text(f"{ROUTER} first. second\n{ROUTER} third\nfe80::1 link\n2001:DB8::7 six\n", "utf-8")
    lookup = ReverseNames()
    for address in (ROUTER, "fe80::1%eth0", V6):
        lookup.ask(address)
        assert lookup.waits_until(address) == -inf
    assert lookup.found == {ROUTER: "first", "fe80::1%eth0": "link", V6: "six"}
    lookup.close()


def test_what_was_found_is_a_snapshot_taken_anew_only_once_there_is_more(hosts: Path) -> None:
    hosts.write_text(f"{ROUTER} first\n{V6} six\n", "utf-8")
    lookup = ReverseNames()
    lookup.ask(ROUTER)
    before = lookup.found
    assert lookup.found is before
    lookup.ask(V6)
    assert (before, lookup.found) == ({ROUTER: "first"}, {ROUTER: "first", V6: "six"})
    lookup.close()


def test_whatever_bytes_the_hosts_file_has_are_escaped(hosts: Path) -> None:
    hosts.write_bytes(ROUTER.encode() + b" evil\x1b[31m\xff\n")
    lookup = ReverseNames()
    lookup.ask(ROUTER)
    assert lookup.found == {ROUTER: r"evil\027\09131m\255"}
    lookup.close()


def test_of_a_block_list_the_first_part_names_routers_and_all_of_it_the_target(hosts: Path) -> None:
    blocked = "0.0.0.0 advertisement.example\n"
    last = f"{V6} {'long' * 30_000}\n{V4} the.last.one"
    hosts.write_text(f"{ROUTER} first\n{blocked * (hosts_file.MOST_READ // len(blocked))}{last}\n", "utf-8")
    known = hosts_file.names_of_addresses()
    assert known == {ROUTER: "first", "0.0.0.0": "advertisement.example"}  # noqa: S104 - nothing is bound
    assert hosts_file.addresses_of("the.LAST.one") == [V4]
    assert hosts_file.addresses_of("long") == []


def test_a_name_that_is_not_ascii_is_found_whatever_the_case(hosts: Path) -> None:
    hosts.write_text(f"{V4} b\u00dccher plain\n", "utf-8")
    assert hosts_file.addresses_of("B\u00fccher") == [V4]
    assert hosts_file.addresses_of("PLAIN") == [V4]


def test_names_come_from_dns_all_at_once_and_are_asked_once(
    serve: ServeZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "ROW_WAIT", AMPLE)
    addresses = [f"192.0.2.{n}" for n in range(1, 31)]
    records = {(f"{n}.2.0.192.in-addr.arpa", "PTR"): [f"hop-{n}.example."] for n in range(1, 31)}
    server = serve(records, delay=0.5)
    lookup = ReverseNames(server.resolver)
    began = time.monotonic()
    for address in [*addresses, *addresses]:
        lookup.ask(address)
    for address in addresses:
        settle(lookup, address)
    assert time.monotonic() - began < 15 * 0.5  # one by one it would take 30
    assert lookup.found == {f"192.0.2.{n}": f"hop-{n}.example" for n in range(1, 31)}
    assert len(server.asked) == 30
    lookup.close()


def test_many_names_of_one_router_that_drive_terminals_show_one_plain_name(serve: ServeZone) -> None:
    """As many as an answer over TCP holds, each another one."""
    names = [f"\\027[31m{number}.example." for number in range(1000)]
    server = serve({(ROUTER_PTR, "PTR"): names})
    lookup = ReverseNames(server.resolver)
    lookup.ask("192.0.2.1")
    settle(lookup, "192.0.2.1")
    assert re.fullmatch(r"[!-~]{1,255}", lookup.found["192.0.2.1"])
    assert lookup.found["192.0.2.1"].startswith(r"\027")
    lookup.close()


def test_asking_starts_one_thread_and_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    monkeypatch.setattr(threading.Thread, "start", lambda thread: started.append(thread.name))
    lookup = ReverseNames()
    for n in range(1, 200):
        lookup.ask(f"192.0.2.{n}")
    assert started == ["tracetcp-dns"]
    lookup.close()


def test_there_are_never_more_workers_than_allowed(serve: ServeZone) -> None:
    addresses = [f"192.0.2.{n}" for n in range(1, 9)]
    lookup = ReverseNames(serve({}).resolver, workers=2)
    for address in addresses:
        lookup.ask(address)
    assert [settle(lookup, address) for address in addresses] == [None] * 8
    assert lookup._workers == 2
    lookup.close()


def test_a_system_that_allows_no_more_threads_only_costs_names(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    lookup = ReverseNames()
    lookup.ask(ROUTER)
    assert lookup.waits_until(ROUTER) == -inf, "nobody will answer"
    lookup.close()


def test_nor_does_one_that_allows_no_more_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that runs out of memory while it imports may never end."""
    started: list[object] = []
    monkeypatch.setattr(threading.Thread, "start", started.append)
    monkeypatch.setattr("tracetcp.names.lookups.has_room", lambda _: False)
    lookup = ReverseNames()
    lookup.ask(ROUTER)
    assert lookup.waits_until(ROUTER) == -inf
    assert not started
    lookup.close()


@pytest.mark.parametrize(("left", "has"), [(2_000_000, True), (900_000, False), (None, True)])
def test_memory_is_what_the_limit_leaves(
    left: int | None, has: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = resource.RLIM_INFINITY if left is None else used + left
    monkeypatch.setattr("resource.getrlimit", lambda _: (limit, resource.RLIM_INFINITY))
    assert has_room(1_000_000) is has


def test_where_nothing_tells_how_much_is_used_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (1, 1))
    monkeypatch.setattr("pathlib.Path.read_text", lambda _: "")
    assert has_room(1_000_000)


def test_a_row_waits_one_second_from_the_query_and_no_longer(serve: ServeZone) -> None:
    lookup = ReverseNames(serve({}, is_silent=True).resolver)
    assert lookup.waits_until(ROUTER) == -inf
    earliest = time.monotonic() + ROW_WAIT
    lookup.ask(ROUTER)
    first = lookup.waits_until(ROUTER)
    assert earliest <= first <= time.monotonic() + ROW_WAIT
    lookup.ask(ROUTER)
    assert lookup.waits_until(ROUTER) == first
    lookup.close()
    lookup.close()


def test_the_descriptor_is_readable_until_acknowledged(serve: ServeZone) -> None:
    lookup = ReverseNames(serve({(ROUTER_PTR, "PTR"): ["core.example."]}).resolver)
    assert select.select([lookup.fileno()], [], [], 0)[0] == []
    lookup.ask(ROUTER)
    assert select.select([lookup.fileno()], [], [], AMPLE)[0] == [lookup.fileno()]
    lookup.acknowledge()
    assert select.select([lookup.fileno()], [], [], 0)[0] == []
    assert lookup.found[ROUTER] == "core.example"
    lookup.close()


@pytest.mark.parametrize(
    ("record", "shown"),
    [
        (r"router\.1.example.", r"router\0461.example"),
        (r"evil\027[31m.example.", r"evil\027\09131m.example"),
        (r"a\032b.example.", r"a\032b.example"),
        (r"back\\slash.example.", r"back\092slash.example"),
        ("caf\\195\\169.example.", r"caf\195\169.example"),
        (".".join(["d" * 61] * 4) + ".", ".".join(["d" * 61] * 4)),
        (".".join([r"\255" * 61] * 4) + ".", ".".join([r"\255" * 61, r"\255" * 2])),
        (".", None),
    ],
)
def test_a_hostile_name_is_escaped_before_anybody_sees_it(
    serve: ServeZone, record: str, shown: str | None
) -> None:
    lookup = ReverseNames(serve({(ROUTER_PTR, "PTR"): [record]}).resolver)
    assert settle(lookup, ROUTER) == shown
    lookup.close()


def test_a_name_delegated_by_aliases_is_found(serve: ServeZone) -> None:
    delegated = "1.0-63.2.0.192.in-addr.arpa"  # RFC 2317
    records = {(ROUTER_PTR, "CNAME"): [f"{delegated}."], (delegated, "PTR"): ["core.example."]}
    lookup = ReverseNames(serve(records).resolver)
    assert settle(lookup, ROUTER) == "core.example"
    lookup.close()


def test_a_truncated_name_is_asked_for_again_over_tcp(serve: ServeZone) -> None:
    question = (ROUTER_PTR, "PTR")
    lookup = ReverseNames(serve({question: ["core.example."]}, truncated={question}).resolver)
    assert settle(lookup, ROUTER) == "core.example"
    lookup.close()


def test_a_burst_of_answers_fills_the_buffer_and_blocks_no_worker() -> None:
    lookup = ReverseNames()
    for _ in range(100_000):  # more answers than fit in any buffer, none acknowledged
        lookup._settle(ROUTER, "full.example")
    lookup.acknowledge()
    assert select.select([lookup.fileno()], [], [], 0)[0] == []
    lookup.close()


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.NXDOMAIN, dns.rcode.REFUSED])
def test_a_failing_server_means_no_name_and_no_wait(serve: ServeZone, rcode: dns.rcode.Rcode) -> None:
    lookup = ReverseNames(serve({}, {ROUTER_PTR: rcode}).resolver)
    assert settle(lookup, ROUTER) is None
    lookup.close()


@pytest.mark.parametrize("truncated", [(), {(ROUTER_PTR, "PTR")}])
def test_an_answer_of_no_meaning_means_no_name(
    serve: ServeZone, monkeypatch: pytest.MonkeyPatch, truncated: set[tuple[str, str]]
) -> None:
    monkeypatch.setattr(
        lookups, "LOOKUP_TIME", 0.2
    )  # over UDP it may be a stranger's: the rest is waited for
    question = (ROUTER_PTR, "PTR")
    server = serve({question: ["core.example."]}, truncated=truncated, garbage={question})
    lookup = ReverseNames(server.resolver)
    assert settle(lookup, ROUTER) is None
    lookup.close()


def test_whatever_goes_wrong_in_a_worker_means_no_name_and_no_traceback() -> None:
    def break_down(_: float) -> dns.resolver.Resolver:
        raise AssertionError("a mistake in a library")

    lookup = ReverseNames(break_down)  # pytest fails a test in whose thread an exception is left
    assert settle(lookup, ROUTER) is None
    lookup.close()


def test_no_configured_server_means_no_name() -> None:
    lookup = ReverseNames()
    assert settle(lookup, ROUTER) is None
    lookup.close()


def test_the_scope_of_a_link_local_address_is_no_part_of_the_question(serve: ServeZone) -> None:
    name = "1." + "0." * 28 + "8.e.f.ip6.arpa"
    lookup = ReverseNames(serve({(name, "PTR"): ["link.example."]}).resolver)
    assert settle(lookup, "fe80::1%eth0") == "link.example"
    lookup.close()


def test_more_addresses_than_the_queue_holds_go_without_a_name(
    serve: ServeZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "MOST_QUEUED", 2)
    lookup = ReverseNames(serve({}, is_silent=True).resolver)
    for n in range(4):
        lookup.ask(f"192.0.2.{n}")
    assert lookup.waits_until("192.0.2.1") > -inf
    assert lookup.waits_until("192.0.2.3") == -inf
    lookup.close()


def test_of_very_many_addresses_the_older_half_is_forgotten_and_may_be_asked_again(
    hosts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "MOST_REMEMBERED", 4)
    hosts.write_text("".join(f"192.0.2.{n} name{n}\n" for n in range(10)))
    lookup = ReverseNames(lambda _: system_resolver(0.1))
    for n in range(5):
        lookup.ask(f"192.0.2.{n}")
    assert dict(lookup.found) == {f"192.0.2.{n}": f"name{n}" for n in (2, 3, 4)}
    lookup.ask("192.0.2.0")
    assert lookup.found["192.0.2.0"] == "name0"
    lookup.close()


def test_every_address_of_a_host_is_found_ipv6_first_and_each_once(hosts: Path, serve: ServeZone) -> None:
    hosts.write_text("192.0.2.5 here\n2001:db8::5 here\n192.0.2.5 here\n")
    assert resolve_all("here") == ["2001:db8::5", "192.0.2.5"]
    assert resolve_all("here", 4) == ["192.0.2.5"]
    assert resolve_all("192.0.2.9") == ["192.0.2.9"]
    zone = {("many.example", "A"): [V4, "198.51.100.7"], ("many.example", "AAAA"): [V6]}
    first, *others = resolve_all("many.example", None, serve(zone).resolver)
    assert (first, sorted(others)) == (V6, [V4, "198.51.100.7"])  # those of one family come in any order
    with pytest.raises(FamilyMismatch):
        resolve_all("::1", 4)


def test_after_closing_an_answer_disturbs_nobody_and_nothing_more_is_asked(serve: ServeZone) -> None:
    server = serve({(ROUTER_PTR, "PTR"): ["late.example."]}, delay=0.5)
    before = set(threading.enumerate())
    lookup = ReverseNames(server.resolver, workers=1)
    for address in (ROUTER, "192.0.2.2", "192.0.2.3"):
        lookup.ask(address)
    workers = [thread for thread in threading.enumerate() if thread.name == "tracetcp-dns"]
    deadline = time.monotonic() + AMPLE
    while not server.asked and time.monotonic() < deadline:
        time.sleep(0.01)
    lookup.close()
    for worker in set(workers) - before:
        worker.join(AMPLE)
        assert not worker.is_alive()
    assert lookup.found == {ROUTER: "late.example"}
    assert server.asked == [(ROUTER_PTR, "PTR")]


def test_closing_ends_every_worker(serve: ServeZone) -> None:
    before = set(threading.enumerate())
    server = serve({}, delay=0.05)
    lookup = ReverseNames(server.resolver)
    addresses = [f"192.0.2.{n}" for n in range(8)]
    for address in addresses:
        lookup.ask(address)
    for address in addresses:
        settle(lookup, address)
    workers = [thread for thread in set(threading.enumerate()) - before if thread.name == "tracetcp-dns"]
    assert len(workers) > 1
    lookup.close()
    for worker in workers:
        worker.join(AMPLE)
    assert [worker for worker in workers if worker.is_alive()] == []


def test_a_closed_lookup_starts_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    monkeypatch.setattr(threading.Thread, "start", lambda thread: started.append(thread.name))
    lookup = ReverseNames()
    lookup.close()
    lookup.ask(ROUTER)
    assert started == []
    assert lookup.fileno() == -1


def test_the_process_ends_while_queries_are_under_way() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        program = (
            "import dns.resolver; from tracetcp.names.lookups import ReverseNames\n"
            "def open_resolver(_):\n"
            "    found = dns.resolver.Resolver(configure=False); found.nameservers = ['127.0.0.1']\n"
            f"    found.port = {silent.getsockname()[1]}; found.lifetime = 600.0; found.timeout = 600.0\n"
            "    return found\n"
            "lookup = ReverseNames(open_resolver)\n"
            "for n in range(40): lookup.ask(f'192.0.2.{n}')\n"
        )
        run = [sys.executable, "-c", program]
        environment = {"PYTHONPATH": str(SOURCE)}
        finished = subprocess.run(run, env=environment, capture_output=True, timeout=60, check=False)
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, b"", b"")


# Address to origin


def origins(server: FakeDns, workers: int = MOST_WORKERS) -> OriginNames:
    """Asks ``server``, and takes the documentation's addresses for public ones."""
    return OriginNames(
        server.resolver,
        is_public=lambda address: address.startswith(("192.0.2.", "2001:db8:")),
        workers=workers,
    )


def test_the_origin_is_asked_once_a_prefix_and_never_for_a_private_address(serve: ServeZone) -> None:
    server = serve({(ROUTER_ORIGIN, "TXT"): ['"64500 | 192.0.2.0/24 | ZZ | test |"']})
    lookup = origins(server)
    assert settle(lookup, ROUTER) == "AS64500"
    assert settle(lookup, "192.0.2.99") == "AS64500"
    assert settle(lookup, "10.0.0.1") is None
    assert server.asked == [(ROUTER_ORIGIN, "TXT")]
    lookup.close()


def test_a_neighbour_that_queued_behind_the_answer_is_not_asked_for(serve: ServeZone) -> None:
    server = serve({(ROUTER_ORIGIN, "TXT"): ['"64500 | 192.0.2.0/24"']}, delay=0.2)
    lookup = origins(server, workers=1)
    lookup.ask(ROUTER)
    assert settle(lookup, "192.0.2.99") == "AS64500"
    assert server.asked == [(ROUTER_ORIGIN, "TXT")]
    lookup.close()


def test_the_longest_known_prefix_tells_the_origin(serve: ServeZone) -> None:
    records = {
        (ROUTER_ORIGIN, "TXT"): ['"64500 | 192.0.0.0/16"'],
        ("129.2.0.192.origin.asn.cymru.com", "TXT"): ['"64501 | 192.0.2.128/25"'],
    }
    lookup = origins(serve(records))
    lookup.ask("192.0.2.129")
    assert settle(lookup, ROUTER) == "AS64500"
    assert settle(lookup, "192.0.2.129") == "AS64501"
    assert settle(lookup, "192.0.2.130") == "AS64501"
    assert settle(lookup, "192.0.2.2") == "AS64500"
    lookup.close()


def test_a_prefix_that_nobody_announces_says_nothing_about_other_addresses(serve: ServeZone) -> None:
    lookup = origins(serve({(ROUTER_ORIGIN, "TXT"): ['"64500 | 0.0.0.0/0"']}))
    assert settle(lookup, ROUTER) == "AS64500"
    assert settle(lookup, "192.0.2.2") is None
    lookup.close()


def test_origins_that_must_be_exact_are_asked_for_one_by_one(serve: ServeZone) -> None:
    neighbour = "192.0.2.129"
    records = {
        (ROUTER_ORIGIN, "TXT"): ['"64500 | 192.0.2.0/24"'],
        (origin_question(neighbour), "TXT"): ['"64500 | 192.0.2.0/24"', '"64501 | 192.0.2.128/25"'],
    }
    lookup = OriginNames(serve(records).resolver, lambda _: True, shares_prefixes=False)
    assert settle(lookup, ROUTER) == "AS64500"
    assert settle(lookup, neighbour) == "AS64501"
    lookup.close()


def test_of_very_many_prefixes_the_older_half_is_forgotten(
    serve: ServeZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(origins_module, "MOST_PREFIXES", 4)
    numbers = range(16, 16 * 7, 16)  # six prefixes: the fifth drops the first two
    zone = {(origin_question(f"192.0.2.{n}"), "TXT"): [f'"{64500 + n} | 192.0.2.{n}/28"'] for n in numbers}
    server = serve(zone)
    lookup = origins(server, workers=1)
    for n in numbers:
        assert settle(lookup, f"192.0.2.{n}") == f"AS{64500 + n}"
    assert len(server.asked) == 6
    assert settle(lookup, "192.0.2.49") == "AS64548"  # the third is still known
    assert len(server.asked) == 6
    assert settle(lookup, "192.0.2.17") is None  # the first is not, and its neighbour is asked for
    assert server.asked[6:] == [(origin_question("192.0.2.17"), "TXT")]
    lookup.close()


def test_the_name_of_a_network(serve: ServeZone) -> None:
    server = serve(
        {
            ("AS64500.asn.cymru.com", "TXT"): [
                '"64500 | ZZ | test | 2010-01-01 | NET -  Some | Net\\027, ZZ"'
            ],
            ("AS64501.asn.cymru.com", "TXT"): ['"64502 | ZZ | test | 2010-01-01 | OTHER"'],
        }
    )
    lookup = NetworkNames(server.resolver)
    assert settle(lookup, "AS64500") == "NET - Some | Net\\027, ZZ"
    assert settle(lookup, "AS64501") is None
    assert settle(lookup, "192.0.2.1") is None
    assert len(server.asked) == 2
    lookup.close()


def test_names_of_networks_are_waited_for_as_long_as_a_row_waits(
    serve: ServeZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = '"64500 | ZZ | test | 2010-01-01 | NET"'
    records = {(f"AS{number}.asn.cymru.com", "TXT"): [name] for number in (64500, 64501)}
    server = serve(records, delays={("AS64501.asn.cymru.com", "TXT"): 2.5})
    monkeypatch.setattr(
        NetworkNames, "__init__", lambda self, workers: AddressLookup.__init__(self, server.resolver)
    )
    began_at = time.monotonic()
    assert dict(network_names(["AS64500", "AS64501"])) == {"AS64500": "NET"}
    assert time.monotonic() - began_at < 2.4
    assert dict(network_names([])) == {}


@pytest.mark.parametrize(
    "text", [b"", b"64500", b"64500 | ZZ | a | b", b"64500 | ZZ | a | b | ", b"x | | | | y"]
)
def test_what_is_no_name_of_a_network(text: bytes) -> None:
    assert parse_network_name(text, "AS64500") is None


@given(st.binary(max_size=80))
def test_the_name_of_a_network_is_printable_whatever_it_is(raw: bytes) -> None:
    name = parse_network_name(b"64500 | ZZ | a | b |" + raw, "AS64500")
    assert name is None or re.fullmatch(r"[ -~]{1,255}", name)


def test_an_origin_in_ipv6_and_in_several_strings(serve: ServeZone) -> None:
    server = serve({(origin_question(V6), "TXT"): ['"64500 645" "01 | 2001:db8::/32 | ZZ"']})
    lookup = origins(server)
    assert settle(lookup, V6) == "AS64500 AS64501"
    lookup.close()


def test_an_origin_nobody_can_read_is_none(serve: ServeZone) -> None:
    lookup = origins(serve({(ROUTER_ORIGIN, "TXT"): ['"\\027[31m"', '"| |"']}))
    assert settle(lookup, ROUTER) is None
    lookup.close()


@pytest.mark.parametrize(
    ("address", "question"),
    [
        ("192.0.2.1", ROUTER_ORIGIN),
        ("2001:db8::1%eth0", "1." + "0." * 23 + "8.b.d.0.1.0.0.2.origin6.asn.cymru.com"),
    ],
)
def test_the_question_for_an_origin(address: str, question: str) -> None:
    assert origin_question(address) == question


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        (b"64500 | 192.0.2.0/24 | ZZ", ((64500,), ip_network("192.0.2.0/24"))),
        (b"64500|192.0.2.0/24", ((64500,), ip_network("192.0.2.0/24"))),
        (b"64500 64501 | 2001:db8::/32", ((64500, 64501), ip_network("2001:db8::/32"))),
        (b"64500 | 192.0.2.1/24", ((64500,), ip_network("192.0.2.0/24"))),
        (b"64500", None),
        (b"", None),
        (b" | 192.0.2.0/24", None),
        (b"NA | 192.0.2.0/24", None),
        (b"64500 NA | 192.0.2.0/24", None),
        (b"0 | 192.0.2.0/24", None),
        (b"4294967295 | 192.0.2.0/24", ((4294967295,), ip_network("192.0.2.0/24"))),
        (b"4294967296 | 192.0.2.0/24", None),
        (b"99999999999 | 192.0.2.0/24", None),
        (b"64500 | nonsense", None),
        (b"\xff\x00 | 192.0.2.0/24", None),
    ],
)
def test_only_a_well_formed_origin_counts(text: bytes, origin: object) -> None:
    assert parse_origin(text) == origin


@pytest.mark.parametrize(
    ("records", "numbers"),
    [
        ([b"1 | 192.0.0.0/16", b"2 | 192.0.2.0/24"], (2,)),
        ([b"1 | 192.0.2.0/24", b"2 1 | 192.0.2.0/24"], (1, 2)),
        ([b"1 2 3 | 192.0.2.0/24", b"4 5 6 | 192.0.2.0/24"], (1, 2, 3, 4)),
        ([b"noise", b"7 | 192.0.2.0/24"], (7,)),
        ([b"7 | 198.51.100.0/24"], None),
        ([b"7 | 2001:db8::/32"], None),
        ([], None),
    ],
)
def test_the_longest_prefix_that_holds_the_address_wins(
    records: list[bytes], numbers: tuple[int, ...] | None
) -> None:
    best = best_origin(records, ROUTER)
    assert (best.numbers if best else None) == numbers


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.0.0.1", False),
        ("100.64.0.1", False),
        ("127.0.0.1", False),
        ("169.254.0.1", False),
        ("192.0.2.1", False),
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("fe80::1%e", False),
        ("fd00::1", False),
        ("2001:db8::1", False),
        ("ff0e::1", False),
        ("8.8.8.8", True),
        ("2606:4700::1", True),
    ],
)
def test_only_addresses_of_the_public_internet_have_an_origin(address: str, expected: bool) -> None:
    assert is_global(address) is expected


# Parsers under any input


@given(st.binary(max_size=600))
def test_whatever_the_network_says_is_printed_as_one_plain_word(raw: bytes) -> None:
    shown = printable(raw)
    assert shown.isascii()
    assert shown.isprintable()
    assert not set(shown) & set(" []")
    assert len(shown) <= LONGEST_TEXT


@given(
    st.text(
        st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="[]\\"),
        max_size=LONGEST_TEXT,
    )
)
def test_a_plain_word_is_printed_as_it_is(word: str) -> None:
    assert printable(word.encode()) == word


@given(st.lists(st.binary(min_size=1, max_size=63), max_size=3))
def test_any_domain_name_becomes_one_plain_word_with_its_dots_where_labels_end(labels: list[bytes]) -> None:
    shown = printable_domain((*labels, b""))
    assert shown.isascii()
    assert shown.isprintable()
    assert not set(shown) & set(" []")
    assert len(shown) <= LONGEST_TEXT
    if len(shown) < LONGEST_TEXT - 4:  # nothing was cut off
        assert shown.count(".") == max(0, len(labels) - 1)


@given(st.binary())
def test_any_text_record_is_an_origin_or_none(raw: bytes) -> None:
    origin = parse_origin(raw)
    assert origin is None or origin.numbers


@given(st.binary(), st.ip_addresses())
def test_an_origin_holds_the_address_that_was_asked_for(noise: bytes, address: object) -> None:
    prefix = ip_network(f"{address}/20", strict=False)
    best = best_origin([noise, b"64500 | %b" % str(prefix).encode(), noise], str(address))
    assert best is not None
    assert ip_address(str(address)) in best.prefix


@given(st.text(st.characters(blacklist_categories=[])))
def test_any_hosts_file_can_be_read(text: str) -> None:
    for address, aliases in parse_hosts(text):
        assert usual_text(address) == address
        assert aliases


@given(
    st.sampled_from([V4, V6, "fe80::1%eth0"]),
    st.lists(st.text("abc-9", min_size=1, max_size=9), min_size=1, max_size=5),
)
def test_a_hosts_line_is_read_as_written(address: str, aliases: list[str]) -> None:
    line = f"  {address}\t{' '.join(aliases)} # and more"
    assert list(parse_hosts(f"#{line}\n{line}\r\n")) == [(address, aliases)]


@given(st.text(st.characters(blacklist_categories=[])))
@example("0..")
def test_any_host_is_numeric_or_not_and_numeric_text_is_stable(host: str) -> None:
    address = numeric_address(host)
    assert address is None or numeric_address(address) == address
