"""A host that answers late: ``late.py INTERFACE SECONDS`` answers each SYN to a port of ``ANSWERS``.

The kernel must drop those SYNs, else it would answer at once. Answers are sent SECONDS after the SYN.
Writes ``ready`` once it listens.
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
TIME_EXCEEDED, SYN_ACK, RST, REASSEMBLY, SYN_ACK_RST = 7001, 7002, 7003, 7005, 7006
"""Ports and what they answer: a Time Exceeded in transit or in reassembly, a SYN-ACK, a RST, or both."""
ANSWERS = (TIME_EXCEEDED, SYN_ACK, RST, REASSEMBLY, SYN_ACK_RST)
SYN = 0x02
NUMBER = 7
"""The sequence number of every answer."""


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
            for answer in answers_to(Ether(frames.recv(2048))):
                calendar.append((time.monotonic() + delay, bytes(answer)))
        except TimeoutError:
            frames.send(calendar.popleft()[1])


def answers_to(frame: Packet) -> list[Packet]:
    """The frames that answer ``frame``, none if it is no SYN to one of our ports."""
    if TCP not in frame or frame[TCP].flags != SYN or frame[TCP].dport not in ANSWERS:
        return []
    asked = frame.payload
    syn = asked[TCP]
    header = IP(src=asked.dst, dst=asked.src) if IP in frame else IPv6(src=asked.dst, dst=asked.src)
    back = Ether(src=frame.dst, dst=frame.src) / header
    if syn.dport in (TIME_EXCEEDED, REASSEMBLY):
        code = 1 if syn.dport == REASSEMBLY else 0
        error = ICMP(type=11, code=code) if IP in frame else ICMPv6TimeExceeded(code=code)
        return [back / error / bytes(asked)]
    rst = TCP(sport=syn.dport, dport=syn.sport, flags="RA", seq=NUMBER, ack=syn.seq + 1)
    syn_ack = TCP(sport=syn.dport, dport=syn.sport, flags="SA", seq=NUMBER, ack=syn.seq + 1)
    after = TCP(sport=syn.dport, dport=syn.sport, flags="RA", seq=NUMBER + 1, ack=syn.seq + 1)
    segments = {RST: [rst], SYN_ACK: [syn_ack], SYN_ACK_RST: [syn_ack, after]}[syn.dport]
    return [back / segment for segment in segments]


if __name__ == "__main__":
    main()
