"""Reads what the kernel knows of a TCP connection (Linux, ``struct tcp_info`` of linux/tcp.h)."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

LONGEST = 256
"""More than is read here; of what an older kernel does not give, nothing but zeros is read."""
ESTABLISHED, CLOSE, CLOSE_WAIT = 1, 7, 8
"""The states of these names in net/tcp_states.h."""
HAS_TIMESTAMPS = 1
"""TCPI_OPT_TIMESTAMPS."""

_WORD = struct.Struct("@I")
_LONG = struct.Struct("@Q")


class TcpInfo(NamedTuple):
    """The fields that matter here. ``snd_mss`` and ``rcv_mss`` are bytes of payload; ``rtt`` is in seconds.

    ``unacked`` counts segments, ``unsent`` bytes that have not left yet, ``acknowledged`` bytes, with one for
    our SYN. ``segments`` are those that came.
    """

    state: int
    has_timestamps: bool
    snd_mss: int
    rcv_mss: int
    unacked: int
    pmtu: int
    rtt: float
    advmss: int
    retransmissions: int
    unsent: int
    acknowledged: int
    received: int
    segments: int
    out_of_order: int


def read_tcp_info(of: socket.socket) -> TcpInfo:
    """What the kernel knows of ``of`` now."""
    data = of.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, LONGEST).ljust(LONGEST, b"\0")
    word = _WORD.unpack_from
    return TcpInfo(
        state=data[0],
        has_timestamps=bool(data[5] & HAS_TIMESTAMPS),
        snd_mss=word(data, 16)[0],
        rcv_mss=word(data, 20)[0],
        unacked=word(data, 24)[0],
        pmtu=word(data, 60)[0],
        rtt=word(data, 68)[0] / 1e6,
        advmss=word(data, 84)[0],
        retransmissions=word(data, 100)[0],
        unsent=word(data, 144)[0],
        acknowledged=_LONG.unpack_from(data, 120)[0],
        received=_LONG.unpack_from(data, 128)[0],
        segments=word(data, 140)[0],
        out_of_order=word(data, 224)[0],
    )
