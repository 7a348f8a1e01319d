"""The first file system of a kernel under test: a shell, the modules that the tests take, and ``init``."""

from __future__ import annotations

import lzma
import re
import stat
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

WANTED = (
    *("virtio_pci", "9pnet_virtio", "9p", "overlay", "crc32c_generic"),
    *("veth", "tun", "dummy", "sch_netem", "af_packet", "nf_tables", "nf_conntrack", "nft_*"),
)
"""Modules by name, some as patterns; what a kernel has built in is not among its modules."""

INIT = """\
#!/bin/busybox sh
bb=/bin/busybox
$bb mkdir -p /proc /sys /lower /over /root /out
$bb mount -t proc proc /proc
while read -r module; do $bb insmod /modules/$module; done </modules/order
$bb mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=262144 machine /lower || $bb poweroff -f
$bb mount -t tmpfs tmpfs /over
$bb mkdir /over/upper /over/work
$bb mount -t overlay -o lowerdir=/lower,upperdir=/over/upper,workdir=/over/work overlay /root
for at in proc sys dev dev/shm tmp run mnt; do $bb mkdir -p /root/$at; done
$bb mount -t proc proc /root/proc
$bb mount -t sysfs sysfs /root/sys
$bb mount -t devtmpfs devtmpfs /root/dev
$bb mkdir -p /root/dev/shm /root/etc/netns
for at in dev/shm run etc/netns; do $bb mount -t tmpfs -o mode=1777 tmpfs /root/$at; done
$bb mount -t 9p -o trans=virtio,version=9p2000.L out /root/mnt
$bb chroot /root /bin/sh /mnt/task >/dev/console 2>&1
$bb sync
$bb poweroff -f
"""


class Entry(NamedTuple):
    """One file of an archive."""

    mode: int
    data: bytes


def initramfs(busybox: Path, modules: Path) -> bytes:
    """The archive for the kernel whose modules lie below ``modules``; ``busybox`` is linked statically."""
    found = {_name(path): path for path in sorted(modules.rglob("*.ko*"))}
    order = _with_dependencies(_matching(found), found)
    entries = {
        "bin": Entry(stat.S_IFDIR | 0o755, b""),
        "dev": Entry(stat.S_IFDIR | 0o755, b""),
        "modules": Entry(stat.S_IFDIR | 0o755, b""),
        "bin/busybox": Entry(stat.S_IFREG | 0o755, busybox.read_bytes()),
        "init": Entry(stat.S_IFREG | 0o755, INIT.encode()),
        "modules/order": Entry(stat.S_IFREG | 0o644, "".join(f"{name}\n" for name in order).encode()),
    }
    for name in order:
        entries[f"modules/{name}"] = Entry(stat.S_IFREG | 0o644, _read(found[name]))
    return _cpio(entries)


def _name(path: Path) -> str:
    return path.name.partition(".ko")[0].replace("-", "_")


def _matching(found: Mapping[str, Path]) -> list[str]:
    patterns = [re.compile(wanted.replace("*", ".*")) for wanted in WANTED]
    return [name for pattern in patterns for name in found if pattern.fullmatch(name)]


def _with_dependencies(names: Iterable[str], found: Mapping[str, Path]) -> list[str]:
    """``names`` in an order in which each can be loaded, with what they need in front."""
    order: list[str] = []
    for name in names:
        if name not in order:
            order += [each for each in _with_dependencies(_needs(found[name]), found) if each not in order]
            order.append(name)
    return order


def _needs(path: Path) -> list[str]:
    """What a module says that it depends on (its ``.modinfo``)."""
    listed = re.search(rb"\0depends=([^\0]*)\0", _read(path))
    names = listed.group(1).decode().split(",") if listed else []
    return [name.replace("-", "_") for name in names if name]


def _read(path: Path) -> bytes:
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def _cpio(entries: Mapping[str, Entry]) -> bytes:
    """The archive format "newc" of the kernel's Documentation/driver-api/early-userspace/buffer-format."""
    archive = bytearray()
    for number, (name, entry) in enumerate([*entries.items(), ("TRAILER!!!", Entry(0, b""))], 1):
        fields = (number, entry.mode, 0, 0, 1, 0, len(entry.data), 0, 0, 0, 0, len(name) + 1, 0)
        archive += b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        archive += bytes(-len(archive) % 4) + entry.data
        archive += bytes(-len(archive) % 4)
    return bytes(archive)
