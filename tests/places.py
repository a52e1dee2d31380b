"""Where the tests write: in memory where there is room, since all of it is thrown away."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

_MEMORY = Path("/dev/shm")

# The servers of two test processes take about 1 GiB; the rest is for what else runs here.
_ROOM_BYTES = 8 * 2**30


def write_to_memory() -> None:
    """Have this process and its children put temporary files into memory.

    TMPDIR, where it is set, wins. A large database is made in a third of the time there.
    """
    if "TMPDIR" not in os.environ and _has_room():
        os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)


def _has_room() -> bool:
    """Whether it is there, would run programs, and has room that nobody needs."""
    try:
        place = os.statvfs(_MEMORY)
        available = re.search(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text())
    except OSError:
        return False
    free = min(place.f_bavail * place.f_frsize, int(available[1]) * 1024 if available else 0)
    return not place.f_flag & os.ST_NOEXEC and free >= _ROOM_BYTES
