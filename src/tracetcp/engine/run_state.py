"""What one run knows, whichever of its engines learnt it: tokens, routers, RTTs, the distance of the host.

The engines of the traces asked for, of their controls and of a search share one ``RunState``, so that no
router is sent more because several engines ask it, and nothing is learnt twice.
"""

from __future__ import annotations

from copy import copy

from tracetcp.engine.loose_quotes import LooseQuotes
from tracetcp.engine.tokens import TokenRegistry
from tracetcp.engine.trace.routers import Routers
from tracetcp.engine.trace.shared_routers import SharedRouters
from tracetcp.engine.trace.timeouts import ProbeTimeouts


class InCommon:
    """What the states of several targets of one address family share: routers, and the tokens in use."""

    def __init__(self) -> None:
        self.routers = SharedRouters()
        self.tokens: set[int] = set()


class RunState:
    """The memory of a run; ``secret`` (16 bytes and more) seeds its tokens.

    Of several targets each has a state of its own, since paths differ; they have ``in_common`` what concerns
    the same routers and packets.
    """

    def __init__(self, secret: bytes, in_common: InCommon | None = None) -> None:
        self.tokens = TokenRegistry(secret, None if in_common is None else in_common.tokens)
        self.routers = Routers(None if in_common is None else in_common.routers)
        self.timeouts = ProbeTimeouts()
        self.loose_quotes = LooseQuotes()
        self.distance = 0
        """The TTL at which the destination last ended a trace, 0 before it did."""
        self.host_ttl = 0
        """The TTL at which controls met the destination, 0 where none did: a port that is silent there is not
        asked farther out."""
        self.waiting_ports: set[int] = set()
        """Ports whose windows are not widened for now: controls look for the destination."""
        self.held_ports: set[int] = set()
        """Ports whose end is not decided yet: controls look whether the destination is where it answered."""
        self.routers_of_controls: dict[int, int] = {}
        """By port: the farthest TTL at which one of its controls met a router."""
        self.unplaced_ports: set[int] = set()
        """Ports that were answered where no control was."""
        self.addresses: set[str] = set()
        """Every address that answered: each is told of once."""

    def renewed(self) -> RunState:
        """The memory for another look at a path that may have changed: what was sent is known, no router is.

        Tokens and RTTs are shared with this one.
        """
        fresh = copy(self)
        fresh.routers = self.routers.renewed()
        fresh.loose_quotes = LooseQuotes()
        fresh.distance = fresh.host_ttl = 0
        fresh.waiting_ports, fresh.held_ports, fresh.unplaced_ports = set(), set(), set()
        fresh.routers_of_controls = {}
        return fresh
