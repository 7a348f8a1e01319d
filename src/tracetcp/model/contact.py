"""Whom to call about a break. Frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Owner(Enum):
    """Who runs the place of a break."""

    NOBODY = "nobody"
    """Nothing is broken."""
    HOST = "host"
    """Whoever runs the host."""
    ATTACHED = "attached"
    """Whoever runs the network that this machine is attached to."""
    NETWORK = "network"
    """The network ``Contact.network``."""
    UNKNOWN = "unknown"
    """It cannot be said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Who runs the place of a break, and why that is known or not.

    ``network`` is an AS (``AS64500``), for a host the one that announces it, where that is known.
    ``networks`` are those on both sides of the break, nearest first. ``last`` is the last hop known to work,
    ``next`` the first one known behind the break; None where there is none.
    """

    owner: Owner
    reason: str
    network: str | None = None
    networks: tuple[str, ...] = ()
    last: int | None = None
    next: int | None = None
