"""The probes that were sent, to be found by the fields that a reply returns.

Memory is bounded: only the last ``REMEMBERED_PROBES`` probes are kept. Knows no packet format.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

REMEMBERED_PROBES = 65_535
"""One probe for each IPv4 identification except 0: the identification is the slot."""
KIND_STEP = 1 << 16
"""A *source* is one number: the number of the probe's kind times this, plus the source port."""


class Sent(NamedTuple):
    """The fields that identify a sent probe; ``slot`` is 1 to 65535, ``kind`` the number of its kind."""

    slot: int
    token: int
    source_port: int
    destination_port: int
    ttl: int
    kind: int


class ProbeTable:
    """Probes by slot (1 to 65535, used in turn from ``first_slot`` on), by token, and by ports and TTL.

    Plain arrays: a scan of every port remembers each probe, and objects would take ten times the memory.
    Arrays of shorter numbers than "I" are slower to write (CPython parses each as an argument).
    """

    def __init__(self, first_slot: int) -> None:
        self._next = first_slot
        self._tokens = array("I", bytes(4 * (REMEMBERED_PROBES + 1)))
        self._sources = array("I", bytes(4 * (REMEMBERED_PROBES + 1)))
        self._destination_ports = array("I", bytes(4 * (REMEMBERED_PROBES + 1)))
        self._ttls = bytearray(REMEMBERED_PROBES + 1)
        self._slots: dict[int, int] = {}

    def add(self, token: int, source: int, destination_port: int, ttl: int) -> int:
        """Remember a probe, in place of the oldest if the table is full, and return its slot."""
        slot = self._next
        self._next = slot % REMEMBERED_PROBES + 1
        forgotten = self._tokens[slot]
        if self._slots.get(forgotten) == slot:
            del self._slots[forgotten]
        self._slots[token] = slot
        self._tokens[slot] = token
        self._sources[slot] = source
        self._destination_ports[slot] = destination_port
        self._ttls[slot] = ttl
        return slot

    def with_token(self, token: int) -> Sent | None:
        """The probe that carries ``token``, or None."""
        slot = self._slots.get(token)
        return None if slot is None else self._at(slot)

    def has(self, token: int, source: int, destination_port: int) -> bool:
        """Whether the probe that carries ``token`` has this source and destination port."""
        slot = self._slots.get(token)
        return (
            slot is not None
            and self._sources[slot] == source
            and self._destination_ports[slot] == destination_port
        )

    def with_slot(self, slot: int, source_port: int) -> Sent | None:
        """The probe in ``slot`` (0 to 65535) if its source port is ``source_port``, else None."""
        is_there = self._ttls[slot] and self._sources[slot] & 0xFFFF == source_port
        return self._at(slot) if is_there else None

    def newest(self, source_port: int, destination_port: int, ttl: int) -> Sent | None:
        """The newest probe with these ports and this TTL, or None.

        A linear search, for the rare quote with a rewritten sequence number; array.index runs at C speed.
        """
        slots = [
            slot
            for slot in self._slots_to(destination_port)
            if self._sources[slot] & 0xFFFF == source_port and self._ttls[slot] == ttl
        ]
        return self._at(max(slots, key=self._age_rank)) if slots and ttl else None

    def _at(self, slot: int) -> Sent:
        kind, source_port = divmod(self._sources[slot], KIND_STEP)
        return Sent(
            slot, self._tokens[slot], source_port, self._destination_ports[slot], self._ttls[slot], kind
        )

    def _age_rank(self, slot: int) -> int:
        return (slot - self._next) % REMEMBERED_PROBES

    def _slots_to(self, destination_port: int) -> Iterator[int]:
        slot = 0
        try:
            while True:
                slot = self._destination_ports.index(destination_port, slot + 1)
                yield slot
        except ValueError:
            return
