"""Reads tables (of TOML or Python) key by key, with clear errors. Pure: knows no network and no file."""

from __future__ import annotations

from ipaddress import ip_address
from math import inf
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

Values: TypeAlias = dict[str, Any]
"""A table as ``tomllib`` reads it: strings, numbers, lists and tables."""

EVERY_PORT = frozenset(range(65_536))


class ScenarioError(ValueError):
    """An invalid scenario: says where, what is written there, and what is allowed."""


class Table:
    """One table, read key by key; ``finish()`` refuses keys that were not read.

    ``where`` names the table in messages, ``values`` is its content. Every method raises ``ScenarioError``
    for an invalid value and returns ``default`` for a missing one.
    """

    def __init__(self, values: object, where: str) -> None:
        if not isinstance(values, dict):
            raise ScenarioError(f"{where}: {values!r} is not a table")
        self.where = where
        self.values: Values = values
        self._known: set[str] = set()

    def value(self, key: str) -> object:
        """The value of ``key``, None if it is missing."""
        self._known.add(key)
        return self.values.get(key)

    def number(self, key: str, default: float, low: float = 0, high: float = inf) -> float:
        """A number from ``low`` to ``high``."""
        value = self.value(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise self.wrong(key, f"a number from {low} to {high}")
        return value

    def whole(self, key: str, default: int, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``."""
        value = self.value(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.wrong(key, f"a whole number from {low} to {high}")
        return value

    def milliseconds(self, key: str, default: float) -> float:
        """A duration written in milliseconds; ``default`` and the result are in seconds."""
        return self.number(key, default * 1000) / 1000

    def flag(self, key: str) -> bool:
        """True or false; false by default."""
        value = self.value(key)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return bool(value)

    def text(self, key: str, default: str = "") -> str:
        """Any text."""
        value = self.value(key)
        if value is not None and not isinstance(value, str):
            raise self.wrong(key, "a text")
        return default if value is None else str(value)

    def choice(self, key: str, choices: Iterable[str]) -> str:
        """One of ``choices``; the first is the default."""
        allowed = list(choices)
        value = self.value(key)
        if value is not None and value not in allowed:
            raise self.wrong(key, "one of " + ", ".join(allowed))
        return allowed[0] if value is None else str(value)

    def address(self, key: str, default: str, version: int) -> str:
        """An address of IP ``version``, in its usual spelling."""
        text = self.text(key, default)
        try:
            address = ip_address(text)
        except ValueError:
            raise self.wrong(key, f"an IPv{version} address") from None
        if address.version != version:
            raise self.wrong(key, f"an IPv{version} address")
        return str(address)

    def ports(self, key: str, default: frozenset[int]) -> frozenset[int]:
        """Ports: a number, ``"80,8000-8010"``, ``"all"`` or a list of those."""
        value = self.value(key)
        if value is None:
            return default
        try:
            return read_ports(value)
        except ValueError:
            raise self.wrong(key, 'ports such as 80, "80,8000-8010" or "all"') from None

    def several(self, key: str) -> list[object]:
        """A list; a single value means a list of one; empty by default."""
        value = self.value(key)
        if value is None:
            return []
        return value if isinstance(value, list) else [value]

    def table(self, key: str) -> Table | None:
        """A table within this one."""
        value = self.value(key)
        return None if value is None else Table(value, f"{self.where}, {key}")

    def tables(self, key: str) -> list[Table]:
        """A list of tables; a single table means a list of one."""
        return [
            Table(value, f"{self.where}, {key} {number}") for number, value in enumerate(self.several(key), 1)
        ]

    def below(self, own: object, defaults: Table, label: str) -> Table:
        """A table with the keys of ``own``; keys missing there come from this one, then from ``defaults``."""
        where = f"{self.where}, {label}"
        return Table(defaults.values | self.values | Table(own, where).values, where)

    def finish(self) -> None:
        """Raise ``ScenarioError`` for a key that was not read."""
        for key in self.values:
            if key not in self._known:
                known = ", ".join(sorted(self._known))
                raise ScenarioError(f"{self.where}: nothing is called {key!r}; there are {known}")

    def wrong(self, key: str, expected: str) -> ScenarioError:
        """The error for the value of ``key``."""
        return ScenarioError(f"{self.where}: {key} = {self.values.get(key)!r} should be {expected}")


def read_ports(value: object) -> frozenset[int]:
    """The ports in ``value`` (see ``Table.ports``); raises ``ValueError`` for anything else."""
    if isinstance(value, list):
        return frozenset().union(*map(read_ports, value))
    if value == "all":
        return EVERY_PORT
    found: set[int] = set()
    for part in str(value).split(","):
        low, _, high = part.partition("-")
        found.update(range(int(low), int(high or low) + 1))
    if not found or not found <= EVERY_PORT:
        raise ValueError(value)
    return frozenset(found)
