"""The prober that needs no privilege: every probe is a TCP socket that connects (Linux).

A socket with the probe's TTL connects; the kernel sends the SYN and matches the replies to the socket. An
ICMP error waits in its error queue, a SYN-ACK makes it writable, a RST refuses the connection. The
differences from raw sockets:

1. The kernel chooses the sequence numbers: a reply gets the token of the probe whose socket it came to.
2. Two sockets cannot share a 5-tuple: a probe on a flow that is in use closes the socket before it. The
   kernel picks the source port of a flow at its first connect(), different from that of every connection;
   later probes of the flow bind that port. Where the user chose the first port, a flow has the same one for
   every destination port, and sockets that never connect hold the block. Closing a socket that was not
   answered sends nothing and frees the port at once, and so does the RST of one that was (SO_LINGER).
3. Each socket sends one SYN (see ``single_syn``) and is open for the whole timeout. Where a retransmission
   cannot be prevented, the socket is closed before it, after 0.9 s; a later answer is lost.
4. A local firewall that drops our SYN cannot be distinguished from silence: connect() does not report it.
5. The IP header quoted in an error, and the TTL, window and options of a TCP answer, stay in the kernel; the
   instant of a RST is when this process is told of it. But for a probe that asks, the kernel drops answers
   below a least TTL (IP_MINTTL, RFC 5082), and ICMP errors with them.
"""

from __future__ import annotations

import errno
import select
import socket
import struct
import time
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from tracetcp.descriptors import room_for
from tracetcp.errors import ProberError
from tracetcp.model import FLOWS, Reply, ReplyKind
from tracetcp.probers.connect.errqueue import QueuedError, queue_errors, take_error
from tracetcp.probers.connect.single_syn import ONE_SYN_SECONDS, find_silencer, is_still_here
from tracetcp.probers.failures import CONNECT_REASONS, OPEN_REASONS, failure
from tracetcp.probers.prober import Prober
from tracetcp.probers.routes import find_route, set_min_reply_ttl, set_ttl
from tracetcp.probers.source_ports import hold_block
from tracetcp.probers.stamps import SO_TIMESTAMPNS, received_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tracetcp.config import TraceConfig
    from tracetcp.model import Probe, SendFailure

ECN_BITS = 3
LARGEST_CAPACITY = 4096
"""The most probes that a scan has in flight; each costs a descriptor and about 3 kB of kernel memory."""
IP_BIND_ADDRESS_NO_PORT = 24
IPV6_AUTOFLOWLABEL = 70
REMEMBERED_FLOWS = 4 * LARGEST_CAPACITY
"""Flows whose source port is kept: a trace uses a thousand for each port, a scan uses none twice."""
TCP_SYNCNT = 7
SYN_RETRANSMISSIONS = 8
"""Unanswered SYNs until the kernel gives up a socket: two minutes, more than the longest timeout."""
RESET_ON_CLOSE = struct.pack("@ii", 1, 0)
"""SO_LINGER of zero seconds: close() sends a RST."""
WAS_CONNECTED = (errno.ECONNRESET, errno.EPIPE)
"""The errors if the peer answered with a SYN-ACK and then sent a RST before we looked."""

_ROUND_TRIP = struct.Struct("@68xI")
"""struct tcp_info up to tcpi_rtt, in microseconds; 0 if the kernel did not measure it."""


class _PendingSyn(NamedTuple):
    """A socket that waits for the answer to its SYN."""

    connecting: socket.socket
    token: int
    flow: tuple[int, int]
    sent_at: float
    closes_at: float


