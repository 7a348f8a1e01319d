"""The loop between an engine of connections and the prober that acts for it; its wait is the runner's.

As in ``runner``, the engine decides and the prober acts.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Protocol

from tracetcp.runner import ENDS_THE_RUN, SelectorWait

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracetcp.model.connection import Order, Report
    from tracetcp.probers.session.contract import SessionProber
    from tracetcp.runner import Wait


class SessionEngine(Protocol):
    """What the loop calls. Instants are seconds on the prober's clock."""

    @property
    def is_done(self) -> bool:
        """Whether everything is decided."""

    def next_orders(self, now: float) -> Sequence[Order]:
        """What to do now; tell ``done`` or ``failed`` of each before the next call."""

    def done(self, order: Order, at: float) -> None:
        """Tell that ``order`` was carried out at ``at``."""

    def failed(self, order: Order) -> None:
        """Tell that ``order`` could not be carried out."""

    def receive(self, report: Report) -> None:
        """Take a report into account."""

    def advance(self, now: float) -> None:
        """Let time pass; every report until ``now`` must have been told."""

    def wake_at(self) -> float:
        """When to call ``advance`` and ``next_orders`` again if no report comes before."""


def converse(engine: SessionEngine, prober: SessionProber, wait: Wait | None = None) -> None:
    """Drive ``engine`` with ``prober`` until it is done; raises ``TracetcpError`` when it cannot go on."""
    if wait is None:
        with closing(SelectorWait(prober.clock)) as real:
            converse(engine, prober, real)
        return
    while not engine.is_done:
        while orders := engine.next_orders(prober.clock()):
            for order in orders:
                _carry_out(order, engine, prober)
        until = min(engine.wake_at(), prober.wake_at())
        if until > prober.clock():
            wait(prober.descriptors(), until)
        now = prober.clock()
        for report in prober.drain():
            engine.receive(report)
        engine.advance(now)


def _carry_out(order: Order, engine: SessionEngine, prober: SessionProber) -> None:
    result = prober.act(order)
    if isinstance(result, float):
        engine.done(order, result)
    elif result.kind in ENDS_THE_RUN:
        raise ENDS_THE_RUN[result.kind](result.reason)
    else:
        engine.failed(order)
