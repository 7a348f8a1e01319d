"""How many probes of a scan may be in the network at once.

Counts and durations in seconds; knows no probe. The window grows while answers come back promptly and
shrinks when they queue: waiting time, not loss, is the signal, because a silent port and a lost probe
look the same, and because random loss says nothing of the path's rate. Only loss that was proven (a
later probe of the same port was answered) counts, and only when it is heavy. Since proof comes late and a
short queue delays little, the first doubling also ends when more probes in the network bring no more
answers (the full pipe of BBR's start-up, draft-ietf-ccwg-bbr section 5.3.1). Where few answers come in an
RTT and loss is heavy all the same, no window is small enough, and the probes are spaced (``pace``).
"""

from __future__ import annotations

from math import inf

from tracetcp.engine.scan.pacer import Pace

FIRST_WINDOW = 48
"""Probes in flight before the host has answered anything."""
SMALLEST_WINDOW = 16
LARGEST_WINDOW = 4096
"""Replies to this many probes fit in the receive buffer (832 bytes each)."""
QUEUEING = 0.004
"""Seconds by which answers may be late before a queue must be building up: 40 packets at 10,000 a second."""
QUEUEING_SHARE = 0.5
"""The same as a share of the shortest RTT, where that is longer."""
BACK_OFF = 0.8
"""The window is cut to this share, at most once an RTT: the queue drains while the path stays full."""
GROWTH = 0.1
"""Growth in an RTT, as a share of the window, once the first queue was seen."""
PROOF = 0.2
"""Seconds from a loss until it is proven: since loss was met, ``GROWTH`` is for so much more than an RTT, or
the window would outgrow the proof that it is too large."""
HEAVY_LOSS = 0.1
"""Proven losses among the answers of one window from which on it is cut without any sign of a queue."""
ENOUGH = 40
"""Answers of which ``HEAVY_LOSS`` is taken at least: two or three losses are chance."""
BORNE = 1.5
"""Loss that is the path's own may become so much heavier before the window is cut for it."""
MOST_BORNE = 0.9
KEPT = 0.8
"""What is left of the counts of answers and losses each time the pace rises: old answers hide new losses."""
EXPECTED = 8, 0
"""Answers and losses counted in advance after a cut: until more is known, a tenth is taken to be lost."""
PACED = 64
"""Answers in an RTT below which loss spaces the probes: a window that small is as rough as its steps."""
STALL = 1.25
"""Growth of the answers' rate in an RTT, while the window doubles, below which the path may be full."""
STALLED_ROUNDS = 2
"""RTTs in a row without growth after which it is: chance would have to hide a fourfold rate."""


class Doubling:
    """Whether a window that doubles still brings more answers, watched round by round (an RTT each)."""

    __slots__ = ("_answers", "_began_at", "_best_rate", "_gone", "_stalled_rounds", "best_answers")

    def __init__(self) -> None:
        self._began_at = -inf
        self._answers = self._gone = self._stalled_rounds = 0
        self._best_rate = 0.0
        self.best_answers = 0
        """Answers in the round that brought the most a second."""

    def gone(self) -> None:
        """Count a probe that vanished; see ``CongestionWindow``."""
        self._gone += 1

    def is_over(self, rtt: float, now: float) -> bool:
        """Count an answer that took ``rtt``; True when the pipe is full.

        A rate that does not grow while nothing vanishes is only that of this machine, or of the host.
        """
        self._answers += 1
        if now - rtt <= self._began_at:
            return False
        rate = self._answers / (now - self._began_at)
        if rate >= STALL * self._best_rate:
            self._best_rate, self.best_answers, self._stalled_rounds = rate, self._answers, 0
        else:
            self._stalled_rounds += 1
        is_full = self._stalled_rounds >= STALLED_ROUNDS and self._gone > HEAVY_LOSS * self._answers
        self._began_at, self._answers, self._gone = now, 0, 0
        return is_full


