"""The simulated Internet: a network of any number of hops, made from a description.

scenario    the description of a network, read from TOML
notation    the same in one line of Python
expectation    the rows that the program must show of a scenario
behaviour   how the network answers a SYN; a pure function of time, SYN and seed
counts      what the network saw, so that tests can check the pacing
virtual     a prober on a virtual clock, for runs of the engine that take no real time
sessions    connections over it, on the same clock: segment sizes, losses, the age of a flow
report      a whole run of the engine on that clock, and its rows
wire, tun   the same network on a TUN device, for runs of any program
lab         namespaces around the TUN program
"""

from __future__ import annotations

from internet.expectation import expectation
from internet.notation import network
from internet.report import Report, trace
from internet.scenario import Scenario, load
from internet.tables import ScenarioError
from internet.virtual import ConnectingProber, VirtualProber

__all__ = [
    "ConnectingProber",
    "Report",
    "Scenario",
    "ScenarioError",
    "VirtualProber",
    "expectation",
    "load",
    "network",
    "trace",
]
