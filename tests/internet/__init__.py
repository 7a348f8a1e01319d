"""The simulated Internet: a network of any number of hops from a description, for tests without wires.

scenario    what a network can be, read from TOML
notation    the same in one line of Python
expectation    the rows that a scenario expects of the program
behaviour   how it answers a SYN; a pure function of time, SYN and seed
counts      what it saw, so that politeness can be asserted
sessions    connections over it, on the same clock: segment sizes, losses, the age of a flow
virtual     a prober on a virtual clock: the engine runs against it in no time
report      a whole run of the engine on that clock, and its rows
wire, tun   the same network on a TUN device: any program runs against it
lab         namespaces round the TUN program
"""

from __future__ import annotations

from internet.expectation import expectation
from internet.notation import network
from internet.report import Report, trace
from internet.scenario import Scenario, load
from internet.tables import ScenarioError
from internet.virtual import VirtualProber

__all__ = ["Report", "Scenario", "ScenarioError", "VirtualProber", "expectation", "load", "network", "trace"]
