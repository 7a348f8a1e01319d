"""Which first attempts a path may send, and what to do when nothing answers: one state machine.

Pure arithmetic on TTLs and instants; knows no probe and no reply.

    FOLLOWING    the window ends ``TTL_WINDOW`` TTLs beyond the farthest router
    JUMPED       another ``TTL_WINDOW`` was added over a long link ahead
    LOOKED       the last TTL was asked, far beyond the window: is the destination there at all?
    WIDENING     the window grows by a step that doubles each time
    LAST_PASS    the window holds every TTL; those that are silent get their further attempts

A stall is a while without progress (a farther router, or a further first attempt) with the whole window sent
beyond the farthest router. At a stall:

R1. FOLLOWING -> JUMPED where ``JUMP_FROM_HOPS`` hops are known, after ``JUMP_SECONDS`` already: hops much
    farther than all before them are a long link ahead.
R2. FOLLOWING or JUMPED -> LOOKED, unless the window ends within one TTL of the last.
R3. any of the above, or WIDENING -> WIDENING while TTLs are left beyond the window.
R4. any of the above -> LAST_PASS where none is left.

R5. LAST_PASS -> WIDENING when the last TTL is put farther out.

A farther router moves the window in every state, and the state stays: each of R1 and R2 happens once at most.
"""

from __future__ import annotations

from enum import Enum
from math import inf

TTL_WINDOW = 4
"""TTLs probed beyond the farthest router, so a destination sees about this many SYNs."""
JUMP_SECONDS = 0.06
"""Without an answer before a jump: most routers that are slow to make an ICMP error have answered by then."""
JUMP_FROM_HOPS = 6
"""Hops known before a jump: nearer than that, silence is a firewall rather than an ocean."""
STALL_SECONDS = 0.25
"""Without an answer before the window is widened, once an RTT is known."""
BLIND_STALL_SECONDS = 0.5
"""The same before anything at all has answered."""
STALL_RTTS = 2
"""The same in the longest smoothed RTT, where that is longer."""


class Stage(Enum):
    """The states above."""

    FOLLOWING = "following the farthest router"
    JUMPED = "jumped ahead over a long link"
    LOOKED = "asked the last TTL"
    WIDENING = "widening step by step"
    LAST_PASS = "asking all that is silent"  # noqa: S105 - a stage


class Window:
    """The window of one path over the TTLs ``first`` to ``last``; ``distance`` is the host's, if known."""

    __slots__ = (
        "_is_far_probe_due",
        "_step",
        "end",
        "last",
        "last_progress_at",
        "last_router_ttl",
        "next_first_ttl",
        "stage",
    )

    def __init__(self, first: int, last: int, distance: int, now: float) -> None:
        self.last = last
        self.stage = Stage.FOLLOWING
        self.last_router_ttl = first - 1
        """The farthest TTL at which a router said that a probe expired."""
        self.end = min(last, max(first - 1 + TTL_WINDOW, distance))
        """The farthest TTL that first attempts may have."""
        self.next_first_ttl = first
        """The TTL of the next first attempt: they go out in ascending order."""
        self.last_progress_at = now
        self._step = TTL_WINDOW
        self._is_far_probe_due = False

    @property
    def wants_far_probe(self) -> bool:
        """Whether the last TTL is to be asked now."""
        return self._is_far_probe_due

    def on_last_router(self, ttl: int, at: float) -> None:
        """The farthest router is at ``ttl``, as a reply at ``at`` showed; nearer if the last one is none."""
        if ttl > self.last_router_ttl:
            self.end = min(self.last, max(self.end, ttl + TTL_WINDOW))
            self.last_progress_at = at
        self.last_router_ttl = ttl

    def on_first_sent(self, at: float) -> None:
        """The first attempt at ``next_first_ttl`` left at ``at``."""
        self.next_first_ttl += 1
        self.last_progress_at = at

    def end_at(self, ttl: int) -> None:
        """Make ``ttl`` the last TTL from now on, until another one is told."""
        if ttl < self.last:
            self._is_far_probe_due = False
            self.end = min(self.end, ttl)
        elif ttl > self.last:
            self.end = min(ttl, max(self.end, self.last_router_ttl + TTL_WINDOW))
            if self.stage is Stage.LAST_PASS:  # R5
                self.stage = Stage.WIDENING
        self.last = ttl

    def on_far_probe_sent(self) -> None:
        """The last TTL was asked."""
        self._is_far_probe_due = False

    def stalls_at(self, longest_srtt: float | None, timeout: float) -> float:
        """When the path stalls if nothing answers; infinity where it cannot."""
        has_sent_all = self.next_first_ttl > self.end > self.last_router_ttl
        if self.stage is Stage.LAST_PASS or not has_sent_all:
            return inf
        if longest_srtt is None:
            return self.last_progress_at + min(BLIND_STALL_SECONDS, timeout)
        least = JUMP_SECONDS if self._may_jump else STALL_SECONDS
        return self.last_progress_at + min(max(least, STALL_RTTS * longest_srtt), timeout)

    @property
    def _may_jump(self) -> bool:
        return self.stage is Stage.FOLLOWING and self.last_router_ttl >= JUMP_FROM_HOPS

    def stall(self, now: float) -> None:
        """Take the next transition."""
        self.last_progress_at = now
        is_near_the_last = self.last - self.end <= 1
        if self._may_jump and self.end < self.last:  # R1
            self.stage = Stage.JUMPED
            self._widen()
        elif self.stage in (Stage.FOLLOWING, Stage.JUMPED) and not is_near_the_last:  # R2
            self.stage = Stage.LOOKED
            self._is_far_probe_due = True
        elif self.end < self.last:  # R3
            self.stage = Stage.WIDENING
            self._widen()
        else:  # R4
            self.stage = Stage.LAST_PASS

    def _widen(self) -> None:
        self.end = min(self.last, self.end + self._step)
        self._step *= 2
