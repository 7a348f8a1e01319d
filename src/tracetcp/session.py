"""One run: opens what a ``TraceConfig`` takes, drives it, and yields its events; ``trace`` is the Python API.

Sockets, files and threads are opened and closed here. The order is what makes a run with privileges safe:
resolve where no privilege is left, open sockets, become the user who called sudo, open files, give every
capability up, and only then read from the network and start threads. Streams, signals and the garbage
collector belong to the caller, and so do its privileges unless ``Options.drops_privileges`` hands them over.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, NamedTuple

from tracetcp.errors import TracetcpError
from tracetcp.model import (
    NO_TEXTS,
    AddressSeen,
    AddressTexts,
    Event,
    NameFound,
    OriginFound,
    Outcome,
    PortScanned,
    TraceFinished,
    VerdictReached,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from types import TracebackType
    from typing import Self

    from tracetcp.config import TraceConfig, Watch
    from tracetcp.engine import Engine
    from tracetcp.engine.run_state import RunState
    from tracetcp.lasting import LastingProber
    from tracetcp.mtu import SizeTest
    from tracetcp.names import Lookups
    from tracetcp.probers.prober import Prober, Tap
    from tracetcp.runner import Wait
    from tracetcp.watch.engine import WatchEngine

SECRET_BYTES = 16
LOST_LATE = "; on a way without a gateway neither do replies later than {} s"
WITHOUT_PRIVILEGE = (
    "no raw sockets, probing without privileges: NAT, rewritten options and a local firewall do not show"
)


class Options(NamedTuple):
    """What a run does besides tracing.

    ``names`` and ``origins`` (AS numbers) are looked up for the addresses seen. ``evidence`` ends each trace
    in a ``VerdictReached``; so does ``explain``, which also sends control probes, and ``sizes``, which tests
    the packet sizes of a connection to the one port of the run (Linux alone). ``pcap`` is where the packets
    are written: a path, or ``-`` for standard output. ``drops_privileges`` takes root and every capability
    from this process for good once the sockets are open, and does so in a child process before the host's
    name is looked up. ``watch`` watches the one port of the run instead of tracing it once: its events are
    those of ``model.watching``.
    """

    names: bool = True
    origins: bool = False
    evidence: bool = False
    explain: bool = False
    sizes: bool = False
    pcap: str | None = None
    drops_privileges: bool = False
    watch: Watch | None = None


PLAIN = Options()


class Batch(NamedTuple):
    """Events decided together, in display order, and the names and origins known by then."""

    events: list[Event]
    texts: AddressTexts


class Session:
    """An open run. Close it, or use it as a context manager; ``batches`` can be gone through once.

    ``destination`` and ``source`` are the addresses on the wire. ``is_silent`` says that no address answered
    yet, ``has_reached`` that the destination did, on some port. ``watch`` is the engine of a watch.
    """

    def __init__(
        self,
        prober: Prober,
        lookups: Lookups,
        engine: Engine,
        resources: ExitStack,
        *,
        is_judging: bool,
        test: SizeTest | None = None,
        watch: WatchEngine | None = None,
    ) -> None:
        self.destination, self.source = prober.destination, prober.source
        self.is_silent = True
        self.has_reached = False
        self._prober = prober
        self._lookups = lookups
        self._engine = engine
        self._resources = resources
        self._is_judging = is_judging
        self._test = test
        self.watch = watch

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back every socket and file; a look-up under way ends alone. May be repeated."""
        self._resources.close()

    def clock(self) -> float:
        """Now, in seconds, on the clock of the events' instants."""
        return self._prober.clock()

    @property
    def ports_done(self) -> int:
        """Ports that are traced."""
        return self._engine.ports_done

    @property
    def texts(self) -> AddressTexts:
        """The names and origins known by now."""
        return self._lookups.texts

    def batches(self, wait: Wait | None = None) -> Iterator[Batch]:
        """Trace; raises ``TracetcpError`` when the run cannot go on.

        After Ctrl-C what was decided still comes, then the ``KeyboardInterrupt``. ``wait`` is the runner's.
        """
        from tracetcp.runner import run

        for events in run(self._engine, self._prober, tuple(self._lookups), wait):
            texts = self.texts
            self._take_note(events)
            shown = events if self._test is None else self._test.take(events)
            yield Batch(self._with_names(shown, texts), texts)
        if self._test is not None:
            yield from self._finish(self._test)

    def _finish(self, test: SizeTest) -> Iterator[Batch]:
        """Test the sizes, and yield the verdict held back for that; it comes after Ctrl-C as well."""
        try:
            test.run()
        except (KeyboardInterrupt, TracetcpError):
            yield Batch(test.release(self.texts.names), self.texts)
            raise
        yield Batch(test.release(self.texts.names), self.texts)

    def _take_note(self, events: list[Event]) -> None:
        self.is_silent = self.is_silent and not any(isinstance(event, AddressSeen) for event in events)
        self.has_reached = self.has_reached or any(
            event.outcome in (Outcome.OPEN, Outcome.CLOSED)
            for event in events
            if isinstance(event, (PortScanned, TraceFinished))
        )

    def _with_names(self, events: list[Event], texts: AddressTexts) -> list[Event]:
        """``events`` with the names in their sentences that their rows have waited for."""
        if not self._is_judging or not texts.names:
            return events
        from tracetcp.explain.explaining import with_names

        return [
            with_names(event, texts.names) if isinstance(event, VerdictReached) else event for event in events
        ]


