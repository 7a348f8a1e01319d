"""The search for branches on the virtual clock, and the truth that a scenario holds about them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from internet.report import SECRET
from internet.virtual import VirtualProber
from tracetcp.config import TraceConfig
from tracetcp.engine import UNBOUNDED, open_engine
from tracetcp.engine.branches.branch_engine import BranchEngine
from tracetcp.engine.run_state import RunState
from tracetcp.explain.explaining import ExplainingEngine
from tracetcp.model import TraceFinished, VerdictReached
from tracetcp.model.branches import NodeKind
from tracetcp.runner import run
from tracetcp.verdicts.branches import judge_branches

if TYPE_CHECKING:
    from collections.abc import Callable

    from internet.scenario import Scenario
    from tracetcp.model import Probe, SendFailure
    from tracetcp.model.branches import Branches
    from tracetcp.model.verdict import Verdict

HOST = "host"


class Search(NamedTuple):
    """A search for branches: what it found, and what it took."""

    found: Branches
    prober: VirtualProber
    seconds: float
    """From the end of the trace on."""
    traced: Counter[int]
    """By source port: the SYNs of the trace that reached the destination."""
    trace_probes: int

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What it means."""
        return judge_branches(self.found)

    @property
    def sentences(self) -> list[str]:
        """The verdicts in words, with their certainty."""
        return [f"{verdict.sentence} [{verdict.certainty.value}]" for verdict in self.verdicts]

    @property
    def links(self) -> set[tuple[str, str]]:
        """The links between addresses; ``HOST`` is the destination, ``*`` a silent router."""
        return {(self._name(link.near), self._name(link.far)) for link in self.found.links}

    def _name(self, node: int) -> str:
        found = self.found.nodes[node]
        return HOST if found.kind is NodeKind.HOST else found.address or "*"

    @property
    def routers(self) -> set[str]:
        """The addresses of the routers found."""
        return {node.address for node in self.found.nodes if node.address}

    def rows(self) -> list[str]:
        """Each hop as ``3 10.3.1.1 6 10.3.2.1 7 of 13``."""
        return [
            " ".join(
                [
                    str(hop.ttl),
                    *(f"{self._name(share.node)} {share.flows}" for share in hop.shares),
                    f"of {hop.drawn}",
                ]
            )
            for hop in self.found.hops
        ]


def search(
    scenario: Scenario,
    family: int = 4,
    *,
    percent: int = 95,
    shares_flows: bool = True,
    interrupt_at: float | None = None,
    capacity: int = UNBOUNDED,
    failing: Callable[[Probe], SendFailure | None] = lambda _: None,
    **options: object,
) -> Search:
    """Trace ``scenario``, then search it for branches."""
    prober = VirtualProber(scenario, family, shares_flows=shares_flows, capacity=capacity, failing=failing)
    config = TraceConfig(host="target", **options)  # type: ignore[arg-type]
    state = RunState(SECRET)

    def fresh(config: TraceConfig) -> object:
        return open_engine(config, state, prober.capacity, shares_flows=shares_flows)

    judging = ExplainingEngine(
        config,
        prober.destination,
        fresh,  # type: ignore[arg-type]
        state,
        may_probe=False,
        shares_flows=shares_flows,
    )
    engine = BranchEngine(judging, config, state, prober.capacity, shares_flows=shares_flows, percent=percent)
    traced_at, found, trace_probes = 0.0, None, 0
    traced: Counter[int] = Counter()
    for events in run(engine, prober, wait=prober.wait):
        for event in events:
            if isinstance(event, TraceFinished):
                traced_at, trace_probes = prober.clock(), len(prober.sent)
                traced = arrived(prober)
            if isinstance(event, VerdictReached):
                found = event.branches
        if interrupt_at is not None and found is None and traced_at and prober.clock() >= interrupt_at:
            released = engine.release()[0]
            assert isinstance(released, VerdictReached)
            found = released.branches
            break
    assert found is not None, "the search ends in a verdict"
    assert engine.ports_done == 1
    return Search(found, prober, prober.clock() - traced_at, traced, trace_probes)


def arrived(prober: VirtualProber) -> Counter[int]:
    """By source port: the SYNs that reached the destination."""
    return Counter({port: count for (port, _), count in prober.counts.arrived.items()})


def true_links(scenario: Scenario, family: int = 4) -> set[tuple[str, str]]:
    """Every link of ``scenario`` between routers that answer, and to the destination."""
    links: set[tuple[str, str]] = set()
    for route in scenario.routes:
        for hop, following in zip(route.hops, [*route.hops[1:], ()], strict=True):
            for router in hop:
                ahead = [following[number] for number in router.links] or [*following]
                links |= {(router.addresses[family], other.addresses[family]) for other in ahead}
                if not following:
                    links.add((router.addresses[family], HOST))
    return links
