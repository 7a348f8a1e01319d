"""The routers that the targets of one run have in common: asked for all targets together, by address.

Shared by the ``Routers`` of each target. Knows instants and addresses; sends nothing. A target's own rules
(``routers``, ``retries``) hold beside these:

R1. A router is sent what ``pacer`` lets pass, counted over all targets. Until a target has met its router
    at a TTL, the routers expected there stand for it: those that followed the router before it for other
    targets, or those that others met at that TTL; ``EXPECTED_SHARE`` of the last ``VOTES`` at least, and
    after a loss the last of the rarer ones that may limit its answers. Where nobody has answered yet, the TTL
    stands for it, for the first ``UNHEARD_PROBES``.
R2. A router that answers ``ANSWERS_TO_SPEED_UP`` hasty probes in a row may be sent twice as many, and so on;
    those count that left ``SPEED_UP_AFTER`` the last such step, when its losses have shown. A probe is hasty
    if it left within ``LIMITED_INTERVAL`` of the one before.
R3. A loss where a router is expected is asked again, whatever the reason. It is cleared if the router
    answered the ``WITNESSES`` probes before and after it: it has answers left, so the loss is chance, or
    another router's silence. Only the loss of a hasty probe that is not cleared is a sign of a limit.
R4. Such a loss sets a fast router back to half the speed, for good. At one of the usual speed it begins a
    doubt: until ``ANSWERS_TO_CALM`` unhurried probes in a row were answered, it is sent one probe a second.
R5. ``LIMIT_PROOFS`` such losses, at places where the target had met the router or met it later, prove a
    limit. From then on the router is sent one probe a second.
R6. So do ``FREQUENT_LOSSES`` of any kind within ``FREQUENT_AMONG`` probes: a limit close to the speed loses
    few. A fast router is set back first.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from itertools import islice
from math import inf
from typing import TYPE_CHECKING

from tracetcp.engine.trace.pacer import LIMITED_INTERVAL, SUSTAINED_PROBES, next_send_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

VOTES = 16
"""Targets whose word counts for what stands at a place; more would remember what the last do not meet."""
EXPECTED_SHARE = 0.25
SEEN_ROUTERS = 64
"""Routers of a place that are remembered, for those that are met too rarely to be expected."""
UNHEARD_PROBES = 40
"""Probes to a TTL at which nobody answers until it counts as silent, which needs no pacing: two seconds."""
ANSWERS_TO_SPEED_UP = 10
"""Linux answers six at once and then one a second."""
SPEED_UP_AFTER = 0.3
"""Seconds: a little more than the shortest timeout."""
MOST_SPEED = 64
WITNESSES = 2
ANSWERS_TO_CALM = 5
LIMIT_PROOFS = 4
"""One more than chance loses of a burst of three."""
FREQUENT_LOSSES, FREQUENT_AMONG = 5, 25
"""A path that loses a twentieth loses as many by chance once in a hundred times."""
REMEMBERED_ASKS = 512
"""Probes to one router whose fate is known: more than leave within the shortest timeout at full speed."""
REMEMBERED_ROUTERS = 512
"""Routers remembered: those asked last. Memory does not grow with the number of targets."""


class Ask:
    """One probe to a router: when it left, and what became of it (None while that is open)."""

    __slots__ = ("at", "is_answered", "is_cleared", "is_hasty", "is_void", "number", "speed")

    def __init__(self, number: int, at: float, speed: int, *, is_hasty: bool) -> None:
        self.number = number
        self.at = at
        self.speed = speed
        self.is_hasty = is_hasty
        self.is_answered: bool | None = None
        self.is_cleared = False
        """Whether its loss is no sign of a limit."""
        self.is_void = False
        """Whether somebody else was met: it says nothing of the router."""


class Votes:
    """What the last targets met at one place, the newest last; None for silence."""

    __slots__ = ("_last", "_seen", "usual")

    def __init__(self) -> None:
        self._last: deque[SharedRouter | None] = deque(maxlen=VOTES)
        self._seen: OrderedDict[SharedRouter, None] = OrderedDict()
        """Each router once, the last that was met at the end."""
        self.usual: Sequence[SharedRouter] = ()
        """The routers with ``EXPECTED_SHARE`` of the votes."""

    def __bool__(self) -> bool:
        """Whether anybody has voted."""
        return bool(self._last)

    def add(self, router: SharedRouter | None) -> None:
        """Count the vote of one target."""
        self._last.append(router)
        if router is not None:
            self._seen[router] = None
            self._seen.move_to_end(router)
            if len(self._seen) > SEEN_ROUTERS:
                self._seen.popitem(last=False)
        least = EXPECTED_SHARE * len(self._last)
        counts = Counter(map(id, self._last))
        routers = {id(each): each for each in self._last if each is not None}
        self.usual = [each for key, each in routers.items() if counts[key] >= least]

    @property
    def spared(self) -> SharedRouter | None:
        """The last that was met, however rarely, of those that may limit their answers."""
        return next((router for router in reversed(self._seen) if router.is_spared), None)


class SharedRouter:
    """One router, or the TTL that stands for it until somebody answers there."""

    __slots__ = (
        "_asks",
        "_calm_left",
        "_cut_at",
        "_faster_at",
        "_frequent",
        "_in_a_row",
        "_most_speed",
        "_proofs",
        "_sent",
        "_speed",
        "asked",
        "followers",
        "is_limited",
    )

    def __init__(self) -> None:
        self.asked = 0
        """Probes sent to it."""
        self.is_limited = False
        """Whether it was seen to limit its answers."""
        self._sent: deque[float] = deque(maxlen=SUSTAINED_PROBES)
        self._asks: deque[Ask] = deque(maxlen=REMEMBERED_ASKS)
        self._speed = 1
        self._most_speed = MOST_SPEED
        self._faster_at = -inf
        """When the speed was raised last."""
        self._in_a_row = 0
        """Hasty probes answered in a row."""
        self._calm_left = 0
        """Unhurried answers that are missing to end a doubt; 0 without one."""
        self._proofs = 0
        self._frequent: deque[int] = deque(maxlen=FREQUENT_LOSSES)
        """The numbers of the last probes that were lost here."""
        self._cut_at = -inf
        """When it was last found to be asked too fast: losses of earlier probes say nothing new."""
        self.followers = Votes()
        """What targets met right behind it."""

    @property
    def is_spared(self) -> bool:
        """Whether it is sent one probe a second: it limits its answers, or may do so."""
        return self.is_limited or self._calm_left > 0

    def next_send_at(self, count: int = 1) -> float:
        """The instant from which ``count`` probes may leave for it back to back."""
        return next_send_at(self._sent, count, is_limited=self.is_spared, speed=self._speed)

    def on_sent(self, at: float) -> Ask:
        """Count a probe that left for it at ``at``."""
        is_hasty = bool(self._sent) and at - self._sent[-1] < LIMITED_INTERVAL
        ask = Ask(self.asked, at, self._speed, is_hasty=is_hasty)
        self.asked += 1
        self._sent.append(at)
        self._asks.append(ask)
        return ask

    def on_known(self, sent: Iterable[float]) -> None:
        """Count probes that left for it before anybody knew that they would."""
        self._sent = deque(sorted([*self._sent, *sent]), maxlen=SUSTAINED_PROBES)

    def on_answered(self, ask: Ask) -> None:
        """It answered ``ask``."""
        ask.is_answered = True
        if not ask.is_hasty:
            self._calm_left = max(0, self._calm_left - 1)
            return
        if ask.at <= max(self._faster_at + SPEED_UP_AFTER, self._cut_at) or self.is_spared:
            return
        self._in_a_row += 1
        if self._in_a_row >= ANSWERS_TO_SPEED_UP and self._speed < self._most_speed:  # R2
            self._proofs = self._in_a_row = 0
            self._faster_at = self._sent[-1]
            self._speed *= 2

    def on_lost(self, ask: Ask) -> None:
        """Nothing answered ``ask``: a limit may be the reason."""
        ask.is_answered = False
        ask.is_cleared = not ask.is_hasty or self._is_cleared(ask)  # R3
        if ask.is_cleared or self._is_old(ask):
            return
        self._set_back(ask)
        if ask.speed == 1:  # R4
            self._calm_left = ANSWERS_TO_CALM

    def prove(self, lost: Ask) -> None:
        """``lost`` surely met this router."""
        self._frequent.append(lost.number)
        are_frequent = len(self._frequent) == FREQUENT_LOSSES and (
            max(self._frequent) - min(self._frequent) <= FREQUENT_AMONG
        )
        if lost.speed > 1:
            if are_frequent and not self._is_old(lost):  # R6
                self._set_back(lost)
            return
        self._proofs += not lost.is_cleared
        self.is_limited = self.is_limited or are_frequent or self._proofs >= LIMIT_PROOFS  # R5, R6

    def _is_old(self, ask: Ask) -> bool:
        """Whether ``ask`` left before the router was last set back: its loss says nothing new."""
        return ask.at <= self._cut_at

    def _set_back(self, lost: Ask) -> None:
        """Ask more slowly than when ``lost`` left, from now on."""
        self._in_a_row = 0
        self._cut_at = self._sent[-1]
        self._speed = self._most_speed = max(1, lost.speed // 2)  # R4
        self._frequent.clear()

    def _is_cleared(self, lost: Ask) -> bool:
        """Whether it answered the probes right before and after ``lost``."""
        if lost.number < self._asks[0].number:
            return False
        index = lost.number - self._asks[0].number
        before = _told(islice(self._asks, max(0, index - 2 * WITNESSES), index), newest=True)
        after = _told(islice(self._asks, index + 1, index + 1 + 2 * WITNESSES), newest=False)
        witnesses = [*before, *after]
        return len(witnesses) == 2 * WITNESSES and all(
            each.is_answered and abs(each.at - lost.at) < LIMITED_INTERVAL for each in witnesses
        )


def _told(asks: Iterable[Ask], *, newest: bool) -> list[Ask]:
    """The ``WITNESSES`` nearest of ``asks`` that are not void."""
    told = [ask for ask in asks if not ask.is_void]
    return told[-WITNESSES:] if newest else told[:WITNESSES]


class SharedRouters:
    """The routers of one run over one address family, whatever the target."""

    def __init__(self) -> None:
        self._by_address: OrderedDict[str, SharedRouter] = OrderedDict()
        self._met_at: dict[int, Votes] = {}
        """By TTL."""
        self._unheard: dict[int, SharedRouter] = {}
        """By TTL: what stands for the router where nobody has answered yet."""

    def met(self, address: str, ttl: int) -> SharedRouter:
        """The router with ``address``, which answered a probe with ``ttl``."""
        unheard = self._unheard.pop(ttl, None)
        router = self._by_address.get(address)
        if router is None:
            router = self._by_address[address] = unheard or SharedRouter()
            if len(self._by_address) > REMEMBERED_ROUTERS:
                self._by_address.popitem(last=False)
        self._by_address.move_to_end(address)
        return router

    def vote(self, ttl: int, router: SharedRouter | None) -> None:
        """A target met ``router`` at ``ttl``, or silence."""
        self._met_at.setdefault(ttl, Votes()).add(router)

    def expected_at(self, ttl: int, behind: SharedRouter | None) -> Sequence[SharedRouter]:
        """The routers that a probe with ``ttl`` may meet, for a target that met ``behind`` just before."""
        if (votes := self._votes(ttl, behind)) is not None:
            return votes.usual  # R1
        unheard = self._unheard.get(ttl)
        if unheard is None:
            unheard = self._unheard[ttl] = SharedRouter()
        return [unheard] if unheard.asked < UNHEARD_PROBES else []  # R1

    def spared_at(self, ttl: int, behind: SharedRouter | None) -> SharedRouter | None:
        """A router that may be met at ``ttl``, however rarely, and that may limit its answers."""
        votes = self._votes(ttl, behind)
        return None if votes is None else votes.spared

    def _votes(self, ttl: int, behind: SharedRouter | None) -> Votes | None:
        return behind.followers if behind is not None and behind.followers else self._met_at.get(ttl)
