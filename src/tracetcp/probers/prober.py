"""The contract between a prober and the runner. Opens nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import inf
from typing import TYPE_CHECKING

from tracetcp.errors import ProberError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeAlias

    from tracetcp.model import Probe, Reply, SendFailure

    Tap: TypeAlias = Callable[[float, bytes], None]
    """Takes the instant of a packet, in seconds since 1970, and the packet from its IP header on."""


class Prober(ABC):
    """One way to send probes and to receive the replies.

    The rules for every prober; ``tests/test_prober_contract.py`` tests each of them:

    1. *Only our own replies.* A prober matches replies to its probes: every reply that it returns has the
       token of one of them. Each reply is returned once.
    2. *One clock.* Every instant is on ``clock``, in seconds; it never runs backwards, and all probers of a
       run share it. A reply was received between the instant of its probe and now.
    3. *Nothing waits.* No method waits for the network: the runner owns the one wait. It waits until one of
       ``descriptors`` is readable or ``wake_at`` has come, then calls ``drain``. There is one exception:
       with a gateway, or on a system that leaves this to the sender, the first ``send`` asks for a
       neighbour's link-layer address.
    4. *A failure says what it means.* ``send`` raises ``TracetcpError`` only if the run cannot go on. If
       only a probe cannot be sent, it returns a ``SendFailure``, whose ``kind`` says whether to try again,
       to do without this probe, or to give up.
    5. *Capture or an error.* ``capture`` copies packets to a tap, or raises an error that says why it cannot.
    6. *After* ``close`` there are no descriptors and no replies.
    7. *One flow, one source port.* Probes of equal port and flow leave from one source port, so that routers
       which share load send them the same way. Where ``shares_flows`` is False only one of a flow can be in
       flight: a further one takes its place, and its reply is lost. ``source_port`` tells it. Where the
       configuration names the first, flow f leaves from the f-th port behind it, whatever the port asked.
    8. *TTLs of answers.* A TCP answer has its ``reply_ttl``, or is heard only if it arrived with its probe's
       ``min_reply_ttl`` or more: who is not told the TTL can ask for it.

    ``kind`` names the way of probing. ``destination`` and ``source`` are the addresses on the wire.
    ``capacity`` is how many probes may be in flight at once; beyond that a prober may forget the oldest.
    ``longest_wait`` is for how many seconds a probe is listened for, whatever the timeout.
    """

    kind: str
    destination: str
    source: str
    capacity: int
    shares_flows: bool = True
    longest_wait: float = inf

    @abstractmethod
    def clock(self) -> float:
        """The current instant, in seconds."""

    @abstractmethod
    def send(self, probe: Probe) -> float | SendFailure:
        """Send the probe; returns the instant just before, or the failure."""

    def send_all(self, probes: Sequence[Probe]) -> Iterator[tuple[Probe, float | SendFailure]]:
        """Like ``send`` for each of ``probes``, yielding its result; sends a probe only when iterated to it.

        A prober may send several probes at once in the background and yield their results from a later call,
        at the latest from the next call without probes. It keeps back replies to them until then.
        """
        for probe in probes:
            yield probe, self.send(probe)

    def source_port(self, probe: Probe) -> int:  # noqa: ARG002 - subclasses use it
        """The port that ``probe`` left from, to be asked as soon as it has; 0 where that is not known."""
        return 0

    @abstractmethod
    def descriptors(self) -> Sequence[int]:
        """The descriptors that become readable when something may have arrived; one or more until ``close``.

        A number means the same open file as long as it is among them.
        """

    @abstractmethod
    def drain(self) -> Sequence[Reply]:
        """All replies that have arrived; never waits. Raises ``TracetcpError`` if the run cannot go on."""

    def wake_at(self) -> float:
        """The instant at which to call ``drain`` even if no descriptor is readable; infinity if never.

        A past instant, or minus infinity, means now. After ``drain`` it must lie ahead or have changed.
        """
        return inf

    def capture(self, open_tap: Callable[[], Tap]) -> None:  # noqa: ARG002 - subclasses use it
        """From now on copy every packet sent, and every one counted as a reply, to the tap of ``open_tap``.

        Raises ``ProberError``, and opens nothing, if this way of probing cannot capture.
        """
        raise ProberError("--pcap needs raw sockets: this way of probing never sees the packets; use sudo")

    @abstractmethod
    def close(self) -> None:
        """Close every socket; safe to call twice."""
