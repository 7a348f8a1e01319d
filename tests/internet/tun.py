"""The simulated network on a TUN device: ``python -m internet.tun SCENARIO --interface NAME``.

SCENARIO is a TOML file or its table as JSON. The device must exist, be up and have the client's addresses;
this program writes ``ready`` once it answers. On SIGUSR1 it writes the counts so far to standard output as
one line of JSON; on SIGTERM it does the same and ends. Opens only the device.
"""

from __future__ import annotations

import argparse
import fcntl
import gc
import json
import os
import select
import signal
import struct
import sys
import time
from math import inf
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from internet import wire
from internet.behaviour import Reset, Simulation
from internet.noise import noise
from internet.scenario import Scenario, load

if TYPE_CHECKING:
    from types import FrameType

    from internet.behaviour import Syn

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
LARGEST_PACKET = 2048
BATCH_PACKETS = 64
"""Packets read before the answers that are due are written."""


class Tun:
    """A scenario running on the TUN device called ``interface``."""

    def __init__(self, scenario: Scenario, interface: str) -> None:
        self._device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        request = struct.pack("16sH22x", interface.encode(), IFF_TUN | IFF_NO_PI)
        fcntl.ioctl(self._device, TUNSETIFF, request)
        self._simulation = Simulation(scenario)
        self._addresses = {wire.packed(text) for text in scenario.destination.addresses.values()}
        self._noise = scenario.noise
        self._chance = Random(scenario.seed)
        self._last_syn: Syn | None = None
        self._noise_at = inf
        self._strays = self._noise_sent = self._refused = 0

    def serve(self) -> None:
        """Answer until a signal handler raises ``SystemExit``."""
        simulation = self._simulation
        while True:
            next_at = min(simulation.next_at, self._noise_at)
            wait = None if next_at == inf else max(0.0, next_at - time.monotonic())
            readable, _, _ = select.select([self._device], [], [], wait)
            if readable:
                self._read()
            now = time.monotonic()
            for _, answer in simulation.due(now):
                self._write(wire.write(answer))
            if self._noise_at <= now:
                self._make_noise(now)

    def report(self) -> bytes:
        """The counts, as one line of JSON."""
        own = {"strays": self._strays, "noise": self._noise_sent, "refused": self._refused}
        return json.dumps(self._simulation.network.counts.as_table() | own).encode() + b"\n"

    def _read(self) -> None:
        """Read the queued packets, at most one batch."""
        for _ in range(BATCH_PACKETS):
            try:
                packet = os.read(self._device, LARGEST_PACKET)
            except BlockingIOError:
                return
            self._take(packet)

    def _take(self, packet: bytes) -> None:
        """Pass the client's SYN or RST to the network; count any other packet."""
        item = wire.read(packet)
        now = time.monotonic()
        if item is None or item.destination not in self._addresses:
            self._strays += 1
        elif isinstance(item, Reset):
            self._simulation.reset(now, item.flow, item.sequence)
        else:
            self._simulation.send(now, item)
            self._last_syn = item
            if self._noise_at == inf and self._noise.per_second:
                self._noise_at = now

    def _make_noise(self, now: float) -> None:
        """Write the noise that is due; it imitates answers to SYNs, so it begins with the first SYN."""
        assert self._last_syn is not None
        while self._noise_at <= now:
            kind = self._noise.kinds[self._noise_sent % len(self._noise.kinds)]
            self._write(noise(kind, self._last_syn, self._chance))
            self._noise_sent += 1
            self._noise_at += 1 / self._noise.per_second

    def _write(self, packet: bytes) -> None:
        """Write a packet to the kernel; if it refuses one (the device is down), the packet is lost."""
        try:
            os.write(self._device, packet)
        except OSError:
            self._refused += 1


def read_scenario(path: str) -> Scenario:
    """The scenario in a TOML or JSON file."""
    if Path(path).suffix == ".json":
        return Scenario.of(json.loads(Path(path).read_text()), path)
    return load(path)


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(description="Simulates a network on a TUN device.")
    parser.add_argument("scenario", help="a TOML file, or JSON of the same shape")
    parser.add_argument("--interface", required=True, help="an existing TUN device in this namespace")
    arguments = parser.parse_args()
    gc.disable()  # this program makes no reference cycles, and pauses would show as jitter
    tun = Tun(read_scenario(arguments.scenario), arguments.interface)

    def report(number: int, _: FrameType | None) -> None:
        os.write(1, tun.report())
        if number == signal.SIGTERM:
            sys.exit()

    signal.signal(signal.SIGUSR1, report)
    signal.signal(signal.SIGTERM, report)
    os.write(1, b"ready\n")
    tun.serve()


if __name__ == "__main__":
    main()
