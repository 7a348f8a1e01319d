"""Many packets per system call: sendmmsg(2) and recvmmsg(2) of Linux, through the C library.

Knows sockets and bytes, no probe. Python has no call of its own for this; the interpreter is free for other
threads while one of these runs.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import time
from itertools import count as counting
from itertools import repeat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable, Sequence
    from concurrent.futures import Executor, Future
    from typing import Literal, TypeAlias

    _Buffer: TypeAlias = ctypes.Array[ctypes.c_char]

MOST_PACKETS = 64
"""Packets in one call."""
PACKET_BYTES = 2048
"""ICMP errors are at most 576 bytes long (RFC 1812 section 4.3.2.3), ICMPv6's 1280 (RFC 4443)."""
SOCKET_ADDRESS_BYTES = 28
"""A ``struct sockaddr_in6``."""
CONTROL_BYTES = 256


class _Vector(ctypes.Structure):
    """``struct iovec``."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Message(ctypes.Structure):
    """``struct msghdr``."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.c_void_p),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Header(ctypes.Structure):
    """``struct mmsghdr``: a message and how many bytes of it were sent or received."""

    _fields_ = (("message", _Message), ("length", ctypes.c_uint32))


_Headers = _Header * MOST_PACKETS
_Vectors = _Vector * MOST_PACKETS
_LIBC = ctypes.CDLL(None, use_errno=True)


class BatchSender:
    """Sends packets of ``length`` bytes each through ``sender``, a connected socket, in the background.

    One batch at a time, from a thread of its own: the kernel takes as long to send a SYN as the interpreter
    takes to think of it and of its answer. The thread begins with the first batch, so that it never has
    privileges which the process gave up before.
    """

    def __init__(self, sender: socket.socket, length: int) -> None:
        self._number = sender.fileno()
        self._length = length
        self._packets = (ctypes.c_char * (MOST_PACKETS * length))()
        self._view = memoryview(self._packets).cast("B")
        self._headers, self._vectors = _Headers(), _Vectors()
        _aim(self._headers, self._vectors, self._packets, length)
        self._thread: Executor | None = None

    def start(self, packets: Sequence[bytes]) -> Future[list[float]]:
        """Begin to send ``packets``, up to ``MOST_PACKETS``, once those before have left.

        The result will be the instants at which packets left, up to the first hindered one. What hindered
        that one shows when it is sent alone.
        """
        if self._thread is None:
            from concurrent.futures import ThreadPoolExecutor

            self._thread = ThreadPoolExecutor(max_workers=1)
        return self._thread.submit(self._send, packets)

    def _send(self, packets: Sequence[bytes]) -> list[float]:
        """Only the first instant is measured, the others follow at equal steps of the processor time used.

        The wall clock would count the wait for the interpreter that begins when the last packet has left.
        """
        self._view[: len(packets) * self._length] = b"".join(packets)
        used, began_at = time.thread_time(), time.monotonic()
        count = _LIBC.sendmmsg(self._number, self._headers, len(packets), 0)
        each = (time.thread_time() - used) / len(packets)
        return [began_at + index * each for index in range(count)]

    def close(self) -> None:
        """End the thread; the socket stays open."""
        if self._thread is not None:
            self._thread.shutdown()


class BatchReceiver:
    """Receives what waits in ``receiver``, a socket that does not block."""

    def __init__(self, receiver: socket.socket) -> None:
        self._number = receiver.fileno()
        self._packets, self._controls, self._names = (
            (ctypes.c_char * (MOST_PACKETS * size))()
            for size in (PACKET_BYTES, CONTROL_BYTES, SOCKET_ADDRESS_BYTES)
        )
        self._headers, self._vectors = _Headers(), _Vectors()
        _aim(self._headers, self._vectors, self._packets, PACKET_BYTES)
        for index, header in enumerate(self._headers):
            message = header.message
            message.control = ctypes.addressof(self._controls) + index * CONTROL_BYTES
            message.control_length = CONTROL_BYTES
            message.name = ctypes.addressof(self._names) + index * SOCKET_ADDRESS_BYTES
            message.name_length = SOCKET_ADDRESS_BYTES
        self._as_made = bytes(self._headers)
        self._lengths = _fields(self._headers, _Header.length.offset, "I")
        self._control_lengths = _fields(self._headers, _Message.control_length.offset, "L")

    def receive(self) -> list[tuple[bytes, bytes, bytes]]:
        """Up to ``MOST_PACKETS`` packets, none if none waits; raises ``OSError``.

        With each, the control messages that came with it and its sender's ``struct sockaddr``.
        """
        ctypes.memmove(self._headers, self._as_made, len(self._as_made))
        count: int = _LIBC.recvmmsg(self._number, self._headers, MOST_PACKETS, 0, None)
        if count < 0:
            number = ctypes.get_errno()
            if number in (errno.EAGAIN, errno.EINTR):
                return []
            raise OSError(number, os.strerror(number))
        packets = _parts(self._packets, PACKET_BYTES, self._lengths[:count].tolist())
        controls = _parts(self._controls, CONTROL_BYTES, self._control_lengths[:count].tolist())
        names = _parts(self._names, SOCKET_ADDRESS_BYTES, repeat(SOCKET_ADDRESS_BYTES, count))
        return list(zip(packets, controls, names, strict=True))


def _aim(headers: ctypes.Array[_Header], vectors: ctypes.Array[_Vector], buffer: _Buffer, size: int) -> None:
    """Let each header have one vector, and each vector its ``size`` bytes of ``buffer``."""
    for index, (header, vector) in enumerate(zip(headers, vectors, strict=True)):
        vector.base, vector.length = ctypes.addressof(buffer) + index * size, size
        header.message.vectors = ctypes.addressof(vectors) + index * ctypes.sizeof(_Vector)
        header.message.vector_count = 1


def _fields(headers: ctypes.Array[_Header], offset: int, kind: Literal["I", "L"]) -> memoryview[int]:
    """A view of the field at ``offset``, unsigned int or long (which is what size_t is), in all headers."""
    size = struct.calcsize(kind)
    return memoryview(headers).cast("B").cast(kind)[offset // size :: ctypes.sizeof(_Header) // size]


def _parts(buffer: _Buffer, size: int, lengths: Iterable[int]) -> list[bytes]:
    """The first bytes of each ``size`` of ``buffer``, as many as ``lengths`` says."""
    view = memoryview(buffer).cast("B")
    return [bytes(view[at : at + length]) for at, length in zip(counting(0, size), lengths, strict=False)]
