"""A small simulated network on a virtual clock, for tests of the engine."""
