"""The rows of a watch: its hops and their figures as frozen values. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.model.watching import WatchedHop
from tracetcp.watch.loss import QUIET
from tracetcp.watch.path import DESTINATION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetcp.model.watching import PortState
    from tracetcp.watch.figures import Figures
    from tracetcp.watch.path import WatchedPath

SILENT_AFTER = 4
"""Unanswered questions after which a hop that never answered is called silent."""


def rows(
    path: WatchedPath, figures: Figures, state: PortState | None, destination: str
) -> Iterator[WatchedHop]:
    """The hops of ``path``, then the ``destination`` with its ``figures``, if it is or was reached."""
    loss = 1 - figures.answered / figures.asked if figures.asked else None
    for number, hop in path.hops():
        if hop.is_destination:
            continue
        is_silent = not hop.addresses.settled and hop.figures.asked >= SILENT_AFTER
        yield _row(number, addresses_of(hop.addresses.settled, destination), hop.figures)._replace(
            is_limited=hop.is_limited(QUIET if loss is None else loss), is_silent=is_silent
        )
    if state is not None and (figures.answered or state.is_up):
        number = path.met_at or state.hop or path.length + 1
        yield _row(number, (destination,), figures)._replace(is_destination=True, loss=loss)


def addresses_of(addresses: tuple[str, ...], destination: str) -> tuple[str, ...]:
    """``addresses`` of a hop, with the destination's own in place of its mark."""
    return tuple(destination if address == DESTINATION else address for address in addresses)


def _row(number: int, addresses: tuple[str, ...], figures: Figures) -> WatchedHop:
    return WatchedHop(
        hop=number,
        addresses=addresses,
        is_destination=False,
        asked=figures.asked,
        answered=figures.answered,
        last=figures.last,
        best=figures.best,
        average=figures.average,
        worst=figures.worst,
        jitter=figures.jitter,
        history=tuple(figures.history),
    )
