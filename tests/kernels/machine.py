"""One emulated machine: boots a kernel on this machine's own files and runs a shell script in it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, NamedTuple

from kernels.initramfs import initramfs

if TYPE_CHECKING:
    from pathlib import Path

PROCESSORS = 2
MEMORY = 2048
"""Megabytes."""


class Kernel(NamedTuple):
    """An unpacked package: the image, the modules, and the version that ``uname -r`` tells."""

    image: Path
    modules: Path
    version: str


def kernel_in(unpacked: Path) -> Kernel:
    """The kernel of a package that was unpacked into a folder."""
    (image,) = (unpacked / "boot").glob("vmlinuz-*")
    version = image.name.partition("-")[2]
    return Kernel(image, next(unpacked.glob(f"**/modules/{version}")), version)


def run(kernel: Kernel, busybox: Path, task: str, shared: Path, seconds: float) -> str:
    """Boot ``kernel``, run the shell script ``task`` as root, and return what the console showed.

    ``shared`` is a folder that the script finds, and may write to, at ``/mnt``. After ``seconds`` the machine
    is switched off. Its only network device is its loopback; the file system it sees is this machine's, read
    only, with memory over it.
    """
    archive = shared / "initramfs"
    archive.write_bytes(initramfs(busybox, kernel.modules))
    (shared / "task").write_text(task)
    machine = [
        *("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max"),
        *("-smp", str(PROCESSORS), "-m", str(MEMORY), "-nographic", "-no-reboot", "-nic", "none"),
        *("-kernel", str(kernel.image), "-initrd", str(archive)),
        *("-append", "console=ttyS0 quiet panic=-1"),
        *_folder("machine", "/", "readonly=on,multidevs=remap"),
        *_folder("out", str(shared), "readonly=off"),
    ]
    console = shared / "console"
    with console.open("wb") as stream:
        try:
            subprocess.run(
                machine,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            stream.write(b"\nswitched off: it took too long\n")
    return console.read_text(errors="replace")


def _folder(name: str, path: str, options: str) -> tuple[str, ...]:
    """A folder of this machine under the mount tag ``name``."""
    return (
        *("-fsdev", f"local,id={name},path={path},security_model=none,{options}"),
        *("-device", f"virtio-9p-pci,fsdev={name},mount_tag={name}"),
    )
