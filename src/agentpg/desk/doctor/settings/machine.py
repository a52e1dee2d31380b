"""What the server's machine has, where that is this one: read from /proc and /sys."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from agentpg.desk.check import Unlooked
from agentpg.desk.doctor.settings.facts import DiskKind, Machine
from agentpg.language import N_

ELSEWHERE = Unlooked(N_("the server's machine can't be seen from here"))

# Disks of a virtual machine say that they turn, whatever they are.
_VIRTUAL = re.compile(r"(vd|xvd)[a-z]")

# So the kernel writes what is no plain letter in the name of a mount.
_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Roots:
    """Where the kernel tells of itself."""

    proc: Path = Path("/proc")
    sys: Path = Path("/sys")


def read_machine(process: int, data: Path | None, roots: Roots | None = None) -> Machine | Unlooked:
    """The machine of a process of the server; Unlooked where there is no such process here.

    `data` is the server's folder, None where nobody says.
    """
    roots = roots or Roots()
    own = roots.proc / str(process)
    if not _is_postgres(own):
        return ELSEWHERE
    ram, cpus = _memory(roots), _processors(process)
    most_ram, most_cpus = _limits(own, roots)
    folder = _folder(own, data)
    # Often a link to a smaller file system, and full it stops the server.
    volume, free = _volume(None if folder is None else folder / "pg_wal")
    return Machine(
        ram_bytes=_least(ram, most_ram),
        cpus=_least(cpus, most_cpus),
        disk=_disk(folder, roots),
        volume_bytes=volume,
        free_bytes=free,
        file_system=_file_system(folder, roots),
        is_limited=most_ram is not None and (ram is None or most_ram < ram),
        huge_pages=_huge_pages(roots),
        overcommit=_number(roots.proc / "sys/vm/overcommit_memory"),
    )


def _is_postgres(own: Path) -> bool:
    return _text(own / "comm") == "postgres" and "postgres" in _text(own / "cmdline")


def _memory(roots: Roots) -> int | None:
    found = re.search(r"^MemTotal:\s+(\d+) kB", _text(roots.proc / "meminfo"), re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _processors(process: int) -> int | None:
    try:
        return len(os.sched_getaffinity(process))
    except OSError:
        return os.cpu_count()


def _limits(own: Path, roots: Roots) -> tuple[int | None, int | None]:
    """What its control groups let it have: memory, and processors rounded up."""
    memory, cpus = [], []
    for controllers, path in _groups(own):
        for folder in _upwards(roots.sys / "fs/cgroup", controllers, path):
            memory += [
                number
                for name in ("memory.max", "memory.limit_in_bytes")
                if (number := _number(folder / name)) is not None
            ]
            share = _share(folder)
            cpus += [] if share is None else [share]
    return min(memory, default=None), math.ceil(min(cpus)) if cpus else None


def _groups(own: Path) -> Iterator[tuple[str, str]]:
    """Its control groups: with the new kind one for all, whose controllers are not named."""
    for line in _text(own / "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory") or "cpu" in controllers.split(","):
            yield controllers, path


def _upwards(root: Path, controllers: str, path: str) -> Iterator[Path]:
    base = root / controllers if controllers else root
    folder = base / path.lstrip("/")
    while folder.is_relative_to(base):
        yield folder
        if folder == base:
            return
        folder = folder.parent


def _share(folder: Path) -> float | None:
    quota, period = (*_text(folder / "cpu.max").split(), "", "")[:2]
    if not quota:
        quota, period = _text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")
    if not quota.isdigit() or not period.isdigit() or int(period) == 0:
        return None
    return int(quota) / int(period)


def _folder(own: Path, data: Path | None) -> Path | None:
    # A process of the server works in the folder of its data; only its account may look.
    with suppress(OSError):
        return (own / "cwd").readlink()
    return data


def _disk(folder: Path | None, roots: Roots) -> DiskKind | None:
    if folder is None:
        return None
    try:
        device = folder.stat().st_dev
    except OSError:
        return None
    place = roots.sys / f"dev/block/{os.major(device)}:{os.minor(device)}"
    try:
        found = place.resolve(strict=True)
    except OSError:
        return None
    for disk in (found, found.parent):
        turns = _text(disk / "queue/rotational")
        if turns == "0":
            return "ssd"
        if turns == "1":
            return None if _VIRTUAL.match(disk.name) else "hdd"
    return None


def _volume(folder: Path | None) -> tuple[int | None, int | None]:
    """The size of its file system, and what is free there."""
    if folder is None:
        return None, None
    try:
        there = os.statvfs(folder)
    except OSError:
        return None, None
    return there.f_frsize * there.f_blocks, there.f_frsize * there.f_bavail


def _file_system(folder: Path | None, roots: Roots) -> str | None:
    """The kind of the file system on which a folder lies, by the mount that is nearest above."""
    try:
        there = None if folder is None else folder.resolve(strict=True)
    except OSError:
        return None
    if there is None:
        return None
    mounts: list[tuple[int, str]] = []
    for line in _text(roots.proc / "self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        # Of two on the same folder the later hides the earlier.
        point = Path(_OCTAL.sub(lambda found: chr(int(found[1], 8)), before.split()[4]))
        if there.is_relative_to(point):
            mounts.append((len(point.parts), after.split()[0]))
    deepest = max((depth for depth, _ in mounts), default=0)
    return next((kind for depth, kind in reversed(mounts) if depth == deepest), None)


def _huge_pages(roots: Roots) -> str | None:
    said = _text(roots.sys / "kernel/mm/transparent_hugepage/enabled")
    found = re.search(r"\[(\w+)\]", said)
    return found[1] if found else None


def _least(one: int | None, other: int | None) -> int | None:
    return min((value for value in (one, other) if value is not None), default=None)


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text.isdigit() else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip().rstrip("\0")
    except OSError:
        return ""
