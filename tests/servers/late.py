"""A host that answers late: ``late.py INTERFACE SECONDS`` answers each SYN to a port of ``ANSWERS``.

The kernel must drop those SYNs, or it would answer at once. Answers leave SECONDS after the SYN came, one
for each SYN. Writes ``ready`` once it listens.
"""

from __future__ import annotations

import socket
import sys
import time
from collections import deque
from typing import TYPE_CHECKING

from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.inet6 import ICMPv6TimeExceeded, IPv6
from scapy.layers.l2 import Ether

if TYPE_CHECKING:
    from scapy.packet import Packet

ETH_P_ALL = 3
TIME_EXCEEDED, SYN_ACK, RST = 7001, 7002, 7003
ANSWERS = (TIME_EXCEEDED, SYN_ACK, RST)
SYN = 0x02


def main() -> None:
    """Serve until killed."""
    interface, delay = sys.argv[1], float(sys.argv[2])
    frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    frames.bind((interface, 0))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    calendar: deque[tuple[float, bytes]] = deque()
    while True:
        frames.settimeout(max(0.001, calendar[0][0] - time.monotonic()) if calendar else None)
        try:
            answer = answer_to(Ether(frames.recv(2048)))
            if answer is not None:
                calendar.append((time.monotonic() + delay, bytes(answer)))
        except TimeoutError:
            frames.send(calendar.popleft()[1])


def answer_to(frame: Packet) -> Packet | None:
    """The frame that answers ``frame``, None if it is no SYN to one of our ports."""
    if TCP not in frame or frame[TCP].flags != SYN or frame[TCP].dport not in ANSWERS:
        return None
    back = Ether(src=frame.dst, dst=frame.src)
    asked = frame.payload
    header = IP(src=asked.dst, dst=asked.src) if IP in frame else IPv6(src=asked.dst, dst=asked.src)
    syn = asked[TCP]
    if syn.dport == TIME_EXCEEDED:
        error = ICMP(type=11) if IP in frame else ICMPv6TimeExceeded()
        return back / header / error / bytes(asked)
    flags = "SA" if syn.dport == SYN_ACK else "RA"
    return back / header / TCP(sport=syn.dport, dport=syn.sport, flags=flags, seq=7, ack=syn.seq + 1)


if __name__ == "__main__":
    main()