def open_session(
    config: TraceConfig, options: Options = PLAIN, warn: Callable[[str], None] = lambda _: None
) -> Session:
    """Resolve the host and open everything that the run takes; no probe is sent yet.

    ``warn`` is told in a sentence what makes the run less than it could be. Raises ``TracetcpError``.
    """
    if options.sizes:
        from tracetcp.mtu import require_linux

        require_linux()
    if options.drops_privileges:
        from tracetcp.early_imports import import_what_would_be_closed

        import_what_would_be_closed(look_ups=options.names or options.origins)
    destination = resolve(config.host, config.family, without_privileges=options.drops_privileges)
    with ExitStack() as resources:
        prober = _open_prober(config, destination)
        if options.watch is not None:
            prober = _made_to_last(config, prober, warn)
        resources.callback(prober.close)
        if prober.kind == "connect":
            is_cut = prober.longest_wait < config.timeout
            warn(WITHOUT_PRIVILEGE + (LOST_LATE.format(prober.longest_wait) if is_cut else ""))
        if options.drops_privileges:
            from tracetcp.privileges import become_caller

            become_caller()
        if options.pcap is not None:
            _keep_packets(options.pcap, prober, resources, warn)
        if options.drops_privileges:
            from tracetcp.privileges import give_up_capabilities

            give_up_capabilities()
        lookups = _open_lookups(options, warn)
        resources.callback(lookups.close)
        state = _open_state()
        watch = _open_watch(config, options.watch, prober, state) if options.watch else None
        engine = watch or _open_engine(config, options, prober, state)
        is_judging = options.evidence or options.explain or options.sizes
        test = _open_test(config, prober, state) if options.sizes else None
        return Session(
            prober, lookups, engine, resources.pop_all(), is_judging=is_judging, test=test, watch=watch
        )


def resolve(host: str, family: int | None, *, without_privileges: bool = False) -> str:
    """The address of ``host``, of ``family`` (4 or 6) if one is given.

    ``without_privileges`` reads the answers of DNS where no privilege is left: in a child process, if this
    one has any. Raises ``NameNotFound`` and ``FamilyMismatch``.
    """
    from tracetcp.names.hosts import resolve_numeric

    numeric = resolve_numeric(host, family)
    if numeric is not None:
        return numeric
    from tracetcp.names.resolving import resolve as ask

    if not without_privileges:
        return ask(host, family)
    from tracetcp.early_imports import import_what_would_be_closed
    from tracetcp.privileges import unprivileged

    import_what_would_be_closed(look_ups=True)
    return unprivileged(lambda: ask(host, family))


