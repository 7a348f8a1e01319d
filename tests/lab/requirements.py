"""Checks whether this machine can build namespaces. Changes nothing."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess

PROGRAMS = ("ip", "nft", "tcpdump", "tshark", "dnsmasq", "ethtool", "setpriv", "unshare", "sysctl", "ss")


@functools.cache
def missing_for_namespaces() -> str | None:
    """The reason why namespaces cannot be built here, or None if they can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"programs not installed: {', '.join(absent)}"
    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode != 0:
        return "the kernel refuses new network namespaces"
    return None
