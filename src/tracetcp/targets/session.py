"""A run over many targets: opens what they share, drives them, and yields what is decided of each.

As ``tracetcp.session`` does for one target, and in the same order: sockets first, then the privileges go, and
only then are lists and the network read.
"""

from __future__ import annotations

import os
from collections import deque
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from tracetcp.model import NO_TEXTS, Outcome, PortScanned, TraceFinished, VerdictReached
from tracetcp.session import WITHOUT_PRIVILEGE, keep_packets, open_engine_for, open_lookups_for, with_names
from tracetcp.targets.arrivals import Arrivals, Entry
from tracetcp.targets.crowd import Crowd
from tracetcp.targets.rate import RatePacer
from tracetcp.targets.resume import Earlier, read_done

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import TracebackType
    from typing import Self

    from tracetcp.config import TraceConfig
    from tracetcp.engine.run_state import RunState
    from tracetcp.errors import TracetcpError
    from tracetcp.model import AddressTexts, Event
    from tracetcp.model.verdict import Verdict
    from tracetcp.names import Lookups
    from tracetcp.probers.hub import Hub
    from tracetcp.runner import Pair, Wait
    from tracetcp.session import Options
    from tracetcp.targets.listing import Listing

SECRET_BYTES = 16
FEWEST_TARGETS, MOST_TARGETS = 16, 128
"""Targets under way at once, at least and at most, as far as there are descriptors."""
MOST_HELD = 64
"""Targets that wait for others of the same address; for more the list has to wait."""
PROBES_A_SECOND_PER_TARGET = 16
"""What a target under way sends at most for some time: so many more targets make use of a higher rate."""


class Request(NamedTuple):
    """What is to be traced.

    ``config`` holds for every target but for host and ports. ``path`` is the list, ``-`` standard input;
    without one the host of ``config`` is the only target. ``ports``, if given, win over those in the list.
    ``rate`` is in probes a second. ``resume`` is a file of records, ``appended_by`` the descriptor that the
    new ones go to. With ``all_addresses`` each address of a host is a target.
    """

    config: TraceConfig
    path: str | None
    rate: int
    ports: Sequence[int] | None = None
    resume: str | None = None
    appended_by: int | None = None
    all_addresses: bool = False


class Host:
    """A host whose ``addresses`` are all traced: what became of each, for one conclusion at the end."""

    def __init__(self, entry: Entry, addresses: Sequence[str], *, is_whole: bool) -> None:
        self.entry = entry
        self._is_whole = is_whole
        """Whether all of its addresses are traced in this run: else there is nothing to conclude."""
        self._open = {(address, port) for address in addresses for port in entry.ports}
        self._judged: dict[int, list[VerdictReached]] = {}
        self._failed: dict[str, str] = {}

    def judged(self, event: VerdictReached, address: str) -> Verdict | None:
        """Note the verdict on one port of one address; the conclusion, if it was the last of that port."""
        self._open.discard((address, event.port))
        self._judged.setdefault(event.port, []).append(event)
        return self._conclusion(event.port)

    def failed(self, address: str, error: TracetcpError) -> list[Verdict]:
        """Note that an address could not be traced; the conclusions on ports of which it was the last."""
        self._failed[address] = str(error)
        ports = {port for each, port in self._open if each == address}
        self._open = {each for each in self._open if each[0] != address}
        found = [self._conclusion(port) for port in sorted(ports)]
        return [conclusion for conclusion in found if conclusion is not None]

    def _conclusion(self, port: int) -> Verdict | None:
        judged = self._judged.get(port)
        if not self._is_whole or not judged or any(other == port for _, other in self._open):
            return None
        from tracetcp.verdicts.addresses import conclude

        return conclude([(each.evidence, each.verdicts[0]) for each in judged], self._failed)

    @property
    def is_over(self) -> bool:
        """Whether every address is traced."""
        return not self._open


class Target(NamedTuple):
    """One address of a listed host, with its own ``config``; with ``host`` where all addresses are traced."""

    entry: Entry
    address: str
    config: TraceConfig
    host: Host | None = None
    error: TracetcpError | None = None


class TargetStep(NamedTuple):
    """What was decided of ``target`` just now, in display order, with the names and origins known.

    ``is_over`` says that it is traced from ``source`` (an address), ``error`` why it could not be.
    ``conclusions`` come with the last address of a host.
    """

    target: Target
    events: list[Event]
    texts: AddressTexts
    is_over: bool
    source: str | None
    error: TracetcpError | None = None
    conclusions: tuple[Verdict, ...] = ()


