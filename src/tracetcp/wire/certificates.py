"""Reads from a TLS server's first flight who issued its certificate. Pure bytes in memory; opens nothing.

OpenSSL makes the hello, and decrypts the answer to it: in TLS 1.3 the certificate is not in clear. The end of
the handshake is never sent.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMON_NAME, ORGANISATION = b"\x55\x04\x03", b"\x55\x04\x0a"
"""The object identifiers 2.5.4.3 and 2.5.4.10 (RFC 5280 appendix A) as DER writes them."""
VERSION = 0xA0
"""The tag of the one field of a certificate that may be missing before its issuer."""
ISSUER = 2
"""The place of the issuer behind it: serial number, signature, issuer (RFC 5280 section 4.1)."""
LONGEST_NAME = 64
GROUP = "prime256v1"
"""The group that every server of TLS 1.3 knows (RFC 8446 section 9.1). OpenSSL 3.5 and later would add the
key of a post-quantum group, and with it the hello does not fit a segment."""


class Hello:
    """A hello for ``name`` (empty: for none). ``data`` is what to send."""

    def __init__(self, name: str, *, is_strict: bool = False) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.set_ecdh_curve(GROUP)
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_REQUIRED if is_strict else ssl.CERT_NONE
        self._incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = self._context.wrap_bio(self._incoming, outgoing, server_hostname=name or None)
        with suppress(ssl.SSLWantReadError):
            self._tls.do_handshake()
        self.data = outgoing.read()

    def issuer(self, heard: bytes) -> str | None:
        """Who issued the certificate in ``heard``, the answer; None where that cannot be read."""
        try:
            self._take(heard)
            certificate = self._tls.getpeercert(binary_form=True)
            return None if certificate is None else issuer_of(certificate)
        except (ssl.SSLError, ValueError):
            return None

    def is_trusted(self, heard: bytes) -> bool | None:
        """Whether this machine trusts the certificate in ``heard``; None where that cannot be told.

        For a hello that ``is_strict``.
        """
        self._context.load_default_certs()
        try:
            self._take(heard)
        except ssl.SSLCertVerificationError:
            return False
        except (ssl.SSLError, ValueError):
            return None
        return True

    def _take(self, heard: bytes) -> None:
        self._incoming.write(heard)
        self._tls.do_handshake()


def issuer_of(certificate: bytes) -> str:
    """The common name of who issued ``certificate`` (DER), else the organisation, in plain ASCII.

    Raises ``ValueError`` where it has neither, or is no certificate.
    """
    signed = _first(_first(certificate))
    fields = [content for tag, content in _items(signed) if tag != VERSION]
    if len(fields) <= ISSUER:
        raise ValueError("a certificate without an issuer")
    names: dict[bytes, bytes] = {}
    for _, relative in _items(fields[ISSUER]):
        for _, attribute in _items(relative):
            kind, *value = [content for _, content in _items(attribute)]
            names[kind] = b"".join(value)
    name = names.get(COMMON_NAME) or names.get(ORGANISATION)
    if not name:
        raise ValueError("an issuer without a name")
    return _plain(name)


def _first(content: bytes) -> bytes:
    for _, inside in _items(content):
        return inside
    raise ValueError("a certificate without an issuer")


def _items(content: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements of DER, each with its tag; raises ``ValueError`` for what is none, or is cut off."""
    at = 0
    while at < len(content):
        tag, length, at = content[at], int.from_bytes(content[at + 1 : at + 2], "big"), at + 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(content[at : at + size], "big"), at + size
        if at + length > len(content):
            raise ValueError("an element of DER is cut off")
        yield tag, content[at : at + length]
        at += length


def _plain(name: bytes) -> str:
    text = name.decode("utf-8", "replace")[:LONGEST_NAME]
    return "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "?" for c in text)
