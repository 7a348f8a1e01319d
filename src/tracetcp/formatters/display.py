"""How the command line wants a run shown. A frozen value; imports next to nothing, for start-up time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tracetcp.config import Say


class Display(NamedTuple):
    """How traces are shown. ``precision`` is the number of decimals of an RTT in milliseconds.

    ``branches`` is the certainty in percent with which they are searched for, 0 where they are not.
    """

    condensed: bool = False
    numeric: bool = False
    precision: int = 0
    explain: bool = False
    compare: bool = False
    json: bool = False
    asn: bool = False
    pcap: str | None = None
    mtu: bool = False
    metrics: str | None = None
    say: Say | None = None
    report: bool = False
    idle: tuple[int, ...] = ()
    branches: int = 0
    picture: str | None = None