def _open_prober(config: TraceConfig, destination: str) -> Prober:
    from tracetcp.probers import open_prober

    return open_prober(config, destination)


def _keep_packets(path: str, prober: Prober, resources: ExitStack, warn: Callable[[str], None]) -> None:
    """Write a pcap file beside the trace."""
    from tracetcp.pcap_file import PcapFile

    def open_tap() -> Tap:
        return resources.enter_context(closing(PcapFile(path, warn))).tap

    prober.capture(open_tap)


def _open_lookups(options: Options, warn: Callable[[str], None]) -> Lookups:
    from tracetcp.names import open_lookups

    return open_lookups(names=options.names, origins=options.origins, warn=warn)


def _open_state() -> RunState:
    from tracetcp.engine.run_state import RunState

    return RunState(os.urandom(SECRET_BYTES))


def _open_test(config: TraceConfig, prober: Prober, state: RunState) -> SizeTest:
    from tracetcp.mtu import SizeTest

    return SizeTest(config, prober.destination, state.routers)


def _open_engine(config: TraceConfig, options: Options, prober: Prober, state: RunState) -> Engine:
    """The engine, with one round it that judges where verdicts or evidence are wanted."""
    from tracetcp.engine import open_engine

    def fresh(config: TraceConfig) -> Engine:
        return open_engine(config, state, prober.capacity, shares_flows=prober.shares_flows)

    if not (options.explain or options.evidence or options.sizes):
        return fresh(config)
    from tracetcp.explain.explaining import ExplainingEngine

    return ExplainingEngine(
        config,
        prober.destination,
        fresh,
        state,
        may_probe=options.explain,
        shares_flows=prober.shares_flows,
    )


def _made_to_last(config: TraceConfig, prober: Prober, warn: Callable[[str], None]) -> LastingProber:
    from tracetcp.lasting import LastingProber

    return LastingProber(config, prober, warn)


def _open_watch(config: TraceConfig, watch: Watch, prober: Prober, state: RunState) -> WatchEngine:
    from tracetcp.engine import open_engine
    from tracetcp.lasting import LastingProber
    from tracetcp.watch.engine import WatchEngine

    assert isinstance(prober, LastingProber), "a watch is given one"

    def fresh(config: TraceConfig, state: RunState) -> Engine:
        return open_engine(config, state, prober.capacity, shares_flows=prober.shares_flows)

    return WatchEngine(config, watch, prober.destination, fresh, state, machine=prober)


def trace(
    config: TraceConfig, *, explain: bool = False, names: bool = True, origins: bool = False
) -> Generator[Event, None, None]:
    """Trace what ``config`` says, and yield what is decided, in the order in which it would be shown.

    Nothing is opened before the first event is asked for; everything is closed after the last one, after an
    error, and by ``close()``. ``names`` and ``origins`` yield ``NameFound`` and ``OriginFound``, for which a
    row waits a second at most. ``explain`` sends control probes too and ends each trace in a
    ``VerdictReached``. Raw sockets are used where the process has the right to; it keeps that right. Raises
    ``TracetcpError``, whose text says what to do.
    """
    with open_session(config, Options(names=names, origins=origins, explain=explain)) as session:
        told = NO_TEXTS
        for events, texts in session.batches():
            yield from _news(told, texts)
            told = texts
            yield from events


def _news(told: AddressTexts, texts: AddressTexts) -> Iterator[Event]:
    """What is in ``texts`` and not in ``told`` yet."""
    yield from (NameFound(*found) for found in texts.names.items() if found[0] not in told.names)
    yield from (OriginFound(*found) for found in texts.origins.items() if found[0] not in told.origins)
