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
    lines = parse_hosts(_read())
    return [address for address, names in lines if wanted in (name.lower() for name in names)]


def names_of_addresses() -> dict[str, str]:
    """The first name of each address in the hosts file."""
    names: dict[str, str] = {}
    for address, aliases in parse_hosts(_read()):
        names.setdefault(address, aliases[0])
    return names


def parse_hosts(text: str) -> Iterator[tuple[str, list[str]]]:
    """The address and the names of each line; skips a line without both, as the system does."""
    for line in text.split("\n"):
        first, *names = line.partition("#")[0].split() or [""]
        address = usual_text(first)
        if address is not None and names:
            yield address, [name.removesuffix(".") for name in names]


def _read() -> str:
    try:
        return HOSTS_FILE.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
