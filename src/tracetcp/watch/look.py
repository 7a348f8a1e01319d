"""A look at the port: a trace with controls by the engines of every run, and the state it finds. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.explain.explaining import ExplainingEngine
from tracetcp.model import AddressSeen, Outcome, VerdictReached
from tracetcp.model.verdict import Certainty, Kind
from tracetcp.model.watching import PortState

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetcp.config import TraceConfig
    from tracetcp.engine import Engine
    from tracetcp.engine.run_state import RunState
    from tracetcp.model.evidence import Evidence
    from tracetcp.model.verdict import Verdict


class Look:
    """One look for ``config`` at ``destination``; ``state`` is its own, ``open_engine`` makes its engines."""

    def __init__(
        self,
        config: TraceConfig,
        destination: str,
        open_engine: Callable[[TraceConfig, RunState], Engine],
        state: RunState,
        *,
        shares_flows: bool,
    ) -> None:
        def opened(each: TraceConfig) -> Engine:
            return open_engine(each, state)

        self.config = config
        self.engine = ExplainingEngine(config, destination, opened, state, shares_flows=shares_flows)
        self.began_at = 0.0
        self.has_failed = False
        """Whether a probe of it could not be sent."""
        self.found: PortState | None = None
        """What it found, None while it looks."""
        self.rtt: float | None = None
        """The RTT of the answer of a port that is reached."""
        self.length = 0
        """How many hops far anything answered; of a loop, where it begins."""

    def take(self) -> list[AddressSeen]:
        """Take what the engines have decided; the addresses that nobody was told of."""
        seen = []
        for event in self.engine.events():
            if isinstance(event, AddressSeen):
                seen.append(event)
            elif isinstance(event, VerdictReached):
                self._conclude(event.evidence, event.verdicts[0])
        return seen

    def silent_after(self) -> PortState | None:
        """The state while it looks: silence after the last hop that answered; None once more is known."""
        met = self.engine.so_far
        if any(record.replies for record in met.own_records if record.probe.ttl > (met.last_router or 0)):
            return None
        hop = met.last_router
        address = None if hop is None else met.routers[hop][0]
        place = "" if hop is None else f" after hop {hop} ({address})"
        return PortState(
            outcome=Outcome.NOT_REACHED,
            kind=Kind.NO_ANSWER,
            certainty=Certainty.POSSIBLE,
            sentence=f"Port {met.port} got no answer{place}.",
            hop=hop,
            address=address,
        )

    def _conclude(self, evidence: Evidence, verdict: Verdict) -> None:
        self.found = state_of(evidence, verdict)
        farthest = evidence.distance or evidence.last_router or 0
        self.length = verdict.hop or farthest if verdict.kind is Kind.LOOP else farthest
        answer = evidence.answer
        if answer is not None and self.found.is_up:
            sent = {record.probe.token: record.sent_at for record in evidence.records}
            self.rtt = max(0.0, answer.received_at - sent[answer.token])


def state_of(evidence: Evidence, verdict: Verdict) -> PortState:
    """The state of the port that the main ``verdict`` on ``evidence`` tells."""
    return PortState(
        outcome=evidence.outcome,
        kind=verdict.kind,
        certainty=verdict.certainty,
        sentence=verdict.sentence,
        hop=verdict.hop if evidence.distance is None else evidence.distance,
        address=evidence.destination if evidence.distance is not None else verdict.address,
    )
