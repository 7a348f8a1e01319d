"""Why a probe could not be sent, and what that means for the run: one table for every prober. Pure."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from tracetcp.model import FailureKind, SendFailure

if TYPE_CHECKING:
    from collections.abc import Mapping

OUT_OF_BUFFERS = (errno.ENOBUFS, errno.EAGAIN, errno.ENOMEM)
"""The same probe may pass in a moment."""
NO_ROUTE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)

RAW_REASONS = {
    errno.ENOBUFS: "the interface's queue is full",
    errno.EAGAIN: "the socket's send buffer is full",
    errno.ENOMEM: "the kernel is short of memory",
    errno.EPERM: "a local firewall refuses the packet",
}
"""Why a raw socket may refuse one packet while the next may pass."""
CONNECT_REASONS = {
    errno.ENOBUFS: "the kernel is short of buffers",
    errno.EAGAIN: "no source port is free",
    errno.ENOMEM: RAW_REASONS[errno.ENOMEM],
    errno.EPERM: "a local firewall refuses the connection",
    errno.EMFILE: "this process has no file descriptor left",
    errno.ENFILE: "this machine has no file descriptor left",
    errno.EADDRINUSE: "another program took the source port of the flow",
    errno.EADDRNOTAVAIL: "no source port is free, or the source address is gone",
}
"""Why one socket may fail to open or to connect while the next may pass."""


def failure(number: int, reasons: Mapping[int, str]) -> SendFailure:
    """What the error ``number`` means; ``reasons`` are those that may pass, any other will not go away."""
    reason = reasons.get(number)
    if reason is not None:
        return passing_failure(number, reason)
    kind = FailureKind.NO_ROUTE if number in NO_ROUTE else FailureKind.PERMANENT
    return SendFailure(number, os.strerror(number), kind)


def passing_failure(number: int, reason: str) -> SendFailure:
    """A failure that costs this probe at most."""
    is_transient = number in OUT_OF_BUFFERS
    return SendFailure(number, reason, FailureKind.TRANSIENT if is_transient else FailureKind.PROBE_LOST)
