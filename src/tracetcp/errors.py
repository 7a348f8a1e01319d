"""The errors that end a run: one class for each cause. Imports nothing.

``str(error)`` is a sentence: what happened, with the value, and what to do about it.
Only ``app`` turns errors into messages and exit statuses.
"""

from __future__ import annotations


class TracetcpError(Exception):
    """Base of all errors that end a run.

    ``str(error)`` is a sentence that includes the remedy; ``exit_status`` is that of the process.
    """

    exit_status = 3


class UsageError(TracetcpError):
    """The command line (or a ``TraceConfig``) asks for something impossible."""

    exit_status = 2


class MissingHost(UsageError):
    """The command line names no host; ``app`` also shows the usage line."""


class UnreadableRun(TracetcpError):
    """A file given to ``--diff`` is not what ``--json`` writes."""

    exit_status = 2


class NameNotFound(TracetcpError):
    """The target's name has no address."""


class FamilyMismatch(UsageError):
    """The target, the gateway or the interface has no address of the requested family."""


class NoPermission(TracetcpError):
    """The system refuses the sockets that probing needs."""


class NoRoute(TracetcpError):
    """The system has no route to the target."""


class ProberError(TracetcpError):
    """Probing failed permanently on this machine: socket, interface, gateway or driver."""
