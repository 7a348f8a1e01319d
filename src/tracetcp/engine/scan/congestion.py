"""How many probes of a scan may be in flight at once: a congestion window (RFC 5681).

Counts and durations in seconds; knows no probe. Delay is the signal, not loss: a silent port and a lost probe
look the same, and random loss says nothing of the rate that the path can carry.

R1. The window is ``INITIAL_WINDOW`` at first, ``MAXIMUM_WINDOW`` at most, ``MINIMUM_WINDOW`` at least.
R2. Slow start: each prompt answer adds a probe, so the window doubles in an RTT.
R3. An answer is late, so that a queue must be building up, when it took ``QUEUEING_DELAY`` longer than the
    shortest RTT, or ``QUEUEING_RTT_SHARE`` of that RTT if this is more. The window is then reduced to
    ``REDUCTION``, at most once an RTT.
R4. A queue may be too short to delay anything visibly. So slow start also ends when more probes in flight
    bring no more answers a second for ``STALLED_ROUNDS`` RTTs, while probes expire, as many as are heavy loss
    (the full pipe of BBR's start-up, draft-ietf-ccwg-bbr section 5.3.1).
R5. Congestion avoidance: once the window was reduced, an RTT of prompt answers adds ``GROWTH_PER_RTT``. Once
    it was reduced for losses (R4, R6), an RTT and ``PROOF_DELAY`` do.
R6. A loss counts when it is proven, that is, when a later probe of the same port was answered, and when its
    probe left after the last reduction. More losses than ``HEAVY_LOSS_SHARE`` of the answers, counted for an
    RTT at least, reduce the window to the share that was answered, ``REDUCTION`` at most.
R7. Where fewer than ``PACED_ANSWERS`` come in an RTT, no window is small enough: heavy loss makes the probes
    leave at a rate (``pacer``), until that rate brings more answers in an RTT.
R8. Loss that no lower rate avoids is the path's own. From then on loss is heavy (R6) only when it is
    ``BORNE_LOSS_FACTOR`` times as much.
"""

from __future__ import annotations

from math import inf

from tracetcp.engine.scan.pacer import SendRate

INITIAL_WINDOW = 48
"""Probes in flight before the host has answered anything."""
MINIMUM_WINDOW = 16
MAXIMUM_WINDOW = 4096
"""Replies to this many probes fit in the receive buffer (832 bytes each)."""
QUEUEING_DELAY = 0.004
"""Seconds: 40 packets at 10,000 a second."""
QUEUEING_RTT_SHARE = 0.5
REDUCTION = 0.8
"""What is left of the window: the queue drains while the path stays full."""
GROWTH_PER_RTT = 0.1
"""A share of the window."""
PROOF_DELAY = 0.2
"""Seconds from a loss until it is proven; a window that grew faster would outgrow the proof that it is too
large.
"""
HEAVY_LOSS_SHARE = 0.1
ENOUGH_ANSWERS = 40
"""Answers of which ``HEAVY_LOSS_SHARE`` is taken at least: two or three losses are chance."""
BORNE_LOSS_FACTOR = 1.5
MOST_BORNE_LOSS = 0.9
"""The share of losses that is heavy whatever the path's own."""
DECAY = 0.8
"""What is left of the counts of answers and losses each time the rate rises: old answers hide new losses."""
EXPECTED_ANSWERS, EXPECTED_LOSSES = 8, 0
"""Counted in advance when the window is reduced for losses: until more is known, a tenth is taken to be lost
(see ``loss_share``).
"""
PACED_ANSWERS = 64
"""A window smaller than that is as coarse as its steps."""
STALLED_GROWTH = 1.25
"""Growth of the answers' rate in a round of slow start below which the path may be full."""
STALLED_ROUNDS = 2
"""After so many rounds without growth it is: chance would have to hide a fourfold rate."""


class SlowStart:
    """Whether a window that doubles still brings more answers, watched round by round (an RTT each)."""

    __slots__ = ("_answers", "_best_rate", "_expired", "_round_began_at", "_stalled_rounds", "best_answers")

    def __init__(self) -> None:
        self._round_began_at = -inf
        self._answers = self._expired = self._stalled_rounds = 0
        self._best_rate = 0.0
        self.best_answers = 0
        """Answers in the round that brought the most a second."""

    def expired(self) -> None:
        """Count a probe that expired; see ``CongestionWindow``."""
        self._expired += 1

    def is_over(self, rtt: float, now: float) -> bool:
        """Count an answer that took ``rtt``; True when the pipe is full (R4).

        A rate that does not grow while nothing expires is only that of this machine, or of the host.
        """
        self._answers += 1
        if now - rtt <= self._round_began_at:
            return False
        rate = self._answers / (now - self._round_began_at)
        if rate >= STALLED_GROWTH * self._best_rate:
            self._best_rate, self.best_answers, self._stalled_rounds = rate, self._answers, 0
        else:
            self._stalled_rounds += 1
        has_losses = self._expired > HEAVY_LOSS_SHARE * self._answers
        self._round_began_at, self._answers, self._expired = now, 0, 0
        return self._stalled_rounds >= STALLED_ROUNDS and has_losses  # R4


