"""``run()``: the only loop, and the only wait.

The engine decides, the prober acts; this file carries values from one to the other. It knows no error number
and reads no clock but the probers'. It has one rule of its own: a probe for which the system had no buffer is
tried again after each of ``BUFFER_PAUSES``. These pauses are part of the one wait: replies are drained
meanwhile, but the engine gets them only after it was told whether that probe was sent.
"""

from __future__ import annotations

import selectors
from collections import deque
from contextlib import ExitStack, closing
from math import inf, isinf
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tracetcp.errors import NoRoute, ProberError
from tracetcp.model import AddressSeen, FailureKind, HopFinished, PortScanned, TraceStarted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
    from typing import TypeAlias

    from tracetcp.engine import Engine
    from tracetcp.model import Event, Probe, Reply, SendFailure
    from tracetcp.probers.prober import Prober

    Wait: TypeAlias = Callable[[Sequence[int], float], Collection[int]]
    """Waits until one of the descriptors is readable or the instant has come; returns the readable ones."""

PROBES_PER_DRAIN = 64
"""Probes sent before the replies are drained: the default receive buffer holds about 150."""
BUFFER_PAUSES = (0.002, 0.01, 0.05)
"""Seconds to pause before each new try to send a probe for which the system had no buffer."""
ENDS_THE_RUN = {FailureKind.NO_ROUTE: NoRoute, FailureKind.PERMANENT: ProberError}


class Lookup(Protocol):
    """Finds texts for addresses (names, origins) in the background."""

    def ask(self, address: str) -> None:
        """Start to look up ``address``. Never blocks; a repeated call does nothing."""

    def waits_until(self, address: str) -> float:
        """The instant until which a row should wait for ``address``; minus infinity once it is settled."""

    def fileno(self) -> int:
        """A descriptor that becomes readable when an answer has come."""

    def acknowledge(self) -> None:
        """Make the descriptor unreadable until the next answer."""


class Pacer(Protocol):
    """Bounds the probes of a whole run."""

    def allowance(self, now: float) -> int:
        """How many probes may leave at ``now``."""

    def on_sent(self, at: float) -> None:
        """A probe left at ``at``."""


class Pair(NamedTuple):
    """An engine and the prober that sends its probes; no two engines share one."""

    engine: Engine
    prober: Prober


def run(
    engine: Engine, prober: Prober, lookups: Sequence[Lookup] = (), wait: Wait | None = None
) -> Iterator[list[Event]]:
    """Drive ``engine`` with ``prober`` until it is done; yield events in batches as they are decided.

    Events are held back, in order, while ``lookups`` still look for a text that belongs to them. On Ctrl-C
    the events decided so far are yielded before ``KeyboardInterrupt`` is raised. ``wait`` defaults to a
    ``SelectorWait``; a prober whose clock is not this machine's needs a wait of its own.
    Raises ``TracetcpError`` when the run cannot go on, also when no probe at all could be sent.
    """
    for _, events in run_pairs([Pair(engine, prober)], lookups, wait):
        yield events


def run_pairs(
    pairs: Sequence[Pair], lookups: Sequence[Lookup] = (), wait: Wait | None = None
) -> Iterator[tuple[Pair, list[Event]]]:
    """Like ``run``, for several pairs side by side: yields each batch of events with its pair.

    The probers share one clock. An error that ends the run of one pair ends all of them.
    """
    with ExitStack() as stack:
        if wait is None:
            wait = stack.enter_context(closing(SelectorWait(pairs[0].prober.clock)))
        running = [Running(pair, lookups) for pair in pairs]
        try:
            while running:
                for each in running:
                    each.send()
                    if ready := each.release():
                        yield each.pair, ready
                running = [each for each in running if not each.is_over]
                _let_time_pass(running, lookups, wait)
        except KeyboardInterrupt:
            for each in running:
                if each.held:
                    yield each.pair, list(each.held)
            raise


def first_replies(prober: Prober, until: float) -> Sequence[Reply]:
    """Wait without an engine for the first replies; returns none if none comes before ``until``."""
    with closing(SelectorWait(prober.clock)) as wait:
        while not (replies := prober.drain()) and prober.clock() < until:
            wait(prober.descriptors(), min(until, prober.wake_at()))
        return replies


class SelectorWait:
    """Waits with this system's best selector (epoll on Linux); descriptors stay registered between calls."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        self._watched: list[int] = []

    def __call__(self, descriptors: Sequence[int], until: float) -> set[int]:
        """Wait until one of ``descriptors`` is readable, or until ``until`` (seconds or infinity)."""
        assert descriptors, "nothing can end this wait: a clock that is not real needs a wait of its own"
        if (wanted := list(descriptors)) != self._watched:
            self._watch(wanted)
        timeout = None if until == inf else max(0.0, until - self._clock())
        return {key.fd for key, _ in self._selector.select(timeout)}

    def close(self) -> None:
        """Close the selector's descriptor."""
        self._selector.close()

    def _watch(self, descriptors: list[int]) -> None:
        for number in set(self._watched).difference(descriptors):
            self._selector.unregister(number)
        for number in set(descriptors).difference(self._watched):
            self._selector.register(number, selectors.EVENT_READ)
        self._watched = descriptors


