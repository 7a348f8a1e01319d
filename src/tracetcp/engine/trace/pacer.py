"""Pacing of one router: when the next probe may leave for it. Knows instants only.

Routers limit the ICMP errors they send, so probes are spaced per router, not globally (the pacing of RFC 9002
section 7.7, applied to the packets that expire at a router).

R1. At most ``BURST_PROBES`` probes leave within ``BURST_SECONDS``,
R2. and at most ``SUSTAINED_PROBES`` within ``SUSTAINED_SECONDS``.
R3. A router that was seen to limit its answers is sent one probe every ``LIMITED_INTERVAL`` seconds.

A ``speed`` divides these spans: several targets share routers, which may have shown that they answer more.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

BURST_PROBES = 3
"""Probes that may reach one router within ``BURST_SECONDS``: the pings of one default trace."""
BURST_SECONDS = 0.105
"""A little over a tenth, so that a late clock reading cannot squeeze a fourth probe in."""
SUSTAINED_PROBES = 20
"""Probes that may reach one router within ``SUSTAINED_SECONDS``."""
SUSTAINED_SECONDS = 1.01
LIMITED_INTERVAL = 1.05
"""Seconds between probes to a limited router: Linux earns one ICMP error a second (icmp_ratelimit)."""


def next_send_at(sent: Sequence[float], count: int = 1, *, is_limited: bool = False, speed: int = 1) -> float:
    """The instant from which ``count`` probes may leave back to back (``count`` <= ``BURST_PROBES``).

    ``sent`` are the instants at which probes left for the router, ascending: the last ``SUSTAINED_PROBES`` of
    them at least, or all.
    """
    if is_limited:  # R3
        return sent[-1] + LIMITED_INTERVAL if sent else -inf
    next_at = -inf
    if len(sent) > BURST_PROBES - count:  # R1
        next_at = sent[count - BURST_PROBES - 1] + BURST_SECONDS / speed
    if len(sent) > SUSTAINED_PROBES - count:  # R2
        next_at = max(next_at, sent[count - SUSTAINED_PROBES - 1] + SUSTAINED_SECONDS / speed)
    return next_at
