"""The trace algorithm: what to send next, how long to wait, when to stop. No I/O, no clock."""
