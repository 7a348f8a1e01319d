"""The Prober protocol and ``run()``: the only loop.

The engine decides, the prober acts; this file carries values from one to the other and holds no rule of
its own.
"""

from __future__ import annotations

import errno
from collections import deque
from math import inf
from time import sleep
from typing import TYPE_CHECKING, Protocol

from tracetcp.errors import NoRoute, ProberError
from tracetcp.model import AddressSeen, HopFinished, PortScanned, TraceStarted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tracetcp.engine import Engine
    from tracetcp.model import Event, Probe, SendFailure
    from tracetcp.probers.prober import Prober

BURST = 64
"""Probes sent before the replies are drained: the default receive buffer holds about 150."""
NO_ROUTE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)
OUT_OF_BUFFERS = (errno.ENOBUFS, errno.EAGAIN, errno.ENOMEM)
BUFFER_PAUSES = (0.002, 0.01, 0.05)
"""Seconds to pause before a probe is tried again that the system had no buffer for."""


class Lookup(Protocol):
    """Finds texts for addresses (names, origins) in the background."""

    def ask(self, address: str) -> None:
        """Start looking ``address`` up; never blocks, and does nothing when it was asked before."""

    def waits_until(self, address: str) -> float:
        """The instant until which a row should wait for ``address``; minus infinity once that is settled."""

    def fileno(self) -> int:
        """A descriptor that becomes readable when an answer came."""

    def acknowledge(self) -> None:
        """Make the descriptor unreadable until the next answer."""


def run(engine: Engine, prober: Prober, lookups: Sequence[Lookup] = ()) -> Iterator[list[Event]]:
    """Drive ``engine`` with ``prober`` until it is done, yielding events in batches as they are decided.

    Events are held back, in order, while ``lookups`` still look for a text that belongs to them. When the
    run is interrupted, what was decided is yielded before ``KeyboardInterrupt`` goes on.
    Raises ``TracetcpError`` when the run cannot go on, also when not one probe could be sent.
    """
    loop = _Loop(engine, prober, lookups)
    try:
        while True:
            is_sending = loop.send()
            if ready := loop.release():
                yield ready
            if engine.is_done and not loop.held:
                return
            loop.wait(at_once=is_sending)
    except KeyboardInterrupt:
        if loop.held:
            yield list(loop.held)
        raise


class _Loop:
    """One run's state: what was decided and is still held back, and whether anything was sent at all."""

    def __init__(self, engine: Engine, prober: Prober, lookups: Sequence[Lookup]) -> None:
        self.held: deque[Event] = deque()
        self._engine = engine
        self._prober = prober
        self._lookups = lookups
        self._failure: SendFailure | None = None
        self._has_sent = False
        for lookup in lookups:
            lookup.ask(prober.destination)
            prober.wake_on(lookup.fileno())

    def send(self) -> bool:
        """Send a burst; return whether there may be more to send at once."""
        now, left = self._prober.clock(), BURST
        while left > 0:
            probes = self._engine.next_probes(now, left)
            for probe, result in self._prober.send_all(probes):
                self._tell(probe, result, now)
            if not probes:
                return False
            left -= len(probes)
        return True

    def _tell(self, probe: Probe, result: float | SendFailure, now: float) -> None:
        """Tell the engine what came of a probe; where it was hindered, try again if that may help."""
        if not isinstance(result, float) and result.errno in OUT_OF_BUFFERS:
            result = self._insist(probe, result)
        if isinstance(result, float):
            self._has_sent = True
            self._engine.sent(probe, result)
        elif result.permanent:
            raise (NoRoute if result.errno in NO_ROUTE else ProberError)(result.reason)
        else:
            self._failure = result
            self._engine.failed(probe, now)

    def wait(self, *, at_once: bool) -> None:
        """Wait for replies, a name or the engine's next deadline, not at all if ``at_once``."""
        now = self._prober.clock()
        until = now if at_once else min(self._engine_wakes_at(), self._names_wait_until())
        for reply in self._prober.receive(until):
            self._engine.receive(reply)
        for lookup in self._lookups:
            lookup.acknowledge()
        self._engine.advance(min(self._prober.clock(), max(until, now)))

    def _insist(self, probe: Probe, result: float | SendFailure) -> float | SendFailure:
        """Try again after short pauses: the system was only out of buffers."""
        for pause in BUFFER_PAUSES:
            sleep(pause)
            result = self._prober.send(probe)
            if isinstance(result, float) or result.errno not in OUT_OF_BUFFERS:
                break
        return result

    def _take(self) -> None:
        events = self._engine.events()
        if self._failure is not None and not self._has_sent and _has_row(events):
            raise ProberError(self._failure.reason)
        for lookup in self._lookups:
            for event in events:
                if isinstance(event, AddressSeen):
                    lookup.ask(event.address)
        self.held.extend(events)

    def release(self) -> list[Event]:
        """What was decided and waits for no lookup any more, in order."""
        self._take()
        if not self._lookups:
            ready = list(self.held)
            self.held.clear()
            return ready
        now = self._prober.clock()
        ready = []
        while self.held and self._waits_until(self.held[0]) <= now:
            ready.append(self.held.popleft())
        return ready

    def _engine_wakes_at(self) -> float:
        return inf if self._engine.is_done else self._engine.wake_at()

    def _names_wait_until(self) -> float:
        return self._waits_until(self.held[0]) if self.held else inf

    def _waits_until(self, event: Event) -> float:
        addresses: Iterable[str] = ()
        if isinstance(event, (HopFinished, PortScanned)):
            addresses = event.hop.senders
        elif isinstance(event, TraceStarted):
            addresses = (self._prober.destination,)
        waits = (lookup.waits_until(address) for lookup in self._lookups for address in addresses)
        return max(waits, default=-inf)


def _has_row(events: list[Event]) -> bool:
    return any(isinstance(event, (HopFinished, PortScanned)) for event in events)
