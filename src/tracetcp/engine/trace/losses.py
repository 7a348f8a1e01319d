"""Which lost probes of a path are suspected to be a router's thrift or mere chance. No clock.

Routers limit the ICMP errors they send and lose some, so silence alone is no proof. Suspected is

R1. a probe lost at a TTL whose router has answered any other, whatever the port, or where a router that other
    targets ask as well may have kept its answer back; and the lost probes of a hop whose router answers
    afterwards;
R2. a hop of stars on a path that was seen to lose packets, in front of a router's report, or where such a
    router may stand.

Nothing is under ``-F``. A suspected loss is asked again (``retries``) before its row is decided.

R3. A loss that was confirmed ``LOSS_CONFIRMATIONS`` times is believed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.engine.trace.hops import CellState
from tracetcp.engine.trace.routers import ICMP_KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tracetcp.engine.trace.hops import Cell, HopState
    from tracetcp.engine.trace.routers import Routers
    from tracetcp.model import ReplyKind

LOSS_CONFIRMATIONS = 2
"""Proofs after which a suspected loss is believed."""
LONE_LOSSES_IF_LOSSY = 4
"""Losses of lone probes that show a TTL to be silent on a path known to lose packets; elsewhere one does."""


class SuspectedLosses:
    """What one path thinks of its lost probes; ``asks_again`` is False under ``-F``."""

    __slots__ = ("_asks_again", "_hops", "_routers", "is_any", "is_path_lossy")

    def __init__(self, hops: Mapping[int, HopState], routers: Routers, *, asks_again: bool) -> None:
        self.is_path_lossy = False
        """Whether the path was seen to lose packets on their way."""
        self.is_any = False
        """Whether any loss is suspected now."""
        self._hops = hops
        self._routers = routers
        self._asks_again = asks_again

    @property
    def lone_losses_needed(self) -> int:
        """How many probes must be lost that were alone on their flow, before a TTL is known to be silent."""
        return LONE_LOSSES_IF_LOSSY if self.is_path_lossy else 1

    def on_lost(self, hop: HopState, cell: Cell) -> None:
        """The probe of ``cell`` was given up."""
        may_answer = (
            hop.is_router or self._routers.answers_at(hop.ttl) or self._routers.at(hop.ttl).may_owe
        )  # R1
        if self._asks_again and may_answer and hop.confirmed_losses < LOSS_CONFIRMATIONS:  # R1
            cell.state, self.is_any = CellState.SUSPECTED, True
        else:
            cell.state = CellState.LOST
        self.is_path_lossy = self.is_path_lossy or hop.is_router

    def on_answer(self, hop: HopState, kind: ReplyKind) -> None:
        """A probe of ``hop`` was answered; if by a router, what was lost there is suspected again."""
        hop.confirmed_losses = 0
        if self._asks_again and kind in ICMP_KINDS and hop.suspect_losses():  # R1
            self.is_any = True
        self.recount()

    def suspects_silence(self, hop: HopState, *, is_reported: bool) -> bool:
        """Whether stars may be no silent router's; ``is_reported``: a router's report ends the trace."""
        may_be = self._asks_again and (
            self.is_path_lossy or is_reported or self._routers.may_owe_at(hop.ttl)  # R2
        )
        return may_be and hop.confirmed_losses < LOSS_CONFIRMATIONS and not hop.is_answered

    def suspect_silence(self, hop: HopState) -> None:
        """Have the stars of ``hop`` asked again."""
        hop.suspect_losses()
        self.is_any = True

    def confirm(self, ttl: int, count: int) -> None:
        """Count ``count`` proofs that the suspected losses at ``ttl`` are real."""
        hop = self._hops[ttl]
        hop.confirmed_losses += count
        if hop.confirmed_losses >= LOSS_CONFIRMATIONS:  # R3
            for cell in hop.cells:
                if cell.state is CellState.SUSPECTED:
                    cell.state = CellState.LOST
        self.recount()

    def recount(self) -> None:
        """Look whether any loss is still suspected."""
        self.is_any = self.is_any and any(hop.suspected for hop in self._hops.values())
