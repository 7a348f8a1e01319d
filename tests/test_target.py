"""Every form of the target, and every error in one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetcp.cli.target import parse_ports, parse_target
from tracetcp.errors import UsageError
from tracetcp.limits import whole_number


@pytest.mark.parametrize(
    ("typed", "host", "ports"),
    [
        ("www.example.com", "www.example.com", [80]),
        ("192.0.2.1", "192.0.2.1", [80]),
        ("2001:db8::1", "2001:db8::1", [80]),
        ("fe80::1%eth0", "fe80::1%eth0", [80]),
        ("host:443", "host", [443]),
        ("host:https", "host", [443]),
        ("host:0", "host", [0]),
        ("[2001:db8::1]:443", "2001:db8::1", [443]),
        ("[2001:db8::1]", "2001:db8::1", [80]),
        ("[fe80::1%eth0]:22", "fe80::1%eth0", [22]),
        ("host:22,80,443", "host", [22, 80, 443]),
        ("host:443,80,443", "host", [443, 80]),
        ("host:8000-8003,https", "host", [8000, 8001, 8002, 8003, 443]),
        ("host:ftp-data", "host", [20]),
        ("https://host/path", "host", [443]),
        ("http://host:8080/path?q#f", "host", [8080]),
        ("https://user:secret@host/", "host", [443]),
        ("https://[2001:db8::1]:8443/", "2001:db8::1", [8443]),
        ("https://[fe80::1%25eth0]/", "fe80::1%eth0", [443]),
        ("ftp://host", "host", [21]),
    ],
)
def test_a_target_names_a_host_and_its_ports_in_order(typed: str, host: str, ports: list[int]) -> None:
    target = parse_target(typed)
    assert (target.host, list(target.ports)) == (host, ports)


def test_a_lone_range_stays_a_range() -> None:
    assert parse_ports("1-65535") == range(1, 65536)


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        ("", "no host"),
        (":80", "no host"),
        ("host:", "port is missing"),
        ("host:80,", "port is missing"),
        ("host:65536", "port 65536 is out of range: use 0 to 65535"),
        ("host:99999999999", "'99999999999'"),
        ("host:80-70", "runs backwards"),
        ("host:1-65536", "65536"),
        ("host:-5", "'-5'"),
        ("host:+5", "'+5'"),
        ("host:1e3", "'1e3'"),
        ("host:٨٠", "'٨٠'"),
        ("host: 80", "' 80'"),
        ("host:nosuchservice", "'nosuchservice'"),
        ("host:a\x00b", "neither a number nor a known service"),
        ("[2001:db8::1", "not of the form"),
        ("[2001:db8::1]443", "not of the form"),
        ("[192.0.2.1]:80", "no IPv6 address"),
        ("host:80:90", "no IPv6 address"),
        ("nosuchscheme://host/", "'nosuchscheme'"),
        ("http://", "no host"),
        ("http://host:port/", "cannot be read"),
        ("http://[2001:db8::1/", "cannot be read"),
    ],
)
def test_what_is_no_target_is_refused_with_what_is_wrong_about_it(typed: str, named: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_target(typed)
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)


@given(st.text())
def test_any_text_is_a_target_or_a_usage_error(typed: str) -> None:
    try:
        target = parse_target(typed)
    except UsageError:
        return
    assert target.host
    assert all(port in range(65536) for port in target.ports)


@given(st.text(max_size=12))
def test_only_plain_digits_are_a_number(text: str) -> None:
    number = whole_number(text)
    assert (number is not None) == (text != "" and len(text) <= 9 and set(text) <= set("0123456789"))
