"""A small DNS server for a scenario: ``python -m internet.name_server SCENARIO ADDRESS LOG``.

Answers A, AAAA, PTR and TXT questions on UDP port 53 of ADDRESS, late or wrongly where the scenario says so,
and writes each question into the file LOG, one a line. Writes ``ready`` to stdout once it listens.
"""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, cast

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.reversename
import dns.rrset

from internet.tun import read_scenario

if TYPE_CHECKING:
    from internet.scenario import Dns

CODES = {"servfail": dns.rcode.SERVFAIL, "refused": dns.rcode.REFUSED, "nxdomain": dns.rcode.NXDOMAIN}
GARBAGE = b"\xff" * 40
ADDRESS_TYPES = {dns.rdatatype.A: 4, dns.rdatatype.AAAA: 6}


class NameServer(asyncio.DatagramProtocol):
    """Answers each question after its own delay."""

    def __init__(self, wording: Dns, log: Path) -> None:
        self._dns = wording
        self._log = log

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport for the answers."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        """Schedule the answer, if there is one."""
        try:
            query = dns.message.from_wire(data)
        except dns.exception.DNSException:
            return
        subject = subject_of(query)
        with self._log.open("a", encoding="utf-8") as log:
            log.write(f"{subject}\n")
        wire = answer(self._dns, query, subject)
        if wire is not None:
            delay = self._dns.delays.get(subject, self._dns.delay)
            asyncio.get_running_loop().call_later(delay, self._transport.sendto, wire, addr)


def subject_of(query: dns.message.Message) -> str:
    """The address or name in the question, as a scenario writes it."""
    question = query.question[0]
    if question.rdtype == dns.rdatatype.PTR:
        try:
            return str(ip_address(str(dns.reversename.to_address(question.name))))
        except (dns.exception.DNSException, ValueError):
            pass
    return question.name.to_text(omit_final_dot=True).lower()


def answer(wording: Dns, query: dns.message.Message, subject: str) -> bytes | None:
    """The bytes of the answer; None where the scenario has none."""
    failure = wording.failures.get(subject)
    if failure == "timeout":
        return None
    if failure == "garbage":
        return query.to_wire()[:2] + GARBAGE
    response = dns.message.make_response(query, recursion_available=True)
    if failure is not None:
        response.set_rcode(CODES[failure])
        return response.to_wire()
    question = query.question[0]
    records = _records(wording, question.rdtype, subject)
    if records:
        response.answer.append(dns.rrset.from_rdata_list(question.name, 60, records))
    elif not any(subject in table for table in (wording.names, wording.hosts, wording.texts)):
        response.set_rcode(dns.rcode.NXDOMAIN)
    return response.to_wire()


def _records(wording: Dns, kind: dns.rdatatype.RdataType, subject: str) -> list[dns.rdata.Rdata]:
    make = partial(dns.rdata.from_text, dns.rdataclass.IN, kind)
    if kind == dns.rdatatype.PTR:
        return [_pointer(name) for name in wording.names.get(subject, ())]
    if kind == dns.rdatatype.TXT:
        return [make(f'"{text}"') for text in wording.texts.get(subject, ())]
    addresses = wording.hosts.get(subject, ())
    return [make(text) for text in addresses if ip_address(text).version == ADDRESS_TYPES.get(kind)]


def _pointer(name: str) -> dns.rdata.Rdata:
    """A PTR record to ``name``, which may be any text: dots separate labels, bytes are UTF-8."""
    labels = [label.encode() for label in name.split(".")]
    target = dns.name.Name([*labels, b""])
    kind = dns.rdatatype.PTR
    wire = target.to_wire()
    assert wire is not None
    return dns.rdata.from_wire(dns.rdataclass.IN, kind, wire, 0, len(wire))


async def main() -> None:
    """Serve until killed."""
    wording = read_scenario(sys.argv[1]).dns
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(
        lambda: NameServer(wording, Path(sys.argv[3])), local_addr=(sys.argv[2], 53)
    )
    os.write(1, b"ready\n")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
