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
from tracetcp.limits import require_silences
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
    from collections.abc import Callable, Generator, Iterator, Sequence
    from types import TracebackType
    from typing import Self

    from tracetcp.afterwards import Afterwards, ConnectionTest, Tell
    from tracetcp.config import Say, TraceConfig, Watch
    from tracetcp.engine import Engine
    from tracetcp.engine.branches.branch_engine import BranchEngine
    from tracetcp.engine.run_state import RunState
    from tracetcp.names import Lookups
    from tracetcp.probers.prober import Prober, Tap
    from tracetcp.probers.session.ears import Ears
    from tracetcp.runner import Wait
    from tracetcp.say import Saying
    from tracetcp.watch.engine import WatchEngine

SECRET_BYTES = 16
LOST_LATE = "; on a way without a gateway neither do replies later than {} s"
WITHOUT_PRIVILEGE = (
    "no raw sockets, probing without privileges: NAT, rewritten options and a local firewall do not show"
)


class Options(NamedTuple):
    """What a run does besides tracing.

    ``names`` and ``origins`` (AS numbers) are looked up for the addresses seen. ``evidence`` ends each trace
    in a ``VerdictReached``; so does ``explain``, which also sends control probes. So do the tests of a
    connection to the one port of the run (Linux alone): ``sizes``, of packets, ``silences``, each of so many
    seconds, and ``say``, which says words to find who stops or answers them and sends control probes as
    well. So does ``branches``, which finds the paths of the one port, each hop's with so many percent of
    certainty. ``pcap`` is where the packets are written: a path, or ``-`` for standard output.
    ``drops_privileges`` takes root and every capability from this process for good once the sockets are
    open, and does so in a child process before the host's name is looked up, or a file to be said is read.
    Without ``names_in_verdicts`` sentences have addresses alone; ``exact_origins`` asks for each address, and
    takes no neighbour's for it. ``watch`` watches the one port of the run instead of tracing it once: its
    events are those of ``model.watching``.
    """

    names: bool = True
    origins: bool = False
    evidence: bool = False
    explain: bool = False
    sizes: bool = False
    silences: tuple[int, ...] = ()
    say: Say | None = None
    branches: int = 0
    pcap: str | None = None
    drops_privileges: bool = False
    names_in_verdicts: bool = True
    exact_origins: bool = False
    watch: Watch | None = None

    @property
    def tested(self) -> tuple[str, ...]:
        """The flags that ask for tests over connections."""
        asked = (("--mtu", self.sizes), ("--idle", self.silences), ("--say", self.say is not None))
        return tuple(flag for flag, is_asked in asked if is_asked)


PLAIN = Options()


class Batch(NamedTuple):
    """Events decided together, in display order, and the names and origins known by then."""

    events: list[Event]
    texts: AddressTexts


class Session:
    """An open run. Close it, or use it as a context manager; ``batches`` can be gone through once.

    ``destination`` and ``source`` are the addresses on the wire, ``prober_kind`` how they are probed.
    ``is_silent`` says that no address answered yet, ``has_reached`` that the destination did, on some port.
    ``watch`` is the engine of a watch.
    """

    def __init__(
        self,
        prober: Prober,
        lookups: Lookups,
        engine: Engine,
        resources: ExitStack,
        *,
        names_verdicts: bool,
        afterwards: Afterwards | None = None,
        watch: WatchEngine | None = None,
        branches: BranchEngine | None = None,
    ) -> None:
        self.destination, self.source = prober.destination, prober.source
        self.prober_kind = prober.kind
        self.is_silent = True
        self.has_reached = False
        self._prober = prober
        self._lookups = lookups
        self._engine = engine
        self._resources = resources
        self._names_verdicts = names_verdicts
        self._afterwards = afterwards
        self.watch = watch
        self._branches = branches

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

    def look_up(self, address: str) -> None:
        """Put the texts of ``address`` among ``texts``; waits for them as long as a row would."""
        self._lookups.wait_for(address)

    def batches(self, tell: Tell | None = None, wait: Wait | None = None) -> Iterator[Batch]:
        """Trace; raises ``TracetcpError`` when the run cannot go on.

        After Ctrl-C what was decided still comes, then the ``KeyboardInterrupt``. ``tell`` is told every
        second how long silent connections have been waited for. ``wait`` is the runner's.
        """
        from tracetcp.runner import run

        try:
            for events in run(self._engine, self._prober, tuple(self._lookups), wait):
                texts = self.texts
                self._take_note(events)
                shown = events if self._afterwards is None else self._afterwards.take(events)
                yield Batch(self._with_names(shown, texts), texts)
        except KeyboardInterrupt:
            if self._branches is not None:
                yield Batch(self._with_names(self._branches.release(), self.texts), self.texts)
            raise
        if self._afterwards is not None:
            yield from self._finish(self._afterwards, tell)

    def _finish(self, afterwards: Afterwards, tell: Tell | None) -> Iterator[Batch]:
        """Test the connection, and yield the verdict held back for that; it comes after Ctrl-C as well."""
        try:
            afterwards.run(tell)
        except (KeyboardInterrupt, TracetcpError):
            yield self._released(afterwards)
            raise
        yield self._released(afterwards)

    def _released(self, afterwards: Afterwards) -> Batch:
        texts = self.texts
        return Batch(afterwards.release(texts.names if self._names_verdicts else {}), texts)

    def _take_note(self, events: list[Event]) -> None:
        self.is_silent = self.is_silent and not any(isinstance(event, AddressSeen) for event in events)
        self.has_reached = self.has_reached or any(
            event.outcome in (Outcome.OPEN, Outcome.CLOSED)
            for event in events
            if isinstance(event, (PortScanned, TraceFinished))
        )

    def _with_names(self, events: list[Event], texts: AddressTexts) -> list[Event]:
        return with_names(events, texts) if self._names_verdicts else events


