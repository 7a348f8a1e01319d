"""Lets scapy's layers be imported fast and without a trace on the disk.

Imports no scapy itself: it only lays out what scapy's import finds. Left alone, that import reads tables
of 50,000 hardware vendors (0.05 to 0.25 s) and writes caches of them and its configuration under the home
directory, as root under sudo. Nothing here is needed to trace.
"""

from __future__ import annotations

import io
import sys
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

VENDOR_TABLE = "manufdb"
VENDOR_FOLDERS = (
    "/usr",
    "/usr/local",
    "/opt",
    "/opt/wireshark",
    "/Applications/Wireshark.app/Contents/Resources",
)
"""Where ``scapy.data`` looks for Wireshark's vendor table before it falls back to its own."""


@contextmanager
def without_tables() -> Iterator[None]:
    """Within the block ``scapy.data`` finds an empty vendor table and no folder of its own.

    ``scapy.data`` asks ``scapy.main`` for its cache folder and uses nothing else of it. A version that asks
    differently still works, as slowly as usual.
    """
    stand_ins = {
        "scapy.main": ModuleType("scapy.main"),
        "scapy.libs.bluetoothids": ModuleType("scapy.libs.bluetoothids"),
    }
    stand_ins["scapy.main"].SCAPY_CACHE_FOLDER = _CacheFolder()  # type: ignore[attr-defined]
    stand_ins["scapy.libs.bluetoothids"].DATA = {}  # type: ignore[attr-defined]
    missing = {name: module for name, module in stand_ins.items() if name not in sys.modules}
    sys.modules.update(missing)
    try:
        yield
    finally:
        for name in missing:
            del sys.modules[name]


class _CacheFolder:
    """Stands for ``~/.cache/scapy`` with an empty vendor table in it and room for nothing."""

    def __truediv__(self, name: str) -> _CacheFile:
        return _CacheFile(name)


class _CacheFile:
    """A file of ``_CacheFolder``; scapy only reads it, since ``parent`` cannot be made."""

    def __init__(self, name: str) -> None:
        self._name = name

    def exists(self) -> bool:
        return self._name.startswith(VENDOR_TABLE)

    def open(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(_empty_table(_vendor_file()))

    def unlink(self, **_: object) -> None:
        """Nothing to remove."""

    @property
    def parent(self) -> None:
        """None: making the folder raises, which scapy takes as a cache it cannot write."""
        return


def _vendor_file() -> str:
    from pathlib import Path

    paths = [f"{folder}/share/wireshark/manuf" for folder in VENDOR_FOLDERS]
    return next((path for path in paths if Path(path).exists()), "")


def _empty_table(file_name: str) -> bytes:
    """What scapy's cache of the table read from ``file_name`` looks like, without entries."""
    import pickle
    from hashlib import sha256

    return pickle.dumps({"id": sha256(file_name.encode()).hexdigest(), "content": {}})
