"""Names and origins of addresses, and addresses of names: the hosts file, then DNS.

The only package that knows DNS. ``open_lookups`` starts look-ups in the background; ``resolving`` finds the
address of a host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.model import AddressTexts
from tracetcp.model.texts import NO_ENTRIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetcp.names.lookups import AddressLookup


class Lookups:
    """The look-ups of one run, for names and for origins; iterates over those in use."""

    def __init__(self, names: AddressLookup | None = None, origins: AddressLookup | None = None) -> None:
        self._names = names
        self._origins = origins

    def __iter__(self) -> Iterator[AddressLookup]:
        return (lookup for lookup in (self._names, self._origins) if lookup is not None)

    @property
    def texts(self) -> AddressTexts:
        """The names and origins known by now; cheap if nothing was found since the last call."""
        return AddressTexts(
            names=self._names.found if self._names else NO_ENTRIES,
            origins=self._origins.found if self._origins else NO_ENTRIES,
        )

    def close(self) -> None:
        """Stop asking and close the descriptors; safe to call twice."""
        for lookup in self:
            lookup.close()


def open_lookups(*, names: bool = True, origins: bool = False) -> Lookups:
    """The look-ups of ``names`` (PTR records) and of ``origins`` (ASes), as requested; sends no query yet."""
    return Lookups(_open_names() if names else None, _open_origins() if origins else None)


def _open_names() -> AddressLookup:
    from tracetcp.names.lookups import ReverseNames

    return ReverseNames()


def _open_origins() -> AddressLookup:
    from tracetcp.names.origins import OriginNames

    return OriginNames()
