"""The engine of port scans: one TTL beyond any path, a congestion window over ports."""
