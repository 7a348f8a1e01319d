"""``open_codec``: probe to bytes, and bytes to reply, for one trace. Knows no socket and no clock.

For each kind of probe (``kinds``) scapy builds one packet per trace, the template. A probe is a template with
a few fields filled in, which costs a hundredth of building a packet. ``ipv4`` and ``ipv6`` know the IP
headers, ``matching`` the TCP and ICMP after them.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, NamedTuple

from tracetcp.model import FLOWS
from tracetcp.wire.ipv4 import Ipv4Codec
from tracetcp.wire.ipv6 import Ipv6Codec
from tracetcp.wire.kinds import WIRE_KINDS
from tracetcp.wire.probe_table import REMEMBERED_PROBES, ProbeTable
from tracetcp.wire.templates import ipv4_template, ipv6_template

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Identities", "Ipv4Codec", "Ipv6Codec", "new_identities", "open_codec"]


LABEL_STEP = 648_055
"""Odd, and the 20-bit circle divided by the golden ratio: neighbouring ports get labels far apart."""


class Identities(NamedTuple):
    """What makes the probes of one run distinct: the table of all of them, and a flow label for each flow.

    Codecs of several destinations share it, so that a quote leads to one probe whatever was rewritten in it.
    Labels that another run can have as well are not secret (``are_secret``) and prove nothing.
    """

    probes: ProbeTable
    flow_labels: Sequence[int]
    are_secret: bool = True


def new_identities(
    family: int, randomness: Callable[[int], bytes] = os.urandom, fixed_from: int | None = None
) -> Identities:
    """Identities that nobody can guess; ``randomness(n)`` returns n unpredictable bytes.

    With ``fixed_from``, the first source port, a flow's label follows from its source port, so that another
    run can have the same.
    """
    probes = ProbeTable(int.from_bytes(randomness(4), "big") % REMEMBERED_PROBES + 1)
    if family == 4:
        return Identities(probes, ())
    if fixed_from is not None:
        return Identities(probes, [label_of(fixed_from + flow) for flow in range(FLOWS)], are_secret=False)
    labels = struct.unpack(f"!{FLOWS}I", randomness(4 * FLOWS))
    return Identities(probes, [label & 0xFFFFF or 1 for label in labels])


def open_codec(
    source: str,
    destination: str,
    source_port_base: int,
    *,
    mtu: int = 1500,
    tos: int = 0,
    has_fixed_labels: bool = False,
    randomness: Callable[[int], bytes] = os.urandom,
    identities: Identities | None = None,
) -> Ipv4Codec | Ipv6Codec:
    """The codec for a trace from ``source`` to ``destination`` (addresses; an IPv6 scope is not sent).

    Flow f has source port ``source_port_base`` + f. The MSS option follows from ``mtu`` (bytes) of the route.
    ``tos`` is the TOS byte, the traffic class of IPv6. ``identities`` are those shared with other codecs;
    without them ``new_identities`` makes some, from ``randomness``, and ``has_fixed_labels`` from the source
    ports.
    """
    is_ipv6 = ":" in destination
    build = ipv6_template if is_ipv6 else ipv4_template
    templates = {
        kind: build(source, destination, mtu, wire_kind.segment, tos)
        for kind, wire_kind in WIRE_KINDS.items()
    }
    fixed_from = source_port_base if has_fixed_labels else None
    probes, labels, are_secret = identities or new_identities(6 if is_ipv6 else 4, randomness, fixed_from)
    if not is_ipv6:
        return Ipv4Codec(source, destination, source_port_base, templates, probes, tos)
    return Ipv6Codec(
        source, destination, source_port_base, templates, probes, tos, labels, are_secret=are_secret
    )


def label_of(source_port: int) -> int:
    """The flow label that every run gives ``source_port``: spread over all 20 bits (RFC 6437 section 3)."""
    return source_port * LABEL_STEP & 0xFFFFF or 1
