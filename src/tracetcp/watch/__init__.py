"""Watches one port: asks again at every interval and tells what changes. No I/O, no clock.

``engine`` is an engine round engines: it asks the destination and one router in turn by itself, and where
something seems to change it has the engines of traces and controls find out what. Its parts:

hop_addresses  who answers at a hop: changed path or shared load
loss           whether the destination loses more than usual, and from which hop on
rtt_change     whether the RTT is another
quality        both of these, and the rounds that find the hop
rounds         when every hop is asked
look           one trace with controls, and the state that it finds
questions      the probes of the watch itself: who is asked next, and which are decided
path           the hops of the watched source port
figures, rows  what is counted and shown
times          how long the port was up and down
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tracetcp.model.watching import LocalCause


class Machine(Protocol):
    """What a watch asks of the machine that it runs on; nothing of it waits.

    ``shares_flows`` and ``longest_wait`` are the prober's (see ``Prober``), which may become another.
    """

    @property
    def shares_flows(self) -> bool:
        """Whether several probes of a flow may be in flight."""

    @property
    def longest_wait(self) -> float:
        """For how many seconds a probe is listened for, whatever the timeout."""

    def trouble(self) -> LocalCause | None:
        """What keeps this machine from asking, or from being answered; None where nothing is seen."""

    def seconds_asleep(self) -> float:
        """How long the machine was suspended since this was last asked; the clock stood still meanwhile."""

    def look_up_again(self) -> None:
        """Begin to look up the address of the target anew."""

    def new_destination(self) -> str | None:
        """The address that is probed from now on, told once, if looking up found another."""


class QuietMachine:
    """A ``Machine`` that nothing ever happens to."""

    def __init__(self, *, shares_flows: bool = True, longest_wait: float = inf) -> None:
        self.shares_flows = shares_flows
        self.longest_wait = longest_wait

    def trouble(self) -> LocalCause | None:
        """See ``Machine``."""
        return None

    def seconds_asleep(self) -> float:
        """See ``Machine``."""
        return 0.0

    def look_up_again(self) -> None:
        """See ``Machine``."""

    def new_destination(self) -> str | None:
        """See ``Machine``."""
        return None
