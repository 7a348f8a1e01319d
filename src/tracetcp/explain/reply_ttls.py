"""Finds with what TTL an answer of the destination arrives, where the prober is not told. No I/O, no clock.

A probe may ask for answers of a least TTL only (``Probe.min_reply_ttl``): answered, the TTL is that or more.
The TTL is found by halving, one SYN after the other, each on a flow of its own. Silence may also be a loss,
so the least TTL that was met by silence is asked twice; nine SYNs an answer where none is lost.

Asked for is only what a verdict depends on: an answer from nearer than a control shows the destination to be,
and the answer of that control; once single probes of controls tell no more, before any control is traced.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING

from tracetcp.explain.bisection import Bisection
from tracetcp.limits import LAST_TTL
from tracetcp.model import FLOWS, Probe
from tracetcp.verdicts.nearness import farther_controls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tracetcp.engine.tokens import TokenRegistry
    from tracetcp.model import Event, Hop, ProbeRecord, Reply
    from tracetcp.model.evidence import Evidence, TracedPort

LAST_FLOW = FLOWS - 257
"""Flows from here downwards: those behind are controls', and a path hardly ever comes so far."""
SILENCE_RTTS = 3
"""RTTs of the known answer after which another one is missing."""
SHORTEST_SILENCE = 0.25
"""The least such wait in seconds."""


class ReplyTtls:
    """The TTLs of answers, found or under way; the searches draw their tokens from ``tokens``."""

    def __init__(self, tokens: TokenRegistry, timeout: float) -> None:
        self._tokens = tokens
        self._timeout = timeout
        self._searches: dict[int, ReplyTtlSearch] = {}
        """By the token of the probe that was answered."""

    @property
    def engines(self) -> list[ReplyTtlSearch]:
        """The searches that have something to do."""
        return [search for search in self._searches.values() if not search.is_done]

    def wants(self, evidence: Evidence) -> bool:
        """Start what the verdict on ``evidence`` still wants; whether to wait for it."""
        farther = next(farther_controls(evidence), None)
        if farther is None:
            return False
        searches = [self._search(traced) for traced in (evidence, farther)]
        return any(search is not None and not search.is_done for search in searches)

    def _search(self, traced: TracedPort) -> ReplyTtlSearch | None:
        """The search for the TTL of the answer that ended ``traced``, None where it is known."""
        answer = traced.answer
        if answer is None or answer.reply_ttl is not None:
            return None
        if answer.token not in self._searches:
            record = next(each for each in traced.records if each.probe.token == answer.token)
            wait = max(SHORTEST_SILENCE, SILENCE_RTTS * (answer.received_at - record.sent_at))
            search = ReplyTtlSearch(record.probe, min(wait, self._timeout), self._tokens)
            self._searches[answer.token] = search
        return self._searches[answer.token]

    def filled_in(self, evidence: Evidence) -> Evidence:
        """``evidence`` with the TTLs that were found."""
        found = {token: search.reply_ttl for token, search in self._searches.items() if search.reply_ttl}
        if not found:
            return evidence
        controls = tuple(
            replace(control, hops=_hops(control, found), records=_records(control, found))
            for control in evidence.controls
        )
        return replace(
            evidence, hops=_hops(evidence, found), records=_records(evidence, found), controls=controls
        )


class ReplyTtlSearch:
    """The search for one answer: an engine (see ``Engine``) that decides no events.

    ``answered`` is the probe whose answer it is, ``wait`` the seconds after which one is missing.
    """

    ports_done = 0

    def __init__(self, answered: Probe, wait: float, tokens: TokenRegistry) -> None:
        self.is_done = False
        self._answered = answered
        self._wait = wait
        self._tokens = tokens
        self._left = Bisection(range(2, LAST_TTL + 1))
        self._heard = 0
        """The highest least TTL that was answered."""
        self._asked: Probe | None = None
        self._silent_at = inf
        self._flow = LAST_FLOW
        self._is_confirming = False

    @property
    def reply_ttl(self) -> int | None:
        """The TTL with which the answer arrives, None where nothing was heard any more."""
        return self._heard if self.is_done and self._heard else None

    def next_probes(self, now: float, most: int) -> tuple[Probe, ...]:  # noqa: ARG002 - as every engine
        """The next SYN, when the one before was answered or missed."""
        if self.is_done or self._asked is not None or most < 1:
            return ()
        least = self._left.next_ttl or self._heard + 1
        token = self._tokens.draw(self)
        self._asked = self._answered._replace(token=token, flow=self._flow, min_reply_ttl=least)
        self._flow -= 1
        return (self._asked,)

    def sent(self, probe: Probe, at: float) -> None:  # noqa: ARG002 - as every engine
        """The SYN left at ``at``."""
        self._silent_at = at + self._wait

    def failed(self, probe: Probe, at: float) -> None:  # noqa: ARG002 - as every engine
        """It could not be sent: this system does not tell, or will not now."""
        self._end_of_probe()
        self._heard, self.is_done = 0, True

    def receive(self, reply: Reply) -> None:
        """An answer: its TTL is the least that was asked for, or more."""
        asked = self._asked
        if asked is None or reply.token != asked.token:
            return
        self._end_of_probe()
        self._heard = asked.min_reply_ttl
        if self._is_confirming:
            self._is_confirming = False
            self._left = Bisection(range(self._heard + 1, LAST_TTL + 1))
        else:
            self._left.passes(self._heard)
            self._is_confirming = self._left.next_ttl is None
        self.is_done = self._heard == LAST_TTL

    def advance(self, now: float) -> None:
        """Let time pass: a SYN that was not answered met a lower TTL, or was lost."""
        if self._asked is None or now < self._silent_at:
            return
        least = self._asked.min_reply_ttl
        self._end_of_probe()
        if self._left.next_ttl is None:
            self.is_done = True
            return
        self._left.is_silent_at(least)
        self._is_confirming = self._left.next_ttl is None
        self.is_done = self._is_confirming and self._heard == 0

    def _end_of_probe(self) -> None:
        assert self._asked is not None, "told of a probe that was asked for"
        self._tokens.release(self._asked.token)
        self._asked, self._silent_at = None, inf

    def wake_at(self) -> float:
        """When the SYN counts as missed, at once where the next one may leave."""
        return self._silent_at if self._asked is not None else -inf

    def events(self) -> list[Event]:
        """None: nothing of this is shown."""
        return []


def _hops(traced: TracedPort, found: Mapping[int, int | None]) -> tuple[Hop, ...]:
    return tuple(
        hop._replace(
            pings=tuple(
                ping._replace(reply=_filled(ping.reply, found)) if ping.reply else ping for ping in hop.pings
            )
        )
        for hop in traced.hops
    )


def _records(traced: TracedPort, found: Mapping[int, int | None]) -> tuple[ProbeRecord, ...]:
    return tuple(
        record._replace(replies=tuple(_filled(reply, found) for reply in record.replies))
        for record in traced.records
    )


def _filled(reply: Reply, found: Mapping[int, int | None]) -> Reply:
    return reply._replace(reply_ttl=found[reply.token]) if reply.token in found else reply
