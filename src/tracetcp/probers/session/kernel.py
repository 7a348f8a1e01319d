"""Probing over connections of this machine's own kernel (Linux); needs no privilege.

A connected socket sends with the TTL that is set on it, its retransmissions included. What the kernel tells
of such a segment, and how it must be asked (measured on Linux 6.18, sources cited from net/ipv4):

1. An ICMP error about an established connection is kept as a *soft* error: SO_ERROR returns it once, no
   descriptor wakes, the connection lives on, and the error queue stays empty (tcp_v4_err). So connections
   that were spoken over are looked at from time to time. IP_RECVERR would turn it into the end of the
   connection and is left alone. Neither the router's address nor the kind of error is told.
2. SO_ERROR is read before TCP_INFO. 'Fragmentation needed' lowers the path MTU, and the kernel at once sends
   smaller pieces with the same TTL, which may earn an error of their own. In this order an error that came
   of the pieces is never read without the path MTU that explains it.
3. The path MTU discovery is that of every connection (IP_PMTUDISC_WANT: with DF). IP_PMTUDISC_PROBE would
   clear DF on TCP (ip_dont_fragment in include/net/ip.h), and routers would cut what we want to see lost.
4. An end is told by SO_ERROR ahead of a soft error that came before it; a second question gives that one.
5. A connection ends so: TTL back to ``FULL_TTL``, SO_LINGER of no time, close. The RST then arrives. A plain
   close would send what was lost again, in full and to the end. Where bytes were lost the RST lies ahead of
   what the server expects; it sends a challenge ACK (RFC 5961 section 3), which the kernel answers with the
   exact RST.
"""

from __future__ import annotations

import errno
import select
import socket
import struct
import time
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from tracetcp.model.connection import (
    ENDS,
    FULL_TTL,
    IP_AND_TCP,
    TIMESTAMPS,
    Close,
    Connect,
    Heed,
    Report,
    Seen,
    Speak,
    State,
)
from tracetcp.probers.failures import CONNECT_REASONS, failure
from tracetcp.probers.routes import find_route, set_min_reply_ttl, set_ttl
from tracetcp.probers.session.contract import SessionProber
from tracetcp.probers.session.link import link_mtu
from tracetcp.probers.session.tcp_info import CLOSE, CLOSE_WAIT, ESTABLISHED, TcpInfo, read_tcp_info

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracetcp.config import TraceConfig
    from tracetcp.model import SendFailure
    from tracetcp.model.connection import Order
    from tracetcp.probers.session.ears import Ears, Overheard

RESET = struct.pack("@ii", 1, 0)
"""SO_LINGER for no time at all: close() sends RST."""
REMEMBERED = 1 << 14
"""Bytes of what was heard that are kept: more than a TLS server's whole first flight."""
READ_AT_ONCE = 1 << 16
LONGEST_PACKET = 65_535
"""Bytes; what the length field of IP holds."""
ENDED = {
    errno.ECONNREFUSED: State.REFUSED,
    errno.ECONNRESET: State.RESET,
    errno.EPIPE: State.RESET,
    errno.ETIMEDOUT: State.FAILED,
}
"""Errors that end a connection, if it is closed by then; a packet of it alone may be refused by ICMP."""
MTU_PROBING = Path("/proc/sys/net/ipv4/tcp_mtu_probing")
ALWAYS = b"2"
FIRST_LOOK = 0.0005
"""Seconds after speaking when a connection is looked at first: a router next door has answered by then."""
LOOK_AGAIN = 1.3
"""The next look comes when this many times as much has gone by: as late as an answer is long in coming."""
LONGEST_PAUSE = 0.1
"""Seconds between two looks at most."""
WATCHED = 10.0
"""Seconds for which it is looked at without being woken: longer than anybody waits for what wakes nobody."""
SYN = 1
"""The kernel counts the acknowledgement of our SYN as a byte."""


