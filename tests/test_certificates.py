"""Who issued the certificate in a TLS server's first flight: read from memory, whatever was heard."""

from __future__ import annotations

import random
import ssl
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracetcp.wire.certificates import Hello, issuer_of

PEM = Path(__file__).parent / "servers/corp.pem"
"""A certificate that its own key signs, and that key."""


def der() -> bytes:
    text = PEM.read_text(encoding="ascii")
    end = "-----END CERTIFICATE-----"
    return ssl.PEM_cert_to_DER_cert(text[: text.index(end) + len(end)])


def first_flight(hello: bytes, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> bytes:
    """What a server says to ``hello``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)
    context.maximum_version = newest
    heard, said = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(heard, said, server_side=True)
    heard.write(hello)
    with pytest.raises(ssl.SSLWantReadError):
        server.do_handshake()
    return said.read()


@pytest.mark.parametrize("name", ["blocked.example", ""])
def test_the_issuer_is_read_from_what_is_not_in_clear(name: str) -> None:
    hello = Hello(name)
    flight = first_flight(hello.data)
    assert b"Corp CA" not in flight
    assert hello.issuer(flight) == "Corp CA"


def test_a_hello_fits_the_smallest_segment_of_ipv4() -> None:
    """Whatever this OpenSSL would offer by itself."""
    assert len(Hello(f"{'x' * 63}.example").data) <= 536


def test_a_handshake_that_is_cut_off_tells_nothing() -> None:
    hello = Hello("blocked.example")
    assert hello.issuer(first_flight(hello.data)[:400]) is None
    assert Hello("blocked.example").issuer(b"") is None
    assert Hello("blocked.example").issuer(b"HTTP/1.1 400 Bad Request\r\n\r\n") is None


def test_a_certificate_that_nobody_here_signed_is_not_trusted() -> None:
    strict = Hello("blocked.example", is_strict=True)
    assert strict.is_trusted(first_flight(strict.data)) is False


def test_one_that_is_signed_by_a_known_authority_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    strict = Hello("blocked.example", is_strict=True)

    def with_our_own(context: ssl.SSLContext) -> None:
        context.load_verify_locations(PEM)

    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", with_our_own)
    assert strict.is_trusted(first_flight(strict.data)) is True


@pytest.mark.parametrize("heard", [b"", b"\x15\x03\x03\x00\x02\x02\x70", b"nonsense"])
def test_what_is_no_certificate_is_neither_trusted_nor_distrusted(heard: bytes) -> None:
    assert Hello("blocked.example", is_strict=True).is_trusted(heard) is None


def element(tag: int, *content: bytes) -> bytes:
    body = b"".join(content)
    assert len(body) < 128
    return bytes([tag, len(body)]) + body


def certificate(*names: bytes, version: bytes = b"") -> bytes:
    signed = element(0x30, version, element(2, b"\1"), element(0x30), element(0x30, *names))
    return element(0x30, signed)


def name(kind: bytes, text: bytes) -> bytes:
    return element(0x31, element(0x30, element(6, kind), element(12, text)))


CN, ORG = b"\x55\x04\x03", b"\x55\x04\x0a"


@pytest.mark.parametrize(
    ("names", "issuer"),
    [
        ([name(CN, b"Corp CA")], "Corp CA"),
        ([name(ORG, b"Corp Ltd")], "Corp Ltd"),
        ([name(ORG, b"Corp Ltd"), name(CN, b"Corp CA")], "Corp CA"),
        ([name(CN, b'\x1b[31m"\\\n\xc3\xbc')], "?[31m????"),
        ([name(CN, b"x" * 90)], "x" * 64),
    ],
)
@pytest.mark.parametrize("version", [b"", element(0xA0, element(2, b"\2"))])
def test_an_issuer_is_its_common_name_or_its_organisation(
    names: list[bytes], issuer: str, version: bytes
) -> None:
    assert issuer_of(certificate(*names, version=version)) == issuer


def test_openssl_agrees() -> None:
    assert issuer_of(der()) == "Corp CA"


@pytest.mark.parametrize(
    "broken",
    [
        certificate(),
        certificate(name(b"\x55\x04\x06", b"XX")),
        element(0x30, element(0x30, element(2, b"\1"))),
    ],
)
def test_one_without_an_issuer_is_refused(broken: bytes) -> None:
    with pytest.raises(ValueError, match="issuer"):
        issuer_of(broken)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_whatever_is_no_certificate_is_refused(data: bytes) -> None:
    with suppress(ValueError):
        assert issuer_of(data).isascii()


def test_a_certificate_with_any_byte_changed_gives_a_name_or_is_refused() -> None:
    good, chance = der(), random.Random(1)
    for _ in range(2000):
        at = chance.randrange(len(good))
        try:
            assert issuer_of(good[:at] + bytes([chance.randrange(256)]) + good[at + 1 :]).isprintable()
        except ValueError:
            continue
