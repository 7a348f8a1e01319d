"""A look at the port: a trace with controls by the engines of every run, and the state it finds. Pure.

R1. The first look goes as far as the run may. Later ones go ``FARTHER_HOPS`` beyond the hops known, and wait
    less for an answer; where the path goes on there, the next one goes as far as it may.
"""

from __future__ import annotations

from dataclasses import replace
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
    from tracetcp.watch import Machine

LOOK_TIMEOUT = 0.5
"""Seconds that a look waits for a reply, at least: the RTTs are known by then."""
LOOK_TIMEOUT_RTTS = 4
FARTHER_HOPS = 2
LOOKED_FOR = 1.25
"""Seconds that a look has taken before its silence is told, at least."""


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
        began_at: float,
    ) -> None:
        def opened(each: TraceConfig) -> Engine:
            return open_engine(each, state)

        self.config = config
        self.engine = ExplainingEngine(config, destination, opened, state, shares_flows=shares_flows)
        self.began_at = began_at
        self.found: PortState | None = None
        """What it found, None while it looks."""
        self.rtt: float | None = None
        """The RTT of the answer of a port that is reached."""
        self.length = 0
        """How many hops far anything answered; of a loop, where it begins."""

    @property
    def tells_silence_at(self) -> float:
        """When it has taken so long that silence is what it meets."""
        return self.began_at + max(LOOKED_FOR, 2 * self.config.timeout)

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


class Looks:
    """Takes one look at a time, at ``destination`` as ``config`` says; ``state`` is that of the last one."""

    def __init__(
        self,
        config: TraceConfig,
        destination: str,
        open_engine: Callable[[TraceConfig, RunState], Engine],
        state: RunState,
        machine: Machine,
    ) -> None:
        self.current: Look | None = None
        self.state = state
        self._config, self._destination = config, destination
        self._open_engine, self._machine = open_engine, machine

    def take_far(self, now: float) -> None:
        """Take a look as far as it may go."""
        self._take(self._config, now)

    def take(self, now: float, length: int) -> None:
        """Take one along a path of ``length`` hops."""
        longest = self.state.timeouts.longest_srtt or 0.0
        wait = min(self._config.timeout, max(LOOK_TIMEOUT, LOOK_TIMEOUT_RTTS * longest))
        hops = max(1, length - self._config.start_hop + 1 + FARTHER_HOPS)
        self._take(replace(self._config, timeout=wait, max_hops=min(self._config.max_hops, hops)), now)  # R1

    def take_farther(self, look: Look, now: float) -> bool:
        """Take ``look`` again farther, if it ended where the path goes on; whether it did."""
        is_short = look.config.max_hops < self._config.max_hops
        if look.found is None or look.found.kind is not Kind.PATH_GOES_ON or not is_short:
            return False
        self._take(replace(look.config, max_hops=self._config.max_hops), now)  # R1
        return True

    def end(self) -> None:
        """None is under way any more."""
        self.current = None

    def _take(self, config: TraceConfig, now: float) -> None:
        self.state = self.state.renewed()
        self.current = Look(
            config,
            self._destination,
            self._open_engine,
            self.state,
            shares_flows=self._machine.shares_flows,
            began_at=now,
        )


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
