"""Formatters turn events into text: one file a format, pure. ``open_presenter`` picks one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracetcp.config import TraceConfig
    from tracetcp.formatters.display import Display
    from tracetcp.formatters.presenter import Presenter


def open_presenter(config: TraceConfig, display: Display, destination: str, clock_to_utc: float) -> Presenter:
    """What words a run to ``destination`` (an address) as ``display`` asks.

    ``clock_to_utc`` added to an instant of the run gives seconds since 1970.
    """
    from tracetcp.formatters.presenter import JsonPresenter, TextPresenter

    if display.json:
        return JsonPresenter(config, display, clock_to_utc)
    return TextPresenter(config, display, destination)
