"""Makes the import of scapy's layers fast and keeps it from writing files.

Does not import scapy: it only replaces modules that scapy's import would load. Without this, the import reads
a table of 50,000 hardware vendors (0.05 to 0.25 s) and writes a cache of it and its configuration under the
home directory, as root under sudo; and it loads modules of the standard library that only other functions of
scapy use (0.01 s). Tracing works without this file, only slower.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import contextmanager, suppress
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from tracetcp.late_imports import LateModule, standing_in

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
LATE = ("difflib", "hashlib", "html", "inspect", "json", "platform", "shutil", "tempfile")
"""What scapy imports, and no probe uses."""
LATE_IN_SCAPY = {
    "scapy.arch.linux.rtnetlink": ("_get_if_list", "in6_getifaddr", "read_routes", "read_routes6"),
    "scapy.libs.extcap": ("load_extcap",),
}
"""What scapy imports of itself by these names, and only ``-g`` uses: routes and interfaces."""


@contextmanager
def without_tables() -> Iterator[None]:
    """Within the block, ``scapy.data`` finds an empty vendor table and no cache folder.

    ``scapy.data`` uses only the cache folder of ``scapy.main``. The modules in ``LATE`` are loaded at their
    first use. A version of scapy that works differently is still imported correctly, at its usual speed.
    """
    answers = _answers()
    late = {
        **{name: LateModule(name, answers.get(name)) for name in LATE},
        **{name: LateModule(name, functions=names) for name, names in LATE_IN_SCAPY.items()},
    }
    tables = {
        "scapy.main": ModuleType("scapy.main"),
        "scapy.libs.bluetoothids": ModuleType("scapy.libs.bluetoothids"),
    }
    tables["scapy.main"].SCAPY_CACHE_FOLDER = _CacheFolder()  # type: ignore[attr-defined]
    tables["scapy.libs.bluetoothids"].DATA = {}  # type: ignore[attr-defined]
    with standing_in({**tables, **late}):
        yield


def _answers() -> dict[str, dict[str, object]]:
    """What scapy's import asks of modules in ``LATE``, so that it loads none of them.

    ``inspect`` is asked for signatures of classes, which nobody reads: without ``Signature`` packets get
    none, and a dataclass without a docstring gets an empty one. ``hashlib`` would load OpenSSL. ``platform``
    is asked whether this is Windows XP, and by ``uuid`` for AIX.
    """
    answers: dict[str, dict[str, object]] = {
        "inspect": {"Signature": None, "signature": lambda *_, **__: "()"}
    }
    if os.name == "posix":
        system = os.uname()
        answers["platform"] = {"release": lambda: system.release, "system": lambda: system.sysname}
    with suppress(ImportError):
        hashes = import_module("_sha2" if sys.version_info >= (3, 12) else "_sha256")
        answers["hashlib"] = {"sha256": hashes.sha256}
    return answers


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
    import hashlib
    import pickle

    return pickle.dumps({"id": hashlib.sha256(file_name.encode()).hexdigest(), "content": {}})
