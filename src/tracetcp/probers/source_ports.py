"""The source ports of a run: a block that no local program uses; nor, if we choose it, is assigned.

Reads the kernel's port range and socket tables under /proc; binds TCP sockets, which sends nothing.
"""

from __future__ import annotations

import errno
import socket
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING

from tracetcp.descriptors import room_for
from tracetcp.errors import ProberError

if TYPE_CHECKING:
    from tracetcp.probers.routes import Route

EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
SOCKET_TABLES = {4: Path("/proc/net/tcp"), 6: Path("/proc/net/tcp6")}
"""The sockets of each family. Only one table is read, because reading takes 5 ms. A listener on ``[::]`` also
gets packets to our ports, but answers them only with the RST that closes the half-open connection.
"""
LOWEST_PORT = 10_000
"""Servers often use ports below this."""
HELD_PORTS = 16
"""The first ports of a block, which a default trace and its retries use, are held with bound sockets.

So is every 16th port behind them: the block of another trace cannot overlap ours, which no table of
/proc would show. More would use up the file descriptors of a process; where it may have fewer, fewer are
held, one at least.
"""
BLOCK_TRIES = 50


def take_block(route: Route, count: int, first: int | None = None) -> tuple[int, list[socket.socket]]:
    """The first port of a free block of ``count``, and the sockets that hold it: at ``first``, or at random.

    Where there is room, the block lies outside the range from which the kernel assigns ports to programs.
    A socket that is bound but does not listen gets no packets: the kernel answers a SYN-ACK to its port with
    the RST that closes the half-open connection. Raises ``ProberError`` if no block is free, or not that one.
    """
    if first is not None:
        return first, hold_block(route, first, count)
    used = _ports_in_use(SOCKET_TABLES[route.family])
    starts = _starts(_ephemeral_range(), count)
    for _ in range(BLOCK_TRIES):
        first = SystemRandom().choice(starts)
        if used.isdisjoint(range(first, first + count)) and (held := _hold(route, first, count)):
            return first, held
    raise ProberError(f"no {count} free source ports in a row: close some connections and try again")


def hold_block(route: Route, first: int, count: int, *, is_shared: bool = False) -> list[socket.socket]:
    """The sockets that hold the block of ``count`` ports from ``first`` on.

    ``is_shared`` leaves the ports to sockets that are set to share them (SO_REUSEADDR), as those that connect
    are. Raises ``ProberError`` if the block is taken.
    """
    taken = sorted(_ports_in_use(SOCKET_TABLES[route.family]).intersection(range(first, first + count)))
    held = [] if taken else _hold(route, first, count, is_shared=is_shared)
    if held:
        return held
    which = f"source port {taken[0]} is" if taken else f"source ports from {first} on are"
    ephemeral = _ephemeral_range()
    raise ProberError(
        f"{which} taken, and the run needs {first} to {first + count - 1}: choose another --source-port, "
        f"best outside {ephemeral[0]} to {ephemeral[-1]}, where programs are given theirs"
    )


def _starts(ephemeral: range, count: int) -> list[int]:
    """Where a block may start: outside ``ephemeral``, or anywhere if that leaves no room."""
    last = 65_536 - count
    below = range(LOWEST_PORT, min(ephemeral.start - count, last) + 1)
    above = range(max(ephemeral.stop, LOWEST_PORT), last + 1)
    return [*below, *above] or list(range(LOWEST_PORT, last + 1))


def _hold(route: Route, first: int, count: int, *, is_shared: bool = False) -> list[socket.socket]:
    """Sockets bound to ports of the block from ``first`` on; none if one of these ports is taken."""
    held: list[socket.socket] = []
    ports = (*range(first, first + HELD_PORTS), *range(first + 2 * HELD_PORTS - 1, first + count, HELD_PORTS))
    share = 2 if is_shared else 1  # half of what may be open is for the sockets that connect
    room = room_for(share * len(ports)) // share
    for port in ports[: max(1, room)]:
        holder = socket.socket(route.socket_family, socket.SOCK_STREAM)
        held.append(holder)
        if route.family == 6:  # the block of IPv4 is another's, and may be ours
            holder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            holder.bind(route.source_at(port))
            if is_shared:  # not before: another run that holds the port would share it too
                holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        except OSError as error:
            for taken in held:
                taken.close()
            if error.errno == errno.EADDRINUSE:
                return []
            raise
    return held


def _ephemeral_range() -> range:
    low, high = map(int, EPHEMERAL_RANGE.read_text().split())
    return range(low, high + 1)


def _ports_in_use(table: Path) -> set[int]:
    """The local ports of every TCP socket in ``table``: those of this network namespace."""
    lines = table.read_text().splitlines()[1:]
    return {int(line.split()[1].rpartition(":")[2], 16) for line in lines}
