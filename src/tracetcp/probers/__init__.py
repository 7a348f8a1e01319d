"""Probers send SYNs and match the replies. ``open_prober`` picks the one that this machine can use."""

from __future__ import annotations

import errno
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tracetcp.errors import NoPermission, NoRoute, ProberError
from tracetcp.probers.failures import NO_ROUTE, failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetcp.config import TraceConfig
    from tracetcp.probers.prober import Prober


def open_prober(config: TraceConfig, destination: str) -> Prober:
    """The prober for ``destination`` (an address, perhaps with an IPv6 scope); ``kind`` names the one chosen.

    On Linux it uses raw sockets where the system grants them, else the prober that needs no privilege, unless
    ``config`` requires raw sockets (``raw_only``, or a ``gateway``, which needs them). On other systems it
    uses scapy's own sockets. Raises ``NoPermission`` where the system refuses the sockets, and ``NoRoute``,
    ``UsageError`` or ``ProberError`` for other obstacles.
    """
    if sys.platform != "linux":
        from tracetcp.probers.capture import ScapyProber

        if config.mark is not None:
            raise ProberError("--mark needs Linux: no other system marks packets; leave it out")
        return ScapyProber(config, destination)
    with lost_routes_told():
        return _open_on_linux(config, destination)


def open_unprivileged(config: TraceConfig, destination: str) -> Prober:
    """The prober for one of many destinations where raw sockets were refused; raises as ``open_prober``.

    Somebody else holds the source ports that ``config`` names.
    """
    if sys.platform != "linux":
        return open_prober(config, destination)
    from tracetcp.probers.connect.prober import ConnectProber

    with lost_routes_told():
        return ConnectProber(config, destination, holds_block=False)


@contextmanager
def lost_routes_told() -> Iterator[None]:
    """Raises ``NoRoute`` for the errors of a route that was there a moment ago."""
    try:
        yield
    except OSError as error:
        if error.errno in (*NO_ROUTE, errno.EINVAL):
            raise NoRoute(failure(error.errno or 0, {}).reason) from error
        raise


def _open_on_linux(config: TraceConfig, destination: str) -> Prober:
    from tracetcp.probers.raw.prober import RawProber

    try:
        return RawProber(config, destination)
    except PermissionError as error:
        if config.raw_only or config.gateway is not None:
            raise NoPermission(_remedies()) from error
        if config.mark is not None:
            raise NoPermission(
                f"--mark {config.mark} needs root: only root may mark packets; leave it out"
            ) from error
    from tracetcp.probers.connect.prober import ConnectProber

    return ConnectProber(config, destination)


def _remedies() -> str:
    """The missing permission and how to grant it, in one line."""
    script = Path(sys.argv[0]).resolve()
    program = f"{sys.executable} -I -m tracetcp" if script.name == "__main__.py" else str(script)
    return (
        f"raw sockets need root or the capability CAP_NET_RAW: run 'sudo {program} ...', or grant it with "
        f"'setcap cap_net_raw+ep' to a copy of the interpreter {Path(sys.executable).resolve()} made for "
        "this alone (a virtual environment's python is a link, and the grant holds for every script it runs)"
    )