class CongestionWindow:
    """The number of probes that may be in flight, driven by the answers."""

    __slots__ = (
        "_answers",
        "_counted_since",
        "_growth_per_answer",
        "_heavy_loss_share",
        "_losses",
        "_recovery_answers",
        "_recovery_losses",
        "_reduced_at",
        "_size",
        "_slow_start",
        "min_rtt",
        "recovery_started_at",
        "send_rate",
    )

    def __init__(self) -> None:
        self._size = float(INITIAL_WINDOW)  # R1
        self._growth_per_answer = 1.0
        self._slow_start: SlowStart | None = SlowStart()
        self._answers = 0.0
        self._losses = 0.0
        self._heavy_loss_share = HEAVY_LOSS_SHARE
        self._counted_since = inf  # the first answer, then each reduction
        self._reduced_at = -inf
        self.recovery_started_at = -inf
        """When the window was last reduced for losses."""
        self._recovery_answers = self._recovery_losses = 0
        self.send_rate: SendRate | None = None
        """The rate at which probes leave, where no window is small enough."""
        self.min_rtt = inf

    @property
    def size(self) -> int:
        """Probes that may be in flight."""
        return int(self._size)

    def answered(self, rtt: float, now: float) -> None:
        """Count an answer that took ``rtt``."""
        if rtt < self.min_rtt:
            self.min_rtt = rtt
            self._counted_since = min(self._counted_since, now)
        self._answers += 1
        self._recovery_answers += 1
        if rtt - self.min_rtt > max(QUEUEING_DELAY, QUEUEING_RTT_SHARE * self.min_rtt):
            if now - self._reduced_at >= rtt:  # R3
                self._reduce(REDUCTION, now)
        elif self._size < MAXIMUM_WINDOW:  # R1
            self._size += self._growth_per_answer  # R2, R5
        if self._slow_start is not None and self._slow_start.is_over(rtt, now):  # R4
            self._reduce(min(1.0, self._slow_start.best_answers / self._size), now)
            self._grow_no_faster_than_proof()

    def pass_time(self, now: float) -> None:
        """Let the rate rise, answers or not: silent ports use up nothing of a limit that the host has."""
        if self.send_rate is not None and self.send_rate.increase(now):
            self._answers *= DECAY
            self._losses *= DECAY
            self._counted_since = now - DECAY * (now - self._counted_since)
            if self.send_rate.per_second * self.min_rtt > PACED_ANSWERS:  # R7
                self.send_rate = None

    def expired(self) -> None:
        """Count a probe that is too old to be in flight and has no answer: lost, or its port is silent."""
        if self._slow_start is not None:
            self._slow_start.expired()

    @property
    def has_loss(self) -> bool:
        """Whether any loss was proven."""
        return self.recovery_started_at > -inf or self._recovery_losses > 0

    @property
    def loss_share(self) -> float:
        """The share of probes lost since the last reduction for losses: more than 0, less than 1."""
        return (self._recovery_losses + 1) / (self._recovery_answers + self._recovery_losses + 2)

    def on_loss(self, sent_at: float, now: float) -> None:
        """Count a probe, sent at ``sent_at``, whose port answered a later one.

        One that left before the last reduction is no reason for another: a burst that was too large is
        proven lost bit by bit, long after the window was reduced for it.
        """
        if sent_at > self.recovery_started_at:
            self._recovery_losses += 1
        if sent_at <= self._reduced_at:  # R6
            return
        self._losses += 1
        if self._losses > self._heavy_loss_share * max(self._answers, self._size, ENOUGH_ANSWERS):  # R6
            self._on_heavy_loss(now)

    def _on_heavy_loss(self, now: float) -> None:
        """Reduce the window for heavy loss; set a rate too if few answers come in an RTT."""
        seconds = now - self._counted_since
        if seconds < max(self.min_rtt, QUEUEING_DELAY):  # R6
            return
        rate = self._answers / seconds
        answered_share = self._answers / (self._answers + self._losses)
        if self.send_rate is None and rate * self.min_rtt < PACED_ANSWERS:  # R7
            self.send_rate = SendRate()
        if self.send_rate is not None and not self.send_rate.decrease(rate, now):  # R8
            self._heavy_loss_share = min(MOST_BORNE_LOSS, BORNE_LOSS_FACTOR * (1 - answered_share))
        self._reduce(min(REDUCTION, answered_share), now)  # R6
        self._grow_no_faster_than_proof()
        self.recovery_started_at = now
        self._recovery_answers, self._recovery_losses = EXPECTED_ANSWERS, EXPECTED_LOSSES

    def _reduce(self, share: float, now: float) -> None:
        self._reduced_at = now
        if self._slow_start is not None:
            self._slow_start, self._growth_per_answer = None, GROWTH_PER_RTT  # R5
        self._answers = self._losses = 0
        self._counted_since = now
        self._size = max(float(MINIMUM_WINDOW), self._size * share)  # R1

    def _grow_no_faster_than_proof(self) -> None:
        self._growth_per_answer = GROWTH_PER_RTT * self.min_rtt / (self.min_rtt + PROOF_DELAY)  # R5
