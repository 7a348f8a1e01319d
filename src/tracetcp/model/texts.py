"""What is known about addresses: their names and their origins. Frozen values."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_ENTRIES: Mapping[str, str] = MappingProxyType({})
"""The mapping in which no address has a text."""


class AddressTexts(NamedTuple):
    """The texts shown in brackets after an address: its name, and its origin AS (``AS64500``).

    Both fields map addresses to text. Neither ever grows; a text found later is in a later value.
    """

    names: Mapping[str, str] = NO_ENTRIES
    origins: Mapping[str, str] = NO_ENTRIES

    def of(self, address: str) -> list[str]:
        """The texts of ``address``, in the order in which a row shows them."""
        return [known[address] for known in (self.names, self.origins) if address in known]


NO_TEXTS = AddressTexts()
