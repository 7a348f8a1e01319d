"""Cells at tab stops, written as spaces: the same text as the original's tabs after ``expand``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracetcp.model import AddressTexts, Ping

TAB_STOP = 8
LOST_CELL = "*"


def columns(cells: Iterable[str], prefix: str = "") -> str:
    """``prefix``, then each cell at the next tab stop of the line; nothing trails the last cell."""
    rest = iter(cells)
    line = prefix + next(rest, "")
    for cell in rest:
        line = line.ljust((len(line) // TAB_STOP + 1) * TAB_STOP) + cell
    return line + "\n"


def milliseconds(rtt: float, precision: int) -> str:
    """``rtt`` (seconds) as ``N ms`` with ``precision`` decimals."""
    return f"{rtt * 1000:.{precision}f} ms"


def ping_cell(ping: Ping, precision: int) -> str:
    """The cell of one ping."""
    return LOST_CELL if ping.rtt is None else milliseconds(ping.rtt, precision)


def address_cells(address: str, texts: AddressTexts) -> list[str]:
    """``address`` and its ``texts`` in brackets."""
    return [address, *(f"[{text}]" for text in texts.of(address))]