def with_names(events: list[Event], texts: AddressTexts) -> list[Event]:
    """``events`` with the names in their sentences that their rows have waited for."""
    if not texts.names or not any(isinstance(event, VerdictReached) for event in events):
        return events
    from tracetcp.explain import explaining

    return [
        explaining.with_names(event, texts.names) if isinstance(event, VerdictReached) else event
        for event in events
    ]


def open_session(
    config: TraceConfig, options: Options = PLAIN, warn: Callable[[str], None] = lambda _: None
) -> Session:
    """Resolve the host and open everything that the run takes; no probe is sent yet.

    ``warn`` is told in a sentence what makes the run less than it could be. Raises ``TracetcpError``.
    """
    (found,) = open_sessions((config,), options, warn)
    if isinstance(found, TracetcpError):
        raise found
    return found


def open_sessions(
    configs: Sequence[TraceConfig], options: Options = PLAIN, warn: Callable[[str], None] = lambda _: None
) -> list[Session | TracetcpError]:
    """A run for each of ``configs``, to be gone through one after the other, or the error that it ends in.

    All sockets are opened before the privileges are dropped, which happens once.
    """
    if options.tested:
        from tracetcp.afterwards import require_linux

        require_silences(options.silences)
        require_linux(options.tested[0])
    if options.drops_privileges:
        from tracetcp.early_imports import import_what_would_be_closed

        import_what_would_be_closed(look_ups=options.names or options.origins)
    saying = _prepare(configs[0].host, options)
    with ExitStack() as everything:
        opened = [_open_sockets(config, options, everything) for config in configs]
        if all(isinstance(each, TracetcpError) for each in opened):
            return [each for each in opened if isinstance(each, TracetcpError)]
        probers = [each.prober for each in opened if not isinstance(each, TracetcpError)]
        _warn_of_kinds(probers, configs[0], warn)
        if options.drops_privileges:
            from tracetcp.privileges import become_caller

            become_caller()
        for each in opened:
            if options.pcap is not None and not isinstance(each, TracetcpError):
                keep_packets(options.pcap, each.prober.capture, each.resources, warn)
        if options.drops_privileges:
            from tracetcp.privileges import give_up_capabilities

            give_up_capabilities()
        sessions = [
            each if isinstance(each, TracetcpError) else _open(config, options, saying, each, warn)
            for config, each in zip(configs, opened, strict=True)
        ]
        everything.pop_all()
        return sessions


class _Sockets(NamedTuple):
    """What takes privileges to open, and what closes it."""

    prober: Prober
    ears: Ears | None
    resources: ExitStack


def _open_sockets(config: TraceConfig, options: Options, everything: ExitStack) -> _Sockets | TracetcpError:
    """What the run ``config`` sends and listens with; ``everything`` closes it too."""
    try:
        destination = resolve(config.host, config.family, without_privileges=options.drops_privileges)
        resources = everything.enter_context(ExitStack())
        prober = _open_prober(config, destination)
        if options.watch is not None:
            prober = _made_to_last(config, prober)
    except TracetcpError as error:
        return error
    resources.callback(prober.close)
    return _Sockets(prober, _open_ears(config, options, prober, resources), resources)


def _warn_of_kinds(probers: Sequence[Prober], config: TraceConfig, warn: Callable[[str], None]) -> None:
    """Say once what a prober without privileges cannot see."""
    waits = [prober.longest_wait for prober in probers if prober.kind == "connect"]
    if waits:
        longest = min(waits)
        is_cut = longest < config.timeout
        warn(WITHOUT_PRIVILEGE + (LOST_LATE.format(longest) if is_cut else ""))


