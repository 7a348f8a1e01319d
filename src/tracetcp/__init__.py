"""TCP traceroute: shows where TCP packets to a port really go."""

__version__ = "1.0.0"
