"""One look at a router that may be limiting its answers."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from tracetcp.engine.trace.path import STRIKES, Path

if TYPE_CHECKING:
    from tracetcp.engine.trace.flight import Flight, Want
    from tracetcp.engine.trace.routers import Survey
DRY_INQUIRIES = 3
"""Inquiries without any answer after which a router counts as silent."""


class Inquiry:
    """One look at a router that may be limiting its answers: doubtful probes, then a control."""

    def __init__(self, ttl: int) -> None:
        self.ttl = ttl
        self.to_send: deque[tuple[Path, Want, int]] = deque()
        self.members: list[tuple[Path, Flight]] = []
        self.control: Flight | None = None

    @property
    def is_over(self) -> bool:
        """Whether every probe was sent, and answered or given up."""
        flights = [flight for _, flight in self.members]
        if self.control is not None:
            flights.append(self.control)
        return not self.to_send and not any(flight.is_waiting for flight in flights)

    def judge(self, survey: Survey) -> None:
        """Draw the conclusion (the list above)."""
        router = survey.router(self.ttl)
        answered = [bool(flight.replies) for _, flight in self.members]
        control_answered = self.control is not None and bool(self.control.replies)
        if self.control is None or control_answered:
            router.dry_inquiries = 0
            self._strike(answered, STRIKES if router.gate.is_limited else 1)
        else:
            router.dry_inquiries = 0 if any(answered) else router.dry_inquiries + 1
            if router.dry_inquiries >= DRY_INQUIRIES:
                self._strike(answered, STRIKES)
        if self.control is not None:
            router.gate.is_limited = not control_answered

    def _strike(self, answered: list[bool], count: int = 1) -> None:
        for (path, _), is_answered in zip(self.members, answered, strict=True):
            if not is_answered:
                path.strike(self.ttl, count)
