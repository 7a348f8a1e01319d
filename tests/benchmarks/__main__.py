"""Runs the selected rows and prints the results; the only part that writes to stdout."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import engine
from benchmarks.rows import all_rows
from lab.requirements import missing_for_namespaces

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.places import Place
    from benchmarks.rows import Contestant, Row, Target

SIMULATOR, ENGINE = "simulator", "engine"
QUICK_LIMIT = 10.0
"""With --quick a contestant is stopped after this many seconds."""


class Result:
    """The times of one contestant in every round, and the errors in its output."""

    def __init__(self, contestant: Contestant) -> None:
        self.contestant = contestant
        self.figures: list[float] = []
        self.complaints: list[str] = []
        self.is_cut = False

    @property
    def median(self) -> float:
        """The median of all rounds; for a contestant that was stopped, its time limit."""
        return median(self.figures)

    def add(self, row: Row, place: Place, limit: float) -> None:
        """Run once and keep the result."""
        finished = row.run(place, self.contestant.words(place.destination), limit)
        self.is_cut = finished.is_cut
        self.figures.append(row.measure(finished) / self.contestant.ports)
        if not self.is_cut and (complaint := self.contestant.check(finished.out)):
            self.complaints.append(complaint)


def measure(row: Row, rounds: int, longest: float) -> list[Result]:
    """Run the contestants of ``row`` in turn for ``rounds`` rounds; one that was stopped is not run again."""
    results = [Result(contestant) for contestant in row.contestants]
    with row.opener() as place:
        for _ in range(rounds):
            for result in results:
                if not result.is_cut:
                    result.add(row, place, min(longest, result.contestant.limit))
    return results


def table(row: Row, results: Sequence[Result]) -> str:
    """The lines of one row."""
    ours, *_ = results
    lines = [f"{row.work}   [{row.key}]"]
    for result in results:
        sign = "<" if result.is_cut else "="
        ratio = "" if result is ours else f"tracetcp {sign} {ours.median / result.median:.2f} x"
        spread = f"{min(result.figures):.3g}..{max(result.figures):.3g}"
        more = "more than " if result.is_cut else ""
        figure = f"{more}{result.median:.3g} {row.unit}"
        lines.append(f"  {result.contestant.name:<14} {figure:<18} {spread:<14} {ratio:<17} {_truth(result)}")
    lines += [f"  target: {_judged(target, row, results)}" for target in row.targets]
    return "\n".join([*lines, ""])


def _truth(result: Result) -> str:
    if result.complaints:
        return f"WRONG in {len(result.complaints)} of {len(result.figures)}: {result.complaints[0]}"
    return "stopped" if result.is_cut else "right"


def _judged(target: Target, row: Row, results: Sequence[Result]) -> str:
    ours, *_ = results
    limit, wanted, verdict = target.factor, f"{target.factor:.3g} {row.unit}", "MISSED"
    if target.against:
        peer = next(each for each in results if each.contestant.name == target.against)
        limit *= peer.median
        wanted = f"{target.factor} x {target.against} ({limit:.3g} {row.unit})"
        verdict = "NOT SHOWN, the peer was stopped" if peer.is_cut else verdict
    is_met = ours.median <= limit and not ours.complaints and not ours.is_cut
    return f"<= {wanted}: {'met' if is_met else verdict}"


def machine() -> str:
    """A description of this machine and the programs."""
    names = Path("/proc/cpuinfo").read_text().splitlines()
    processor = next((line.split(":")[1].strip() for line in names if line.startswith("model name")), "?")
    return (
        f"{os.cpu_count()} x {processor}, Linux {platform.release()}, Python {platform.python_version()},"
        f" load {os.getloadavg()[0]:.1f}\n"
    )


def _blaster() -> None:
    """Print the speed of the simulator itself; no scan over it can be faster."""
    sys.stdout.write("The simulator alone, SYNs answered per second   [simulator]\n")
    sys.stdout.flush()
    subprocess.run([sys.executable, "-m", "internet.blaster"], check=True, timeout=120)
    sys.stdout.write("\n")


def _engine(size: int) -> None:
    sys.stdout.write("The engine alone, on a virtual clock   [engine]\n")
    sys.stdout.writelines(f"  {speed}\n" for speed in engine.measure(size))


def _arguments(keys: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/benchmarks/run", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"some of: {' '.join(keys)} (default: all)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="runs of each program (5)")
    parser.add_argument("--quick", action="store_true", help="one round, and no run of more than 10 s")
    parser.add_argument("--list", action="store_true", help="name the rows and end")
    arguments = parser.parse_args()
    if unknown := set(arguments.rows) - set(keys):
        parser.error(f"no row is called {min(unknown)!r}; there are {', '.join(keys)}")
    if arguments.rounds < 1:
        parser.error(f"{arguments.rounds} rounds: at least one is needed")
    return arguments


def main() -> int:
    """Measure and print; returns the exit status."""
    rows = all_rows()
    keys = [*(row.key for row in rows), SIMULATOR, ENGINE]
    arguments = _arguments(keys)
    if arguments.list:
        sys.stdout.writelines(f"{row.key:<16} {row.work}\n" for row in rows)
        return 0
    if reason := missing_for_namespaces():
        sys.stderr.write(f"tests/benchmarks/run: {reason}\n")
        return 3
    rounds, longest = (1, QUICK_LIMIT) if arguments.quick else (arguments.rounds, float("inf"))
    chosen = arguments.rows or keys
    sys.stdout.write(f"{machine()}Medians of {rounds}, the smallest and the largest behind them.\n\n")
    began_at = time.monotonic()
    for row in rows:
        if row.key in chosen:
            sys.stdout.write(f"{table(row, measure(row, rounds, longest))}\n")
            sys.stdout.flush()
    if SIMULATOR in chosen:
        _blaster()
    if ENGINE in chosen:
        _engine(10_000 if arguments.quick else 65_535)
    sys.stdout.write(f"\n{time.monotonic() - began_at:.0f} s in all\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
