"""What ``--say`` says of each device of ``tests/test_kernel_say.py``, and how long the whole run takes.

``python -m benchmarks.words [RUNS]`` as root, with PYTHONPATH=src:tests: one line a device, root / nobody.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path

from lab import Chain
from test_kernel_say import DEVICES, Device, say, serve

RUNS = 5


def main(runs: int) -> None:
    with tempfile.TemporaryDirectory() as folder, Chain(Path(folder)) as lab:
        for device in DEVICES:
            cells = [_measured(lab, device, user, runs) for user in (None, "nobody")]
            sys.stdout.write(f"{device.name:36} {' / '.join(cells)}\n")
            sys.stdout.flush()


def _measured(lab: Chain, device: Device, user: str | None, runs: int) -> str:
    """How many runs were right in kind and hop, and the seconds of all."""
    seconds, right = [], 0
    for _ in range(runs):
        lab.reset()
        serve(lab, 20)
        device.build(lab)
        finished = say(lab, device.protocol, 4, user, "--json")
        (verdict,) = json.loads(finished.out)["verdicts"]
        right += (verdict["kind"], verdict["hop"]) == (device.kind, device.hop)
        seconds.append(finished.seconds)
    return f"{right} of {runs}, {statistics.median(seconds):.2f} s ({min(seconds):.2f}..{max(seconds):.2f})"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else RUNS)
