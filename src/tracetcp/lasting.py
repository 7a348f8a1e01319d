"""A prober that outlives what happens to this machine's network, for a watch of days.

It goes on where another run would end: without a route, with a link down, with another address, after the
machine was suspended, and when the target's name has got another address. What it finds it tells the watch
(``Machine``). Nothing here waits; the name is looked up in a thread.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from tracetcp.diagnosis import interface_of, link_state, source_address
from tracetcp.errors import NoRoute, TracetcpError
from tracetcp.model import FailureKind, SendFailure
from tracetcp.model.watching import Cause, LocalCause
from tracetcp.names.resolving import first_choice, resolve_all
from tracetcp.probers import open_prober
from tracetcp.probers.prober import Prober
from tracetcp.probers.routes import find_route

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tracetcp.config import TraceConfig
    from tracetcp.model import Probe, Reply
    from tracetcp.probers.prober import Tap

SHORTEST_SLEEP = 1.0
"""Seconds by which the two clocks of the kernel must have parted for the machine to have been suspended."""


class LastingProber(Prober):
    """Stands for ``prober``, and for the one that takes its place where the address changes.

    ``warn`` is told when probing goes on in another way. It is the ``Machine`` of a watch, too.
    """

    def __init__(self, config: TraceConfig, prober: Prober) -> None:
        self.warn: Callable[[str], None] = lambda _: None
        self._config = config
        self._failure: str | None = None
        self._suspended = _suspended()
        self._looking_up: threading.Thread | None = None
        self._found: list[str] = []
        self._take(prober)

    def _take(self, prober: Prober) -> None:
        self._prober = prober
        self.kind, self.capacity = prober.kind, prober.capacity
        self.destination, self.source = prober.destination, prober.source
        self.shares_flows, self.longest_wait = prober.shares_flows, prober.longest_wait

    # What every prober does ----------------------------------------------------------------------------

    def clock(self) -> float:
        """See ``Prober``."""
        return self._prober.clock()

    def source_port(self, probe: Probe) -> int:
        """See ``Prober``."""
        return self._prober.source_port(probe)

    def send(self, probe: Probe) -> float | SendFailure:
        """See ``Prober``; no failure ends the run."""
        try:
            result = self._prober.send(probe)
        except (TracetcpError, OSError) as error:
            result = SendFailure(0, str(error))
        if isinstance(result, float):
            self._failure = None
            return result
        self._failure = None if result.kind is FailureKind.NO_ROUTE else result.reason  # routes are looked up
        is_passing = result.kind is FailureKind.TRANSIENT
        return result if is_passing else result._replace(kind=FailureKind.PROBE_LOST)

    def descriptors(self) -> Sequence[int]:
        """See ``Prober``."""
        return self._prober.descriptors()

    def drain(self) -> Sequence[Reply]:
        """See ``Prober``."""
        try:
            return self._prober.drain()
        except (TracetcpError, OSError) as error:
            self._failure = str(error)
            return ()

    def wake_at(self) -> float:
        """See ``Prober``."""
        return self._prober.wake_at()

    def capture(self, open_tap: Callable[[], Tap]) -> None:
        """See ``Prober``; a prober that takes this one's place captures nothing."""
        self._prober.capture(open_tap)

    def close(self) -> None:
        """See ``Prober``."""
        self._prober.close()

    # What a watch asks of this machine -----------------------------------------------------------------

    def trouble(self) -> LocalCause | None:
        """See ``Machine``. An address that changed is taken into use."""
        try:
            route = find_route(
                self._config.gateway or self.destination, self._config.interface, tos=self._config.tos
            )
        except NoRoute as error:
            return LocalCause(Cause.NO_ROUTE, _first_part(error))
        except (TracetcpError, OSError) as error:
            return LocalCause(Cause.CANNOT_SEND, _first_part(error))
        source = self.source
        if route.source != source and self._config.gateway is None:
            changed = f"the address of this machine changed: {source} -> {route.source}"
            if (refusal := self._reopen(self.destination)) is not None:
                return LocalCause(Cause.ADDRESS_CHANGED, f"{changed}; {refusal}")
            return LocalCause(Cause.ADDRESS_CHANGED, changed, is_lasting=False)
        if not source_address(source).is_passed:
            return LocalCause(Cause.ADDRESS_GONE, f"address {source} is gone from this machine")
        interface = interface_of(source)
        if interface is not None and not (found := link_state(interface)).is_passed:
            return LocalCause(Cause.LINK_DOWN, found.sentence.partition(":")[0])
        if self._failure is not None:
            return LocalCause(Cause.CANNOT_SEND, f"no probe can be sent: {self._failure.partition(':')[0]}")
        return None

    def seconds_asleep(self) -> float:
        """See ``Machine``."""
        before, self._suspended = self._suspended, _suspended()
        asleep = self._suspended - before
        return asleep if asleep > SHORTEST_SLEEP else 0.0

    def look_up_again(self) -> None:
        """See ``Machine``; in a thread, one at a time."""
        if self._looking_up is not None and self._looking_up.is_alive():
            return
        with suppress(RuntimeError):  # the system allows no more threads
            self._looking_up = threading.Thread(target=self._look_up, daemon=True)
            self._looking_up.start()

    def _look_up(self) -> None:
        with suppress(TracetcpError, OSError):
            self._found = resolve_all(self._config.host, self._config.family)

    def new_destination(self) -> str | None:
        """See ``Machine``. An address that the name still has is kept."""
        if not self._found:
            return None
        found, self._found = self._found, []
        if self.destination.partition("%")[0] in (address.partition("%")[0] for address in found):
            return None
        return self.destination if self._reopen(first_choice(found)) is None else None

    def _reopen(self, destination: str) -> str | None:
        """Probe ``destination`` from what is this machine's address now; the reason where that cannot be."""
        try:
            prober = open_prober(self._config, destination)
        except (TracetcpError, OSError) as error:
            return _first_part(error)
        if prober.kind != self.kind:
            self.warn(
                f"probing goes on in another way ({prober.kind}): the rights to the first were given up"
            )
        self._prober.close()
        self._take(prober)
        self._failure = None
        return None


def _suspended() -> float:
    """Seconds that this machine was suspended since it booted, as far as the system tells."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()


def _first_part(error: Exception) -> str:
    """What happened, without the remedy: a watch writes lines."""
    return str(error).partition(": ")[0]
