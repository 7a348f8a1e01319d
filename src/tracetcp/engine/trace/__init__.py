"""The engine of path traces: a window of TTLs for each port, paced by router."""