class _Source:
    """Turns arrivals into targets: an address each, without what is done already."""

    def __init__(self, arrivals: Arrivals, request: Request, earlier: Earlier) -> None:
        self._arrivals = arrivals
        self._request = request
        self._earlier = earlier
        self._next: deque[Target] = deque()
        self._held: deque[Target] = deque()
        """Those that have to wait for another one of the same address and port."""
        self._under_way: dict[str, list[Sequence[int]]] = {}
        """By address: the ports of the targets that were taken and are not over."""
        self.skipped = 0
        """Listed targets of which nothing is left to do."""

    @property
    def is_over(self) -> bool:
        return not self._next and not self._held and self._arrivals.is_over

    def take(self) -> Target | None:
        """The next target; none of an address and a port that are under way, since both use one 5-tuple."""
        for _ in range(len(self._held)):
            if self._is_free(self._held[0]):
                return self._begin(self._held.popleft())
            self._held.rotate(-1)
        while len(self._held) < MOST_HELD and (target := self._following()) is not None:
            if self._is_free(target):
                return self._begin(target)
            self._held.append(target)
        return None

    def _is_free(self, target: Target) -> bool:
        ports = target.config.ports
        others = self._under_way.get(target.address, ())
        return not any(port in other for other in others for port in ports)

    def _begin(self, target: Target) -> Target:
        self._under_way.setdefault(target.address, []).append(target.config.ports)
        return target

    def ended(self, target: Target) -> None:
        """``target`` is over."""
        others = self._under_way[target.address]
        others.remove(target.config.ports)
        if not others:
            del self._under_way[target.address]

    def _following(self) -> Target | None:
        while not self._next:
            arrival = self._arrivals.take()
            if arrival is None:
                return None
            entry, addresses, error = arrival
            config = replace(self._request.config, host=entry.host, ports=entry.ports)
            places = addresses if error is None else ("",)
            targets = [self._left(entry, address, config) for address in places]
            left = [target for target in targets if target is not None]
            self.skipped += not left
            if error is not None:
                left = [target._replace(error=error) for target in left]
            elif self._request.all_addresses:
                host = Host(entry, [target.address for target in left], is_whole=left == targets)
                left = [target._replace(host=host) for target in left]
            self._next.extend(left)
        return self._next.popleft()

    def _left(self, entry: Entry, address: str, config: TraceConfig) -> Target | None:
        """The target with the ports that are left to do; None if there is none."""
        ports = [port for port in entry.ports if not self._earlier.take(entry.host, port, address)]
        if len(ports) == len(entry.ports):
            return Target(entry, address, config)
        return Target(entry, address, replace(config, ports=tuple(ports))) if ports else None

    def fileno(self) -> int | None:
        return self._arrivals.fileno()

    def acknowledge(self) -> None:
        self._arrivals.acknowledge()


