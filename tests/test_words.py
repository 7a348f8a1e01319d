"""What is said over connections: valid messages, as long as they are asked to be."""

from __future__ import annotations

import ssl

import pytest

from tracetcp.model.speech import Protocol
from tracetcp.wire.words import Http, Smtp, Ssh, Tls, script_for, words_for, words_like

LENGTHS = [1, 5, 60, 76, 77, 78, 100, 190, 250, 517, 1000, 1388, 1448, 9000, 16_000]


@pytest.mark.parametrize("port", [22, 25, 80, 443, 5432])
@pytest.mark.parametrize("host", ["www.example.com", "192.0.2.1", "2001:db8::1", "fe80::1%eth0"])
@pytest.mark.parametrize("length", LENGTHS)
def test_a_beginning_is_as_long_as_it_is_asked_to_be(port: int, host: str, length: int) -> None:
    words = words_for(port, host)
    assert len(words.beginning(length)) == length
    assert len(words.request()) < 700


@pytest.mark.parametrize(
    ("port", "kind"),
    [(22, Ssh), (25, Smtp), (587, Smtp), (80, Http), (443, Tls), (8443, Tls), (8080, Http), (1, Http)],
)
def test_the_port_says_the_protocol(port: int, kind: type) -> None:
    assert isinstance(words_for(port, "host"), kind)


def test_who_speaks_first_is_waited_for() -> None:
    assert [words_for(port, "host").waits_for_greeting for port in (22, 25, 80, 443)] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("host", "field"), [("host", "host"), ("::1", "[::1]"), ("fe80::1%eth0", "[fe80::1]")]
)
def test_a_get_names_the_host(host: str, field: str) -> None:
    lines = Http(host).request().decode().split("\r\n")
    assert lines[:2] == ["GET / HTTP/1.1", f"Host: {field}"]
    assert lines[-2:] == ["", ""]


@pytest.mark.parametrize("length", LENGTHS)
def test_a_message_is_valid_at_every_length(length: int) -> None:
    message = Http("host")._message(length)
    assert message.endswith(b"\r\n\r\n")
    assert message.count(b"\r\n\r\n") == 1


@pytest.mark.parametrize("length", [0, 250, 517, 1448, 9000, 16_000])
@pytest.mark.parametrize("host", ["www.example.com", "192.0.2.1"])
def test_a_server_answers_the_hello(length: int, host: str) -> None:
    """OpenSSL reads it to the end: without a certificate it finds nothing to choose, and says that."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    asked: list[str | None] = []
    server.sni_callback = lambda _socket, name, _context: asked.append(name)
    heard, said = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = server.wrap_bio(heard, said, server_side=True)
    hello = Tls(host)._message(length)
    heard.write(hello)
    with pytest.raises(ssl.SSLError, match=r"NO_SHARED_CIPHER|NO_SUITABLE_SIGNATURE"):
        connection.do_handshake()
    assert asked == (["www.example.com"] if host == "www.example.com" else [None])
    assert int.from_bytes(hello[3:5], "big") == min(len(hello), 5 + int.from_bytes(hello[3:5], "big")) - 5


@pytest.mark.parametrize("length", [0, 700, 701, 702, 1448, 9000])
def test_a_key_exchange_is_a_whole_packet(length: int) -> None:
    banner, _, packet = Ssh("host")._message(length).partition(b"\r\n")
    size = int.from_bytes(packet[:4], "big")
    assert banner == b"SSH-2.0-tracetcp"
    assert (size, packet[5], (size + 4) % 8) == (len(packet) - 4, 20, 0)
    assert packet[4] >= 4


@pytest.mark.parametrize("length", [0, 40, 1448])
def test_a_mail_server_is_told_whole_lines(length: int) -> None:
    lines = Smtp("host")._message(length).split(b"\r\n")
    assert lines[0] == b"EHLO tracetcp.invalid"
    assert all(line.startswith(b"NOOP ") and len(line) < 510 for line in lines[1:-1])


NAMES = ["a.example", "blocked.example", "www." + "long-" * 11 + "name.example", "192.0.2.1", "2001:db8::1"]


@pytest.mark.parametrize("protocol", [Protocol.TLS, Protocol.HTTP])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("control", ["example.com", ".".join(["x" * 60] * 4)])
def test_the_words_of_a_script_are_of_one_length_and_ask_for_their_names(
    protocol: Protocol, name: str, control: str
) -> None:
    script = script_for(protocol, name, control)
    assert len(script.neutral) == len(script.control) == len(script.asked) == script.length
    assert script.length < 700
    assert control.encode() in script.control
    assert control.encode() not in script.asked
    is_named = protocol is Protocol.HTTP or "example" in name
    assert (name.encode() in script.asked, script.asked_name) == (is_named, name if is_named else "")
    assert name.encode() not in script.control + script.neutral + b"".join(script.segments)


def test_hellos_are_as_long_as_openssls_and_one_comes_in_two_segments() -> None:
    script = script_for(Protocol.TLS, "blocked.example", "example.com")
    assert script.length == 517
    assert [len(segment) for segment in script.segments] == [1000, 760]
    assert b"".join(script.segments) == Tls("example.com").whole(1760)
    assert script_for(Protocol.HTTP, "blocked.example", "example.com").segments == ()


def test_neutral_bytes_are_one_line_of_no_protocol() -> None:
    neutral = script_for(Protocol.TLS, "blocked.example", "example.com").neutral
    assert neutral.isascii()
    assert not set(neutral) & set(b"\r\n\x16")


def test_a_file_is_said_as_it_is() -> None:
    script = script_for(Protocol.FILE, "words.bin", "", b"\x00\xff words")
    assert (script.asked, script.control, len(script.neutral)) == (b"\x00\xff words", b"", 8)
    assert script.asked_name == "words.bin"


@pytest.mark.parametrize(("protocol", "kind"), [(Protocol.TLS, Tls), (Protocol.HTTP, Http)])
def test_sizes_are_tested_with_the_protocol_that_is_said(protocol: Protocol, kind: type) -> None:
    assert isinstance(words_like(protocol, "host"), kind)


@pytest.mark.parametrize("length", [1, 2, 3, 1448, 9000])
def test_sizes_are_tested_with_a_file_over_and_over(length: int) -> None:
    words = words_like(Protocol.FILE, "host", b"abc")
    assert words.beginning(length) == (b"abc" * 3000)[:length]
    assert words.request() == b"abc"
