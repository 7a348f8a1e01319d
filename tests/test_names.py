"""Names: hosts file, DNS, background look-ups, origins. The DNS server is a fake one on loopback."""

from __future__ import annotations

import select
import time
from ipaddress import ip_network
from math import inf
from typing import TYPE_CHECKING, Self

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.resolver
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_dns import FakeDns, Zone
from tracetcp import names
from tracetcp.errors import FamilyMismatch, NameNotFound
from tracetcp.escape import printable
from tracetcp.names import (
    OriginNames,
    ReverseNames,
    domain_text,
    hosts_lines,
    is_global,
    origin_question,
    parse_origin,
    resolve,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    ServeZone = Callable[..., FakeDns]

V4, V6 = "192.0.2.7", "2001:db8::7"
ROUTER = "192.0.2.1"
ROUTER_PTR = "1.2.0.192.in-addr.arpa"


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hosts file of the test's own, empty at first."""
    path = tmp_path / "hosts"
    path.touch()
    monkeypatch.setattr(names, "HOSTS", path)
    return path


@pytest.fixture
def serve(hosts: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServeZone]:
    """Starts a fake DNS server and makes it the system's."""
    running: list[FakeDns] = []

    def start(records: dict[tuple[str, str], list[str]], *args: object, **options: object) -> FakeDns:
        server = FakeDns(Zone(records, *args, **options))  # type: ignore[arg-type]
        server.__enter__()
        running.append(server)
        monkeypatch.setattr(names, "system_resolver", server.resolver)
        return server

    yield start
    for server in running:
        server.__exit__()


def settle(lookup: names.AddressLookup, address: str) -> str | None:
    """Ask, wait for the descriptor as the prober does, and return what was found."""
    lookup.ask(address)
    deadline = time.monotonic() + 10
    while lookup.waits_until(address) > -inf and time.monotonic() < deadline:
        select.select([lookup.fileno()], [], [], 1)
        lookup.acknowledge()
    return lookup.found.get(address)


# Host to address


@pytest.mark.parametrize("address", [V4, V6, "fe80::1%eth0", "::ffff:192.0.2.7"])
def test_a_numeric_host_is_its_own_address(address: str) -> None:
    assert resolve(address) == address


@pytest.mark.parametrize(("address", "family"), [(V4, 6), (V6, 4)])
def test_a_numeric_host_of_the_other_family_is_refused(address: str, family: int) -> None:
    with pytest.raises(FamilyMismatch, match=f"leave out -{family}"):
        resolve(address, family)


def test_the_hosts_file_comes_first_whatever_the_case(hosts: Path) -> None:
    hosts.write_text(f"# comment\n{V4} Router.Example alias # more\n{V6} six\nbad six\n")
    assert resolve("router.example.") == V4
    assert resolve("ALIAS", 4) == V4
    assert resolve("six") == V6


def test_a_hosts_entry_of_the_other_family_is_told(hosts: Path) -> None:
    hosts.write_text(f"{V4} router\n")
    with pytest.raises(FamilyMismatch, match=rf"router has no IPv6 address, only {V4}"):
        resolve("router", 6)


def test_an_unreadable_hosts_file_is_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve: ServeZone
) -> None:
    serve({("host.example", "A"): [V4]})
    monkeypatch.setattr(names, "HOSTS", tmp_path / "none")
    assert resolve("host.example", 4) == V4


@pytest.mark.parametrize(("family", "address"), [(4, V4), (6, V6)])
def test_dns_is_asked_for_the_family_wanted(serve: ServeZone, family: int, address: str) -> None:
    server = serve({("host.example", "A"): [V4], ("host.example", "AAAA"): [V6]})
    assert resolve("host.example", family) == address
    assert server.asked == [("host.example.", names.RECORDS[family])]


