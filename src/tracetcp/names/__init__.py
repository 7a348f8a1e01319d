"""Names and origins of addresses, and addresses of names: the hosts file, then DNS.

The only package that knows DNS. ``open_lookups`` opens what looks addresses up in the background,
``resolving`` finds the address of a host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.descriptors import room_for
from tracetcp.model import AddressTexts
from tracetcp.model.texts import NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tracetcp.names.lookups import AddressLookup

OWN_DESCRIPTORS = 2
"""A kind of look-up has a pair of sockets to tell by."""
RESERVE = 4
"""Descriptors left to the runner's wait, a probe, and files being imported."""


class Lookups:
    """The look-ups of one run, by what they look for; iterates over those that there are."""

    def __init__(self, names: AddressLookup | None = None, origins: AddressLookup | None = None) -> None:
        self._names = names
        self._origins = origins

    def __iter__(self) -> Iterator[AddressLookup]:
        return (lookup for lookup in (self._names, self._origins) if lookup is not None)

    @property
    def texts(self) -> AddressTexts:
        """What is known by now; costs next to nothing where that is no more than the last time."""
        return AddressTexts(
            names=self._names.found if self._names else NOTHING,
            origins=self._origins.found if self._origins else NOTHING,
        )

    def close(self) -> None:
        """Ask nothing more and give the descriptors back; may be repeated."""
        for lookup in self:
            lookup.close()


def open_lookups(
    *, names: bool = True, origins: bool = False, warn: Callable[[str], None] = lambda _: None
) -> Lookups:
    """Look-ups of names (PTR records) and of origin ASes, as far as they are wanted; nothing is asked yet.

    ``warn`` is told in a sentence that this process may open too few files for all of them.
    """
    wanted = [kind for kind, is_wanted in (("name", names), ("AS", origins)) if is_wanted]
    kinds, workers = _fitting(wanted)
    if left_out := " or ".join(wanted[len(kinds) :]):
        warn(f"no {left_out} is looked up, for this process may open too few files: raise 'ulimit -n'")
    return Lookups(
        _open_names(workers) if "name" in kinds else None, _open_origins(workers) if "AS" in kinds else None
    )


def _fitting(kinds: list[str]) -> tuple[list[str], int]:
    """The first of ``kinds`` that there are descriptors for, and the workers that each may have."""
    if not kinds:
        return [], 0
    from tracetcp.names.lookups import WORKERS

    room = room_for(len(kinds) * (OWN_DESCRIPTORS + WORKERS), RESERVE)
    workers = room // len(kinds) - OWN_DESCRIPTORS
    return (kinds, workers) if workers > 0 else _fitting(kinds[:-1])


def _open_names(workers: int) -> AddressLookup:
    from tracetcp.names.lookups import ReverseNames

    return ReverseNames(workers=workers)


def _open_origins(workers: int) -> AddressLookup:
    from tracetcp.names.origins import OriginNames

    return OriginNames(workers=workers)
