"""The test of silent connections that follows a trace (``--idle``): opens, runs, and adds its verdicts."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from tracetcp.afterwards import ConnectionTest, is_open
from tracetcp.model.silence import Waited

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tracetcp.afterwards import Tell
    from tracetcp.config import TraceConfig
    from tracetcp.engine.session.silence import SilenceSearch
    from tracetcp.engine.trace.routers import Routers
    from tracetcp.model import VerdictReached
    from tracetcp.model.evidence import Evidence
    from tracetcp.probers.session.contract import SessionProber
    from tracetcp.runner import Wait

TOLD_EVERY = 1.0
"""Seconds between two words on how long it takes."""


class SilenceTest(ConnectionTest):
    """One test for ``config``, of the connection to its port; paced with ``routers``.

    ``destination`` is the address on the wire, ``ages`` are seconds of silence.
    """

    def __init__(self, config: TraceConfig, destination: str, routers: Routers, ages: Sequence[int]) -> None:
        self._config = config
        self._destination = destination
        self._routers = routers
        self._ages = ages
        self._search: SilenceSearch | None = None
        self._has_begun = False

    def run(self, evidence: Evidence, tell: Tell | None) -> None:
        """See ``ConnectionTest``."""
        self._has_begun = True
        if not is_open(evidence):
            return
        from tracetcp.dialogue import converse
        from tracetcp.engine.session.silence import SilenceSearch
        from tracetcp.engine.session.waves import WaveEngine
        from tracetcp.runner import SelectorWait
        from tracetcp.wire.words import words_for

        words = words_for(evidence.port, self._config.host)
        self._search = SilenceSearch(
            self._ages,
            tuple(evidence.routers),
            evidence.distance or 0,
            reply_ttl=evidence.answer.reply_ttl if evidence.answer else None,
            has_opening=bool(words.opening()),
        )
        engine = WaveEngine(self._search.plan(), words, self._routers, self._config.timeout)
        with (
            closing(_open_prober(self._config, self._destination)) as prober,
            closing(SelectorWait(prober.clock)) as wait,
        ):
            converse(engine, prober, wait if tell is None else self._telling(wait, prober, tell))

    def _telling(self, wait: Wait, prober: SessionProber, tell: Tell) -> Wait:
        """``wait`` in short pieces, with word of each."""

        def wait_and_tell(descriptors: Sequence[int], until: float) -> Collection[int]:
            now = prober.clock()
            search = self._search
            if search is not None and search.started_at is not None:
                tell(Waited(now - search.started_at, search.ages[-1]))
            return wait(descriptors, min(until, now + TOLD_EVERY))

        return wait_and_tell

    def add_to(self, held: VerdictReached) -> VerdictReached:
        """See ``ConnectionTest``; what is known of the shorter ages is known."""
        from tracetcp.verdicts.silence import judge_silence

        if not self._has_begun:
            return held
        found = self._search.so_far() if self._search is not None else None
        return held._replace(silence=judge_silence(held.evidence, found, held.verdicts[0].kind))


def _open_prober(config: TraceConfig, destination: str) -> SessionProber:
    from tracetcp.probers.session.kernel import KernelSessions

    return KernelSessions(config, destination, config.ports[0])