def _open(
    config: TraceConfig,
    options: Options,
    saying: Saying | None,
    sockets: _Sockets,
    warn: Callable[[str], None],
) -> Session:
    """The rest of a run, which takes no privilege."""
    prober, ears, resources = sockets
    lookups = open_lookups_for(options, warn)
    resources.callback(lookups.close)
    state = _open_state()
    watch = _open_watch(config, options.watch, prober, state, warn) if options.watch else None
    engine = watch or open_engine_for(config, options, prober, state)
    percent = options.branches
    branches = _open_branches(engine, config, percent, prober, state) if percent else None
    is_judging = options.evidence or options.explain or bool(options.tested) or percent > 0
    names_verdicts = is_judging and options.names_in_verdicts
    tests = _open_tests(config, options, saying, prober, state, ears) if options.tested else None
    return Session(
        prober,
        lookups,
        branches or engine,
        resources.pop_all(),
        names_verdicts=names_verdicts,
        afterwards=tests,
        branches=branches,
        watch=watch,
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


def keep_packets(
    path: str,
    capture: Callable[[Callable[[], Tap]], None],
    resources: ExitStack,
    warn: Callable[[str], None],
) -> None:
    """Write a pcap file beside the trace; ``capture`` is that of the prober."""
    from tracetcp.pcap_file import PcapFile

    def open_tap() -> Tap:
        return resources.enter_context(closing(PcapFile(path, warn))).tap

    capture(open_tap)


def open_lookups_for(options: Options, warn: Callable[[str], None]) -> Lookups:
    """The look-ups that ``options`` want."""
    from tracetcp.names import open_lookups

    return open_lookups(
        names=options.names, origins=options.origins, exact_origins=options.exact_origins, warn=warn
    )


def _open_state() -> RunState:
    from tracetcp.engine.run_state import RunState

    return RunState(os.urandom(SECRET_BYTES))


def _prepare(host: str, options: Options) -> Saying | None:
    """What is to be said, if anything; a file of it is read with the caller's rights."""
    if options.say is None:
        return None
    from tracetcp.say import prepare

    return prepare(options.say, host, without_privileges=options.drops_privileges)


def _open_ears(config: TraceConfig, options: Options, prober: Prober, resources: ExitStack) -> Ears | None:
    """Raw sockets for the test of words, where the prober has some."""
    if options.say is None or prober.kind != "raw":
        return None
    from tracetcp.say import open_ears

    ears = open_ears(config, prober.destination)
    if ears is not None:
        resources.callback(ears.close)
    return ears


def _open_tests(
    config: TraceConfig,
    options: Options,
    saying: Saying | None,
    prober: Prober,
    state: RunState,
    ears: Ears | None,
) -> Afterwards:
    """The tests, that of words last: what these bring about may last."""
    from tracetcp.afterwards import Afterwards

    tests: list[ConnectionTest] = []
    if options.sizes:
        from tracetcp.mtu import SizeTest

        words = saying.words if saying else None
        tests.append(SizeTest(config, prober.destination, state.routers, words))
    if options.silences:
        from tracetcp.idle import SilenceTest

        tests.append(SilenceTest(config, prober.destination, state.routers, options.silences))
    if saying is not None:
        from tracetcp.say import WordTest

        tests.append(WordTest(config, prober.destination, state.routers, saying, ears))
    return Afterwards(tests)


def open_engine_for(config: TraceConfig, options: Options, prober: Prober, state: RunState) -> Engine:
    """The engine of one target, with one round it that judges where verdicts or evidence are wanted."""
    from tracetcp.engine import open_engine

    def fresh(config: TraceConfig) -> Engine:
        return open_engine(config, state, prober.capacity, shares_flows=prober.shares_flows)

    may_probe = options.explain or options.say is not None
    if not (may_probe or options.evidence or options.tested or options.branches):
        return fresh(config)
    from tracetcp.explain.explaining import ExplainingEngine

    return ExplainingEngine(
        config,
        prober.destination,
        fresh,
        state,
        may_probe=may_probe,
        shares_flows=prober.shares_flows,
    )


def _made_to_last(config: TraceConfig, prober: Prober) -> Prober:
    from tracetcp.lasting import LastingProber

    return LastingProber(config, prober)


def _open_watch(
    config: TraceConfig, watch: Watch, prober: Prober, state: RunState, warn: Callable[[str], None]
) -> WatchEngine:
    from tracetcp.engine import open_engine
    from tracetcp.lasting import LastingProber
    from tracetcp.watch.engine import WatchEngine

    assert isinstance(prober, LastingProber), "a watch is given one"
    prober.warn = warn

    def fresh(config: TraceConfig, state: RunState) -> Engine:
        return open_engine(config, state, prober.capacity, shares_flows=prober.shares_flows)

    return WatchEngine(config, watch, prober.destination, fresh, state, machine=prober)


def _open_branches(
    inner: Engine, config: TraceConfig, percent: int, prober: Prober, state: RunState
) -> BranchEngine:
    """The engine that searches for branches once ``inner`` has traced."""
    from tracetcp.engine.branches.branch_engine import BranchEngine

    return BranchEngine(
        inner, config, state, prober.capacity, shares_flows=prober.shares_flows, percent=percent
    )


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
