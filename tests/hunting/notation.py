"""A scenario's table as the TOML of a scenario file. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from internet.tables import Values


def toml(table: Values) -> str:
    """The file of ``table``: plain keys first, then a section for each table and for each of a list."""
    lines = [f"{key} = {_value(value)}" for key, value in table.items() if not _is_section(value)]
    for key, value in table.items():
        if _is_section(value):
            lines += _sections(key, value)
    return "\n".join(lines) + "\n"


def _is_section(value: object) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))


def _sections(key: str, value: Any) -> list[str]:
    tables, brackets = (value, f"[[{key}]]") if isinstance(value, list) else ([value], f"[{key}]")
    lines: list[str] = []
    for table in tables:
        lines += ["", brackets, *(f"{name} = {_value(inner)}" for name, inner in table.items())]
    return lines


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value)
