"""A DNS server on loopback, UDP and TCP, whose answers a test sets."""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.resolver
import dns.rrset

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

LOOPBACK = "127.0.0.1"
LONGEST_CHAIN = 10
Question = tuple[str, str]
"""A name without its last dot, and a record type."""


@dataclass
class Zone:
    """The records of the server, and its faults.

    A name without any record does not exist; CNAME records are followed. ``rcodes`` has errors by name,
    ``delays`` seconds by question (``delay`` for all others). ``silent`` questions get no answer,
    ``truncated`` ones a whole answer only over TCP, ``garbage`` ones an unreadable answer.
    """

    records: Mapping[Question, list[str]]
    rcodes: Mapping[str, dns.rcode.Rcode] = field(default_factory=dict)
    delay: float = 0.0
    delays: Mapping[Question, float] = field(default_factory=dict)
    is_silent: bool = False
    silent: Container[Question] = ()
    truncated: Container[Question] = ()
    garbage: Container[Question] = ()

    def answer(self, query: dns.message.Message) -> dns.message.Message:
        """The response to ``query``."""
        owner, (name, kind) = query.question[0].name, question_of(query)
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        for _ in range(LONGEST_CHAIN):
            if (name, "CNAME") not in self.records:
                break
            alias = dns.rrset.from_text_list(owner, 60, "IN", "CNAME", self.records[name, "CNAME"])
            response.answer.append(alias)
            owner = alias[0].target
            name = owner.to_text(omit_final_dot=True)
        if name in self.rcodes:
            response.set_rcode(self.rcodes[name])
        elif (name, kind) in self.records:
            records = dns.rrset.from_text_list(owner, 60, "IN", kind, self.records[name, kind])
            response.answer.append(records)
        elif not any(known == name for known, _ in self.records):
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response


def question_of(query: dns.message.Message) -> Question:
    """The question in ``query``."""
    question = query.question[0]
    return question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)


class FakeDns:
    """Serves a ``Zone`` during a ``with`` block; ``asked`` lists the questions over UDP, in order."""

    def __init__(self, zone: Zone) -> None:
        self.asked: list[Question] = []
        self._zone = zone
        self._udp, self._tcp = _sockets_on_one_port()
        self.port: int = self._udp.getsockname()[1]
        self._stop, self._stopper = socket.socketpair()
        self._answers: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopper.close()
        self._thread.join(5)
        for thread in self._answers:
            thread.join(5)
        for served in (self._udp, self._tcp, self._stop):
            served.close()

    def resolver(self, lifetime: float = 5.0) -> dns.resolver.Resolver:
        """A resolver that asks only this server, without search domains."""
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = [LOOPBACK]
        resolver.port = self.port
        resolver.lifetime = lifetime
        return resolver

    def _serve(self) -> None:
        while True:
            ready, _, _ = select.select([self._udp, self._tcp, self._stop], [], [])
            if self._stop in ready:
                return
            if self._udp in ready:
                self._start(self._reply_by_udp, *self._udp.recvfrom(4096))
            if self._tcp in ready:
                self._start(self._reply_by_tcp, self._tcp.accept()[0])

    def _start(self, reply: object, *arguments: object) -> None:
        thread = threading.Thread(target=reply, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._answers.append(thread)
        thread.start()

    def _reply_by_udp(self, data: bytes, sender: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        question = question_of(query)
        self.asked.append(question)
        if self._zone.is_silent or question in self._zone.silent:
            return
        time.sleep(self._zone.delays.get(question, self._zone.delay))
        if question in self._zone.truncated:
            response = dns.message.make_response(query)
            response.flags |= dns.flags.TC
            self._udp.sendto(response.to_wire(), sender)
        else:
            self._udp.sendto(self._wire(query), sender)

    def _reply_by_tcp(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            (length,) = struct.unpack("!H", stream.read(2))
            wire = self._wire(dns.message.from_wire(stream.read(length)))
            connection.sendall(struct.pack("!H", len(wire)) + wire)

    def _wire(self, query: dns.message.Message) -> bytes:
        wire = self._zone.answer(query).to_wire()
        return wire[:2] + b"\xff" * 9 if question_of(query) in self._zone.garbage else wire


def _sockets_on_one_port() -> tuple[socket.socket, socket.socket]:
    """A UDP and a listening TCP socket. Tries several ports: one may be free in one protocol only."""
    for _ in range(20):
        tcp = socket.create_server((LOOPBACK, 0))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind(tcp.getsockname())
        except OSError:
            tcp.close()
            udp.close()
            continue
        return udp, tcp
    raise OSError("no port is free for both UDP and TCP")
