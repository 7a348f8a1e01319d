"""Puts cells at tab stops, with spaces: the same text as the original's tabs after ``expand``. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracetcp.model import AddressTexts, Ping

TAB_STOP = 8
LOST_CELL = "*"


def columns(cells: Iterable[str], prefix: str = "") -> str:
    """A line: ``prefix``, then ``cells``, each after the first at the next tab stop; no trailing spaces."""
    rest = iter(cells)
    line = prefix + next(rest, "")
    for cell in rest:
        line = line.ljust((len(line) // TAB_STOP + 1) * TAB_STOP) + cell
    return line + "\n"


def milliseconds(rtt: float, precision: int) -> str:
    """``rtt`` (seconds) as ``N ms`` with ``precision`` decimals."""
    return f"{rtt * 1000:.{precision}f} ms"


def ping_cell(ping: Ping, precision: int) -> str:
    """The cell of one ping: its RTT, or a star if it was lost."""
    return LOST_CELL if ping.rtt is None else milliseconds(ping.rtt, precision)


def address_cells(address: str, texts: AddressTexts) -> list[str]:
    """The cells of ``address``: itself, then each of its texts in brackets."""
    return [address, *(f"[{text}]" for text in texts.of(address))]
