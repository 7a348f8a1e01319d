"""What follows a trace: the tests over connections (``--mtu``, ``--idle``), one after the other.

The verdict on the trace is held back until they are over, so that one event tells all of a port.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Protocol, TypeAlias

from tracetcp.errors import ProberError
from tracetcp.model import Outcome, VerdictReached

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tracetcp.model import Event
    from tracetcp.model.evidence import Evidence
    from tracetcp.model.silence import Waited

    Tell: TypeAlias = Callable[[Waited], None]


class ConnectionTest(Protocol):
    """One test of the connection to a port that was traced."""

    def run(self, evidence: Evidence, tell: Tell | None) -> None:
        """Test; raises ``TracetcpError`` when that cannot go on. ``tell`` wants to know how long it takes."""

    def add_to(self, held: VerdictReached) -> VerdictReached:
        """``held`` with what was found, also if the test did not come to its end."""


def require_linux(flag: str) -> None:
    """Raises ``ProberError`` where the system does not tell what the tests need to know."""
    if sys.platform != "linux":
        raise ProberError(
            f"{flag} needs Linux: no other system tells what becomes of a connection's packets; leave it out"
        )


class Afterwards:
    """The tests that follow the one trace of a run."""

    def __init__(self, tests: Sequence[ConnectionTest]) -> None:
        self._tests = tests
        self._held: VerdictReached | None = None

    def take(self, events: list[Event]) -> list[Event]:
        """``events`` without the verdict on the trace, which is held back."""
        for event in events:
            if isinstance(event, VerdictReached):
                self._held = event
        return [event for event in events if not isinstance(event, VerdictReached)]

    def run(self, tell: Tell | None = None) -> None:
        """Test; raises ``TracetcpError`` when that cannot go on."""
        if self._held is None:
            return
        for test in self._tests:
            test.run(self._held.evidence, tell)

    def release(self, names: Mapping[str, str]) -> list[Event]:
        """The verdict held back, with ``names`` and with what the tests found."""
        if self._held is None:
            return []
        from tracetcp.explain.explaining import with_names

        held = with_names(self._held, names)
        for test in self._tests:
            held = test.add_to(held)
        return [held]


def is_open(evidence: Evidence) -> bool:
    """Whether there is a connection to test."""
    return evidence.outcome is Outcome.OPEN