class KernelSessions(SessionProber):
    """A ``SessionProber`` of ordinary sockets, to one port, with ``ears`` where there are raw sockets.

    Raises what ``find_route`` raises. The ears are the caller's to close.
    """

    def __init__(self, config: TraceConfig, destination: str, port: int, ears: Ears | None = None) -> None:
        self._route = find_route(destination, config.interface, tos=config.tos)
        self._port = port
        self.destination, self.family = self._route.destination, self._route.family
        self.link_mtu = min(link_mtu(self._route) or self._route.mtu, LONGEST_PACKET)
        self.begins_small = _mtu_probing() == ALWAYS
        self._connections: dict[int, _Connection] = {}
        self._epoll = select.epoll()
        self._ears = ears
        if ears is not None:
            ears.listen()

    def clock(self) -> float:
        """See ``SessionProber``."""
        return time.monotonic()

    def act(self, order: Order) -> float | SendFailure:
        """See ``SessionProber``."""
        now = time.monotonic()
        try:
            match order:
                case Connect():
                    self._connect(order)
                case Heed():
                    self._connections[order.connection].heed(order.min_reply_ttl)
                case Speak():
                    self._connections[order.connection].speak(order, now)
                case Close():
                    self._drop(order.connection)
        except OSError as error:
            return failure(error.errno or 0, CONNECT_REASONS)
        return now

    def _connect(self, order: Connect) -> None:
        opened = socket.socket(self._route.socket_family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            self._prepare(opened, order)
            host, _, *scope = self._route.destination_address
            with suppress(BlockingIOError):
                opened.connect((host, self._port, *scope))
        except OSError:
            opened.close()
            raise
        has_ears = self._ears is not None
        self._connections[order.connection] = _Connection(order.connection, opened, has_ears=has_ears)
        self._epoll.register(opened, select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET)

    def _prepare(self, opened: socket.socket, order: Connect) -> None:
        set_ttl(opened, FULL_TTL)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if order.announced_mss is not None:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, order.announced_mss)
        if order.min_reply_ttl:
            set_min_reply_ttl(opened, order.min_reply_ttl)
        self._route.bind_device(opened)
        opened.bind(self._route.source_at(0))

    def descriptors(self) -> Sequence[int]:
        """See ``SessionProber``."""
        if self._epoll.closed:
            return ()
        return (self._epoll.fileno(), *(self._ears.descriptors() if self._ears is not None else ()))

    def drain(self) -> Sequence[Report]:
        """See ``SessionProber``."""
        if self._epoll.closed:
            return []
        self._epoll.poll(0)
        self._overhear()
        now = time.monotonic()
        reports = [connection.look(now) for connection in self._connections.values()]
        return [report for report in reports if report is not None]

    def _overhear(self) -> None:
        """Hand what the ears have heard to the connections that it is about."""
        if self._ears is None:
            return
        known = {connection.local_port: connection for connection in self._connections.values()}
        for overheard in self._ears.overheard():
            if overheard.local_port in known:
                known[overheard.local_port].overhear(overheard)

    def wake_at(self) -> float:
        """See ``SessionProber``: when the first connection is to be looked at."""
        return min((connection.looks_at for connection in self._connections.values()), default=inf)

    def close(self) -> None:
        """See ``SessionProber``."""
        for number in list(self._connections):
            self._drop(number)
        self._epoll.close()

    def _drop(self, number: int) -> None:
        connection = self._connections.pop(number, None)
        if connection is not None:
            connection.reset()


