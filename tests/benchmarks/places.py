"""Where programs are measured: nowhere, on a simulated network, or on real kernels.

Opens namespaces through ``internet`` and ``lab`` and removes them.
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

ROUTER = 3
"""The scanned kernel: two routers lie before it."""
LISTENING = (22, 80, 443, *range(8000, 8010), 65535)


class Place(NamedTuple):
    """Where a program runs, the word for its target, and the interface its probes leave by."""

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
        chain.start(router(ROUTER), listen)
        yield Place(chain.client, near(ROUTER), "eth0")
