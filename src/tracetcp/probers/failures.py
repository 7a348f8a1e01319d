"""Why a probe could not be sent, and what that means for the run: tables for all probers. Pure."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from tracetcp.model import FailureKind, SendFailure

if TYPE_CHECKING:
    from collections.abc import Mapping

OUT_OF_BUFFERS = (errno.ENOBUFS, errno.EAGAIN, errno.ENOMEM)
"""The same probe may pass in a moment."""
NO_ROUTE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL)
"""The route that was there is gone; unless the error is one of those that may pass."""

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
    errno.EMFILE: "this process may open no more files: raise 'ulimit -n'",
    errno.ENFILE: "this machine has no file descriptor left",
    errno.EADDRINUSE: "another program took the source port of the flow",
    errno.EADDRNOTAVAIL: "no source port is free",
}
"""Why one socket may fail to connect while the next may pass."""
OPEN_REASONS = {key: reason for key, reason in CONNECT_REASONS.items() if key != errno.EADDRNOTAVAIL}
"""The same for a socket that is opened and bound to a source; that fails where the address is gone."""


def failure(number: int, reasons: Mapping[int, str]) -> SendFailure:
    """What the error ``number`` means. ``reasons`` has the errors that may pass; any other is permanent."""
    reason = reasons.get(number)
    if reason is not None:
        return passing_failure(number, reason)
    said = os.strerror(number)
    if number in NO_ROUTE:
        sentence = (
            f"the route to the target is gone ({said}): check the interface, its addresses and 'ip route'"
        )
        return SendFailure(number, sentence, FailureKind.NO_ROUTE)
    sentence = f"the system refuses to send probes ({said}): check 'ip route' and the local firewall"
    return SendFailure(number, sentence, FailureKind.PERMANENT)


def passing_failure(number: int, reason: str) -> SendFailure:
    """A failure that costs at most this probe."""
    is_transient = number in OUT_OF_BUFFERS
    return SendFailure(number, reason, FailureKind.TRANSIENT if is_transient else FailureKind.PROBE_LOST)
