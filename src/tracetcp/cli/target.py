"""Parses the target: ``host``, ``host:ports``, ``[v6]:ports`` or a URL. Looks up service names, no host."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from tracetcp.errors import UsageError
from tracetcp.limits import PORTS, require, whole_number

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_PORT = 80
_RANGE = re.compile(r"([0-9]+)-([0-9]+)")
_PORT_FORMS = "use numbers from 0 to 65535, ranges like 8000-8010, or service names like https"


class Target(NamedTuple):
    """A host and the ports written after it, in the order written, each once."""

    host: str
    ports: Sequence[int]


def parse_target(text: str) -> Target:
    """Parse a target; raises ``UsageError`` if ``text`` is none."""
    if "://" in text:
        return _parse_url(text)
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise UsageError(f"target {text!r} is not of the form [address]:port")
        return Target(_ipv6(host), parse_ports(rest[1:]) if rest else (DEFAULT_PORT,))
    if text.count(":") > 1:
        return Target(_ipv6(text), (DEFAULT_PORT,))
    host, colon, ports = text.partition(":")
    if not host:
        raise UsageError(f"target {text!r} has no host: give a name or an address")
    return Target(host, parse_ports(ports) if colon else (DEFAULT_PORT,))


def parse_ports(text: str) -> Sequence[int]:
    """The ports in ``22,80,8000-8010,https``; a lone range stays a ``range``, so a scan needs no memory."""
    items = [_parse_item(item) for item in text.split(",")]
    if len(items) == 1:
        return items[0]
    return tuple(dict.fromkeys(port for item in items for port in item))


def port_range(first: int, last: int) -> range:
    """The ports from ``first`` to ``last``, both included."""
    require(first, PORTS, "port")
    require(last, PORTS, "port")
    if first > last:
        raise UsageError(f"port range {first} to {last} runs backwards: give the smaller port first")
    return range(first, last + 1)


def _parse_item(item: str) -> Sequence[int]:
    if not item:
        raise UsageError(f"a port is missing: {_PORT_FORMS}")
    number = whole_number(item)
    if number is not None:
        return (require(number, PORTS, "port"),)
    if (bounds := _RANGE.fullmatch(item)) and len(item) <= 19:
        return port_range(int(bounds[1]), int(bounds[2]))
    return (_service(item),)


def _service(name: str) -> int:
    import socket

    try:
        return socket.getservbyname(name, "tcp")
    except (OSError, ValueError):
        raise UsageError(f"port {name!r} is neither a number nor a known service: {_PORT_FORMS}") from None


def _parse_url(text: str) -> Target:
    from urllib.parse import urlsplit

    try:
        url = urlsplit(text)
        port = url.port
    except ValueError as error:
        raise UsageError(f"URL {text!r} cannot be read ({error}): write scheme://host:port/") from None
    if not url.hostname:
        raise UsageError(f"URL {text!r} has no host: write scheme://host:port/")
    host = url.hostname.replace("%25", "%") if ":" in url.hostname else url.hostname
    return Target(host, (port,) if port is not None else (_service(url.scheme),))


def _ipv6(text: str) -> str:
    import socket

    try:
        socket.inet_pton(socket.AF_INET6, text.partition("%")[0])
    except (OSError, ValueError):
        raise UsageError(
            f"host {text!r} is no IPv6 address: write host:port, host:port,port or [address]:port"
        ) from None
    return text
