"""Watches one port: asks again at every interval and tells what changes. No I/O, no clock.

It is an engine round engines: it asks the destination and one router in turn by itself, and where something
seems to change it has the engines of traces and controls find out what. From the outside to the inside:

engine         the interval, what the user asks, the summary
destination    one address of the target: hands on what is asked, and what comes of it
asking         which question leaves next
questions      the questions under way: which flow each takes, and which are decided
port           the state of the port
doubts         ... while it is up: what a missing answer leads to
recovery       ... while it is down: what an answer leads to
look           one trace with controls, and the state that it finds
local_causes   what is this machine's own fault
measurements   what the decided questions add up to:
path           ... the hops of the watched source port
rounds         ... when every hop is asked
hop_addresses  ... who answers at a hop: changed path or shared load
quality        ... what the destination loses, how long its answers take, and from which hop on
loss           ... whether the destination loses more than usual
rtt_change     ... whether the RTT is another
figures, rows  ... what is counted and shown
intervals      when the next interval begins
look_ups       when the name is looked up again
times          how long the port was up and down
news           what is to be told
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
