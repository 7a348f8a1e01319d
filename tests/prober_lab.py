"""Runs each prober inside a namespace of the lab, in this process."""

from __future__ import annotations

import ctypes
import os
import resource  # noqa: F401 - what the prober imports as nobody, who may not look into every Python's folder
import secrets
import select
from contextlib import closing, contextmanager
from itertools import cycle
from typing import TYPE_CHECKING, NamedTuple

from tracetcp.config import TraceConfig
from tracetcp.model import FLOWS, Probe, Reply, ReplyKind
from tracetcp.probers import open_prober
from tracetcp.probers.capture import ScapyProber
from tracetcp.probers.connect.prober import ConnectProber
from tracetcp.probers.raw.prober import RawProber
from tracetcp.probers.raw.shared import RawLink, SharedRawProber
from tracetcp.runner import first_replies

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lab.namespaces import Namespace
    from tracetcp.probers.prober import Prober

CLONE_NEWNET = 0x4000_0000
NOBODY = 65534
REPLY_WAIT = 5.0
"""Seconds to wait for replies that must come."""
STAMPS_BEGIN = 0.5
"""The most seconds until the kernel stamps packets; it begins some time after a socket asks for it."""


_flows = cycle(range(FLOWS))


class Heard(NamedTuple):
    """A probe, when it was sent, and its reply."""

    probe: Probe
    sent_at: float
    reply: Reply


@contextmanager
def inside(namespace: Namespace) -> Iterator[None]:
    """During the block this thread opens its sockets in ``namespace``."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{namespace.name}", os.O_RDONLY)
    libc = ctypes.CDLL(None)
    try:
        assert libc.setns(there, CLONE_NEWNET) == 0
        yield
    finally:
        assert libc.setns(home, CLONE_NEWNET) == 0
        os.close(home)
        os.close(there)


@contextmanager
def as_nobody() -> Iterator[None]:
    """During the block this process is uid nobody, which also clears its effective capabilities."""
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def raw_prober(namespace: Namespace, destination: str, **options: object) -> Iterator[RawProber]:
    """A raw prober to ``destination`` in ``namespace``."""
    config = TraceConfig(host=destination, raw_only=True, **options)  # type: ignore[arg-type]
    with inside(namespace):
        opened = open_prober(config, destination)
        assert isinstance(opened, RawProber)
        try:
            yield opened
        finally:
            opened.close()


class _LonelyProber(SharedRawProber):
    """A prober on shared sockets that nobody else looks after: what has arrived is collected here."""

    def drain(self) -> Sequence[Reply]:
        list(self._link.collect())
        return super().drain()


@contextmanager
def shared_prober(namespace: Namespace, destination: str, **options: str) -> Iterator[SharedRawProber]:
    """A prober on shared raw sockets to ``destination`` in ``namespace``."""
    config = TraceConfig(host=destination, **options)  # type: ignore[arg-type]
    with inside(namespace), closing(RawLink(config, 6 if ":" in destination else 4)) as link:
        opened = link.open(destination, _LonelyProber)
        try:
            yield opened
        finally:
            opened.close()


@contextmanager
def connect_prober(namespace: Namespace, destination: str, **options: object) -> Iterator[ConnectProber]:
    """A prober without privilege to ``destination`` in ``namespace``, opened and run as uid nobody."""
    config = TraceConfig(host=destination, **options)  # type: ignore[arg-type]
    with inside(namespace), as_nobody():
        opened = ConnectProber(config, destination)
        try:
            yield opened
        finally:
            opened.close()


@contextmanager
def capture_prober(namespace: Namespace, destination: str, **options: object) -> Iterator[ScapyProber]:
    """The prober of other systems to ``destination`` in ``namespace``, on scapy's sockets for Linux."""
    config = TraceConfig(host=destination, **options)  # type: ignore[arg-type]
    with inside(namespace), closing(ScapyProber(config, destination)) as opened:
        yield opened


def probe(ttl: int, port: int = 80, flow: int | None = None) -> Probe:
    """A probe with a new token, and on a new flow unless one is given."""
    return Probe(secrets.randbits(32), port, ttl, 1, next(_flows) if flow is None else flow)


def ask(opened: Prober, *probes: Probe, patience: float = REPLY_WAIT) -> list[Heard]:
    """Send ``probes`` and wait for as many replies; returns them in the order of ``probes``."""
    sent: dict[int, tuple[Probe, float]] = {}
    for asked in probes:
        sent_at = opened.send(asked)
        assert isinstance(sent_at, float), sent_at
        sent[asked.token] = (asked, sent_at)
    replies: list[Reply] = []
    until = opened.clock() + patience
    while len(replies) < len(sent) and opened.clock() < until:
        replies.extend(first_replies(opened, until))
    order = [asked.token for asked in probes]
    return sorted((Heard(*sent[r.token], r) for r in replies), key=lambda h: order.index(h.reply.token))


def readable(opened: Prober) -> list[int]:
    """The descriptors of a prober that are readable now."""
    poll = select.poll()
    for number in opened.descriptors():
        poll.register(number, select.POLLIN)
    return [number for number, _ in poll.poll(0)]


def kinds(heard: Sequence[Heard]) -> list[tuple[ReplyKind, str]]:
    """The kind and the sender of each reply."""
    return [(h.reply.kind, h.reply.sender) for h in heard]