def _let_time_pass(running: Sequence[Running], lookups: Sequence[Lookup], wait: Wait) -> None:
    """Wait until there is something to do, not at all if there is already; then pass on what arrived."""
    until = min((each.wakes_at() for each in running), default=-inf)
    if until > -inf:
        descriptors = [lookup.fileno() for lookup in lookups]
        for each in running:
            descriptors += each.pair.prober.descriptors()
        readable = wait(descriptors, until)
        for lookup in lookups:
            if lookup.fileno() in readable:
                lookup.acknowledge()
    for each in running:
        each.listen()


class Running:
    """One pair in progress: the state of its sending, and the decided events that wait for a name.

    With a ``pacer`` it sends no more than that allows.
    """

    def __init__(self, pair: Pair, lookups: Sequence[Lookup], pacer: Pacer | None = None) -> None:
        self.pair = pair
        self._pacer = pacer
        self.held: deque[Event] = deque()
        self._engine, self._prober = pair
        self._lookups = lookups
        self._sending = self._bursts()
        self._sends_at = -inf
        self._arrived: list[Reply] = []
        self._failure: SendFailure | None = None
        self._has_sent = False
        for lookup in lookups:
            lookup.ask(self._prober.destination)

    @property
    def is_over(self) -> bool:
        """Whether everything is decided and released."""
        return not self._is_undecided and self._engine.is_done and not self.held

    @property
    def _is_undecided(self) -> bool:
        """Whether a probe waits for its next try; until then the engine is told nothing."""
        return not isinf(self._sends_at)

    def close(self) -> None:
        """Forget how far it was, which would keep all of this in memory until garbage is looked for."""
        self._sending.close()

    @property
    def wants_to_send(self) -> bool:
        """Whether a burst may have been cut short."""
        return self._sends_at == -inf

    def send(self) -> None:
        """Send a burst; if a probe of the last one waits for its next try, continue there once it is due."""
        if not self._is_undecided or self._sends_at <= self._prober.clock():
            self._sends_at = next(self._sending)

    def _bursts(self) -> Generator[float, None, None]:
        """Send burst after burst; yields the instant at which to continue.

        That is the end of a pause, minus infinity if there may be more to send at once, or infinity if the
        engine wants nothing more until something happens.
        """
        while True:
            now = self._prober.clock()
            left = PROBES_PER_DRAIN
            if self._pacer is not None:
                left = min(left, self._pacer.allowance(now))
            while left > 0:
                probes = self._engine.next_probes(now, left)
                for probe, result in self._prober.send_all(probes):
                    if isinstance(result, float):
                        self._tell_sent(probe, result)
                    else:
                        yield from self._hindered(probe, result, now)
                if not probes:
                    break
                left -= len(probes)
            yield inf if left > 0 else -inf

    def _hindered(self, probe: Probe, failure: SendFailure, now: float) -> Iterator[float]:
        """Try ``probe`` again where that may help, then tell the engine; yields the end of each pause."""
        result: float | SendFailure = failure
        for pause in BUFFER_PAUSES:
            if isinstance(result, float) or result.kind is not FailureKind.TRANSIENT:
                break
            yield self._prober.clock() + pause
            result = self._prober.send(probe)
        if isinstance(result, float):
            self._tell_sent(probe, result)
            return
        if result.kind in ENDS_THE_RUN:
            raise ENDS_THE_RUN[result.kind](result.reason)
        self._failure = result
        self._engine.failed(probe, now)

    def _tell_sent(self, probe: Probe, sent_at: float) -> None:
        self._has_sent = True
        if self._pacer is not None:
            self._pacer.on_sent(sent_at)
        self._engine.sent(probe.leaving_from(self._prober.source_port(probe)), sent_at)

    def wakes_at(self) -> float:
        """The instant at which there is something to do even if no descriptor becomes readable.

        Where a pacer cut the last burst short, the caller knows when to go on.
        """
        is_held_up = self._pacer is not None and self.wants_to_send
        if (self.wants_to_send and not is_held_up) or (self._arrived and not self._is_undecided):
            return -inf
        engine_wakes_at = inf
        if not (self._is_undecided or self._engine.is_done):
            engine_wakes_at = self._engine.wake_at()
        sends_at = inf if is_held_up else self._sends_at
        return min(sends_at, engine_wakes_at, self._prober.wake_at(), self._names_wait_until())

    def listen(self) -> None:
        """Drain the prober; tell the engine what arrived, and the instant up to which that is everything."""
        now = self._prober.clock()
        self._arrived += self._prober.drain()
        if self._is_undecided:
            return
        replies, self._arrived = self._arrived, []
        for reply in replies:
            self._engine.receive(reply)
        self._engine.advance(now)

    def release(self) -> list[Event]:
        """The decided events that no longer wait for a lookup, in order."""
        if not self._is_undecided:
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

    def _take(self) -> None:
        events = self._engine.events()
        if self._failure is not None and not self._has_sent and _has_row(events):
            raise ProberError(self._failure.reason)
        for lookup in self._lookups:
            for event in events:
                if isinstance(event, AddressSeen):
                    lookup.ask(event.address)
        self.held.extend(events)

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
