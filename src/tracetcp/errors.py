"""What can stop a run, one class a cause.

Each class writes its own sentence: what happened, with the value, and what to do about it.
Only ``app`` turns them into messages and exit statuses.
"""

from __future__ import annotations


class TracetcpError(Exception):
    """Anything that ends a run with a sentence instead of an answer.

    ``str(error)`` is that sentence, remedy included; ``exit_status`` is the process's.
    """

    exit_status = 3


class UsageError(TracetcpError):
    """The command line (or a ``TraceConfig``) asks for something that cannot be."""

    exit_status = 2


class MissingHost(UsageError):
    """The command line names no host; worth showing the usage line."""


class NameNotFound(TracetcpError):
    """The target's name has no address."""


class FamilyMismatch(UsageError):
    """The target or the interface has no address of the family asked for."""


class NoPermission(TracetcpError):
    """The system refuses the sockets that probing needs."""


class NoRoute(TracetcpError):
    """The system knows no way to the target."""


class ProberError(TracetcpError):
    """Probing failed for good on this machine: socket, interface, gateway or driver."""
