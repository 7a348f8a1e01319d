"""Where the probers of many targets hear of replies: on sockets that they share, or each on its own."""

from __future__ import annotations

import selectors
import sys
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from tracetcp.addresses import family_of
from tracetcp.descriptors import room_for
from tracetcp.errors import NoRoute, ProberError
from tracetcp.model import FLOWS
from tracetcp.probers import lost_routes_told, open_prober, open_unprivileged
from tracetcp.probers.routes import any_route
from tracetcp.probers.source_ports import hold_block

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Collection, Iterable, Sequence
    from typing import TypeAlias

    from tracetcp.config import TraceConfig
    from tracetcp.probers.prober import Prober, Tap
    from tracetcp.probers.raw.shared import RawLink

    Hub: TypeAlias = "SharedHub | OwnHub"

DESCRIPTORS_PER_TARGET = 48
"""What a target should have where each probe is a socket: a trace has about as many probes in flight."""
RESERVED_DESCRIPTORS = 96
"""Left to look-ups, files and the rest of the program."""
UNBOUNDED = 1 << 20


def open_hub(config: TraceConfig) -> Hub:
    """The hub that this machine can use for targets of any address.

    On Linux it shares raw sockets where the system grants them. Raises what ``open_prober`` raises.
    """
    if sys.platform == "linux":
        links = _open_links(config)
        if links:
            return SharedHub(links)
        if config.raw_only:
            open_prober(config, "127.0.0.1" if config.family != 6 else "::1").close()  # raises and says why
    return OwnHub(config)


def _open_links(config: TraceConfig) -> dict[int, RawLink]:
    """The raw sockets for each address family that may be wanted and that this machine has."""
    from tracetcp.probers.raw.shared import RawLink

    links: dict[int, RawLink] = {}
    with ExitStack() as opening:
        for family in (4, 6) if config.family is None else (config.family,):
            try:
                links[family] = RawLink(config, family)
            except PermissionError:
                return {}
            except OSError as error:
                if family == 4 or config.family is not None:
                    raise ProberError(f"no sockets can be opened ({error.strerror})") from error
                continue  # a kernel without IPv6
            opening.enter_context(closing(links[family]))
        opening.pop_all()
    return links


class SharedHub:
    """Raw sockets shared by all probers, by address family."""

    kind = "raw"

    def __init__(self, links: dict[int, RawLink]) -> None:
        self._links = links

    def clock(self) -> float:
        """The clock of all probers, in seconds."""
        return time.monotonic()

    def room(self, targets: int) -> int:
        """How many of ``targets`` can be under way at once: each takes no descriptor of its own."""
        return targets

    def open(self, config: TraceConfig, destination: str) -> Prober:  # noqa: ARG002 - as in OwnHub
        """A prober for ``destination``; raises what ``open_prober`` raises."""
        link = self._links.get(family_of(destination))
        if link is None:
            raise NoRoute(f"no route to {destination}: this machine has no IPv{family_of(destination)}")
        with lost_routes_told():
            return link.open(destination)

    def descriptors(self) -> Sequence[int]:
        """The descriptors that announce replies."""
        return [number for link in self._links.values() for number in link.descriptors]

    def collect(self, readable: Collection[int]) -> Iterable[Prober]:
        """Take what has arrived at ``readable``; the probers that have something to drain."""
        for link in self._links.values():
            if not readable or any(number in readable for number in link.descriptors):
                yield from link.collect()

    def capture(self, open_tap: Callable[[], Tap]) -> None:
        """See ``Prober.capture``, for all of them."""
        tap = open_tap()
        for link in self._links.values():
            link.tap = tap

    def close(self) -> None:
        """Close every socket; safe to call twice."""
        for link in self._links.values():
            link.close()


class OwnHub:
    """Each prober has sockets of its own; the room for descriptors is shared out among the targets."""

    kind = "connect"

    def __init__(self, config: TraceConfig) -> None:
        self._holders = _hold(config)
        self._probers: dict[int, Prober] = {}
        """By descriptor; a closed prober leaves when its number is used again."""
        self._selector = selectors.DefaultSelector()
        self._share = UNBOUNDED

    def clock(self) -> float:
        """See ``SharedHub``."""
        return time.monotonic()

    def room(self, targets: int) -> int:
        """See ``SharedHub``; the fewer descriptors this process may open, the fewer targets."""
        room = room_for(targets * DESCRIPTORS_PER_TARGET, RESERVED_DESCRIPTORS)
        fitting = max(1, min(targets, room // DESCRIPTORS_PER_TARGET))
        self._share = max(1, room // fitting - 2)  # the prober itself has two
        return fitting

    def open(self, config: TraceConfig, destination: str) -> Prober:
        """See ``SharedHub``."""
        prober = open_unprivileged(config, destination)
        prober.capacity = min(prober.capacity, self._share)
        for number in prober.descriptors():
            if number in self._probers:
                self._selector.unregister(number)
            self._selector.register(number, selectors.EVENT_READ)
            self._probers[number] = prober
        return prober

    def descriptors(self) -> Sequence[int]:
        """See ``SharedHub``: that of the selector that watches them all (epoll, kqueue)."""
        return (self._selector.fileno(),)

    def collect(self, readable: Collection[int]) -> Iterable[Prober]:  # noqa: ARG002 - as in SharedHub
        """See ``SharedHub``."""
        return [self._probers[key.fd] for key, _ in self._selector.select(0)]

    def capture(self, open_tap: Callable[[], Tap]) -> None:  # noqa: ARG002 - see Prober
        """See ``Prober.capture``."""
        raise ProberError("--pcap needs raw sockets: this way of probing never sees the packets; use sudo")

    def close(self) -> None:
        """See ``SharedHub``."""
        for prober in self._probers.values():
            prober.close()
        self._probers.clear()
        self._selector.close()
        for holder in self._holders:
            holder.close()


def _hold(config: TraceConfig) -> list[socket.socket]:
    """The sockets that hold the source ports that ``config`` names, for all targets of either family."""
    first = config.source_port
    if first is None or sys.platform != "linux":
        return []
    families = (4, 6) if config.family is None else (config.family,)
    routes = (any_route(config.interface, family) for family in families)
    return [holder for route in routes for holder in hold_block(route, first, FLOWS, is_shared=True)]
