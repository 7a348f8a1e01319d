"""The test of packet sizes that follows a trace (``--mtu``): opens it, runs it, and adds its verdicts.

The verdict on the trace is held back until then, so that one event tells all of a port.
"""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING

from tracetcp.errors import ProberError
from tracetcp.model import Outcome, VerdictReached

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tracetcp.config import TraceConfig
    from tracetcp.engine.trace.routers import Routers
    from tracetcp.model import Event
    from tracetcp.model.connection import Words
    from tracetcp.model.evidence import Evidence
    from tracetcp.model.sizes import SizesFound
    from tracetcp.probers.session.contract import SessionProber
    from tracetcp.runner import Wait


def require_linux(flag: str) -> None:
    """Raises ``ProberError`` where the system does not tell what the test of ``flag`` needs to know."""
    if sys.platform != "linux":
        raise ProberError(
            f"{flag} needs Linux: no other system tells what becomes of a connection's packets; leave it out"
        )


class SizeTest:
    """One test for ``config``, of the connection to its port; paced with ``routers``.

    ``destination`` is the address on the wire; ``words`` are what is said, None for those of the port.
    """

    def __init__(
        self, config: TraceConfig, destination: str, routers: Routers, words: Words | None = None
    ) -> None:
        self._config = config
        self._words = words
        self._destination = destination
        self._routers = routers
        self._held: VerdictReached | None = None
        self._found: SizesFound | None = None
        self._has_run = False

    def take(self, events: list[Event]) -> list[Event]:
        """``events`` without the verdict on the trace, which is held back."""
        for event in events:
            if isinstance(event, VerdictReached):
                self._held = event
        return [event for event in events if not isinstance(event, VerdictReached)]

    def run(self) -> None:
        """Test; raises ``TracetcpError`` when that cannot go on."""
        if self._held is not None and self._held.evidence.outcome is Outcome.OPEN:
            with closing(_open_prober(self._config, self._destination)) as prober:
                self._found = _search(self._held.evidence, self._config, prober, self._routers, self._words)
        self._has_run = True

    def release(self, names: Mapping[str, str]) -> list[Event]:
        """The verdict held back, with ``names``; with those on sizes if the test has run to its end."""
        if self._held is None:
            return []
        from tracetcp.explain.explaining import with_names
        from tracetcp.verdicts.sizes import judge_sizes

        held = with_names(self._held, names)
        if not self._has_run:
            return [held]
        return [held._replace(sizes=judge_sizes(held.evidence, self._found, held.verdicts[0].kind))]


def _open_prober(config: TraceConfig, destination: str) -> SessionProber:
    from tracetcp.probers.session.kernel import KernelSessions

    return KernelSessions(config, destination, config.ports[0])


def _search(
    evidence: Evidence,
    config: TraceConfig,
    prober: SessionProber,
    routers: Routers,
    words: Words | None,
    wait: Wait | None = None,
) -> SizesFound:
    from tracetcp.dialogue import converse
    from tracetcp.engine.session.size_search import SizeSearch
    from tracetcp.engine.session.waves import WaveEngine
    from tracetcp.wire.words import words_for

    search = SizeSearch(prober.family, prober.link_mtu, tuple(evidence.routers), evidence.distance or 0)
    said = words or words_for(evidence.port, config.host)
    engine = WaveEngine(search.plan(), said, routers, config.timeout)
    converse(engine, prober, wait)
    return engine.found._replace(is_own_limit=prober.begins_small)
