"""The prober that needs no privilege: every probe is a TCP socket that connects (Linux)."""
