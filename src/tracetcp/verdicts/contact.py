"""Whom to call: who runs the place where a port breaks, as far as addresses tell. Pure.

An address shows which network announces it, not who runs the router. Routers answer from the link towards us,
and on the link between two networks the addresses belong to one of them: so the first router of a network
often has an address of the one before. Therefore:

R1. A router is a network's if its address is, and the next address known on the way is too.
R2. A break lies at the last router that passed the port, on the link behind it, or at the next one: what is
    silent in between belongs to both. Who runs it is known only if all of these are one network's.
R3. A host belongs to the network that announces its address. A port that is silent behind hop h, and so is
    everything else, may break anywhere from there to the host.
R4. A router that says that it rejects or knows no way is itself the place; what has no way to the host may
    also lie behind it. The first router is the attached network's.
R5. A loop has two routers at least, on both sides of a boundary as a rule: it is a network's only if that one
    announces the host as well.
R6. Where the verdict is only possible, or several networks announce an address, it cannot be said.
R7. That the host itself refuses a port is known only where that is certain: else a firewall between it and
    the hop before may.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.model.contact import Contact, Owner
from tracetcp.model.verdict import Certainty, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tracetcp.model.evidence import Evidence
    from tracetcp.model.verdict import Verdict

FIRST_HOP = 1


def judge_contact(evidence: Evidence, verdict: Verdict, origins: Mapping[str, str]) -> Contact:
    """Whom to call about the main ``verdict``; ``origins`` maps addresses to networks (``AS64500``)."""
    places = _Places(evidence, origins)
    if verdict.kind in (Kind.OPEN, Kind.CLOSED):
        return _answered(verdict, places)
    if verdict.kind is Kind.PATH_GOES_ON:
        return Contact(owner=Owner.NOBODY, reason="The path goes on: raise -m.")
    if verdict.kind is Kind.REJECTED:
        return _refused(verdict, places)
    if verdict.kind in (Kind.PROXY, Kind.FORGED) and verdict.hop is not None:
        return _between(places, verdict.hop - 1, places.next_known(verdict.hop), "the device that answers")
    if verdict.kind is Kind.BLOCKED:
        last = verdict.hop or 0
        return _between(places, last, places.next_known(last + 1), "what drops the port")
    if verdict.kind is Kind.UNREACHABLE and verdict.hop == FIRST_HOP:
        return _attached()
    if verdict.kind is Kind.LOOP:
        return _to_the_host(places, verdict.hop, "the loop")  # R5
    if verdict.kind in (Kind.NO_ANSWER, Kind.UNREACHABLE):
        return _to_the_host(places, verdict.hop, "what breaks the path")
    return _unknown("No hop answered: look at this machine and the network that it is attached to first.")


class _Places:
    """The networks along the path, as far as any port showed them, and the host's."""

    def __init__(self, evidence: Evidence, origins: Mapping[str, str]) -> None:
        traces = (evidence, *evidence.controls)
        self.host = _single({origins.get(evidence.destination)})
        self._reached = [trace.nearest_answer for trace in traces[1:]]
        self._networks: dict[int, str | None] = {}
        ttls = sorted({ttl for trace in traces for ttl in trace.routers})
        for ttl in ttls:
            addresses = {address for trace in traces for address in trace.routers.get(ttl, ())}
            self._networks[ttl] = _single({origins.get(address) for address in addresses})

    def network(self, ttl: int | None) -> str | None:
        """The network of all addresses seen at ``ttl``; the host's for None."""
        return self.host if ttl is None else self._networks.get(ttl)

    def next_known(self, ttl: int) -> int | None:
        """The nearest TTL from ``ttl`` on where a router answered any port; None for the host."""
        return min((each for each in self._networks if each >= ttl), default=None)

    def runs(self, ttl: int | None) -> str | None:
        """The network that runs the router at ``ttl``, or announces the host (None): R1."""
        if ttl is None:
            return self.host  # R3
        mine = self.network(ttl)
        behind = (self.network(each) for each in sorted(self._networks) if each > ttl)
        following = next(filter(None, behind), self.host)
        return mine if mine is not None and mine == following else None  # R1

    def sides(self, last: int | None, following: int | None) -> tuple[str, ...]:
        """The networks on both sides of a break, nearest first, each once."""
        found = (self.network(last) if last else None, self.network(following))
        return tuple(dict.fromkeys(filter(None, found)))


