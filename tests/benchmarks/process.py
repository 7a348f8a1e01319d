"""Runs one program to its end and measures it. Writes two temporary files."""

from __future__ import annotations

import os
import select
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lab.capture import Capture
from lab.program import environment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.places import Place

FIRST_RECORD = 24
"""The offset of the first packet's record in a pcap file: seconds, microseconds."""
SYN = "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn"

# A child starts with the peak memory of the process that forked it, and this process has grown.
WEIGH = """
import os, sys
child = os.fork() or os.execvp(sys.argv[1], sys.argv[1:])
sys.stderr.write(f"\\n{os.wait4(child, 0)[2].ru_maxrss}\\n")
"""


class Run(NamedTuple):
    """The results of a run. ``is_cut`` means that it exceeded its time limit and was stopped.

    ``cpu`` is its processor time in seconds. ``first_syn``, the seconds from its start to its first SYN, and
    ``memory``, its peak in MB, are 0 unless measured by a function below.
    """

    seconds: float
    out: str
    err: str
    cpu: float
    is_cut: bool
    first_syn: float = 0.0
    memory: float = 0.0


def run(place: Place, command: Sequence[str], limit: float) -> Run:
    """Run ``command`` at ``place`` to its end, for at most ``limit`` seconds."""
    prefix = place.namespace.prefix if place.namespace else []
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        began_at = time.monotonic()
        process = subprocess.Popen(
            [*prefix, *command], env=environment(), stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )
        is_cut = not _ends_within(process, limit)
        if is_cut:
            process.kill()
        _, status, used = os.wait4(process.pid, 0)  # the only call that gives the usage of this child alone
        seconds = time.monotonic() - began_at
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        return Run(seconds, out.read(), err.read(), used.ru_utime + used.ru_stime, is_cut)


def run_captured(place: Place, command: Sequence[str], limit: float) -> Run:
    """Like ``run``, and captures the first SYN on the wire."""
    assert place.namespace is not None
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        with Capture(place.namespace, place.interface, Path(folder, "syns.pcap"), SYN) as capture:
            began_at = time.time()  # the clock of the capture's stamps
            finished = run(place, command, limit)
        seconds, micros = struct.unpack_from("=II", capture.file.read_bytes(), FIRST_RECORD)
        return finished._replace(first_syn=seconds + micros / 1e6 - began_at)


def run_weighed(place: Place, command: Sequence[str], limit: float) -> Run:
    """Like ``run``, and measures the peak of memory."""
    finished = run(place, [sys.executable, "-I", "-S", "-c", WEIGH, *command], limit)
    weight = 0.0 if finished.is_cut else int(finished.err.splitlines()[-1]) / 1024
    return finished._replace(memory=weight)


def run_beyond_start(place: Place, command: Sequence[str], limit: float) -> Run:
    """Like ``run`` for a scan, minus the processor time of a scan of one port."""
    program, destination = command[0], command[-1]
    start = run(place, [program, "-s", "1", "1", destination], limit)
    finished = run(place, command, limit)
    return finished._replace(cpu=finished.cpu - start.cpu)


def _ends_within(process: subprocess.Popen[bytes], limit: float) -> bool:
    descriptor = os.pidfd_open(process.pid)
    try:
        return bool(select.select([descriptor], [], [], limit)[0])
    finally:
        os.close(descriptor)
