"""``TraceConfig``: what to trace, validated on construction. Knows nothing of argv, sockets or output."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracetcp.errors import UsageError
from tracetcp.late_imports import LateModule, standing_in
from tracetcp.limits import (
    LAST_PATH_TTL,
    LAST_TTL,
    MARKS,
    MAX_HOPS,
    PINGS,
    PORTS,
    SOURCE_PORTS,
    START_HOPS,
    TIMEOUTS,
    TOS,
    require,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

with standing_in({"inspect": LateModule("inspect")}):  # Python 3.11 needs it for no class of ours
    from dataclasses import dataclass


class Watch(NamedTuple):
    """How a port is watched (``--watch``).

    ``interval`` seconds pass from one question to the next; after ``intervals`` of them the watch ends, never
    if that is None. Every ``heartbeat`` seconds it is told that all is as it was, if that is not None.
    """

    interval: float
    intervals: int | None = None
    heartbeat: float | None = None


class Say(NamedTuple):
    """What to say over connections to a host (``--say``).

    ``protocol`` is ``tls``, ``http`` or ``file``; ``name`` is asked for, empty for that of the host; or it is
    the path of the file. ``versus`` is the harmless name that ``name`` is compared with.
    """

    protocol: str
    name: str = ""
    versus: str = "example.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceConfig:
    """One run: a host, its ports, and how to probe.

    ``timeout`` is in seconds. ``family`` is 4, 6 or None for the first address that the resolver returns.
    ``ports`` may be a ``range``, so that a scan of every port costs no memory here. ``source_port`` is the
    first of the 1024 ports that the probes may leave from, None for any that are free. ``tos`` is the TOS
    byte (traffic class) of what is sent, ``mark`` the firewall mark that this machine gives the probes
    (Linux, root), None for none.
    Raises ``UsageError`` for a value outside its range.
    """

    host: str
    ports: Sequence[int] = (80,)
    start_hop: int = 1
    max_hops: int = 30
    pings: int = 3
    timeout: float = 4.0
    anti_flood: bool = True
    family: int | None = None
    interface: str | None = None
    gateway: str | None = None
    raw_only: bool = False
    source_port: int | None = None
    tos: int = 0
    mark: int | None = None

    def __post_init__(self) -> None:
        if not self.host:
            raise UsageError("the host is empty: give a name or an address")
        if not self.ports:
            raise UsageError("no port to trace: give a number from 0 to 65535 or a service name")
        for port in self.ports if not isinstance(self.ports, range) else (self.ports[0], self.ports[-1]):
            require(port, PORTS, "port")
        require(self.start_hop, START_HOPS, "start hop")
        require(self.max_hops, MAX_HOPS, "number of hops")
        require(self.pings, PINGS, "number of pings")
        require(round(self.timeout * 1000), TIMEOUTS, "timeout")
        if self.source_port is not None:
            require(self.source_port, SOURCE_PORTS, "source port")
        require(self.tos, TOS, "TOS byte")
        if self.mark is not None:
            require(self.mark, MARKS, "mark")
        if self.family not in (None, 4, 6):
            raise UsageError(f"address family {self.family} does not exist: use 4 or 6")

    @property
    def last_ttl(self) -> int:
        """The largest TTL that a row may have: ``max_hops`` counts from the start hop, limited to 255."""
        return min(self.start_hop + self.max_hops - 1, LAST_TTL)

    @property
    def is_scan(self) -> bool:
        """Whether this is the documented port scan: a single TTL beyond any path."""
        return self.start_hop > LAST_PATH_TTL and self.start_hop == self.last_ttl
