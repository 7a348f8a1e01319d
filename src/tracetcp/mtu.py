"""The test of packet sizes that follows a trace (``--mtu``): opens it, runs it, and adds its verdicts."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from tracetcp.afterwards import ConnectionTest, is_open

if TYPE_CHECKING:
    from tracetcp.afterwards import Tell
    from tracetcp.config import TraceConfig
    from tracetcp.engine.trace.routers import Routers
    from tracetcp.model import VerdictReached
    from tracetcp.model.connection import Words
    from tracetcp.model.evidence import Evidence
    from tracetcp.model.sizes import SizesFound
    from tracetcp.probers.session.contract import SessionProber
    from tracetcp.runner import Wait


class SizeTest(ConnectionTest):
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
        self._found: SizesFound | None = None
        self._has_run = False

    def run(self, evidence: Evidence, tell: Tell | None) -> None:  # noqa: ARG002 - it takes a second
        """See ``ConnectionTest``."""
        if is_open(evidence):
            with closing(_open_prober(self._config, self._destination)) as prober:
                self._found = _search(evidence, self._config, prober, self._routers, self._words)
        self._has_run = True

    def add_to(self, held: VerdictReached) -> VerdictReached:
        """See ``ConnectionTest``; of half a search nothing is concluded."""
        from tracetcp.verdicts.sizes import judge_sizes

        if not self._has_run:
            return held
        return held._replace(sizes=judge_sizes(held.evidence, self._found, held.verdicts[0].kind))


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
