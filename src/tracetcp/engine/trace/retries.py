"""Asking a router again about probes that seem lost. No clock: ``now`` is an argument.

R1. A retry asks for the suspected losses of up to ``BURST_PROBES`` - 1 ports at one TTL, of one port at a
    router that limits its answers, with a control right behind them: a probe on a port and flow known to
    pass.
R2. Where no such control is known, it asks for one port, a second after the router was last asked.
R3. There is one retry at a time for each TTL, whichever engine of the run began it; until its probes have
    left, nothing else leaves for that TTL.
R4. If the control was answered, or none was known, the losses that met silence again are confirmed: once, or
    at a router that limits its answers as often as it takes, since each proof costs a second there; but once
    where other targets of the run may have been answered instead.
R5. If the control was not answered either, the router limits its answers; it is asked once a second until a
    control is answered again.
R6. ``UNANSWERED_RETRIES`` retries in a row without any answer confirm their losses as often as it takes: the
    router has fallen silent.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from tracetcp.engine.trace.losses import LOSS_CONFIRMATIONS
from tracetcp.engine.trace.pacer import BURST_PROBES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracetcp.engine.trace.flight import Flight, Want
    from tracetcp.engine.trace.path import Path
    from tracetcp.engine.trace.routers import Routers

UNANSWERED_RETRIES = 3
"""Retries without any answer after which a router counts as silent."""


class Choice(NamedTuple):
    """A probe to send for ``path``: on its own port or a control's, for a ``retry`` if it belongs to one."""

    path: Path
    want: Want
    port: int
    retry: Retry | None = None


class Retry:
    """One retry at ``ttl``: the probes left ``to_send``, those sent, and the control behind them."""

    def __init__(self, ttl: int) -> None:
        self.ttl = ttl
        self.to_send: deque[Choice] = deque()
        self.asked: list[tuple[Path, Flight]] = []
        self.control: Flight | None = None
        self.is_void = False
        """Whether a path ended before all its probes were sent: nothing follows from the others."""

    @property
    def is_over(self) -> bool:
        """Whether every probe was sent, and answered or given up."""
        flights = [flight for _, flight in self.asked]
        if self.control is not None:
            flights.append(self.control)
        return not self.to_send and not any(flight.is_in_flight for flight in flights)


class Retries:
    """The retries of one engine at the ``routers`` of its run: one at a time for each TTL."""

    def __init__(self, routers: Routers) -> None:
        self.next_at = inf
        """When the next retry may begin, as far as the last ``choose()`` saw; infinity for none."""
        self._routers = routers
        self._under_way: dict[int, Retry] = {}
        self._awaited: list[int] = []
        """The TTLs at which the last ``choose()`` found another engine's retry in its way."""

    def reset(self) -> None:
        """Forget what the last ``choose()`` saw."""
        self.next_at = inf
        self._awaited.clear()

    def choose(self, paths: Iterable[Path], now: float) -> Choice | None:
        """The next probe of a retry: of one that is under way, else of one that may begin now."""
        for retry in self._under_way.values():
            if retry.to_send:
                return retry.to_send.popleft()
        for path in paths:
            for ttl in path.suspected_ttls():
                begun = None if self._is_under_way(ttl) else self._begin(ttl, paths, now)
                if begun is not None:
                    return begun.to_send.popleft()
        return None

    def _is_under_way(self, ttl: int) -> bool:
        """Whether this engine or another of the run asks again at ``ttl``."""
        if ttl in self._under_way:
            return True
        is_others = self._routers.at(ttl).is_asked_again
        if is_others:  # R3
            self._awaited.append(ttl)
        return is_others

    @property
    def may_begin(self) -> bool:
        """Whether a retry of another engine that was in the way is over by now."""
        return any(not self._routers.at(ttl).is_asked_again for ttl in self._awaited)

    def _begin(self, ttl: int, paths: Iterable[Path], now: float) -> Retry | None:
        """Begin a retry at ``ttl`` if pacing allows all its probes now."""
        place = self._routers.at(ttl)
        suspecting = [path for path in paths if path.suspects_loss_at(ttl)]
        asked = suspecting[: 1 if place.is_limited else BURST_PROBES - 1]  # R1
        control = place.control({path.port for path in asked})
        if control is None:  # R2
            asked = asked[:1]
            begins_at = self._routers.next_retry_at(ttl)
        else:
            begins_at = self._routers.next_send_at(ttl, BURST_PROBES)
        if begins_at > now:
            self.next_at = min(self.next_at, begins_at)
            return None
        retry = Retry(ttl)
        place.retry = self._under_way[ttl] = retry
        retry.to_send.extend(Choice(path, path.retry(ttl), path.port, retry) for path in asked)
        if control is not None:
            port, flow = control
            retry.to_send.append(Choice(asked[0], asked[0].control(ttl, flow), port, retry))
        return retry

    @property
    def is_any_over(self) -> bool:
        """Whether ``judge()`` has something to do."""
        return any(retry.is_over for retry in self._under_way.values())

    def judge(self) -> None:
        """Draw the conclusions of every retry that is over."""
        for retry in [retry for retry in self._under_way.values() if retry.is_over]:
            del self._under_way[retry.ttl]
            self._routers.at(retry.ttl).retry = None
            if not retry.is_void:
                self._judge(retry)

    def forget(self, path: Path) -> None:
        """Ask nothing more for ``path``, which has ended."""
        for retry in self._under_way.values():
            if any(choice.path is path for choice in retry.to_send):
                retry.to_send.clear()
                retry.is_void = True

    def _judge(self, retry: Retry) -> None:
        place = self._routers.at(retry.ttl)
        is_any_answered = any(flight.replies for _, flight in retry.asked)
        is_control_answered = retry.control is not None and bool(retry.control.replies)
        if retry.control is None or is_control_answered:
            place.unanswered_retries = 0
            is_enough = place.is_limited and not self._routers.are_shared
            _confirm(retry, LOSS_CONFIRMATIONS if is_enough else 1)  # R4
        else:
            place.unanswered_retries = 0 if is_any_answered else place.unanswered_retries + 1
            if place.unanswered_retries >= UNANSWERED_RETRIES:  # R6
                _confirm(retry, LOSS_CONFIRMATIONS)
        if retry.control is not None:
            place.is_limited = not is_control_answered  # R5


def _confirm(retry: Retry, count: int) -> None:
    for path, flight in retry.asked:
        if not flight.replies:
            path.confirm_losses(retry.ttl, count)
