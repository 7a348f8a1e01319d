"""The raw prober: SYNs through an IP raw socket (Linux)."""
