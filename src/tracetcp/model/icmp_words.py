"""The words of the RFCs for the codes of ICMP Destination Unreachable messages. A table. Pure."""

from __future__ import annotations

ICMP_UNREACHABLE = 3
ICMPV6_UNREACHABLE = 1

UNREACHABLE_WORDS = {
    # RFC 792
    (ICMP_UNREACHABLE, 0): "Network unreachable",
    (ICMP_UNREACHABLE, 1): "Host unreachable",
    (ICMP_UNREACHABLE, 2): "Protocol unreachable",
    (ICMP_UNREACHABLE, 3): "Port unreachable",
    (ICMP_UNREACHABLE, 4): "Fragmentation needed and DF set",
    (ICMP_UNREACHABLE, 5): "Source route failed",
    # RFC 1122, section 3.2.2.1
    (ICMP_UNREACHABLE, 6): "Destination network unknown",
    (ICMP_UNREACHABLE, 7): "Destination host unknown",
    (ICMP_UNREACHABLE, 8): "Source host isolated",
    (ICMP_UNREACHABLE, 9): "Communication with destination network administratively prohibited",
    (ICMP_UNREACHABLE, 10): "Communication with destination host administratively prohibited",
    (ICMP_UNREACHABLE, 11): "Network unreachable for type of service",
    (ICMP_UNREACHABLE, 12): "Host unreachable for type of service",
    # RFC 1812, section 5.2.7.1
    (ICMP_UNREACHABLE, 13): "Communication administratively prohibited",
    (ICMP_UNREACHABLE, 14): "Host precedence violation",
    (ICMP_UNREACHABLE, 15): "Precedence cutoff in effect",
    # RFC 4443, section 3.1; 7 and 8 from RFC 6550 and RFC 8883
    (ICMPV6_UNREACHABLE, 0): "No route to destination",
    (ICMPV6_UNREACHABLE, 1): "Communication with destination administratively prohibited",
    (ICMPV6_UNREACHABLE, 2): "Beyond scope of source address",
    (ICMPV6_UNREACHABLE, 3): "Address unreachable",
    (ICMPV6_UNREACHABLE, 4): "Port unreachable",
    (ICMPV6_UNREACHABLE, 5): "Source address failed ingress/egress policy",
    (ICMPV6_UNREACHABLE, 6): "Reject route to destination",
    (ICMPV6_UNREACHABLE, 7): "Error in source routing header",
    (ICMPV6_UNREACHABLE, 8): "Headers too long",
}


def icmp_words(icmp_type: int | None, icmp_code: int | None) -> str:
    """The words for an unreachable message; with the number of the code if no RFC names it."""
    if icmp_type is None or icmp_code is None:
        return "Destination unreachable"
    return UNREACHABLE_WORDS.get((icmp_type, icmp_code), f"Destination unreachable (code {icmp_code})")
