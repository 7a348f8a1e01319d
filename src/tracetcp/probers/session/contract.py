"""The contract between a prober of connections and the loop that drives it (``dialogue``)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracetcp.model import SendFailure
    from tracetcp.model.connection import Order, Report


class SessionProber(ABC):
    """One way to open connections to one port of one destination, and to probe over them.

    What every such prober owes the loop, tested for each by ``tests/test_session_prober_contract.py``:

    1. *Genuine connections.* What is spoken is part of the connection: it is acknowledged by the other side,
       sent again when that does not happen, and passes whatever looks at connections. The handshake leaves
       with ``FULL_TTL``; ``Speak`` alone may leave with another.
    2. *A report for each change*, the newest of several, one after words in any case, and none without
       reason. After ``Close`` there is none.
    3. *Clean ends.* ``Close`` and ``close`` send a RST that arrives, whatever the TTL spoken with; nothing
       that was lost is sent again, with no TTL.
    4. *One clock* and *nothing waits*: as for ``Prober``. Some of what happens to a connection wakes no
       descriptor; ``wake_at`` says when to look.
    5. *A failure says what it means*: ``SendFailure`` as for ``Prober``.

    ``destination`` is the address on the wire, ``family`` 4 or 6, ``link_mtu`` the MTU (bytes) of this
    machine's own link towards it. ``begins_small`` says that the system sends smaller packets at first than
    it knows a reason for.
    """

    destination: str
    family: int
    link_mtu: int
    begins_small: bool = False

    @abstractmethod
    def clock(self) -> float:
        """Now, in seconds."""

    @abstractmethod
    def act(self, order: Order) -> float | SendFailure:
        """Do what ``order`` says; return the instant just before, or what hindered it."""

    @abstractmethod
    def descriptors(self) -> Sequence[int]:
        """See ``Prober``."""

    @abstractmethod
    def drain(self) -> Sequence[Report]:
        """What has changed by now."""

    @abstractmethod
    def wake_at(self) -> float:
        """See ``Prober``."""

    @abstractmethod
    def close(self) -> None:
        """End every connection and give back every socket; safe to call twice."""
