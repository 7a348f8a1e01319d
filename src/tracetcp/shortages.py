"""Sentences for what this process or machine has no more of: memory, threads, open files."""

from __future__ import annotations

import errno
import os


def shortage(error: Exception) -> str | None:
    """The sentence for what this machine has no more of, wherever that shows; None for another error."""
    is_unmapped = isinstance(error, ImportError) and "failed to map" in str(error)  # dlopen(3) says no number
    is_lost = isinstance(error, SystemError) and "without" in str(error)  # CPython 3.11 loses a MemoryError
    if isinstance(error, MemoryError) or is_unmapped or is_lost:
        return "this process may use no more memory: raise 'ulimit -v', or trace fewer ports at a time"
    if isinstance(error, RuntimeError) and "new thread" in str(error):
        return "this process may start no more threads: raise 'ulimit -u' and 'ulimit -v'"
    if isinstance(error, OSError) and error.errno == errno.EMFILE:
        return "this process may open no more files: raise 'ulimit -n'"
    if isinstance(error, OSError) and error.errno in (errno.ENFILE, errno.ENOMEM):
        return f"this machine has no more room ({os.strerror(error.errno)}): end other programs"
    return None
