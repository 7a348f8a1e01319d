"""Where two paths part and join again, and which networks they pass. Pure.

R1. Only flows that both traces share are compared (``pair``), and only TTLs at which both were answered:
    silence is no difference.
R2. A hop differs if each trace met exactly one router there, and these are two. Where several routers share
    the load, another one is no change.
R3. Load may be shared packet by packet, where the same flow takes another way by chance. So hops in a row
    that differ count only if ``ENOUGH_REPLIES`` came from there; two equal branches look like that in one of
    32.
R4. Networks are compared only where the path parts: the origin of an address that did not change is what a
    name server said at the time.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from tracetcp.differences.words import place, router
from tracetcp.model.difference import Change, Difference
from tracetcp.model.verdict import Certainty

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tracetcp.differences.pair import Pair
    from tracetcp.model.saved_trace import SavedTrace

ENOUGH_REPLIES = 6
"""Replies of hops that differ: chance makes two equal branches look so once in 2**5."""
CLEAR_REPLIES = 11
"""Once in 1024."""
MOST_NAMED = 8
"""Addresses that a sentence lists."""


class Parting(NamedTuple):
    """The hops at which the paths differ, ascending, and the last hop ``before``, None for none.

    ``joins`` are the TTLs, in the old and in the new trace, of the first router behind that both share.
    """

    ttls: tuple[int, ...]
    before: int | None
    joins: tuple[int, int] | None
    replies: int


def compare_paths(pair: Pair) -> Iterator[Difference]:
    """Where the paths part, and what that makes of the networks on them."""
    parting = find_parting(pair)
    if parting is not None:
        yield _difference(pair, parting)
        yield from _compare_networks(pair, parting)


def find_parting(pair: Pair) -> Parting | None:
    """The first hops that differ in a way that chance does not explain."""
    met = pair.met(pair.old), pair.met(pair.new)
    ttls = sorted({ttl for ttl, _ in met[0].keys() & met[1].keys()})  # R1
    before = None
    for differs, group in groupby(
        (ttl for ttl in ttls if (_is_same(pair, ttl) or _differs(pair, ttl))), lambda ttl: _differs(pair, ttl)
    ):
        hops = tuple(group)
        if differs and (replies := _replies(met, hops)) >= ENOUGH_REPLIES:  # R3
            return Parting(hops, before, _join(pair, before or 0), replies)
        if not differs:
            before = hops[-1]
    return None


def _is_same(pair: Pair, ttl: int) -> bool:
    return bool(pair.old.routers[ttl] & pair.new.routers[ttl])


def _differs(pair: Pair, ttl: int) -> bool:
    old, new = pair.old.routers[ttl], pair.new.routers[ttl]
    return len(old) == len(new) == 1 and old != new  # R2


def _replies(met: Sequence[Mapping[tuple[int, int], str]], ttls: tuple[int, ...]) -> int:
    return sum(ttl in ttls for each in met for ttl, _ in each)


def _join(pair: Pair, before: int) -> tuple[int, int] | None:
    """The nearest router of the new path behind ``before`` that is on the old one as well, with both TTLs."""
    was = {router(pair.old, ttl): ttl for ttl in sorted(pair.old.routers, reverse=True) if ttl > before}
    for ttl in pair.new.routers:
        address = router(pair.new, ttl)
        if ttl > before and address is not None and address in was:
            return was[address], ttl
    return None


def _difference(pair: Pair, parting: Parting) -> Difference:
    first, before = parting.ttls[0], parting.before
    was, now = router(pair.old, first), router(pair.new, first)
    if before is None:
        where = f"before hop {first}"
    elif before == first - 1:
        where = f"after {place(before, router(pair.new, before))}"
    else:
        where = f"between {place(before, router(pair.new, before))} and hop {first}"
    words = [f"The paths part {where}: hop {first} was {was}, now it is {now}."]
    words += _changes(pair, parting)
    if parting.joins is not None:
        then, ttl = parting.joins
        shift = "" if then == ttl else f", which was hop {then}"
        words.append(f"They meet again at {place(ttl, router(pair.new, ttl))}{shift}.")
    return Difference(
        kind=Change.PATH,
        sentence=" ".join(words),
        certainty=Certainty.CERTAIN if parting.replies >= CLEAR_REPLIES else Certainty.LIKELY,
        hop=first,
        old=was,
        new=now,
    )


def _changes(pair: Pair, parting: Parting) -> Iterator[str]:
    """Who left, and who appeared, from where the paths part to where they meet."""
    after = parting.joins or (pair.old.last_ttl + 1, pair.new.last_ttl + 1)
    old, new = (
        {
            address: None
            for ttl, senders in trace.routers.items()
            if (parting.before or 0) < ttl < end
            for address in sorted(senders)
        }
        for trace, end in zip((pair.old, pair.new), after, strict=True)
    )
    for title, mine, others in (("Gone", old, pair.new), ("New", new, pair.old)):
        everywhere = {address for senders in others.routers.values() for address in senders}
        found = [address for address in mine if address not in everywhere]
        if found:
            more = " and more" if len(found) > MOST_NAMED else ""
            yield f"{title}: {', '.join(found[:MOST_NAMED])}{more}."


def _compare_networks(pair: Pair, parting: Parting) -> Iterator[Difference]:
    first = parting.ttls[0]
    was, now = _networks(pair.old), _networks(pair.new)
    gone, come = _only_in(pair.old, pair.new), _only_in(pair.new, pair.old)
    if not was or not now or not (gone or come):
        return
    hops = sorted(ttl for ttl in {*gone, *come} if ttl >= first)
    if not hops:  # R4
        return
    yield Difference(
        kind=Change.AS_PATH,
        sentence=f"The networks on the path were {' '.join(was)}; now they are {' '.join(now)}.",
        certainty=Certainty.LIKELY,
        hop=hops[0],
        old=" ".join(was),
        new=" ".join(now),
    )


def _origins(trace: SavedTrace) -> dict[int, str]:
    """By TTL: the network there, where all who answered are of the same one."""
    found: dict[int, set[str]] = {}
    for probe in trace.expired:
        found.setdefault(probe.ttl, set()).add(probe.origin or "")
    return {ttl: next(iter(each)) for ttl, each in sorted(found.items()) if len(each) == 1 and "" not in each}


def _networks(trace: SavedTrace) -> list[str]:
    return [origin for origin, _ in groupby(_origins(trace).values())]


def _only_in(trace: SavedTrace, other: SavedTrace) -> dict[int, str]:
    """By TTL: the networks of ``trace`` that ``other`` does not pass, where that is known."""
    origins, others = _origins(trace), _origins(other)
    known = {number for origin in others.values() for number in origin.split()}
    end = other.end_ttl or 0
    return {
        ttl: origin
        for ttl, origin in origins.items()
        if not known & set(origin.split()) and (ttl in others or (other.is_reached and ttl >= end))
    }
