"""A namespace whose only connection is a simulated network.

    with simulated(network("1ms 2ms | open 80")) as internet:
        finished = internet.run(["traceroute", "-T", "-n", internet.destination])
        assert internet.counts()["destination_syns"] <= 5

Creates a namespace with a TUN device, starts ``tun`` and, if the scenario has names, ``name_server`` in it,
and removes everything at the end.
"""

from __future__ import annotations

import json
import select
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab import program
from lab.namespaces import Namespace, stop

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from internet.scenario import Scenario
    from lab.program import Finished

INTERFACE = "internet0"
NAME_SERVER = "127.0.0.1"
TESTS = Path(__file__).resolve().parents[1]
READY_WITHIN = 20.0
"""The most seconds that a program may take to start, on a busy machine."""
SYSCTLS = {
    "net.ipv4.conf.all.rp_filter": 0,
    "net.ipv4.conf.default.rp_filter": 0,
    "net.ipv4.conf.all.accept_redirects": 0,
    "net.ipv4.conf.default.accept_redirects": 0,
    "net.ipv6.conf.all.accept_ra": 0,
    "net.ipv6.conf.default.accept_ra": 0,
    "net.ipv6.conf.default.accept_dad": 0,
    "net.ipv6.conf.default.accept_redirects": 0,
    "net.ipv6.conf.default.addr_gen_mode": 1,  # no link-local address, so the kernel sends nothing by itself
    "net.ipv6.conf.default.router_solicitations": 0,
}
_labels = count(1)


class SimulatedInternet:
    """The client's namespace in a running simulation, and the addresses of the destination."""

    def __init__(
        self, scenario: Scenario, namespace: Namespace, simulator: subprocess.Popen[str], log: Path
    ) -> None:
        self.scenario = scenario
        self.namespace = namespace
        self.destination = scenario.destination.addresses[4]
        self.destination6 = scenario.destination.addresses[6]
        self._simulator = simulator
        self._log = log

    def questions(self) -> list[str]:
        """The names and addresses that the name server was asked about, in order."""
        return self._log.read_text(encoding="utf-8").split() if self._log.exists() else []

    def run(self, command: Sequence[str], timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run ``command`` in the namespace to its end; the test fails if it takes longer than ``timeout``."""
        return subprocess.run(
            [*self.namespace.prefix, *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def tracetcp(self, *arguments: str, timeout: float = 60) -> Finished:
        """Run the installed program in the namespace to its end."""
        return program.run(self.namespace, arguments, timeout=timeout)

    def counts(self) -> dict[str, Any]:
        """The counts so far: ``Counts.as_table`` plus stray, noise and refused packets."""
        self._simulator.send_signal(signal.SIGUSR1)
        table: dict[str, Any] = json.loads(_line(self._simulator))
        return table


@contextmanager
def simulated(scenario: Scenario) -> Iterator[SimulatedInternet]:
    """Run ``scenario`` while the ``with`` block runs."""
    namespace = Namespace(f"sim{next(_labels)}")
    with tempfile.TemporaryDirectory(prefix="internet-") as folder:
        try:
            path = Path(folder, "scenario.json")
            path.write_text(json.dumps(scenario.table))
            _configure(namespace, scenario)
            simulator = _start(namespace, "internet.tun", str(path), "--interface", INTERFACE)
            log = Path(folder, "questions")
            if any(scenario.dns[1:]):  # all except the delay
                _start(namespace, "internet.name_server", str(path), NAME_SERVER, str(log))
            yield SimulatedInternet(scenario, namespace, simulator, log)
        finally:
            namespace.remove()


def _configure(namespace: Namespace, scenario: Scenario) -> None:
    """Set up addresses, default routes and name service."""
    namespace.sysctl(SYSCTLS)
    namespace.ip(
        "link set lo up",
        f"tuntap add dev {INTERFACE} mode tun",
        f"link set {INTERFACE} up txqueuelen 10000",
        f"address add {scenario.clients[4]}/32 dev {INTERFACE}",
        f"address add {scenario.clients[6]}/128 dev {INTERFACE} nodad",
        f"route add default dev {INTERFACE} src {scenario.clients[4]}",
        f"route add ::/0 dev {INTERFACE} src {scenario.clients[6]}",
    )
    namespace.etc("hosts", "127.0.0.1 localhost\n::1 localhost\n")
    namespace.etc("resolv.conf", f"nameserver {NAME_SERVER}\n")


def _start(namespace: Namespace, module: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a module of this package in the namespace and wait until it is ready."""
    paths = f"PYTHONPATH={TESTS}:{TESTS.parent / 'src'}"
    command = ["env", paths, sys.executable, "-m", module, *arguments]
    process = namespace.start(command, stdout=subprocess.PIPE)
    try:
        assert _line(process) == "ready\n", f"{module} did not start"
    except AssertionError:
        stop(process)
        raise
    return process


def _line(process: subprocess.Popen[str]) -> str:
    """The next line that ``process`` writes."""
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], READY_WITHIN)
    assert readable, f"{process.args!r} said nothing for {READY_WITHIN} s"
    return process.stdout.readline()
