"""The contract between a prober and the runner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tracetcp.model import Probe, Reply, SendFailure


class Prober(Protocol):
    """Sends probes and gathers the replies that belong to them.

    A prober matches replies to its own probes (DESIGN: Matching); what it hands out is never a stranger's.
    All instants are on ``clock``. ``destination`` and ``source`` are the addresses on the wire;
    ``capacity`` is how many probes may be in flight at once; ``kind`` names the way of probing.
    """

    kind: str
    destination: str
    source: str
    capacity: int

    def clock(self) -> float:
        """Now, in seconds; never runs backwards."""

    def send(self, probe: Probe) -> float | SendFailure:
        """Put the probe on the wire; return the instant just before, or what hindered it."""

    def send_all(self, probes: Sequence[Probe]) -> Iterator[tuple[Probe, float | SendFailure]]:
        """As ``send`` for each in turn, telling what came of each.

        A prober may send several probes at once in the background, and tell what came of them by a later
        call, at the latest by the next one with no probe; it keeps replies to them back until then.
        """
        for probe in probes:
            yield probe, self.send(probe)

    def receive(self, until: float) -> Sequence[Reply]:
        """Wait for replies until ``until``; return all that have arrived as soon as there is one.

        Also returns (empty) when a file descriptor given to ``wake_on`` becomes readable, and at once
        with whatever is there when ``until`` is past. Raises ``TracetcpError`` when the run cannot go on.
        """

    def wake_on(self, file_descriptor: int) -> None:
        """Let ``receive`` return when ``file_descriptor`` is readable; the prober does not read it."""

    def close(self) -> None:
        """Give back every socket; safe to call twice."""