class TargetsSession:
    """An open run over many targets. Close it, or use it as a context manager; go through ``steps`` once."""

    def __init__(
        self,
        request: Request,
        options: Options,
        hub: Hub,
        lookups: Lookups,
        source: _Source,
        listing: Listing | None,
        resources: ExitStack,
    ) -> None:
        from tracetcp.engine.run_state import InCommon

        self.done = 0
        """Targets that were traced, or that failed."""
        self.worst_status = 0
        self._options = options
        self._hub = hub
        self._lookups = lookups
        self._source = source
        self._listing = listing
        self._resources = resources
        self._in_common = {4: InCommon(), 6: InCommon()}
        self._states: dict[int, RunState] = {}
        """Of the targets under way, by identity."""
        self._sources: dict[int, str] = {}
        """Of the same: the address that the probes leave from."""
        self._reached: set[int] = set()
        """The targets under way, by identity, of which a port was reached."""
        most = min(MOST_TARGETS, max(FEWEST_TARGETS, request.rate // PROBES_A_SECOND_PER_TARGET))
        self._crowd = Crowd(
            source, self._open_pair, hub, RatePacer(request.rate), hub.room(most), tuple(lookups)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back every socket and file. May be repeated."""
        self._resources.close()

    def clock(self) -> float:
        """Now, in seconds, on the clock of the events' instants."""
        return self._hub.clock()

    @property
    def total(self) -> int | None:
        """Listed targets to be traced in this run; None while that is not known."""
        if self._listing is None:
            return 1
        return None if self._listing.total is None else self._listing.total - self._source.skipped

    def steps(self, wait: Wait | None = None) -> Iterator[TargetStep]:
        """Trace; after Ctrl-C what was decided still comes, then the ``KeyboardInterrupt``."""
        with ExitStack() as stack:
            if wait is None:
                from tracetcp.runner import SelectorWait

                wait = stack.enter_context(closing(SelectorWait(self._hub.clock)))
            for target, events, is_over, error in self._crowd.run(wait):
                texts = self._lookups.texts if events else NO_TEXTS
                shown, conclusions = self._judge(target, with_names(events, texts), error)
                source = self._sources.get(id(target))
                self._take_note(target, events, is_over=is_over, error=error)
                yield TargetStep(target, shown, texts, is_over, source, error, conclusions)

    def _judge(
        self, target: Target, events: list[Event], error: TracetcpError | None
    ) -> tuple[list[Event], tuple[Verdict, ...]]:
        """``events`` with the conclusions on all addresses of a host, where they are due."""
        if target.host is None:
            return events, ()
        shown: list[Event] = []
        conclusions: list[Verdict] = []
        for event in events:
            verdict = target.host.judged(event, target.address) if isinstance(event, VerdictReached) else None
            if verdict is not None and isinstance(event, VerdictReached):
                conclusions.append(verdict)
                shown.append(event._replace(conclusions=(verdict,)))
            else:
                shown.append(event)
        if error is not None:
            conclusions += target.host.failed(target.address, error)
        return shown, tuple(conclusions)

    def _take_note(
        self, target: Target, events: list[Event], *, is_over: bool, error: TracetcpError | None
    ) -> None:
        key = id(target)
        if any(
            event.outcome in (Outcome.OPEN, Outcome.CLOSED)
            for event in events
            if isinstance(event, (PortScanned, TraceFinished))
        ):
            self._reached.add(key)
        if not is_over:
            return
        self._source.ended(target)
        if (state := self._states.pop(key, None)) is not None:
            state.tokens.close()
            del self._sources[key]
        status = error.exit_status if error is not None else int(key not in self._reached)
        self._reached.discard(key)
        self.worst_status = max(self.worst_status, status)
        self.done += target.host is None or target.host.is_over

    @property
    def exit_status(self) -> int:
        """2 if a line of the list was bad, else that of the worst target."""
        is_any_bad = self._listing is not None and self._listing.is_any_bad
        return 2 if is_any_bad else self.worst_status

    def _open_pair(self, target: Target) -> Pair:
        from tracetcp.engine.run_state import RunState
        from tracetcp.runner import Pair

        if target.error is not None:
            raise target.error
        prober = self._hub.open(target.config, target.address)
        state = RunState(os.urandom(SECRET_BYTES), self._in_common[6 if ":" in target.address else 4])
        self._states[id(target)] = state
        self._sources[id(target)] = prober.source
        return Pair(open_engine_for(target.config, self._options, prober, state), prober)


def open_targets(request: Request, options: Options, warn: Callable[[str], None]) -> TargetsSession:
    """Open everything that the run takes; no probe is sent yet.

    ``warn`` is told in a sentence of bad lines, and of what makes the run less than it could be. Raises
    ``TracetcpError``.
    """
    from tracetcp.early_imports import import_what_would_be_closed
    from tracetcp.probers.hub import open_hub

    import_what_would_be_closed(look_ups=True)
    with ExitStack() as resources:
        hub = resources.enter_context(closing(open_hub(request.config)))
        if hub.kind == "connect":
            warn(WITHOUT_PRIVILEGE)
        if options.drops_privileges:
            from tracetcp.privileges import become_caller

            become_caller()
        listing = _open_listing(request, warn, resources)
        done = read_done(request.resume, warn, request.appended_by) if request.resume is not None else []
        earlier = Earlier(done, by_address=request.all_addresses)
        if options.pcap is not None:
            keep_packets(options.pcap, hub.capture, resources, warn)
        if options.drops_privileges:
            from tracetcp.privileges import give_up_capabilities

            give_up_capabilities()
        lookups = open_lookups_for(options, warn)
        resources.callback(lookups.close)
        arrivals = resources.enter_context(closing(_open_arrivals(request, listing)))
        source = _Source(arrivals, request, earlier)
        return TargetsSession(request, options, hub, lookups, source, listing, resources.pop_all())


def _open_listing(request: Request, warn: Callable[[str], None], resources: ExitStack) -> Listing | None:
    if request.path is None:
        return None
    from tracetcp.targets.listing import Listing

    listing = resources.enter_context(closing(Listing(request.path, warn, request.ports)))
    if listing.total == 0:
        warn(f"{request.path} lists no target: write one a line")
    return listing


def _open_arrivals(request: Request, listing: Listing | None) -> Arrivals:
    from tracetcp.names.hosts import resolve_numeric

    config = request.config
    entries: Iterable[Entry] = listing if listing is not None else [Entry("", config.host, config.ports)]

    def look_up(host: str) -> Sequence[str]:
        from tracetcp.names.resolving import resolve, resolve_all

        if request.all_addresses:
            return resolve_all(host, config.family)
        return [resolve(host, config.family)]

    arrivals = Arrivals(entries, lambda host: resolve_numeric(host, config.family), look_up)
    arrivals.start()
    return arrivals
