"""Many packets per system call: sendmmsg(2) and recvmmsg(2) of Linux, through the C library.

Knows sockets and bytes, no probes. Python has no such calls of its own. Other threads can run Python code
during these calls.
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
"""The most packets in one call."""
PACKET_BYTES = 2048
"""Room for a packet: ICMP errors are at most 576 bytes (RFC 1812 section 4.3.2.3), ICMPv6 1280 (RFC 4443)."""
SOCKET_ADDRESS_BYTES = 28
"""The size of a ``struct sockaddr_in6``."""
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
    """``struct mmsghdr``: a message, and the number of its bytes that were sent or received."""

    _fields_ = (("message", _Message), ("length", ctypes.c_uint32))


_Headers = _Header * MOST_PACKETS
_Vectors = _Vector * MOST_PACKETS
_LIBC = ctypes.CDLL(None, use_errno=True)


class BatchSender:
    """Sends packets of ``length`` bytes each through ``sender`` to ``address``, in the background.

    ``address`` is a ``struct sockaddr``. One batch at a time, from a thread of its own: the kernel takes as
    long to send a SYN as Python takes to build it and handle its reply. The thread starts with the first
    batch, so that it never has privileges that the process has already given up.
    """

    def __init__(self, sender: socket.socket, address: bytes, length: int) -> None:
        self._number = sender.fileno()
        self._length = length
        self._packets = (ctypes.c_char * (MOST_PACKETS * length))()
        self._view = memoryview(self._packets).cast("B")
        self._headers, self._vectors = _Headers(), _Vectors()
        _aim(self._headers, self._vectors, self._packets, length)
        self._address = ctypes.create_string_buffer(address, len(address))
        for header in self._headers:
            header.message.name, header.message.name_length = ctypes.addressof(self._address), len(address)
        self._thread: Executor | None = None

    def start(self, packets: Sequence[bytes]) -> Future[list[float]]:
        """Send ``packets``, at most ``MOST_PACKETS``, in the background, after the earlier batches.

        The result has the instants at which packets left, up to the first that failed. Sending that one alone
        gives its error.
        """
        if self._thread is None:
            from concurrent.futures import ThreadPoolExecutor

            self._thread = ThreadPoolExecutor(max_workers=1)
        return self._thread.submit(self._send, packets)

    def _send(self, packets: Sequence[bytes]) -> list[float]:
        """Only the first instant is measured; the others follow in equal steps of the processor time used.

        Elapsed time would also include the wait for the interpreter lock after the last packet has left.
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
    """Receives the packets queued in ``receiver``, a non-blocking socket."""

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
        """At most ``MOST_PACKETS`` packets, none if none is queued; raises ``OSError``.

        Each comes with its control messages and the ``struct sockaddr`` of its sender.
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
    """Give each header one vector, and each vector its own ``size`` bytes of ``buffer``."""
    for index, (header, vector) in enumerate(zip(headers, vectors, strict=True)):
        vector.base, vector.length = ctypes.addressof(buffer) + index * size, size
        header.message.vectors = ctypes.addressof(vectors) + index * ctypes.sizeof(_Vector)
        header.message.vector_count = 1


def _fields(headers: ctypes.Array[_Header], offset: int, kind: Literal["I", "L"]) -> memoryview[int]:
    """A view of the field at ``offset`` in all headers; ``kind`` is unsigned int or long (like size_t)."""
    size = struct.calcsize(kind)
    return memoryview(headers).cast("B").cast(kind)[offset // size :: ctypes.sizeof(_Header) // size]


def _parts(buffer: _Buffer, size: int, lengths: Iterable[int]) -> list[bytes]:
    """The first bytes of each part of ``size`` bytes of ``buffer``; ``lengths`` says how many of each."""
    view = memoryview(buffer).cast("B")
    return [bytes(view[at : at + length]) for at, length in zip(counting(0, size), lengths, strict=False)]
