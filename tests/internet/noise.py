"""The kinds of packets that answer nothing and that a simulated network throws at the client."""

from __future__ import annotations

KINDS = (
    "unrelated icmp",
    "unrelated tcp",
    "truncated icmp",
    "malformed icmp",
    "icmp checksum",
    "quoted header length",
    "quoted sequence",
    "quoted source port",
    "quoted destination",
    "tcp checksum",
    "tcp header length",
    "truncated tcp",
    "tcp acknowledgement",
    "tcp port",
    "tcp sender",
    "random bytes",
)
