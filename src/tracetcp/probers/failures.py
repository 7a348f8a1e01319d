"""Why a probe could not be sent, and what that means for the run: tables for all probers. Pure."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from tracetcp.model import FailureKind, SendFailure

if TYPE_CHECKING:
    from collections.abc import Mapping

OUT_OF_BUFFERS = (errno.ENOBUFS, errno.EAGAIN, errno.ENOMEM)
"""The same probe may succeed a moment later."""
NO_ROUTE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)

RAW_REASONS = {
    errno.ENOBUFS: "the interface's queue is full",
    errno.EAGAIN: "the socket's send buffer is full",
    errno.ENOMEM: "the kernel is short of memory",
    errno.EPERM: "a local firewall refuses the packet",
}
"""Errors of a raw socket that concern one packet; the next may succeed."""
CONNECT_REASONS = {
    errno.ENOBUFS: "the kernel is short of buffers",
    errno.EAGAIN: "no source port is free",
    errno.ENOMEM: RAW_REASONS[errno.ENOMEM],
    errno.EPERM: "a local firewall refuses the connection",
    errno.EMFILE: "this process has no file descriptor left",
    errno.ENFILE: "this machine has no file descriptor left",
    errno.EADDRNOTAVAIL: "no source port is free, or the source address is gone",
}
"""Errors in opening or connecting one socket; the next may succeed."""


def failure(number: int, reasons: Mapping[int, str]) -> SendFailure:
    """What the error ``number`` means. ``reasons`` has the errors that may pass; any other is permanent."""
    reason = reasons.get(number)
    if reason is not None:
        return passing_failure(number, reason)
    kind = FailureKind.NO_ROUTE if number in NO_ROUTE else FailureKind.PERMANENT
    return SendFailure(number, os.strerror(number), kind)


def passing_failure(number: int, reason: str) -> SendFailure:
    """A failure that costs at most this probe."""
    is_transient = number in OUT_OF_BUFFERS
    return SendFailure(number, reason, FailureKind.TRANSIENT if is_transient else FailureKind.PROBE_LOST)
