"""The hosts file and numeric addresses: names that need no query.

Reads one file; knows no DNS and sends nothing. Addresses are compared in their usual text (RFC 5952).
"""

from __future__ import annotations

import os
import re
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tracetcp.addresses import usual_text
from tracetcp.errors import FamilyMismatch

if TYPE_CHECKING:
    from collections.abc import Iterator

_WINDOWS = Path(os.environ.get("SYSTEMROOT", "C:\\Windows"), "System32", "drivers", "etc", "hosts")
HOSTS_FILE = _WINDOWS if os.name == "nt" else Path("/etc/hosts")
MOST_READ = 1 << 20
"""Bytes of the hosts file that are looked through for the names of routers, before the first probe leaves. A
longer one is a block list, whose addresses are no router's.
"""
LONGEST_LINE = 1 << 16
_OLD_NUMERIC = re.compile(r"[0-9][0-9a-fA-FxX.]*")


def numeric_address(host: str) -> str | None:
    """``host`` in its usual text if it is an address; None if it is a name.

    The old ways to write IPv4, such as ``127.1`` or ``0x7f.1``, mean what they mean to ``getaddrinfo`` and
    therefore to traceroute; the dotted quad in the output shows how they were read. Sends nothing.
    """
    if (text := usual_text(host)) is not None:
        return text
    with suppress(OSError, UnicodeError):  # the codec raises for an empty label, as in '0..'
        if _OLD_NUMERIC.fullmatch(host):
            found = socket.getaddrinfo(host, None, socket.AF_INET, flags=socket.AI_NUMERICHOST)
            return str(found[0][4][0])
    return None


def resolve_numeric(host: str, family: int | None) -> str | None:
    """Like ``numeric_address``; raises ``FamilyMismatch`` if the address is not of ``family`` (4 or 6)."""
    address = numeric_address(host)
    if address is not None and family not in (None, 6 if ":" in address else 4):
        raise FamilyMismatch(f"{host} is an IPv{10 - (family or 0)} address: leave out -{family}")
    return address


def addresses_of(host: str) -> list[str]:
    """The addresses of ``host`` in the hosts file, of both families, in the file's order."""
    wanted = host.removesuffix(".").lower()
    needle = wanted.encode() if wanted.isascii() else b""
    lines = (line for line in _lines() if needle in line.lower() or not line.isascii())
    found = (entry for line in lines for entry in parse_hosts(_text(line)))
    return [address for address, names in found if wanted in (name.lower() for name in names)]


def names_of_addresses() -> dict[str, str]:
    """The first name that the hosts file gives each of its addresses, as far as ``MOST_READ``."""
    try:
        with HOSTS_FILE.open("rb") as file:
            raw = file.read(MOST_READ)
    except OSError:
        return {}
    if len(raw) == MOST_READ:
        raw = raw.rpartition(b"\n")[0]  # the last line may be cut
    names: dict[str, str] = {}
    for address, aliases in parse_hosts(_text(raw)):
        names.setdefault(address, aliases[0])
    return names


def parse_hosts(text: str) -> Iterator[tuple[str, list[str]]]:
    """The address and the names of each line; lines without either are passed over, as the system does."""
    usual: dict[str, str | None] = {}  # block lists have one address on every line
    for line in text.split("\n"):
        first, *names = line.partition("#")[0].split() or [""]
        if not names:
            continue
        if first not in usual:
            usual[first] = usual_text(first)
        address = usual[first]
        if address is not None:
            yield address, [name.removesuffix(".") for name in names]


def _lines() -> Iterator[bytes]:
    """The lines of the hosts file, each up to ``LONGEST_LINE``."""
    with suppress(OSError), HOSTS_FILE.open("rb") as file:
        is_rest = False
        while line := file.readline(LONGEST_LINE):
            if not is_rest:
                yield line
            is_rest = not line.endswith(b"\n")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
