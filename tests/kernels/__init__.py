"""Runs the probers' tests on other kernels, each emulated by QEMU: ``tests/kernels/run``.

A kernel comes from a Debian package that is unpacked, not installed. Its root file system is this machine's
own, read only, with a memory file system over it; it has no network device but those that its tests make.
"""
