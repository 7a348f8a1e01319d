"""A DNS server on loopback that says what a test tells it to."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Self

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOPBACK = "127.0.0.1"


class Zone:
    """Answers to (name, record type), an rcode for a whole name, and a delay before every answer."""

    def __init__(
        self,
        records: Mapping[tuple[str, str], list[str]],
        rcodes: Mapping[str, dns.rcode.Rcode] | None = None,
        *,
        delay: float = 0.0,
        is_silent: bool = False,
    ) -> None:
        self.records = records
        self.rcodes = rcodes or {}
        self.delay = delay
        self.is_silent = is_silent

    def answer(self, query: dns.message.Message) -> dns.message.Message:
        """The response to ``query``: a name that is not in the zone does not exist."""
        question = query.question[0]
        name = question.name.to_text().rstrip(".")
        kind = dns.rdatatype.to_text(question.rdtype)
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if name in self.rcodes:
            response.set_rcode(self.rcodes[name])
        elif (name, kind) in self.records:
            texts = self.records[name, kind]
            response.answer.append(dns.rrset.from_text_list(question.name, 60, "IN", kind, texts))
        elif not any(known == name for known, _ in self.records):
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response


class FakeDns:
    """Serves a ``Zone`` over UDP for a ``with`` block; ``asked`` lists what was asked, in order."""

    def __init__(self, zone: Zone) -> None:
        self.asked: list[tuple[str, str]] = []
        self._zone = zone
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((LOOPBACK, 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stopper:
            stopper.sendto(b"", (LOOPBACK, self.port))
        self._thread.join(5)
        self._socket.close()

    def resolver(self, lifetime: float = 5.0) -> dns.resolver.Resolver:
        """A resolver that asks this server only, without search domains."""
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = [LOOPBACK]
        resolver.port = self.port
        resolver.lifetime = lifetime
        return resolver

    def _serve(self) -> None:
        while True:
            data, sender = self._socket.recvfrom(4096)
            if not data:
                return
            query = dns.message.from_wire(data)
            question = query.question[0]
            self.asked.append((question.name.to_text(), dns.rdatatype.to_text(question.rdtype)))
            if not self._zone.is_silent:
                threading.Thread(target=self._reply, args=(query, sender), daemon=True).start()

    def _reply(self, query: dns.message.Message, sender: tuple[str, int]) -> None:
        time.sleep(self._zone.delay)
        self._socket.sendto(self._zone.answer(query).to_wire(), sender)
