"""Files that were deleted and take room still, since a process holds them."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from agentpg.desk.doctor.disk.facts import OpenFile, OpenFiles

_DELETED = " (deleted)"
_PROC = Path("/proc")


def deleted_files(devices: Collection[int]) -> OpenFiles:
    """Those on these file systems, the largest first. Raises OSError where there is no /proc.

    Only root sees the files of other accounts' processes; how many were hidden is said.
    """
    found: dict[tuple[int, int], OpenFile] = {}
    hidden = 0
    for entry in os.scandir(_PROC):
        if not entry.name.isdigit():
            continue
        try:
            for inode, file in _of_process(int(entry.name), devices):
                # Several processes of a server hold the same file.
                found.setdefault((file.device, inode), file)
        except PermissionError:
            hidden += 1
        except OSError:
            continue
    files = sorted(found.values(), key=lambda file: -file.size_bytes)
    return OpenFiles(files=tuple(files), hidden=hidden)


def open_inodes(device: int) -> set[int]:
    """The files of a file system that some process has open, as far as this account sees them."""
    found: set[int] = set()
    for process in _PROC.iterdir():
        if not process.name.isdigit():
            continue
        try:
            descriptors = list(os.scandir(process / "fd"))
        except OSError:
            continue
        for entry in descriptors:
            with suppress(OSError):
                there = entry.stat()
                if there.st_dev == device:
                    found.add(there.st_ino)
    return found


def _of_process(process: int, devices: Collection[int]) -> Iterator[tuple[int, OpenFile]]:
    for entry in os.scandir(_PROC / str(process) / "fd"):
        try:
            target = str(Path(entry.path).readlink())
            if not target.endswith(_DELETED):
                continue
            there = entry.stat()
        except OSError:
            continue
        if there.st_dev in devices and stat.S_ISREG(there.st_mode) and there.st_blocks:
            yield (
                there.st_ino,
                OpenFile(
                    process=process,
                    program=_program(process),
                    path=target.removesuffix(_DELETED),
                    size_bytes=there.st_blocks * 512,
                    device=there.st_dev,
                ),
            )


def _program(process: int) -> str:
    try:
        return (_PROC / str(process) / "comm").read_text(encoding="utf-8").strip()
    except OSError:
        return ""
