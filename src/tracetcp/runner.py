"""The Prober protocol and ``run()``: the only loop.

The engine decides, the prober acts; this file carries values from one to the other and holds no rule of
its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tracetcp.engine import Engine
    from tracetcp.model import Event, Probe, Reply, SendFailure


class Prober(Protocol):
    """Sends probes and gathers the replies that belong to them.

    A prober matches replies to its own probes (DESIGN: Matching); what it hands out is never a stranger's.
    All instants are on ``clock``. ``destination`` and ``source`` are the addresses on the wire.
    """

    destination: str
    source: str

    def clock(self) -> float:
        """Now, in seconds; never runs backwards."""

    def send(self, probe: Probe) -> float | SendFailure:
        """Put the probe on the wire; return the instant just before, or what hindered it."""

    def receive(self, until: float) -> Sequence[Reply]:
        """Wait for replies until ``until``; return all that have arrived as soon as there is one.

        Also returns (empty) when a file descriptor given to ``wake_on`` becomes readable, and at once
        with whatever is there when ``until`` is past. Raises ``TracetcpError`` when the run cannot go on.
        """

    def wake_on(self, file_descriptor: int) -> None:
        """Let ``receive`` return when ``file_descriptor`` is readable; the prober does not read it."""

    def close(self) -> None:
        """Give back every socket; safe to call twice."""


def run(engine: Engine, prober: Prober) -> Iterator[Event]:
    """Drive ``engine`` with ``prober`` until it is done, yielding its events as they are decided."""
    raise NotImplementedError
