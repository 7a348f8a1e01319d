"""Which control probes a verdict still needs. Pure; the caller sends them as ordinary traces.

Controls go to the same destination over the TTLs that matter only, and never past the last TTL asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracetcp.model import Outcome
from tracetcp.model.verdict import Kind
from tracetcp.verdicts.blocked import judge as judge_blocked
from tracetcp.verdicts.forged import judge as judge_forged
from tracetcp.verdicts.nearness import NEARER_HOPS
from tracetcp.verdicts.routers import judge_loop

if TYPE_CHECKING:
    from tracetcp.model.evidence import Evidence

CONTROL_PORTS = (443, 80, 46_137)
"""HTTPS and HTTP pass nearly everywhere; proxies take both, so a port that nothing serves goes with them."""
REACH = 10
"""TTLs past the point in question: room for a few silent routers, not a second whole trace."""


class ControlPlan(NamedTuple):
    """Trace ``ports`` over ``ttls`` (consecutive)."""

    ports: tuple[int, ...]
    ttls: range


def plan_controls(evidence: Evidence) -> ControlPlan | None:
    """The controls worth sending after a trace, None where they would not change its verdict."""
    ttls = _ttls(evidence)
    known = {evidence.port, *(control.port for control in evidence.controls)}
    ports = tuple(port for port in CONTROL_PORTS if port not in known)
    return ControlPlan(ports, ttls) if ttls and ports else None


def _ttls(evidence: Evidence) -> range:
    """The TTLs in question, none where the trace speaks for itself.

    An answer of the destination is doubted together with the hop before it, silence with the last hop that
    answered: the controls must be seen to pass there too.
    """
    none = range(0)
    match evidence.outcome:
        case Outcome.UNREACHABLE:
            return none
        case Outcome.NOT_REACHED:
            verdict = judge_loop(evidence) or judge_blocked(evidence)
            if verdict is None or verdict.kind not in (Kind.NO_ANSWER, Kind.INCONCLUSIVE):
                return none
            return _span(evidence, evidence.last_router or evidence.start_hop)
        case _:
            distance = evidence.distance or 0
            is_out_of_reach = evidence.last_ttl < distance + NEARER_HOPS - 1
            return none if is_out_of_reach or judge_forged(evidence) else _span(evidence, distance - 1)


def _span(evidence: Evidence, ttl: int) -> range:
    first = max(evidence.start_hop, ttl)
    return range(first, min(ttl + REACH, evidence.last_ttl) + 1)
