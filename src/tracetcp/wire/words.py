"""What is said over a connection, by its port: the beginning of a TLS, HTTP, SSH or SMTP session. Pure bytes.

The messages are valid, so that nothing on the way takes offence at them, and as long as they are asked to
be. ``beginning`` gives the first bytes of a message that is longer: whoever receives it acknowledges it,
waits for the rest, and does no work for it.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from hashlib import sha256
from typing import TYPE_CHECKING

from tracetcp.model.speech import Protocol, Script

if TYPE_CHECKING:
    from collections.abc import Iterable

TLS_PORTS = frozenset({443, 465, 563, 636, 853, 989, 990, 992, 993, 994, 995, 5061, 5223, 6443, 8443, 9443})
SSH_PORTS = frozenset({22, 2222})
SMTP_PORTS = frozenset({25, 587, 2525})
HTTP_PORTS = frozenset({80, 591, 8000, 8008, 8080, 8081, 8088, 8888})
UNSENT = 64
"""Bytes by which a message is longer than the beginning of it that is sent."""
LONGEST_RECORD = 1 << 14
"""Bytes in a TLS record at most (RFC 8446 section 5.1); a SSH packet may be longer."""

NEUTRAL = b"tracetcp tests what this path lets pass. "
USUAL_HELLO = 517
"""Bytes of a hello as OpenSSL pads it (RFC 7685)."""
SEGMENTS = (1000, 760)
"""Bytes of the segments of a long hello: as one with a post-quantum key share, and each small enough for any
link."""
ROOM = 32
"""Bytes that a HTTP request is padded by, so that requests for names of different length are as long."""

AGENT = "tracetcp"


class _Words(ABC):
    """See ``model.connection.Words``. ``host`` is the name to ask for, or an address."""

    waits_for_greeting = False

    def __init__(self, host: str) -> None:
        self._host = host

    def beginning(self, length: int) -> bytes:
        """See ``Words``."""
        return self._message(length + UNSENT)[:length]

    def request(self) -> bytes:
        """See ``Words``."""
        return self._message(0)

    def whole(self, length: int) -> bytes:
        """A message of ``length`` bytes, or of as many as it takes at least."""
        return self._message(length)

    def opening(self) -> bytes:
        """See ``Words``."""
        return b""

    @abstractmethod
    def _message(self, length: int) -> bytes:
        """A message of ``length`` bytes, or of as many as it takes at least."""


def words_for(port: int, host: str) -> _Words:
    """What to say to ``port`` of ``host``; HTTP to a port of no known protocol."""
    for ports, kind in ((TLS_PORTS, Tls), (SSH_PORTS, Ssh), (SMTP_PORTS, Smtp), (HTTP_PORTS, Web)):
        if port in ports:
            return kind(host)
    return Http(host)


def script_for(protocol: Protocol, asked_name: str, control_name: str, content: bytes = b"") -> Script:
    """What ``--say`` says; ``content`` is that of the file, for ``Protocol.FILE``.

    The names are host names or addresses; ``asked_name`` is that of the file there.
    """
    if protocol is Protocol.FILE:
        return Script(protocol, asked_name, "", _neutral(len(content)), b"", content)
    kind = Tls if protocol is Protocol.TLS else Http
    control, asked = kind(control_name), kind(asked_name)
    least = max(len(words.request()) for words in (control, asked))
    length = max(USUAL_HELLO, least) if protocol is Protocol.TLS else least + ROOM
    segments: tuple[bytes, ...] = ()
    if protocol is Protocol.TLS:
        long = control.whole(sum(SEGMENTS))
        segments = (long[: SEGMENTS[0]], long[SEGMENTS[0] :])
    shown = asked_name if protocol is Protocol.HTTP or is_name(asked_name) else ""
    return Script(
        protocol,
        shown,
        control_name,
        _neutral(length),
        control.whole(length),
        asked.whole(length),
        segments,
    )


def words_like(protocol: Protocol, host: str, content: bytes = b"") -> _Words:
    """What ``--mtu`` says to a port beside ``--say``: of that protocol, to ``host``."""
    if protocol is Protocol.FILE:
        return Repeated(content)
    return Tls(host) if protocol is Protocol.TLS else Http(host)


def _neutral(length: int) -> bytes:
    """Words of no protocol, on one line, that whoever finds them in a log can place."""
    return (NEUTRAL * (length // len(NEUTRAL) + 1))[:length]


class Http(_Words):
    """A GET of ``/`` (RFC 9112), padded in a header field."""

    @property
    def _fields(self) -> str:
        host = f"[{self._host.partition('%')[0]}]" if ":" in self._host else self._host
        return f"Host: {host}\r\nUser-Agent: {AGENT}\r\n"

    def _message(self, length: int) -> bytes:
        head = f"GET / HTTP/1.1\r\n{self._fields}Connection: close\r\n".encode()
        field, end = b"X-Padding: ", b"\r\n\r\n"
        if length <= len(head) + 2:
            return head + b"\r\n"
        return head + field + b"x" * max(1, length - len(head) - len(field) - len(end)) + end


class Web(Http):
    """The same to a port where HTTP is spoken: an answered HEAD makes it a connection in use."""

    def opening(self) -> bytes:
        """See ``Words``."""
        return f"HEAD / HTTP/1.1\r\n{self._fields}\r\n".encode()


class Tls(_Words):
    """A ClientHello (RFC 8446 section 4.1.2) for TLS 1.3 and 1.2, padded by RFC 7685."""

    def _message(self, length: int) -> bytes:
        shortest = self._hello(None)
        if length <= len(shortest):
            return shortest
        header = 4
        padding = min(length, LONGEST_RECORD) - len(shortest) - header
        return self._hello(max(0, padding)).ljust(length, b"\0")

    def _hello(self, padding: int | None) -> bytes:
        extensions = list(self._extensions())
        if padding is not None:
            extensions.append(_extension(21, bytes(padding)))
        body = (
            b"\x03\x03"
            + _bytes_from("random")
            + _prefixed(1, _bytes_from("session"))
            + _prefixed(2, bytes.fromhex("130113021303c02bc02fc02cc030cca9cca8c013c014009c009d002f0035"))
            + b"\x01\x00"
            + _prefixed(2, b"".join(extensions))
        )
        return b"\x16\x03\x01" + _prefixed(2, b"\x01" + _prefixed(3, body))

    def _extensions(self) -> Iterable[bytes]:
        if is_name(self._host):
            yield _extension(
                0, _prefixed(2, b"\0" + _prefixed(2, self._host.rstrip(".").encode("ascii", "replace")))
            )
        yield _extension(11, _prefixed(1, b"\0"))
        yield _extension(10, _prefixed(2, bytes.fromhex("001d00170018")))
        yield _extension(13, _prefixed(2, bytes.fromhex("0403080404010503080505010806060102010203")))
        yield _extension(16, _prefixed(2, _prefixed(1, b"http/1.1")))
        yield _extension(43, _prefixed(1, bytes.fromhex("03040303")))
        yield _extension(45, _prefixed(1, b"\x01"))
        yield _extension(51, _prefixed(2, b"\x00\x1d" + _prefixed(2, _bytes_from("key share"))))


class Ssh(_Words):
    """An identification string and a KEXINIT (RFC 4253 sections 4.2 and 7.1), padded in a name-list."""

    waits_for_greeting = True

    def _message(self, length: int) -> bytes:
        banner = f"SSH-2.0-{AGENT}\r\n".encode()
        shortest = banner + self._kexinit(0)
        if length <= len(shortest):
            return shortest
        return banner + self._kexinit(length - len(shortest))

    @staticmethod
    def _kexinit(padding: int) -> bytes:
        """A packet; ``padding`` more bytes, to the next block of 8, go into a list that nobody needs."""
        ciphers = b"chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes128-ctr"
        macs = b"hmac-sha2-256-etm@openssh.com,hmac-sha2-256"
        lists = (
            b"curve25519-sha256,ecdh-sha2-nistp256",
            b"ssh-ed25519,rsa-sha2-512,ecdsa-sha2-nistp256",
            *(ciphers, ciphers, macs, macs, b"none", b"none"),
            b"x" * padding,
            b"",
        )
        payload = b"\x14" + _bytes_from("cookie")[:16] + b"".join(_prefixed(4, each) for each in lists)
        payload += b"\0" + bytes(4)
        fill = 8 - (5 + len(payload)) % 8
        fill += 8 if fill < 4 else 0
        return struct.pack("!IB", 1 + len(payload) + fill, fill) + payload + bytes(fill)


class Smtp(_Words):
    """EHLO and as many NOOPs as it takes (RFC 5321 section 4.1.1)."""

    waits_for_greeting = True

    def _message(self, length: int) -> bytes:
        hello, line = f"EHLO {AGENT}.invalid\r\n".encode(), b"NOOP " + b"x" * 57 + b"\r\n"
        lines = max(0, length - len(hello)) // len(line) + (length > len(hello))
        return hello + line * lines


class Repeated(_Words):
    """The same bytes over and over."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def _message(self, length: int) -> bytes:
        return self._content * max(1, -(-length // len(self._content)))


def is_name(host: str) -> bool:
    """Whether ``host`` is a name: an address has no place in a hello (RFC 6066 section 3)."""
    return ":" not in host and not host.replace(".", "").isdigit()


def _bytes_from(what: str) -> bytes:
    """32 bytes that look like chance and are the same in every run: nothing is kept secret by them."""
    return sha256(f"{AGENT} {what}".encode()).digest()


def _prefixed(width: int, content: bytes) -> bytes:
    """``content`` behind its length in ``width`` bytes."""
    return len(content).to_bytes(width, "big") + content


def _extension(number: int, content: bytes) -> bytes:
    return number.to_bytes(2, "big") + _prefixed(2, content)
