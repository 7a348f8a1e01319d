"""A slow DNS server: ``slow_dns.py ADDRESS SECONDS NAME`` answers every PTR with NAME.

Each answer is sent SECONDS after its question, whatever else is asked meanwhile; other questions get an empty
answer after the same time. Writes ``ready`` once it listens.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import dns.message
import dns.rdatatype
import dns.rrset


class SlowServer(asyncio.DatagramProtocol):
    """Answers each datagram after ``delay`` seconds."""

    def __init__(self, delay: float, name: str) -> None:
        self._delay = delay
        self._name = name

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport for the answers."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        """Schedule the answer."""
        loop = asyncio.get_running_loop()
        loop.call_later(self._delay, self._transport.sendto, answer(data, self._name), addr)


def answer(question: bytes, name: str) -> bytes:
    """The bytes of the answer to ``question``: ``name`` for PTR, no record for other types."""
    query = dns.message.from_wire(question)
    response = dns.message.make_response(query, recursion_available=True)
    if query.question[0].rdtype == dns.rdatatype.PTR:
        response.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "PTR", f"{name}."))
    return response.to_wire()


async def main() -> None:
    """Serve until killed."""
    address, delay, name = sys.argv[1], float(sys.argv[2]), sys.argv[3]
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: SlowServer(delay, name), local_addr=(address, 53))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
