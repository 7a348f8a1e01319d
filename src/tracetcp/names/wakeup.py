"""Wakes the loop of a run from another thread: a descriptor becomes readable. Knows its two sockets alone."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Wakeup:
    """A pair of sockets of which any thread writes to one, and the loop waits for the other."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._lock = threading.Lock()
        self._is_closed = False

    def fileno(self) -> int:
        """The descriptor that becomes readable."""
        return self._reader.fileno()

    def tell(self) -> None:
        """Make ``fileno`` readable; nothing once it is closed."""
        with self._lock:
            if not self._is_closed:
                with suppress(BlockingIOError):  # a full buffer is already readable
                    self._writer.send(b"!")

    def acknowledge(self) -> None:
        """Make ``fileno`` unreadable until the next ``tell``."""
        with suppress(BlockingIOError):
            while True:
                self._reader.recv(4096)

    def close(self) -> None:
        """Close both ends. Safe to call twice."""
        with self._lock:
            self._is_closed = True
            self._reader.close()
            self._writer.close()