def test_without_a_family_the_one_with_a_route_comes_first_and_the_other_is_tried(
    serve: ServeZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve({("both.example", "A"): [V4], ("both.example", "AAAA"): [V6], ("four.example", "A"): [V4]})
    monkeypatch.setattr(names, "_preferred_families", lambda: (6, 4))
    assert resolve("both.example") == V6
    assert resolve("four.example") == V4
    monkeypatch.setattr(names, "_preferred_families", lambda: (4, 6))
    assert resolve("both.example") == V4


def test_the_preferred_families_are_both() -> None:
    assert sorted(names._preferred_families()) == [4, 6]


@pytest.mark.parametrize("is_routed", [True, False])
def test_ipv6_is_preferred_where_the_kernel_has_a_route_for_it(
    is_routed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Socket:
        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None: ...

        def connect(self, _: object) -> None:
            if not is_routed:
                raise OSError

    monkeypatch.setattr("tracetcp.names.socket.socket", lambda *_: Socket())
    assert names._preferred_families() == ((6, 4) if is_routed else (4, 6))


def test_an_international_name_is_asked_in_its_ascii_form(serve: ServeZone) -> None:
    serve({("xn--bcher-kva.example", "A"): [V4]})
    assert resolve("bücher.example", 4) == V4


def test_an_alias_is_followed(serve: ServeZone) -> None:
    server = serve({("www.example", "A"): [V4]})
    assert server.resolver().resolve("www.example", "A")[0].to_text() == V4
    assert resolve("www.example", 4) == V4


@pytest.mark.parametrize(
    ("host", "sentence"),
    [
        ("nowhere.example", "nowhere.example does not exist in DNS"),
        ("empty.example", "empty.example has no address in DNS"),
        ("broken.example", "the DNS servers could not answer for broken.example"),
        ("a..example", "is not a host name"),
        (f"{'a' * 64}.example", "is not a host name"),
        (f"{'a.' * 130}example", "is not a host name"),
        ("no\x1b[31mname", "does not exist in DNS|is not a host name"),
    ],
)
def test_a_name_without_address_is_told_with_the_reason(serve: ServeZone, host: str, sentence: str) -> None:
    serve({("empty.example", "TXT"): ["nothing"]}, {"broken.example": dns.rcode.SERVFAIL})
    with pytest.raises(NameNotFound, match=sentence) as told:
        resolve(host)
    assert str(told.value).isprintable()


def test_a_name_of_the_other_family_only_is_a_mismatch(serve: ServeZone) -> None:
    serve({("four.example", "A"): [V4]})
    with pytest.raises(FamilyMismatch, match=r"four\.example has no IPv6 address"):
        resolve("four.example", 6)


def test_silent_servers_are_given_up_in_bounded_time(
    serve: ServeZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve({}, is_silent=True)
    monkeypatch.setattr(names, "RESOLVE_TIME", 0.3)
    began = time.monotonic()
    with pytest.raises(NameNotFound, match=r"no DNS server answered for host.example within 0.3 s"):
        resolve("host.example")
    assert time.monotonic() - began < 5


def test_a_machine_without_servers_is_told(hosts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> dns.resolver.Resolver:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(names, "system_resolver", none)
    with pytest.raises(NameNotFound, match=r"resolv.conf names no server"):
        resolve("host.example")


def test_the_system_resolver_is_bounded(tmp_path: Path) -> None:
    try:
        assert names.system_resolver(0.5).lifetime == 0.5
    except dns.resolver.NoResolverConfiguration:
        assert not (tmp_path / "resolv.conf").exists()


# Address to name


def test_a_name_in_the_hosts_file_is_known_at_once(hosts: Path) -> None:
    hosts.write_text(f"{ROUTER} first second\n{ROUTER} third\n")
    lookup = ReverseNames()
    lookup.ask(ROUTER)
    assert lookup.found == {ROUTER: "first"}
    assert lookup.waits_until(ROUTER) == -inf
    lookup.close()


def test_names_come_from_dns_all_at_once_and_are_asked_once(serve: ServeZone) -> None:
    addresses = [f"192.0.2.{n}" for n in range(1, 13)]
    records = {(f"{n}.2.0.192.in-addr.arpa", "PTR"): [f"hop-{n}.example."] for n in range(1, 13)}
    server = serve(records, delay=0.2)
    lookup = ReverseNames()
    lookup.ask(addresses[0])
    settle(lookup, addresses[0])  # dnspython is loaded now
    began = time.monotonic()
    for address in [*addresses, *addresses]:
        lookup.ask(address)
    assert time.monotonic() - began < 0.15
    for address in addresses:
        settle(lookup, address)
    assert time.monotonic() - began < 11 * 0.2
    assert lookup.found == {f"192.0.2.{n}": f"hop-{n}.example" for n in range(1, 13)}
    assert len(server.asked) == 12
    lookup.close()


def test_a_row_waits_one_second_from_the_query_and_no_longer(serve: ServeZone) -> None:
    serve({}, is_silent=True)
    lookup = ReverseNames()
    assert lookup.waits_until(ROUTER) == -inf
    lookup.ask(ROUTER)
    first = lookup.waits_until(ROUTER)
    assert 0.5 < first - time.monotonic() <= names.ROW_WAIT
    lookup.ask(ROUTER)
    assert lookup.waits_until(ROUTER) == first
    lookup.close()
    lookup.close()


@pytest.mark.parametrize(
    ("record", "shown"),
    [
        (r"router\.1.example.", r"router\0461.example"),
        (r"evil\027[31m.example.", r"evil\027\09131m.example"),
        (r"a\032b.example.", r"a\032b.example"),
        ("caf\\195\\169.example.", r"caf\195\169.example"),
        (".", None),
    ],
)
def test_a_hostile_name_is_escaped_before_anybody_sees_it(
    serve: ServeZone, record: str, shown: str | None
) -> None:
    serve({(ROUTER_PTR, "PTR"): [record]})
    lookup = ReverseNames()
    assert settle(lookup, ROUTER) == shown
    lookup.close()


def test_a_burst_of_answers_fills_the_buffer_and_blocks_no_worker(serve: ServeZone) -> None:
    serve({(ROUTER_PTR, "PTR"): ["full.example."]})
    lookup = ReverseNames()
    lookup.ask(ROUTER)
    for _ in range(100_000):  # more answers than any buffer holds, none of them acknowledged
        lookup._settle(ROUTER, "full.example")
    assert settle(lookup, ROUTER) == "full.example"
    lookup.close()


def test_a_server_that_denies_one_record_type_does_not_hide_the_other(
    serve: ServeZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve({("host.example", "A"): [V4]})
    monkeypatch.setattr(names, "_preferred_families", lambda: (6, 4))
    denying = server._zone

    def answer(query: dns.message.Message) -> dns.message.Message:
        response = Zone.answer(denying, query)
        if query.question[0].rdtype == dns.rdatatype.AAAA:
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response

    monkeypatch.setattr(denying, "answer", answer)
    assert resolve("host.example") == V4


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.NXDOMAIN, dns.rcode.REFUSED])
def test_a_failing_server_means_no_name_and_no_wait(serve: ServeZone, rcode: dns.rcode.Rcode) -> None:
    serve({}, {ROUTER_PTR: rcode})
    lookup = ReverseNames()
    assert settle(lookup, ROUTER) is None
    lookup.close()


def test_the_scope_of_a_link_local_address_is_no_part_of_the_question(serve: ServeZone) -> None:
    name = "1." + "0." * 28 + "8.e.f.ip6.arpa"
    serve({(name, "PTR"): ["link.example."]})
    lookup = ReverseNames()
    assert settle(lookup, "fe80::1%eth0") == "link.example"
    lookup.close()


def test_more_addresses_than_the_queue_holds_go_without_a_name(
    serve: ServeZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve({}, is_silent=True)
    monkeypatch.setattr(names, "LONGEST_QUEUE", 2)
    lookup = ReverseNames()
    for n in range(4):
        lookup.ask(f"192.0.2.{n}")
    assert lookup.waits_until("192.0.2.3") == -inf
    lookup.close()


def test_an_answer_after_closing_disturbs_nobody(serve: ServeZone) -> None:
    serve({(ROUTER_PTR, "PTR"): ["late.example."]}, delay=0.2)
    lookup = ReverseNames()
    lookup.ask(ROUTER)
    lookup.close()
    deadline = time.monotonic() + 5
    while ROUTER not in lookup.found and time.monotonic() < deadline:
        time.sleep(0.02)
    assert lookup.found == {ROUTER: "late.example"}


# Address to origin


def test_the_origin_is_asked_once_a_prefix_and_never_for_a_private_address(serve: ServeZone) -> None:
    server = serve({("1.2.0.192.origin.asn.cymru.com", "TXT"): ['"64500 | 192.0.2.0/24 | ZZ | test |"']})
    lookup = OriginNames(is_public=lambda address: address.startswith("192.0.2."))
    assert settle(lookup, ROUTER) == "AS64500"
    assert settle(lookup, "192.0.2.99") == "AS64500"
    assert settle(lookup, "10.0.0.1") is None
    assert len(server.asked) == 1
    lookup.close()


def test_an_origin_nobody_can_read_is_none(serve: ServeZone) -> None:
    serve({("1.2.0.192.origin.asn.cymru.com", "TXT"): ['"\\027[31m"', '"| |"']})
    lookup = OriginNames(is_public=lambda _: True)
    assert settle(lookup, ROUTER) is None
    lookup.close()


@pytest.mark.parametrize(
    ("address", "question"),
    [
        ("192.0.2.1", "1.2.0.192.origin.asn.cymru.com"),
        ("2001:db8::1%eth0", "1." + "0." * 23 + "8.b.d.0.1.0.0.2.origin6.asn.cymru.com"),
    ],
)
def test_the_question_for_an_origin(address: str, question: str) -> None:
    assert origin_question(address) == question


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        (b"64500 | 192.0.2.0/24 | ZZ", ("AS64500", ip_network("192.0.2.0/24"))),
        (b"64500 64501 | 2001:db8::/32", ("AS64500 AS64501", ip_network("2001:db8::/32"))),
        (b"1 2 3 4 5 | 192.0.2.0/24", ("AS1 AS2 AS3 AS4", ip_network("192.0.2.0/24"))),
        (b"64500", None),
        (b" | 192.0.2.0/24", None),
        (b"NA | 192.0.2.0/24", None),
        (b"64500 | nonsense", None),
        (b"\xff\x00 | 192.0.2.0/24", None),
    ],
)
def test_only_a_well_formed_origin_counts(text: bytes, origin: object) -> None:
    assert parse_origin(text) == origin


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.0.0.1", False),
        ("100.64.0.1", False),
        ("127.0.0.1", False),
        ("169.254.0.1", False),
        ("fe80::1%e", False),
        ("8.8.8.8", True),
        ("2606:4700::1", True),
    ],
)
def test_only_addresses_of_the_public_internet_have_an_origin(address: str, expected: bool) -> None:
    assert is_global(address) is expected


# Parsers under any input


@given(st.binary())
def test_whatever_the_network_says_is_printed_as_one_plain_word(raw: bytes) -> None:
    shown = printable(raw)
    assert shown.isascii()
    assert shown.isprintable()
    assert not set(shown) & set(" []")


@given(st.lists(st.binary(min_size=1, max_size=63), max_size=3))
def test_any_domain_name_becomes_one_plain_word_with_its_dots_where_labels_end(labels: list[bytes]) -> None:
    shown = domain_text(dns.name.Name([*labels, b""]))
    assert shown.count(".") == max(0, len(labels) - 1)
    assert not set(shown) & set(" []\x1b")


@given(st.binary())
def test_any_text_record_is_an_origin_or_none(raw: bytes) -> None:
    origin = parse_origin(raw)
    assert origin is None or origin[0].startswith("AS")


@given(st.text())
def test_any_hosts_file_can_be_read(text: str) -> None:
    for address, aliases in hosts_lines(text):
        assert address
        assert aliases
