"""The places where programs are measured: without a network, on a simulated one, or on real kernels.

Creates namespaces through ``internet`` and ``lab`` and removes them.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from internet.lab import INTERFACE, simulated
from internet.scenario import load
from lab.chain import SERVERS, Chain, near, router

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from lab.namespaces import Namespace

SCANNED_ROUTER = 3
"""The number of the router whose kernel is scanned; there are two routers before it."""
LISTENING = (22, 80, 443, *range(8000, 8010), 65535)


class Place(NamedTuple):
    """The namespace in which a program runs, its target, and the interface that sends its probes."""

    namespace: Namespace | None
    destination: str
    interface: str


if TYPE_CHECKING:
    Opener = Callable[[], AbstractContextManager[Place]]


@contextmanager
def nowhere() -> Iterator[Place]:
    """No network at all."""
    yield Place(None, "", "")


def scenario(name: str) -> Opener:
    """The simulated network of the scenario file ``name``."""

    @contextmanager
    def opened() -> Iterator[Place]:
        with simulated(load(name)) as internet:
            yield Place(internet.namespace, internet.destination, INTERFACE)

    return opened


@contextmanager
def real_kernel() -> Iterator[Place]:
    """A Linux kernel two routers away, with ``LISTENING`` ports open."""
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder, Chain(Path(folder)) as chain:
        listen = [sys.executable, str(SERVERS / "listen.py"), "benchmark", *map(str, LISTENING)]
        chain.start(router(SCANNED_ROUTER), listen)
        yield Place(chain.client, near(SCANNED_ROUTER), "eth0")
