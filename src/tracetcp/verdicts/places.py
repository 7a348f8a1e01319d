"""The words for places on a path that probes over connections found. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracetcp.model.evidence import Evidence
    from tracetcp.model.sizes import Place


def place_of(evidence: Evidence, ttl: int) -> str:
    """The words for a hop: all the routers that share its load, or the host itself."""
    if ttl == evidence.distance:
        return f"the host ({evidence.destination})"
    routers = evidence.routers.get(ttl, ())
    if len(routers) > 1:
        return f"hop {ttl} ({' or '.join(routers)})"
    return evidence.place(ttl)


def between(evidence: Evidence, place: Place) -> str:
    """The words for ``place``: ``after`` a hop, where those on both sides of it are neighbours."""
    before = evidence.distance if place.before is None else place.before
    if not place.after:
        return f"before {place_of(evidence, before or 1)}"
    after = place_of(evidence, place.after)
    if before == place.after + 1:
        return f"after {after}"
    return f"between {after} and {place_of(evidence, before or 0)}"
