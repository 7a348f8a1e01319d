"""The rules of probing over connections. No I/O, no clock."""
