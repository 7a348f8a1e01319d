"""How often a search for branches misses one, beside what fixed numbers of flows miss; not part of the tests.

    .venv/bin/python tests/miss_rates.py [RUNS [WIDTH...]]
    .venv/bin/python tests/miss_rates.py --kernel [RUNS [WIDTH...]]
    .venv/bin/python tests/miss_rates.py --nobody ...

Each run is the real engine over a simulated network with another seed of load sharing: two hops, the hop of
the branches, one more hop, the host. A miss is a router of that hop that is not in the graph. Intervals are
Wilson's, 95 %. Fixed flows are so many source ports over the same network. With ``--kernel`` the installed
program runs as root over Linux routers in network namespaces (``lab.bundle``); every second run has a dead
branch. With ``--nobody`` flows are those of sockets that connect, and the program runs without privilege.
"""

from __future__ import annotations

import json
import sys
from math import sqrt

from branching import search
from internet import network
from internet.behaviour import Simulation, Syn
from internet.virtual import SOURCE_PORTS_FROM, VirtualProber
from lab.bundle import SERVER, Bundle, branch

WIDTHS = (2, 4, 8, 16)
FIXED = (3, 8, 20)


def say(line: str) -> None:
    """Print ``line`` at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def interval(misses: int, runs: int) -> tuple[float, float]:
    """Wilson's 95 % interval for a rate (E. B. Wilson, 1927)."""
    z, rate = 1.959964, misses / runs
    middle = rate + z * z / (2 * runs)
    spread = z * sqrt(rate * (1 - rate) / runs + z * z / (4 * runs * runs))
    return max(0.0, (middle - spread) / (1 + z * z / runs)), (middle + spread) / (1 + z * z / runs)


def fixed_misses(width: int, flows: int, seed: int) -> bool:
    """Whether ``flows`` source ports miss a branch."""
    scenario = network(f"1 2 3:{width} 4 | rtt 5", seed=seed)
    prober, simulation = VirtualProber(scenario), Simulation(scenario)
    ends = [bytes(map(int, end.split("."))) for end in (prober.source, prober.destination)]
    met = set()
    for flow in range(flows):
        syn = Syn(4, ends[0], ends[1], SOURCE_PORTS_FROM + flow, 80, flow, 3, 0, flow + 1, 0, 64_240, b"")
        simulation.send(0.0, syn)
    for _, answer in simulation.due(1.0):
        met.add(getattr(answer, "sender", ""))
    return len(met) < width


def share(misses: int, runs: int) -> str:
    """A rate with its interval, in percent."""
    low, high = interval(misses, runs)
    return f"{100 * misses / runs:5.1f} ({100 * low:.1f}..{100 * high:.1f})"


def main(runs: int, *widths: int, is_nobody: bool) -> None:
    """Print the table."""
    say(f"{runs} runs a width; missed a branch, in percent (95 % interval)")
    say(
        "width  tracetcp             probes  seconds  "
        + "".join(f"{flows:>3} flows             " for flows in FIXED)
    )
    for width in widths or WIDTHS:
        misses = probes = 0
        seconds = 0.0
        for seed in range(runs):
            done = search(network(f"1 2 3:{width} 4 | rtt 5", seed=seed), shares_flows=not is_nobody)
            misses += sum(address.startswith("10.3.") for address in done.routers) < width
            probes += done.found.probes
            seconds += done.seconds
        fixed = [sum(fixed_misses(width, flows, seed) for seed in range(runs)) for flows in FIXED]
        cells = [f"{share(count, runs):22}" for count in (misses, *fixed)]
        say(
            f"{width:5}  {cells[0]}{probes / runs:5.0f}  {seconds / runs:7.1f}  {''.join(cells[1:])}",
        )


def on_kernels(runs: int, *widths: int, is_nobody: bool) -> None:
    """Print the table for real kernels."""
    say(f"{runs} runs a width on real kernels; missed a branch, in percent (95 % interval)")
    say("width  tracetcp             seconds  dead branch and its ports named")
    with Bundle(8) as bundle:
        for width in widths or (2, 4, 8):
            bundle.share(width)
            bundle.hash_packets(is_computed=is_nobody)
            misses = named = broken = 0
            seconds = 0.0
            for run in range(runs):
                if is_broken := run % 2 == 1:
                    bundle.drop(1 + run // 2 % width, 443)
                user = "nobody" if is_nobody else None
                finished = bundle.run(f"-n --json --branches {SERVER[4]}:443", user=user)
                if is_broken:
                    bundle.mend(1 + run // 2 % width)
                    said = f"the one through {branch(1 + run // 2 % width)} drops port 443: source ports "
                    broken, named = broken + 1, named + (said in finished.out)
                found = json.loads(finished.out)["branches"]
                misses += sum(2 in node["ttls"] for node in found["nodes"]) < width
                seconds += finished.seconds
            say(f"{width:5}  {share(misses, runs):22}{seconds / runs:6.1f}  {named} of {broken}")


if __name__ == "__main__":
    is_nobody = "--nobody" in sys.argv
    counts = [int(word) for word in sys.argv[1:] if word.isdigit()]
    if "--kernel" in sys.argv:
        on_kernels(*counts or [100], is_nobody=is_nobody)
    else:
        main(*counts or [1000], is_nobody=is_nobody)
