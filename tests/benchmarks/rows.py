"""The work that is measured, its targets, and the right results. Opens nothing itself."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.places import LISTENING, nowhere, real_kernel, scenario
from benchmarks.process import Run, run, run_beyond_start, run_captured, run_weighed
from benchmarks.truth import both, contains, nmapped, path, scanned, traced
from internet.scenario import load
from lab.program import SCRIPT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.places import Opener, Place
    from benchmarks.truth import Check

    Measure = Callable[[Run], float]

EVERY_PORT = range(1, 65_536)
SCAN = "-s 1 65535"
ONE_CORE = "taskset -c 0"


class Contestant(NamedTuple):
    """A command line (``@`` stands for the target) and the check of its output.

    It is stopped after ``limit`` seconds and then not run again. Its figure is divided by ``ports``.
    """

    name: str
    command: str
    check: Check
    limit: float = 60.0
    ports: int = 1

    def words(self, destination: str) -> list[str]:
        """The command line for ``destination``."""
        meant = {"@": destination, "tracetcp": str(SCRIPT), "python": sys.executable}
        return [meant.get(word, word) for word in self.command.split()]


class Target(NamedTuple):
    """At most ``factor`` times the median of contestant ``against``, or ``factor`` itself without one."""

    factor: float
    against: str = ""


class Row(NamedTuple):
    """One line of the table. ``targets`` are those of the first contestant."""

    key: str
    work: str
    opener: Opener
    contestants: Sequence[Contestant]
    targets: Sequence[Target]
    measure: Measure = lambda run: run.seconds
    unit: str = "s"
    run: Callable[[Place, Sequence[str], float], Run] = run


def _hops(name: str, past: int = 0) -> list[str]:
    """The addresses of a scenario's hops, empty if silent: up to its destination, or the first ``past``."""
    found = load(name)
    hops = ["" if each[0].is_silent else each[0].addresses[4] for each in found.routes[0].hops]
    return hops[:past] if past else [*hops, found.destination.addresses[4]]


def _peers(hops: Sequence[str], limit: float) -> list[Contestant]:
    """The tracers, on a path of ``hops``."""
    return [
        Contestant("traceroute", "traceroute -T -n -q 3 @", path(hops), limit),
        Contestant("tcptraceroute", "tcptraceroute -n @", path(hops), limit),
    ]


def _states(ports: Sequence[int], is_open: Sequence[int], silent: Sequence[int] = ()) -> dict[int, str]:
    states = dict.fromkeys(ports, "closed")
    states.update(dict.fromkeys(silent, "silent"))
    states.update(dict.fromkeys(is_open, "open"))
    return states


def _scan(options: str, states: dict[int, str], limit: float = 60) -> list[Contestant]:
    """tracetcp and nmap on the same ports."""
    return [
        Contestant("tracetcp", f"tracetcp {options} @", scanned(states)),
        Contestant("nmap", f"nmap -sS -n -Pn -p {min(states)}-{max(states)} @", nmapped(states), limit),
    ]


def _path_rows() -> list[Row]:
    fifteen = _hops("documented-open-silent-hop")
    named = ["wintermute", "gsr01-so.blueyonder.co.uk", "bhr1-pos-0-0.SantaClarasc8.cw.net"]
    reached = both(path(fifteen), contains("Connection established to 66.135.192.41"))
    numeric = Contestant("tracetcp -n", "tracetcp -n @", reached)
    with_names = Contestant("tracetcp", "tracetcp @", both(reached, *map(contains, named)))
    mtr = Contestant("mtr", "mtr -T -P 80 -n -r -c 3 @", path(fifteen))
    silent = _hops("silent-after-hop-6", 30)
    short = _hops("three-short-hops")
    is_open = both(path(short), contains("Connection established"))
    nmap = Contestant("nmap", "nmap -sS -n -Pn -p 80 @", contains("80/tcp open"))
    return [
        Row(
            "path",
            "15 hops, RTT 1..170 ms, one silent hop",
            scenario("documented-open-silent-hop"),
            [numeric._replace(name="tracetcp"), *_peers(fifteen, 60), mtr],
            [Target(0.52), Target(0.4, "traceroute"), Target(0.1, "tcptraceroute")],
        ),
        Row(
            "names",
            "the same with names (DNS 30 ms)",
            scenario("documented-names-30-ms"),
            [with_names, numeric, Contestant("traceroute", "traceroute -T -q 3 @", path(fifteen))],
            [Target(1.1, "tracetcp -n")],
        ),
        Row(
            "silent",
            "silent after hop 6, -t 4000, 30 hops",
            scenario("silent-after-hop-6"),
            [Contestant("tracetcp", "tracetcp -n -t 4000 @", path(silent)), *_peers(silent, 20)],
            [Target(6.0)],
        ),
        Row(
            "short",
            "3 hops at 0.3 ms",
            scenario("three-short-hops"),
            [Contestant("tracetcp", "tracetcp -n @", is_open), nmap, *_peers(short, 30)],
            [Target(1.0, "nmap")],
        ),
        Row(
            "first-syn",
            "start to first SYN on the wire",
            scenario("three-short-hops"),
            [Contestant("tracetcp", "tracetcp -n @", is_open), nmap, *_peers(short, 30)],
            [Target(60)],
            lambda run: run.first_syn * 1e3,
            "ms",
            run_captured,
        ),
        Row(
            "help",
            "--help",
            nowhere,
            [
                Contestant("tracetcp", "tracetcp --help", contains("--start-hop")),
                Contestant("bare python", "python -c pass", lambda _: ""),
            ],
            [Target(25)],
            lambda run: run.seconds * 1e3,
            "ms",
        ),
    ]


