"""Formatters turn events into text. One file for each format, all pure; ``open_presenter`` picks one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracetcp.config import TraceConfig
    from tracetcp.formatters.differences import DifferencesFormatter
    from tracetcp.formatters.display import Display
    from tracetcp.formatters.presenter import Presenter


def open_presenter(
    config: TraceConfig,
    display: Display,
    destination: str,
    clock_to_utc: float,
    source: str | None = None,
) -> Presenter:
    """The presenter for a run from ``source`` to ``destination`` (addresses), as ``display`` requests.

    An instant of the run plus ``clock_to_utc`` is in seconds since 1970.
    """
    from tracetcp.formatters.presenter import JsonPresenter, TextPresenter

    if display.json:
        return JsonPresenter(config, display, clock_to_utc, source)
    return TextPresenter(config, display, destination)


def open_differences(*, as_json: bool) -> DifferencesFormatter:
    """The formatter of ``--diff``."""
    from tracetcp.formatters.differences import JsonDifferences, TextDifferences

    return JsonDifferences() if as_json else TextDifferences()
