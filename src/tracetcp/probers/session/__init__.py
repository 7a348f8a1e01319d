"""Probing over established connections: the contract of such probers, and the one of this machine."""