def _scan_rows() -> list[Row]:
    real = _states(EVERY_PORT, LISTENING)
    simulated = _states(EVERY_PORT, (22, 80, 443, *range(8000, 8010)))
    quarter = _states(range(1, 4001), (22, 80, 443), (*range(1001, 1501), *range(3001, 3501)))
    return [
        Row(
            "scan",
            f"{SCAN}, real kernel, two routers before it",
            real_kernel,
            _scan(SCAN, real),
            [Target(0.9, "nmap")],
        ),
        Row(
            "scan-one-core",
            f"the same on one core ({ONE_CORE})",
            real_kernel,
            [each._replace(command=f"{ONE_CORE} {each.command}") for each in _scan(SCAN, real)],
            [Target(1.1, "nmap")],
        ),
        Row(
            "scan-20-ms",
            f"{SCAN}, RTT 20 ms",
            scenario("scan-20-ms"),
            _scan(SCAN, simulated),
            [Target(0.5, "nmap")],
        ),
        Row(
            "scan-loss",
            f"{SCAN} -p 3, RTT 20 ms, 2 % loss each way",
            scenario("scan-loss"),
            _scan(f"{SCAN} -p 3", simulated),
            [Target(0.5, "nmap")],
        ),
        Row(
            "scan-bottleneck",
            f"{SCAN} -p 3, 10,000 packets/s pass, 100 wait",
            scenario("scan-bottleneck"),
            _scan(f"{SCAN} -p 3", simulated, 15),
            [Target(1.5 * len(EVERY_PORT) / 10_000)],
        ),
        Row(
            "scan-limited",
            "-s 1 1000, a host of 200 RSTs a second",
            scenario("scan-limited-resets"),
            _scan("-s 1 1000", {port: state for port, state in simulated.items() if port <= 1000}),
            [Target(1.2 * (1000 - 200) / 200), Target(1.0, "nmap")],
        ),
        Row(
            "scan-silent",
            "-s 1 4000 -t 500, 1000 ports silent",
            scenario("scan-silent-ports"),
            _scan("-s 1 4000 -t 500", quarter),
            [Target(1.5)],
        ),
        Row(
            "range",
            "-h 3 -m 1 -p 1 -t 500 -c -n -r 130 140, 4 ports blocked",
            scenario("unlimited-range"),
            [
                Contestant(
                    "tracetcp",
                    "tracetcp -h 3 -m 1 -p 1 -t 500 -c -n -r 130 140 @",
                    traced(range(130, 141), _hops("unlimited-range")[2], {135, 137, 138, 139}),
                )
            ],
            [Target(2.5)],
        ),
        Row(
            "memory",
            f"peak memory of {SCAN}, real kernel",
            real_kernel,
            _scan(SCAN, real),
            [Target(60)],
            lambda run: run.memory,
            "MB",
            run_weighed,
        ),
        Row(
            "cost",
            "processor time per port beyond start-up, real kernel",
            real_kernel,
            [_sized(65_535), _sized(10_000), _sized(1_000)],
            [Target(1.2, "10,000 ports"), Target(1.2, "1,000 ports")],
            lambda run: run.cpu * 1e6,
            "us",
            run_beyond_start,
        ),
    ]


def _sized(ports: int) -> Contestant:
    states = _states(range(1, ports + 1), [port for port in LISTENING if port <= ports])
    command = f"tracetcp -s 1 {ports} @"
    return Contestant(f"{ports:,} ports", command, scanned(states), ports=ports)


def all_rows() -> list[Row]:
    """Every row of the table."""
    return [*_path_rows(), *_scan_rows()]
