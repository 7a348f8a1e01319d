"""Makes the import of scapy's layers fast and keeps it from writing files.

Does not import scapy: it only replaces modules that scapy's import would load. Without this, the import reads
a table of 50,000 hardware vendors (0.05 to 0.25 s) and writes a cache of it and its configuration under the
home directory, as root under sudo. Tracing works without this file, only slower.
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
"""Where ``scapy.data`` looks for Wireshark's vendor table before it uses its own."""


@contextmanager
def without_tables() -> Iterator[None]:
    """Within the block, ``scapy.data`` finds an empty vendor table and no cache folder.

    ``scapy.data`` uses only the cache folder of ``scapy.main``. A version of scapy that works differently is
    still imported correctly, at its usual speed.
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
    """Replaces ``~/.cache/scapy``: has an empty vendor table, and nothing can be written to it."""

    def __truediv__(self, name: str) -> _CacheFile:
        return _CacheFile(name)


class _CacheFile:
    """A file in ``_CacheFolder``; scapy only reads it, because its ``parent`` cannot be created."""

    def __init__(self, name: str) -> None:
        self._name = name

    def exists(self) -> bool:
        return self._name.startswith(VENDOR_TABLE)

    def open(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(_empty_table(_vendor_file()))

    def unlink(self, **_: object) -> None:
        """Do nothing: there is no file to remove."""

    @property
    def parent(self) -> None:
        """None, so that creating the folder raises; scapy then does not write its cache."""
        return


def _vendor_file() -> str:
    from pathlib import Path

    paths = [f"{folder}/share/wireshark/manuf" for folder in VENDOR_FOLDERS]
    return next((path for path in paths if Path(path).exists()), "")


def _empty_table(file_name: str) -> bytes:
    """The contents of scapy's cache of the table in ``file_name``, without entries."""
    import pickle
    from hashlib import sha256

    return pickle.dumps({"id": sha256(file_name.encode()).hexdigest(), "content": {}})
