"""What the machine, or the control group, of a local server says: memory, load, kills."""

from __future__ import annotations

import os
import re
from pathlib import Path

from agentpg.desk.check import Unlooked, looked
from agentpg.desk.doctor.server.facts import Machine
from agentpg.language import N_

ELSEWHERE = Unlooked(N_("the server runs on another machine, or hidden from this account"))

_KILOBYTE = 1024


def look_at_machine(process: int, root: Path = Path("/")) -> Machine | Unlooked:
    """The machine on which this process of the server runs; Unlooked where it is not this one.

    `root` is where its /proc and /sys are.
    """
    told = looked(lambda: (root / f"proc/{process}/comm").read_text(encoding="utf-8").strip())
    if isinstance(told, Unlooked) or told != "postgres":
        return ELSEWHERE
    return looked(lambda: _machine(process, root))


def _machine(process: int, root: Path) -> Machine:
    whole, available = _memory(root)
    group = _group(process, root)
    limit, within = (None, None) if group is None else _limited(group)
    if limit is not None and within is not None and limit < whole:
        whole, available = limit, min(available, limit - within)
    return Machine(
        processors=os.cpu_count() or 1,
        load=float((root / "proc/loadavg").read_text(encoding="utf-8").split()[1]),
        memory_bytes=whole,
        available_bytes=max(available, 0),
        kills=None if group is None else _number(group / "memory.events", "oom_kill"),
        kills_in_all=_number(root / "proc/vmstat", "oom_kill"),
    )


def _memory(root: Path) -> tuple[int, int]:
    """All of it, and what programs could have without swapping."""
    place = root / "proc/meminfo"
    whole, available = _number(place, "MemTotal:"), _number(place, "MemAvailable:")
    if whole is None or available is None:
        raise OSError(None, "MemAvailable")
    return whole * _KILOBYTE, available * _KILOBYTE


def _group(process: int, root: Path) -> Path | None:
    """The folder of the control group that the process is in, by the second version of them."""
    try:
        said = (root / f"proc/{process}/cgroup").read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(r"^0::/?(.*)$", said, re.MULTILINE)
    folder = root / "sys/fs/cgroup" / (found[1] if found else "")
    return folder if found and folder.is_dir() else None


def _limited(group: Path) -> tuple[int | None, int | None]:
    """What the group may take, and takes without pages that can be given up at once."""
    try:
        limit = (group / "memory.max").read_text(encoding="utf-8").strip()
        taken = int((group / "memory.current").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None, None
    if not limit.isdecimal():
        return None, None
    return int(limit), taken - (_number(group / "memory.stat", "inactive_file") or 0)


def _number(place: Path, name: str) -> int | None:
    """The number that stands behind a name at the beginning of a line."""
    try:
        text = place.read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(rf"^{re.escape(name)}\s+(\d+)", text, re.MULTILINE)
    return int(found[1]) if found else None
