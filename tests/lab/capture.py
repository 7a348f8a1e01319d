"""Captures the packets of one interface of the lab with tcpdump and reads them back.

Writes one file, in a temporary folder that the caller owns.
"""

from __future__ import annotations

import signal
import subprocess
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

    from scapy.packet import Packet

    from lab.namespaces import Namespace

SETTLE_SECONDS = 0.3
"""Seconds to wait for the last packets to reach the file."""
CHECKSUM_OPTIONS = ("ip.check_checksum:TRUE", "tcp.check_checksum:TRUE")


class Capture:
    """tcpdump on ``interface`` of ``namespace`` while the ``with`` block runs."""

    def __init__(self, namespace: Namespace, interface: str, file: Path, only: str = "") -> None:
        self._namespace = namespace
        self._command = ["tcpdump", "-n", "-U", "--immediate-mode", "-Z", "root", "-s", "0"]
        self._command += ["-i", interface, "-w", str(file), only]
        self.file = file

    def __enter__(self) -> Self:
        """Return once tcpdump listens."""
        self._process = self._namespace.start(self._command, stderr=subprocess.PIPE)
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if "listening on" in line:
                return self
        raise AssertionError("tcpdump ended before it listened")

    def __exit__(self, *_: object) -> None:
        time.sleep(SETTLE_SECONDS)
        self._process.send_signal(signal.SIGINT)
        self._process.communicate(timeout=10)

    def packets(self) -> list[Packet]:
        """Every captured packet, as scapy decodes it."""
        import scapy.layers.inet
        import scapy.layers.inet6
        import scapy.layers.l2  # noqa: F401 - the layers that the reader dissects with
        from scapy.utils import rdpcap

        return list(rdpcap(str(self.file)))

    def fields(self, display_filter: str, *names: str) -> list[tuple[str, ...]]:
        """The fields ``names`` that tshark shows for each packet that passes ``display_filter``."""
        command = ["tshark", "-n", "-r", str(self.file), "-Y", display_filter, "-T", "fields"]
        command += [word for option in CHECKSUM_OPTIONS for word in ("-o", option)]
        command += [word for name in names for word in ("-e", name)]
        finished = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
        return [tuple(line.split("\t")) for line in finished.stdout.splitlines()]
