"""Measures the speed of the simulator: ``python -m internet.blaster [SYNS] [NOTATION]``, as root.

Sends SYNs from a raw socket inside a simulated network's namespace as fast as they are answered (at most
2000 unanswered ones), and prints the number per second.
"""

from __future__ import annotations

import socket
import sys
import time

from internet import network, wire
from internet.behaviour import Syn
from internet.lab import simulated

MOST_UNANSWERED = 2000
RECEIVE_BUFFER = 16_000_000
SO_RCVBUFFORCE = 33  # of asm-generic/socket.h; the socket module lacks it
STALL_SECONDS = 0.5
"""After this many seconds without an answer, all unanswered SYNs count as lost."""


def blast(source: str, destination: str, syns: int) -> tuple[float, int]:
    """Send SYNs with TTL 64; returns the seconds taken and the number of TCP answers."""
    ends = wire.packed(source), wire.packed(destination)
    first = Syn(4, *ends, 20_000, 1, 1, 64, 0, 0, 0, 64_240, b"")
    packets = [
        wire.quote(first._replace(source_port=20_000 + n // 60_000, destination_port=1 + n % 60_000))
        for n in range(syns)
    ]
    sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    listener = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
    listener.settimeout(STALL_SECONDS)
    with sender, listener:
        began_at = last_at = time.monotonic()
        sent = answered = 0
        while answered < syns:
            while sent < syns and sent - answered < MOST_UNANSWERED:
                sender.sendto(packets[sent], (destination, 0))
                sent += 1
            try:
                listener.recv(256)
            except TimeoutError:
                break
            answered += 1
            last_at = time.monotonic()
    return last_at - began_at, answered


def main() -> None:
    """Measure once and print."""
    if sys.argv[1:2] == ["--inside"]:
        seconds, answered = blast(sys.argv[2], sys.argv[3], int(sys.argv[4]))
        sys.stdout.write(f"{answered} of {sys.argv[4]} answered, {answered / seconds:,.0f} per second\n")
        return
    syns = sys.argv[1] if len(sys.argv) > 1 else "60000"
    notation = sys.argv[2] if len(sys.argv) > 2 else "0 0 | rtt 0 | open 80"
    with simulated(network(notation)) as internet:
        words = [sys.executable, "-m", "internet.blaster", "--inside"]
        finished = internet.run(
            [*words, internet.scenario.clients[4], internet.destination, syns], timeout=120
        )
        sys.stdout.write(finished.stdout + finished.stderr)


if __name__ == "__main__":
    main()
