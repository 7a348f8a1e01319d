"""Finds the hop after which ports are blocked that were asked at farther hops only. No I/O, no clock.

One TTL after another is asked about all ports that still want it, and about a control port that is known to
pass; the engine of those traces sees to it that silence is none of a router's limits or of chance.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from tracetcp.explain.bisection import Bisection
from tracetcp.model import TraceFinished, spelled_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tracetcp.config import TraceConfig
    from tracetcp.engine import Engine
    from tracetcp.model import ProbeRecord


MOST_SILENT_HOPS = 4
"""Hops in a row at which not even the control is answered before the search is given up."""


class BlockSearch:
    """The search for ``ports`` among ``ttls``, as ``config`` says of everything but ports and start hop.

    ``engine`` is the one under way; call ``go_on()`` whenever it may have decided something, until
    ``is_done``. ``records`` are the probes sent, by port.
    """

    def __init__(
        self,
        ports: Iterable[int],
        control: int,
        ttls: Iterable[int],
        config: TraceConfig,
        open_engine: Callable[[TraceConfig], Engine],
    ) -> None:
        ttls = tuple(ttls)
        self.ports = tuple(ports)
        self.records: dict[int, list[ProbeRecord]] = defaultdict(list)
        self._control = control
        self._config = config
        self._open_engine = open_engine
        self._searches = {port: Bisection(ttls) for port in self.ports}
        self._answered: dict[int, bool] = {}
        self._ttl = self._silent_hops = 0
        self.engine = self._next_engine()

    @property
    def is_done(self) -> bool:
        """Whether there is nothing left to ask."""
        return self.engine is None

    def go_on(self) -> None:
        """Take what the engine has decided; ask the next TTL when it is done with this one."""
        assert self.engine is not None, "a search that is done has nothing to go on with"
        for event in spelled_out(self.engine.events()):
            if isinstance(event, TraceFinished):
                self.records[event.port] += event.records
                own = [record for record in event.records if not record.is_control]
                self._answered[event.port] = any(record.replies for record in own)
        if self.engine.is_done:
            self._conclude()
            self.engine = self._next_engine()

    def _conclude(self) -> None:
        is_answered = self._answered[self._control]
        for port in self._answered.keys() & self._searches.keys():
            search = self._searches[port]
            if self._answered[port]:
                search.passes(self._ttl)
            elif is_answered:
                search.is_silent_at(self._ttl)
            else:
                search.leave_out(self._ttl)
        self._silent_hops = 0 if is_answered else self._silent_hops + 1

    def _next_engine(self) -> Engine | None:
        self._answered = {}
        wanted = {port: search.next_ttl for port, search in self._searches.items() if search.next_ttl}
        if not wanted or self._silent_hops == MOST_SILENT_HOPS:
            return None
        self._ttl = min(wanted.values())
        ports = tuple(port for port, ttl in wanted.items() if ttl == self._ttl)
        return self._open_engine(replace(self._config, ports=(self._control, *ports), start_hop=self._ttl))
