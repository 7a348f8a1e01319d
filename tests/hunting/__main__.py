"""Hunts: runs the seeds asked for, prints a line a failure and a closing table. The only part that writes.

A line begins with the words that bring the same network again; ``--show`` prints it as a scenario file.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from hunting.case import Case, as_kept, beside, case_of
from hunting.faults import FAULTS
from hunting.judge import Judgement, judge, truth_of
from hunting.notation import toml
from hunting.runs import RunFailed, run_on_wire, run_virtually
from hunting.tally import Tally
from hunting.world import World
from lab.namespaces import remove_orphans
from lab.requirements import missing_for_namespaces

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Executor

    from hunting.sighting import Sighting

NOBODY = "nobody"
JOBS_ON_WIRE = 8
"""Runs at a time: they wait for the network most of their time."""
MOST_PENDING = 16
"""Seeds handed out ahead of their results, few so that ``--seconds`` is kept."""


class Place(NamedTuple):
    """Where the program runs: on the wire or not, and as whom: root, nobody, or each at every other turn.

    With ``is_beside`` another port is traced as well, first or last at every other turn.
    """

    is_wire: bool = False
    user: str = "root"
    is_beside: bool = False

    def user_of(self, turn: int) -> str | None:
        """Whom the case of this turn is run as; None for root."""
        is_nobody = self.user == NOBODY or (self.user == "both" and turn % 2 == 1)
        return NOBODY if is_nobody else None

    def case_of(self, seed: int, faults: Sequence[str]) -> tuple[Case, str | None]:
        """The case of ``seed``, and whom it is run as."""
        turn = seed // len(FAULTS)  # whichever faults were asked for, so that a line brings the same back
        user = self.user_of(turn)
        case = case_of(seed, faults, is_raw=user is None)
        return (beside(case, is_first=turn // 2 % 2 == 0) if self.is_beside else case), user


class Found(NamedTuple):
    """What came of one seed, which ``words`` bring back; ``error`` where the run came to nothing."""

    words: str
    user: str | None
    fault: str
    judgement: Judgement | None
    error: str = ""


def hunt_one(seed: int, faults: Sequence[str], place: Place) -> Found:
    """Run one seed and judge it."""
    case, user = place.case_of(seed, faults)
    try:
        judgement, error = judge(World(case, is_raw=user is None), _run(case, place, user)), ""
    except RunFailed as failure:
        judgement, error = None, str(failure)
    words = f"--fault {case.asked} --seeds {seed}"
    if place.is_wire:
        words += " --wire"
    if place.is_wire or user:
        words += f" --as {user or 'root'}"
    if place.is_beside:
        words += " --beside"
    return Found(f"{words} (-{case.family} {case.command})", user, case.fault.name, judgement, error)


def _run(case: Case, place: Place, user: str | None) -> Sighting:
    return run_on_wire(case, user) if place.is_wire else run_virtually(case, user)


def _hunt(seeds: Sequence[int], faults: Sequence[str], place: Place, seconds: float) -> Iterator[Found]:
    """Every seed in turn of finishing, as long as ``seconds`` allow new ones."""
    until = time.monotonic() + seconds
    executor: Executor = ThreadPoolExecutor(JOBS_ON_WIRE) if place.is_wire else ProcessPoolExecutor()
    one, pending = partial(hunt_one, faults=faults, place=place), set[Future[Found]]()
    with executor:
        waiting = iter(seeds)
        while True:
            room = MOST_PENDING - len(pending) if time.monotonic() < until else 0
            pending |= {executor.submit(one, seed) for seed in islice(waiting, room)}
            if not pending:
                return
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)


def _failures(found: Found) -> list[str]:
    """A line for each thing that must not be."""
    if found.judgement is None:
        return [f"{found.words}: error: {found.error}"]
    return [f"{found.words}: {complaint.kind}: {complaint.text}" for complaint in found.judgement.complaints]


def _show(seed: int, faults: Sequence[str], place: Place) -> None:
    """One seed at length: the network as a scenario file, what was said of it, what is wrong with that."""
    case, user = place.case_of(seed, faults)
    world = World(case, is_raw=user is None)
    _write(toml(as_kept(case)))
    _write(f"# ends: {sorted(world.ends)}, to be said: {truth_of(world)}\n")
    try:
        sighting = _run(case, place, user)
    except RunFailed as failure:
        _write(f"error: {failure}")
        return
    judgement = judge(world, sighting)
    _write(sighting.output)
    _write(f"\nrated: {judgement.rating.value}")
    for complaint in judgement.complaints:
        _write(f"{complaint.kind}: {complaint.text}")


def _write(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _seeds(text: str) -> range:
    first, _, last = text.partition("-")
    try:
        return range(int(first), int(last or first) + 1)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: write 7 or 0-1999") from None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/hunt", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=_seeds, default=range(500), metavar="A-B", help="which (0-499)")
    parser.add_argument("--fault", action="append", metavar="NAME", help=f"only these: {' '.join(FAULTS)}")
    parser.add_argument("--wire", action="store_true", help="the installed program on a TUN device, as root")
    parser.add_argument(
        "--as",
        dest="user",
        choices=("root", NOBODY, "both"),
        default="root",
        help="as whom, so by which prober",
    )
    parser.add_argument("--beside", action="store_true", help="another port of the host traced as well")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no run after so many")
    parser.add_argument("--show", action="store_true", help="one seed at length, its network as a scenario")
    arguments = parser.parse_args()
    if unknown := set(arguments.fault or ()) - set(FAULTS):
        parser.error(f"no fault is called {min(unknown)!r}; there are {', '.join(FAULTS)}")
    return arguments


def main() -> int:
    """Hunt; returns 1 if anything was seen that must not be, 3 where nothing can run."""
    arguments = _arguments()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # whoever reads a part ends it
    faults, place = tuple(arguments.fault or FAULTS), Place(arguments.wire, arguments.user, arguments.beside)
    if place.is_wire:
        if reason := missing_for_namespaces():
            sys.stderr.write(f"tests/hunt: {reason}\n")
            return 3
        remove_orphans()
    if arguments.show:
        _show(arguments.seeds[0], faults, place)
        return 0
    began_at, tally = time.monotonic(), Tally()
    for found in _hunt(arguments.seeds, faults, place, arguments.seconds):
        for line in _failures(found):
            _write(line)
        if found.judgement is None:
            tally.add_error(found.fault)
        else:
            tally.add(found.fault, found.judgement)
    _write("\n".join(["", *tally.lines(), f"{tally.runs} runs in {time.monotonic() - began_at:.0f} s"]))
    return int(tally.has_failed)


if __name__ == "__main__":
    sys.exit(main())