class ConnectProber(Prober):
    """A ``Prober`` of connecting sockets, for one destination.

    Without ``holds_block`` somebody else holds the source ports that ``config`` names. Raises ``ProberError``
    for a gateway and for a TOS byte that the kernel does not send, and what ``find_route`` raises.
    """

    kind = "connect"
    shares_flows = False

    def __init__(self, config: TraceConfig, destination: str, *, holds_block: bool = True) -> None:
        if config.gateway is not None:
            raise ProberError(
                f"gateway {config.gateway} cannot be used without raw sockets: "
                "run tracetcp as root or with CAP_NET_RAW, or let the routing table choose the gateway"
            )
        if config.tos & ECN_BITS:
            raise ProberError(
                f"--tos {config.tos} cannot be sent without raw sockets: the kernel keeps the ECN bits for "
                f"itself; give {config.tos & ~ECN_BITS}, or run tracetcp as root or with CAP_NET_RAW"
            )
        self._route = find_route(destination, config.interface, tos=config.tos)
        self.destination, self.source = self._route.destination, self._route.source
        self._silencer = find_silencer(self._route)
        self._first_port = config.source_port
        self._holders: list[socket.socket] = []
        if config.source_port is not None and holds_block:
            self._holders = hold_block(self._route, config.source_port, FLOWS, is_shared=True)
        self._timeout = config.timeout
        self.longest_wait = inf if self._silencer else ONE_SYN_SECONDS
        self._lifetime = min(config.timeout, self.longest_wait)
        self.capacity = max(1, room_for(LARGEST_CAPACITY))
        self._pending: dict[int, _PendingSyn] = {}
        self._in_use: dict[tuple[int, int], int] = {}
        """By port and flow: the descriptor of the socket that waits."""
        self._source_ports: dict[tuple[int, int], int] = {}
        """By port and flow: the source port of the flow, the newest last."""
        self._epoll = select.epoll()
        # The kernel starts to stamp packets a moment after the first socket asks for it: ask now.
        self._stamping = socket.socket(self._route.socket_family, socket.SOCK_DGRAM)
        self._stamping.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    def clock(self) -> float:
        """See ``Prober``."""
        return time.monotonic()

    def send(self, probe: Probe) -> float | SendFailure:
        """See ``Prober``. If ``capacity`` sockets are open, the oldest is closed."""
        flow = probe.port, probe.flow
        if flow in self._in_use:
            self._drop(self._in_use[flow])
        if len(self._pending) >= self.capacity:
            self._drop(next(iter(self._pending)))
        try:
            connecting = self._open(probe, self._port_of(flow))
        except OSError as error:
            return failure(error.errno or 0, OPEN_REASONS)
        host, _, *scope = self._route.destination_address
        sent_at = time.monotonic()
        result = connecting.connect_ex((host, probe.port, *scope))
        if result not in (0, errno.EINPROGRESS):
            connecting.close()
            return failure(result, CONNECT_REASONS)
        if self._silencer is not None:
            self._silencer.silence(connecting)
        self._remember(flow, connecting)
        pending = _PendingSyn(connecting, probe.token, flow, sent_at, sent_at + self._lifetime)
        self._pending[connecting.fileno()] = pending
        self._epoll.register(connecting, select.EPOLLIN | select.EPOLLOUT)
        return sent_at

    def source_port(self, probe: Probe) -> int:
        """See ``Prober``."""
        return self._port_of((probe.port, probe.flow))

    def _port_of(self, flow: tuple[int, int]) -> int:
        """The source port of ``flow``, 0 while the kernel has picked none."""
        if self._first_port is not None:
            return self._first_port + flow[1]
        return self._source_ports.get(flow, 0)

    def _remember(self, flow: tuple[int, int], connecting: socket.socket) -> None:
        """Keep the source port of ``flow``, on which ``connecting`` waits."""
        self._in_use[flow] = connecting.fileno()
        if self._first_port is None and flow not in self._source_ports:
            self._source_ports[flow] = connecting.getsockname()[1]
            if len(self._source_ports) > REMEMBERED_FLOWS:
                del self._source_ports[next(iter(self._source_ports))]

    def _open(self, probe: Probe, source_port: int) -> socket.socket:
        """A socket ready to connect from ``source_port``, any if 0; raises ``OSError``."""
        route = self._route
        opened = socket.socket(route.socket_family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            set_ttl(opened, probe.ttl)
            if probe.min_reply_ttl:
                set_min_reply_ttl(opened, probe.min_reply_ttl)
            queue_errors(opened)
            opened.setsockopt(socket.IPPROTO_TCP, TCP_SYNCNT, SYN_RETRANSMISSIONS)
            route.bind_device(opened)
            opened.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            if self._first_port is not None:  # which flows to other ports share
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if route.family == 6:  # a label drawn by chance would lead the same ports another way
                    opened.setsockopt(socket.IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, 0)
            opened.bind(route.source_at(source_port))
        except OSError:
            opened.close()
            raise
        return opened

    def descriptors(self) -> Sequence[int]:
        """See ``Prober``: the epoll that watches every socket."""
        return () if self._epoll.closed else (self._epoll.fileno(),)

    def drain(self) -> Sequence[Reply]:
        """See ``Prober``. Also closes the sockets that have waited long enough."""
        replies: list[Reply] = []
        if not self._pending:
            return replies
        for number, events in self._epoll.poll(0, len(self._pending)):
            replies.extend(self._replies(self._pending[number], events))
            self._drop(number)
        self._close_overdue(time.monotonic())
        return replies

    def wake_at(self) -> float:
        """See ``Prober``: when the first socket must be closed; all are open for the same time."""
        return next(iter(self._pending.values())).closes_at if self._pending else inf

    def close(self) -> None:
        """See ``Prober``. Connections are reset, pending ones dropped."""
        for number in list(self._pending):
            self._drop(number)
        for holder in self._holders:
            holder.close()
        self._stamping.close()
        self._epoll.close()

    def _replies(self, pending: _PendingSyn, events: int) -> Iterator[Reply]:
        """The network's answers. ICMP errors first: some of their codes also refuse the connection."""
        now = time.monotonic()
        has_error = False
        while (error := take_error(pending.connecting)) is not None:
            has_error = True
            if error.kind is not None:
                yield _icmp_reply(pending, error, error.kind, now)
        if events & select.EPOLLOUT and not events & select.EPOLLHUP:
            yield self._tcp_reply(pending, ReplyKind.SYN_ACK, _answered_at(pending, now))
        elif not has_error:
            result = pending.connecting.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if result == errno.ECONNREFUSED:
                yield self._tcp_reply(pending, ReplyKind.RST, now)
            elif result in WAS_CONNECTED:
                yield self._tcp_reply(pending, ReplyKind.SYN_ACK, now)

    def _tcp_reply(self, pending: _PendingSyn, kind: ReplyKind, at: float) -> Reply:
        return Reply(pending.token, kind, self.destination, at)

    def _close_overdue(self, now: float) -> None:
        """Close sockets that have waited long enough; a SYN that never left gets the whole timeout."""
        while self.wake_at() <= now:
            number, pending = next(iter(self._pending.items()))
            if now < pending.sent_at + self._timeout and is_still_here(pending.connecting):
                del self._pending[number]
                self._pending[number] = pending._replace(closes_at=now + self._lifetime)
            else:
                self._drop(number)

    def _drop(self, number: int) -> None:
        """Close a socket; if it is connected, the peer gets a RST."""
        connecting, _, flow, *_ = self._pending.pop(number)
        self._in_use.pop(flow, None)
        if self._silencer is not None:
            self._silencer.unsilence(connecting)
        connecting.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        connecting.close()


def _icmp_reply(pending: _PendingSyn, error: QueuedError, kind: ReplyKind, now: float) -> Reply:
    return Reply(
        pending.token,
        kind,
        error.sender,
        received_at(error.stamp, pending.sent_at, now),
        error.reply_ttl,
        error.icmp_type,
        error.icmp_code,
        labels=error.labels,
    )


def _answered_at(pending: _PendingSyn, now: float) -> float:
    """When the SYN-ACK arrived, by the kernel's RTT of the handshake if it measured one, else ``now``."""
    info = pending.connecting.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ROUND_TRIP.size)
    (microseconds,) = _ROUND_TRIP.unpack(info)
    return min(now, pending.sent_at + microseconds * 1e-6) if microseconds else now