class CongestionWindow:
    """The number of probes that may be in flight, driven by the answers."""

    __slots__ = (
        "_answers",
        "_calm_answers",
        "_calm_losses",
        "_counted_since",
        "_cut_at",
        "_doubling",
        "_growth",
        "_heavy_loss",
        "_losses",
        "_size",
        "calm_since",
        "pace",
        "shortest",
    )

    def __init__(self) -> None:
        self._size = float(FIRST_WINDOW)
        self._growth = 1.0
        self._doubling: Doubling | None = Doubling()
        self._answers = 0.0
        self._losses = 0.0
        self._heavy_loss = HEAVY_LOSS
        self._counted_since = inf  # the first answer, then each cut
        self._cut_at = -inf
        self.calm_since = -inf
        """When it was last cut for losses."""
        self._calm_answers = self._calm_losses = 0
        self.pace: Pace | None = None
        """The spacing of probes, where no window is small enough."""
        self.shortest = inf

    @property
    def size(self) -> int:
        """Probes that may be in flight."""
        return int(self._size)

    def answered(self, rtt: float, now: float) -> None:
        """Count an answer that took ``rtt``."""
        if rtt < self.shortest:
            self.shortest = rtt
            self._counted_since = min(self._counted_since, now)
        self._answers += 1
        self._calm_answers += 1
        if rtt - self.shortest > max(QUEUEING, QUEUEING_SHARE * self.shortest):
            if now - self._cut_at >= rtt:
                self._cut(BACK_OFF, now)
        elif self._size < LARGEST_WINDOW:
            self._size += self._growth
        if self._doubling is not None and self._doubling.is_over(rtt, now):
            self._cut(min(1.0, self._doubling.best_answers / self._size), now)
            self._grow_by_proof()

    def pass_time(self, now: float) -> None:
        """Let the pace rise, answers or not: ports that are silent cost a host that limits itself nothing."""
        if self.pace is not None and self.pace.speed_up(now):
            self._answers *= KEPT
            self._losses *= KEPT
            self._counted_since = now - KEPT * (now - self._counted_since)
            if self.pace.rate * self.shortest > PACED:
                self.pace = None

    def gone(self) -> None:
        """Count a probe too old to be in the network that has no answer: lost, or its port is silent."""
        if self._doubling is not None:
            self._doubling.gone()

    @property
    def has_loss(self) -> bool:
        """Whether any loss was proven."""
        return self.calm_since > -inf or self._calm_losses > 0

    @property
    def loss_share(self) -> float:
        """The share of probes lost (more than 0, less than 1) since the window was last cut for losses."""
        return (self._calm_losses + 1) / (self._calm_answers + self._calm_losses + 2)

    def loss_proven(self, sent_at: float, now: float) -> None:
        """Count a probe, sent at ``sent_at``, whose port answered a later one.

        One that left before the last cut is no reason for another: a burst that was too large is proven
        lost bit by bit, long after the window was cut for it.
        """
        if sent_at > self.calm_since:
            self._calm_losses += 1
        if sent_at <= self._cut_at:
            return
        self._losses += 1
        if self._losses > self._heavy_loss * max(self._answers, self._size, ENOUGH):
            self._lose(now)

    def _lose(self, now: float) -> None:
        """Cut the window for heavy loss; space the probes too if few answers come in an RTT."""
        seconds = now - self._counted_since
        if seconds < max(self.shortest, QUEUEING):
            return
        rate = self._answers / seconds
        passed = self._answers / (self._answers + self._losses)
        if self.pace is None and rate * self.shortest < PACED:
            self.pace = Pace()
        if self.pace is not None and not self.pace.slow_down(rate, now):
            self._heavy_loss = min(MOST_BORNE, BORNE * (1 - passed))
        self._cut(min(BACK_OFF, passed), now)
        self._grow_by_proof()
        self.calm_since = now
        self._calm_answers, self._calm_losses = EXPECTED

    def _cut(self, share: float, now: float) -> None:
        self._cut_at = now
        if self._doubling is not None:
            self._doubling, self._growth = None, GROWTH
        self._answers = self._losses = 0
        self._counted_since = now
        self._size = max(float(SMALLEST_WINDOW), self._size * share)

    def _grow_by_proof(self) -> None:
        self._growth = GROWTH * self.shortest / (self.shortest + PROOF)
