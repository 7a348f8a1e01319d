"""Quotes that differ from what was sent where it was to be known by: which of them count.

NATs and firewalls rewrite packets, and routers behind them quote what they saw: another port, address or
sequence number. A forged packet may look the same. But rewriting is systematic and a forged packet is not, so
a loose quote counts once another quote of the run bears it out:

R1. one of another probe by the same sender at the same TTL, with the same fields changed; or
R2. one of another probe by another sender, at most ``AROUND`` TTLs away, changed in the same way: to equal
    values, or by an equal difference. A source port is compared by its difference: on one flow that is its
    value, and a NAT gives each flow its own.
R3. Neither counts for a sender whose loose quotes come from TTLs that are ``ASTRAY`` apart or more: a router
    answers at its own, and branches of load sharing differ by one hop or two.

Pure values; bounded memory, whatever a network sends.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tracetcp.model import Probe, Quote, Reply

AROUND = 4
"""TTLs between two hops that bear each other out, at most: a few silent ones may lie between."""
ASTRAY = 3
REMEMBERED = 256
"""Loose quotes remembered: those of a whole path and all its retries."""


class _Witness(NamedTuple):
    probe: Probe
    sender: str
    quote: Quote


class LooseQuotes:
    """The loose quotes that a run has seen."""

    def __init__(self) -> None:
        self.count = 0
        """Loose quotes seen; whether one counts changes only with it."""
        self._seen: deque[_Witness] = deque(maxlen=REMEMBERED)

    def add(self, probe: Probe, reply: Reply) -> None:
        """Remember a loose quote in a reply to ``probe``."""
        assert reply.quote is not None, "a reply without a quote is none that is loose"
        self.count += 1
        self._seen.append(_Witness(probe, reply.sender, reply.quote))

    def bear_out(self, probe: Probe, reply: Reply) -> bool:
        """Whether the others bear out the loose quote in ``reply`` to ``probe``."""
        assert reply.quote is not None, "as above"
        asked = _Witness(probe, reply.sender, reply.quote)
        others = [other for other in self._seen if other.probe.token != probe.token]
        if self._is_astray(reply.sender):  # R3
            return False
        return any(
            _is_same_place(asked, other)  # R1
            or (  # R2
                _is_around(asked, other)
                and _is_changed_alike(asked, other)
                and not self._is_astray(other.sender)
            )
            for other in others
        )

    def _is_astray(self, sender: str) -> bool:
        ttls = [witness.probe.ttl for witness in self._seen if witness.sender == sender]
        return max(ttls) - min(ttls) >= ASTRAY


def _is_same_place(one: _Witness, other: _Witness) -> bool:
    is_one_place = (one.sender, one.probe.ttl) == (other.sender, other.probe.ttl)
    return is_one_place and one.quote.identity_changed == other.quote.identity_changed


def _is_around(one: _Witness, other: _Witness) -> bool:
    return one.sender != other.sender and 0 < abs(one.probe.ttl - other.probe.ttl) <= AROUND


def _is_changed_alike(one: _Witness, other: _Witness) -> bool:
    changed = one.quote.identity_changed
    return changed == other.quote.identity_changed and all(_SAME[field](one, other) for field in changed)


def _same_source_port(one: _Witness, other: _Witness) -> bool:
    apart = (one.quote.source_port - other.quote.source_port) & 0xFFFF
    return apart == (one.probe.flow - other.probe.flow) & 0xFFFF


def _same_destination(one: _Witness, other: _Witness) -> bool:
    return one.quote.destination == other.quote.destination


def _same_destination_port(one: _Witness, other: _Witness) -> bool:
    now, then = one.quote.destination_port - other.quote.destination_port, one.probe.port - other.probe.port
    return now in (0, then)


def _same_sequence(one: _Witness, other: _Witness) -> bool:
    apart = one.quote.sequence - other.quote.sequence
    return apart & 0xFFFFFFFF == (one.probe.token - other.probe.token) & 0xFFFFFFFF


_SAME = {  # by the names of IDENTITY_FIELDS
    "source port": _same_source_port,
    "destination address": _same_destination,
    "destination port": _same_destination_port,
    "sequence number": _same_sequence,
}