class _Connection:
    """One socket, what it has told so far, and when it is looked at next."""

    def __init__(self, number: int, connected: socket.socket, *, has_ears: bool = False) -> None:
        self.local_port: int = connected.getsockname()[1]
        self._seen = Seen() if has_ears else None
        self._number = number
        self._socket = connected
        self._state = State.OPENING
        self._errors = 0
        self._heard = b""
        self._told: Report | None = None
        self._spoken_at = 0.0
        self.looks_at = inf
        """When to look at it next though nothing has woken its descriptor."""

    def heed(self, min_reply_ttl: int) -> None:
        """Listen only to what comes with that TTL or more."""
        set_min_reply_ttl(self._socket, min_reply_ttl)

    def speak(self, order: Speak, now: float) -> None:
        """Send; what does not fit into the send buffer at once is not sent at all: it never comes to that."""
        set_ttl(self._socket, order.ttl)
        if order.data:
            self._socket.send(order.data)
        self._spoken_at, self.looks_at = now, now + FIRST_LOOK
        self._told = None

    def overhear(self, overheard: Overheard) -> None:
        """Note what raw sockets saw of it."""
        seen = self._seen or Seen()
        if overheard.icmp_type is None:
            if overheard.is_rst:
                self._seen = seen._replace(end_ttl=seen.end_ttl or overheard.ttl)
            else:
                self._seen = seen._replace(host_ttl=seen.host_ttl or overheard.ttl)
        elif overheard.is_expired:
            self._seen = seen._replace(is_expired=True)
        else:
            refusal = (overheard.icmp_type, overheard.icmp_code or 0, overheard.sender)
            self._seen = seen._replace(refusal=refusal)

    def look(self, now: float) -> Report | None:
        """What has changed since the last look, None if nothing has."""
        if self._state in ENDS:
            told = self._told
            if told is None or told.seen == self._seen:
                return None
            self._told = told._replace(at=now, seen=self._seen)
            return self._told
        number = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        info = read_tcp_info(self._socket)
        self._learn(number, info)
        if number and self._state in ENDS and self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._errors += 1
        if self._state is not State.OPENING:
            self._listen()
        self._look_again(now)
        report = self._report(now, info)
        told = self._told
        if told is not None and report._replace(at=told.at, rtt=told.rtt) == told:
            return None
        self._told = report
        return report

    def _look_again(self, now: float) -> None:
        if self._state in ENDS or now > self._spoken_at + WATCHED:
            self.looks_at = inf
        elif now >= self.looks_at:
            pause = (now - self._spoken_at) * (LOOK_AGAIN - 1)
            self.looks_at = now + min(LONGEST_PAUSE, max(FIRST_LOOK, pause))

    def _listen(self) -> None:
        """Take what has come; the end of it is seen by the state."""
        with suppress(OSError):
            while data := self._socket.recv(READ_AT_ONCE):
                self._heard = (self._heard + data)[:REMEMBERED]

    def _learn(self, number: int, info: TcpInfo) -> None:
        if number and info.state == CLOSE:
            self._state = ENDED.get(number, State.FAILED)
        elif number:
            self._errors += 1
        elif info.state == CLOSE:
            self._state = State.RESET
        elif info.state == CLOSE_WAIT:
            self._state = State.FINISHED
        elif info.state == ESTABLISHED:
            self._state = State.OPEN

    def _report(self, now: float, info: TcpInfo) -> Report:
        family = 6 if self._socket.family == socket.AF_INET6 else 4
        headers = IP_AND_TCP[family] + (TIMESTAMPS if info.has_timestamps else 0)
        return Report(
            self._number,
            now,
            self._state,
            rtt=info.rtt,
            is_acknowledged=not (info.unacked or info.unsent),
            errors=self._errors,
            retransmissions=info.retransmissions,
            packet=info.snd_mss + headers,
            payload=info.snd_mss,
            path_mtu=info.pmtu,
            allowed=info.advmss,
            received=info.received,
            largest=info.rcv_mss,
            ahead=info.out_of_order,
            heard=self._heard,
            acknowledged=max(0, info.acknowledged - SYN),
            segments=info.segments,
            seen=self._seen,
        )

    def reset(self) -> None:
        """End it; see the header."""
        with suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            set_ttl(self._socket, FULL_TTL)
        self._socket.close()


def _mtu_probing() -> bytes:
    """How this kernel looks for path MTUs by itself (RFC 4821): 0 never, 1 after losses, 2 always."""
    try:
        return MTU_PROBING.read_bytes().strip()
    except OSError:
        return b""
