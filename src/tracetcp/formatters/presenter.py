"""Picks the requested formatter and adds verdicts, the table of several ports, and the comparison.

Turns events into text, which ``app`` writes. Its only state is the evidence that it remembers. A name that
arrives after a verdict is not in the verdict's sentences, but it is in the table of several ports.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from tracetcp.model import VerdictReached

if TYPE_CHECKING:
    from tracetcp.config import TraceConfig
    from tracetcp.formatters.display import Display
    from tracetcp.model import AddressTexts, Event
    from tracetcp.model.evidence import Evidence
    from tracetcp.model.verdict import Verdict

COMMENT_PREFIX = "# "
"""Begins each line of condensed output that is no record, so that scripts can skip it."""


class Presenter(Protocol):
    """Turns the events of one run into text."""

    def render(self, event: Event, texts: AddressTexts) -> str:
        """The text of ``event``, with the names and origins in ``texts``."""

    def failed(self, error: str, address: str, at: float) -> str:
        """The text of the ports that are still to come, when ``error`` ends the run at the instant ``at``.

        ``address`` is empty where the host has none.
        """

    def closing(self, texts: AddressTexts) -> str:
        """The text after the last trace, with the names and origins in ``texts``."""


class TextPresenter:
    """Verbose or condensed rows, with verdicts where they were requested."""

    def __init__(self, config: TraceConfig, display: Display, destination: str) -> None:
        self._display = display
        self._prefix = COMMENT_PREFIX if display.condensed else ""
        self._judged: list[tuple[Evidence, Verdict]] = []
        self._destination = destination
        if display.condensed:
            from tracetcp.formatters.condensed import CondensedFormatter

            condensed = CondensedFormatter(destination, is_scan=config.is_scan, precision=display.precision)
            self._render = condensed.render
        else:
            from tracetcp.formatters.verbose import VerboseFormatter

            self._render = VerboseFormatter(destination, config.max_hops, display.precision).render

    def render(self, event: Event, texts: AddressTexts) -> str:
        """See ``Presenter``."""
        if not isinstance(event, VerdictReached):
            return self._render(event, texts)
        from tracetcp.formatters.conclusions import render_tests, render_verdicts

        tests = render_tests(event.tested, self._prefix)
        tests += self._branches(event, texts)
        if not self._display.explain:
            return tests
        self._judged.append((event.evidence, event.verdicts[0]))
        return render_verdicts(event.verdicts, self._prefix) + tests

    def _branches(self, event: VerdictReached, texts: AddressTexts) -> str:
        if event.branches is None:
            return ""
        from tracetcp.formatters.branches import render_branches
        from tracetcp.verdicts.branches import judge_branches

        verdicts = judge_branches(event.branches)
        return render_branches(event.branches, verdicts, self._destination, texts, self._prefix)

    def failed(self, error: str, address: str, at: float) -> str:  # noqa: ARG002 - see Presenter
        """Empty: standard error says it."""
        return ""

    def closing(self, texts: AddressTexts) -> str:
        """The table of several explained ports, and their paths side by side where that was requested."""
        if len(self._judged) < 2:
            return ""
        from tracetcp.formatters.conclusions import compare, render_matrix, summarise

        judged = [(replace(evidence, names=texts.names), verdict) for evidence, verdict in self._judged]
        gap = "" if self._display.condensed else "\n"
        text = gap + render_matrix(summarise(judged), self._prefix)
        if self._display.compare:
            text += gap + compare([evidence for evidence, _ in judged], self._prefix)
        return text


class JsonPresenter:
    """One JSON object for each trace. The prober's clock plus ``clock_to_utc`` is in seconds since 1970."""

    def __init__(
        self, config: TraceConfig, display: Display, clock_to_utc: float, source: str | None = None
    ) -> None:
        from tracetcp.formatters.json import JsonFormatter

        self._formatter = JsonFormatter(config.host, config, source)
        self._shows_verdicts = display.explain
        self._clock_to_utc = clock_to_utc
        self._left = dict.fromkeys(config.ports)
        """The ports that have no object yet."""

    def render(self, event: Event, texts: AddressTexts) -> str:
        """See ``Presenter``."""
        if not isinstance(event, VerdictReached):
            return ""
        self._left.pop(event.port, None)
        instants = [record.sent_at for record in event.evidence.records]
        instants += [reply.received_at for record in event.evidence.records for reply in record.replies]
        on_trace = event.verdicts if self._shows_verdicts else ()
        verdicts = (*on_trace, *event.tested)
        if event.branches is not None:
            from tracetcp.verdicts.branches import judge_branches

            verdicts = (*verdicts, *judge_branches(event.branches))
        verdicts = (*verdicts, *event.conclusions)
        started_at, ended_at = self._utc(min(instants)), self._utc(max(instants))
        return self._formatter.render(
            event.evidence, texts, started_at, ended_at, verdicts, branches=event.branches
        )

    def failed(self, error: str, address: str, at: float) -> str:
        """An object for each port that has none."""
        when = self._utc(at)
        return "".join(
            self._formatter.render_failure(port, address or None, error, when) for port in self._left
        )

    def closing(self, texts: AddressTexts) -> str:  # noqa: ARG002 - see Presenter
        """Empty: nothing follows the last object."""
        return ""

    def _utc(self, instant: float) -> datetime:
        return datetime.fromtimestamp(instant + self._clock_to_utc, UTC)