def _single(origins: set[str | None]) -> str | None:
    """The only one of ``origins``, if it is one network (R6)."""
    if len(origins) != 1:
        return None
    (origin,) = origins
    return origin if origin is not None and " " not in origin else None  # R6


def _answered(verdict: Verdict, places: _Places) -> Contact:
    if verdict.certainty is Certainty.POSSIBLE:  # R6
        return _unknown("Somebody nearer than the host may be answering.")
    if verdict.kind is Kind.OPEN:
        return Contact(
            owner=Owner.NOBODY, reason="The port takes connections: nothing on the way stops them."
        )
    if verdict.certainty is not Certainty.CERTAIN:  # R7
        return _between(places, (verdict.hop or 1) - 1, None, "what refuses the port")
    return Contact(
        owner=Owner.HOST,
        reason="The host is reached and refuses the port: nothing listens there, or its firewall refuses.",
        network=places.host,
        networks=tuple(filter(None, (places.host,))),
        last=verdict.hop,
    )


def _refused(verdict: Verdict, places: _Places) -> Contact:
    if verdict.sentence.startswith("The destination itself"):
        return Contact(owner=Owner.HOST, reason="The host itself says that it rejects.", network=places.host)
    if verdict.hop == FIRST_HOP:  # R4
        return _attached()
    hop = verdict.hop
    network = places.runs(hop)
    if network is not None:
        return Contact(
            owner=Owner.NETWORK,
            reason=f"The router that rejects, and what is known behind it, have addresses of {network}.",
            network=network,
            networks=(network,),
            last=hop,
        )
    return _unknown(
        f"Hop {hop} rejects, but it may be the last router of one network or the first one of the next.",
        places.sides(hop, places.next_known((hop or 0) + 1)),
        hop,
        places.next_known((hop or 0) + 1),
    )


def _attached() -> Contact:
    return Contact(
        owner=Owner.ATTACHED,
        reason="The first router itself says so: it belongs to the network that this machine is attached to.",
        last=FIRST_HOP,
    )


def _between(places: _Places, last: int, following: int | None, what: str) -> Contact:
    sides = places.sides(last, following)
    near, far = places.runs(last) if last else None, places.runs(following)
    where = f"between {_hop(last)} and {_hop(following)}"
    if near is not None and near == far:  # R2
        return Contact(
            owner=Owner.NETWORK,
            reason=f"{_capital(what)} is {where}: addresses of {near}, and so are those behind.",
            network=near,
            networks=sides,
            last=last,
            next=following,
        )
    return _unknown(f"{_capital(what)} is {where}: {_doubt(sides)}.", sides, last or None, following)


def _to_the_host(places: _Places, last: int | None, what: str) -> Contact:
    near, host = places.network(last) if last else None, places.host
    sides = places.sides(last, None)
    if near is not None and near == host:  # R3
        return Contact(
            owner=Owner.NETWORK,
            reason=f"{_capital(what)} lies between {_hop(last)} and the host: addresses of {near}.",
            network=near,
            networks=sides,
            last=last,
        )
    return _unknown(
        f"{_capital(what)} lies anywhere from {_hop(last)} to the host: {_doubt(sides)}.", sides, last
    )


def _doubt(sides: tuple[str, ...]) -> str:
    if len(sides) > 1:
        return f"{sides[0]} may stop it on the way out, or {sides[1]} on the way in"
    if sides:
        return f"{sides[0]} is known there, but its address may be on a router of its neighbour"
    return "no address there is known to be of any network"


def _unknown(
    reason: str, networks: tuple[str, ...] = (), last: int | None = None, following: int | None = None
) -> Contact:
    return Contact(owner=Owner.UNKNOWN, reason=reason, networks=networks, last=last, next=following)


def _hop(ttl: int | None) -> str:
    if ttl is None:
        return "the host"
    return f"hop {ttl}" if ttl else "this machine"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
