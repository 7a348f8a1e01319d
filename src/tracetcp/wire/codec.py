"""``open_codec``: probe to bytes, and bytes to reply, for one trace. Knows no socket and no clock.

For each kind of probe (``kinds``) scapy builds one packet per trace, the template. A probe is a template with
a few fields filled in, which costs a hundredth of building a packet. ``ipv4`` and ``ipv6`` know the IP
headers, ``matching`` the TCP and ICMP after them.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

from tracetcp.model import FLOWS
from tracetcp.wire.ipv4 import Ipv4Codec
from tracetcp.wire.ipv6 import Ipv6Codec
from tracetcp.wire.kinds import WIRE_KINDS
from tracetcp.wire.probe_table import REMEMBERED_PROBES
from tracetcp.wire.templates import ipv4_template, ipv6_template

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Ipv4Codec", "Ipv6Codec", "open_codec"]

LABEL_STEP = 648_055
"""Odd, and the 20-bit circle divided by the golden ratio: neighbouring ports get labels far apart."""


def open_codec(
    source: str,
    destination: str,
    source_port_base: int,
    *,
    mtu: int = 1500,
    tos: int = 0,
    has_fixed_labels: bool = False,
    randomness: Callable[[int], bytes] = os.urandom,
) -> Ipv4Codec | Ipv6Codec:
    """The codec for a trace from ``source`` to ``destination`` (addresses; an IPv6 scope is not sent).

    Flow f has source port ``source_port_base`` + f. The MSS option follows from ``mtu`` (bytes) of the route.
    ``tos`` is the TOS byte, the traffic class of IPv6.
    ``randomness(n)`` returns n unpredictable bytes, for identifications and flow labels. With
    ``has_fixed_labels`` a flow's label follows from its source port, so that another run can have the same.
    """
    first = int.from_bytes(randomness(4), "big") % REMEMBERED_PROBES + 1
    build = ipv6_template if ":" in destination else ipv4_template
    templates = {
        kind: build(source, destination, mtu, wire_kind.segment, tos)
        for kind, wire_kind in WIRE_KINDS.items()
    }
    if build is ipv4_template:
        return Ipv4Codec(source, destination, source_port_base, templates, first, tos)
    if has_fixed_labels:
        labels = [label_of(port) for port in range(source_port_base, source_port_base + FLOWS)]
    else:
        labels = [label & 0xFFFFF or 1 for label in struct.unpack(f"!{FLOWS}I", randomness(4 * FLOWS))]
    return Ipv6Codec(
        source, destination, source_port_base, templates, first, tos, labels, are_secret=not has_fixed_labels
    )


def label_of(source_port: int) -> int:
    """The flow label that every run gives ``source_port``: spread over all 20 bits (RFC 6437 section 3)."""
    return source_port * LABEL_STEP & 0xFFFFF or 1
