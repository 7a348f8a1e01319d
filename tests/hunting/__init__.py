"""The hunt: random paths with at most one fault, and a judge who knows what each network is.

faults      the faults by name, and what each does to a network
paths       random networks without a fault
case        a seed's network, fault and command line
world       what such a network can show: addresses by TTL, ends, verdicts; computed, never observed
sighting    what the program said, from the engine's events or from its JSON
judge       holds one against the other
runs        the program on the virtual clock and on the wire
tally       the closing table
notation    a network as a scenario file
silences    a hunt of its own: paths that forget silent connections, and what ``--idle`` says of them

``tests/hunt`` runs it. A failure's seed makes the same network again on any machine.
"""
