"""What is known of addresses beyond the addresses: their names and their origins. Frozen values."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_ENTRIES: Mapping[str, str] = MappingProxyType({})
"""No address has a text."""


class AddressTexts(NamedTuple):
    """What stands in brackets behind an address: its name, and its origin AS (``AS64500``).

    Both map addresses to text, and neither grows: what is found later stands in a later value.
    """

    names: Mapping[str, str] = NO_ENTRIES
    origins: Mapping[str, str] = NO_ENTRIES

    def of(self, address: str) -> list[str]:
        """The texts of ``address``, in the order of a row."""
        return [known[address] for known in (self.names, self.origins) if address in known]


NO_TEXTS = AddressTexts()
