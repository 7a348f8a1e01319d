"""What the decided questions add up to: who answers at each hop, RTTs, loss; of one destination. No clock.

R1. What the destination loses counts (``quality``) only if the port is up, and not in doubt. So do its RTTs,
    but for those of rested flows, which may go another way.
R2. A router's silence says that it limits its answers only if the destination answered in the same moment.
R3. Who answers in the destination's name while the port is down is no end of the path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.model import ReplyKind
from tracetcp.model.evidence import TCP_KINDS
from tracetcp.model.watching import PathChanged
from tracetcp.watch.figures import Figures
from tracetcp.watch.path import DESTINATION, WatchedPath
from tracetcp.watch.quality import Quality
from tracetcp.watch.questions import FLOWS_IN_TURN
from tracetcp.watch.rows import addresses_of, rows

if TYPE_CHECKING:
    from tracetcp.config import TraceConfig
    from tracetcp.model import Reply
    from tracetcp.model.watching import PortState, WatchedHop
    from tracetcp.watch.news import News
    from tracetcp.watch.questions import Question


class Measurements:
    """Those of ``destination``, in ``figures`` and more; what changes goes to ``news``."""

    def __init__(self, config: TraceConfig, destination: str, figures: Figures, news: News) -> None:
        self.path = WatchedPath(config.start_hop, config.last_ttl)
        self.quality = Quality(self.path)
        self.figures = figures
        """Of the destination."""
        self._destination, self._news = destination, news

    def add(self, question: Question, *, is_sound: bool) -> None:
        """A question of the destination was decided; ``is_sound`` if an answer was to be expected."""
        rtt = question.rtt if _is_destinations(question.reply) else None
        self.figures.add(rtt)
        if is_sound:  # R1
            self.quality.count(rtt, is_comparable=question.probe.flow in FLOWS_IN_TURN)

    def add_hop(self, question: Question, *, is_down: bool) -> bool:
        """A question to a hop was decided while the port ``is_down``, or not; whether somebody is there."""
        reply, number = question.reply, question.probe.ttl
        if question.control is not None and _is_destinations(question.control.reply):
            self.path.at(number).pairs.append(reply is None)  # R2
        if reply is None or reply.kind is ReplyKind.UNREACHABLE:  # which says nothing of this hop
            self.path.lost(number, is_in_round=question.is_in_round)
            return False
        is_destinations = _is_destinations(reply)
        if is_destinations and is_down:  # R3
            return False
        address = DESTINATION if is_destinations else reply.sender
        self.path.answered(number, address, question.rtt or 0.0, is_in_round=question.is_in_round)
        return True

    def tell_path(self) -> bool:
        """Tell whether packets go another way, if that is known by now; whether they do."""
        change = self.path.take_change()
        if change is None:
            return False
        before, after = (
            tuple(addresses_of(hop, self._destination) for hop in hops)
            for hops in (change.before, change.after)
        )
        lengths = change.length_before, change.length_after
        self._news.tell(PathChanged(self._news.now, change.first, before, after, *lengths))
        self.quality.on_other_path()
        return True

    def tell_quality(self) -> None:
        """Tell of loss and RTTs that are others; once no round is under way."""
        self._news.tell(*self.quality.take(self._news.now))

    def rows(self, state: PortState | None) -> tuple[WatchedHop, ...]:
        """What is shown of the port in ``state``."""
        return tuple(rows(self.path, self.figures, state, self._destination))

    def begin_anew(self) -> None:
        """Count from zero; what is known of the path stays known."""
        self.figures = Figures()
        self.path.begin_figures_anew()


def _is_destinations(reply: Reply | None) -> bool:
    """Whether the destination, or somebody in its name, answered."""
    return reply is not None and reply.kind in TCP_KINDS
