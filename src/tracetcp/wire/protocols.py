"""Protocol numbers, and the numbers of the ICMP errors that answer a probe. Tables. Pure."""

from __future__ import annotations

from tracetcp.model.reply import ReplyKind

ICMP, TCP, ICMPV6 = 1, 6, 58
"""Protocol numbers in IP headers (IANA)."""
ICMP_ERRORS = {
    4: {3: ReplyKind.UNREACHABLE, 11: ReplyKind.TIME_EXCEEDED},
    6: {1: ReplyKind.UNREACHABLE, 3: ReplyKind.TIME_EXCEEDED},
}
"""For each family: the types of the ICMP errors that answer a probe (RFC 792, RFC 4443)."""
IN_TRANSIT_CODE = 0
"""The code of a Time Exceeded in transit; code 1 is about reassembly (RFC 792, RFC 4443)."""
