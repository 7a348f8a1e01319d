"""Probers put SYNs on the wire and match what comes back."""
