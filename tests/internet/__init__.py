"""The simulated Internet: a network of any number of hops from a description, for tests without wires.

scenario    what a network can be, read from TOML or from one line of notation
network     how it answers a SYN; a pure function of time, SYN and seed
counts      what it saw, so that politeness can be asserted
virtual     a prober on a virtual clock: the engine runs against it in no time
wire, tun   the same network on a TUN device: any program runs against it
lab         namespaces round the TUN program
"""

from __future__ import annotations

from internet.notation import network
from internet.scenario import Scenario, load
from internet.tables import ScenarioError
from internet.virtual import VirtualProber

__all__ = ["Scenario", "ScenarioError", "VirtualProber", "load", "network"]
