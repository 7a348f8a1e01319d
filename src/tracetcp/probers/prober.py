"""The contract between a prober and the runner."""

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
    """Takes a packet from its IP header on, and its instant in seconds since 1970."""


class Prober(ABC):
    """One way to send probes and to hear what answers them.

    What every prober owes the runner, tested for each of them by ``tests/test_prober_contract.py``:

    1. *Only our own replies.* A prober matches replies to its probes; what it hands out carries the token of
       one of them and is never a stranger's. Each reply comes out once.
    2. *One clock.* Every instant is on ``clock``, in seconds; it never runs backwards, and all probers of a
       run share it. A reply was received between the instant of its probe and now.
    3. *Nothing waits.* No method waits for the network: the runner owns the one wait. It waits until one of
       ``descriptors`` is readable or ``wake_at`` has come, then calls ``drain``. There is one exception:
       with a gateway, or on a system that leaves it to the sender, the first ``send`` asks for a neighbour's
       link-layer address.
    4. *A failure says what it means.* ``send`` raises ``TracetcpError`` only where the run cannot go on;
       what hinders a probe is a ``SendFailure``, whose ``kind`` says whether to try again, to do without
       this probe, or to give up.
    5. *Capture or a sentence.* ``capture`` copies packets to a tap, or raises the sentence why not.
    6. *After* ``close`` there are no descriptors and no replies.
    7. *One flow, one source port.* Probes of equal port and flow leave from one source port, so that routers
       which share load send them the same way. Where ``shares_flows`` is False only one of a flow can be in
       flight: a further one takes its place, and its reply is lost.
    8. *TTLs of answers.* A TCP answer has its ``reply_ttl``, or is heard only if it arrived with its probe's
       ``min_reply_ttl`` or more: who is not told the TTL can ask for it.

    ``kind`` names the way of probing. ``destination`` and ``source`` are the addresses on the wire.
    ``capacity`` is how many probes may be in flight at once; a prober may forget the oldest beyond that.
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
        """Now, in seconds."""

    @abstractmethod
    def send(self, probe: Probe) -> float | SendFailure:
        """Put the probe on the wire; return the instant just before, or what hindered it."""

    def send_all(self, probes: Sequence[Probe]) -> Iterator[tuple[Probe, float | SendFailure]]:
        """As ``send`` for each in turn, telling what came of each; a probe is sent when its turn is taken.

        A prober may send several probes at once in the background, and tell what came of them by a later
        call, at the latest by the next one with no probe; it keeps replies to them back until then.
        """
        for probe in probes:
            yield probe, self.send(probe)

    @abstractmethod
    def descriptors(self) -> Sequence[int]:
        """What becomes readable when something may have arrived; at least one until ``close``.

        A number stands for the same open file as long as it is among them.
        """

    @abstractmethod
    def drain(self) -> Sequence[Reply]:
        """All replies that have arrived, at once; raises ``TracetcpError`` when the run cannot go on."""

    def wake_at(self) -> float:
        """When ``drain`` has something to do though no descriptor tells; infinity if never.

        A past instant, or minus infinity, is now; it must lie ahead or change once ``drain`` was called.
        """
        return inf

    def capture(self, open_tap: Callable[[], Tap]) -> None:  # noqa: ARG002 - for those that can
        """From now on give every packet sent, and every one counted as a reply, to the tap of ``open_tap``.

        Raises ``ProberError``, and opens nothing, where this way of probing cannot.
        """
        raise ProberError("--pcap needs raw sockets: this way of probing never sees the packets; use sudo")

    @abstractmethod
    def close(self) -> None:
        """Give back every socket; safe to call twice."""
