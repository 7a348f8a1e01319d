"""Names and origins of addresses, and addresses of names: the hosts file, then DNS.

The only package that knows DNS. ``open_lookups`` opens what looks addresses up in the background,
``resolving`` finds the address of a host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.model import AddressTexts
from tracetcp.model.texts import NO_ENTRIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetcp.names.lookups import AddressLookup


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
            names=self._names.found if self._names else NO_ENTRIES,
            origins=self._origins.found if self._origins else NO_ENTRIES,
        )

    def close(self) -> None:
        """Ask nothing more and give the descriptors back; may be repeated."""
        for lookup in self:
            lookup.close()


def open_lookups(*, names: bool = True, origins: bool = False) -> Lookups:
    """Look-ups of names (PTR records) and of origin ASes, as far as they are wanted; nothing is asked yet."""
    return Lookups(_open_names() if names else None, _open_origins() if origins else None)


def _open_names() -> AddressLookup:
    from tracetcp.names.lookups import ReverseNames

    return ReverseNames()


def _open_origins() -> AddressLookup:
    from tracetcp.names.origins import OriginNames

    return OriginNames()
