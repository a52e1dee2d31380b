"""When the rows for a manifest are read: while pg_dump leaves a processor idle, or afterwards.

pg_dump compresses, and its largest table is what one waits for. Whatever takes the processor from
that makes the whole take longer, while the end of a dump often leaves processors idle. So where
the server is on this machine, reading waits until one is, and where none ever is, until pg_dump
has ended. A busy engine is then spared it, too, as long as it has pg_dump beside it. A server
elsewhere has processors of its own, which nobody can see from here: its rows are read at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from agentpg.db import Connection

_STAT = Path("/proc/stat")
_IDLE, _WAITING_FOR_DISK, _FIELDS = 3, 4, 8

# Half a processor: between two rows of pg_dump there is always some idle time.
_SPARE = 0.5
_SAMPLE_SECONDS = 0.1
# A sample is good for so long, and after one that found none it takes so long to the next.
_KEPT_SECONDS = 1.0
_WAIT_SECONDS = 0.25

Join = Callable[[], AbstractContextManager[Connection[Any]]]


class DumpPace:
    """Lets reading wait for pg_dump where both share a machine; further sessions do always.

    `further` is how many sessions `join` may open once pg_dump has ended. `stat` is where the
    system says what its processors do; where it says nothing, nothing waits.
    """

    def __init__(self, join: Join, *, further: int, same_machine: bool, stat: Path = _STAT) -> None:
        self.join = join
        self.further = further
        self._stat = stat
        self._watches = same_machine and stat.exists()
        self._free = threading.Event()
        self._found = -_KEPT_SECONDS

    def let_go(self) -> None:
        """pg_dump has ended, and nothing needs to wait any more."""
        self._free.set()

    def may_join(self) -> bool:
        """Whether pg_dump has ended; waits for a moment before it says no."""
        return self._free.wait(_WAIT_SECONDS)

    def may_read(self) -> bool:
        """Whether a processor is idle; waits for a moment before it says no."""
        if not self._watches or self._free.is_set():
            return True
        if time.monotonic() < self._found + _KEPT_SECONDS:
            return True
        if self._spare() >= _SPARE:
            self._found = time.monotonic()
            return True
        return self._free.wait(_WAIT_SECONDS)

    def _spare(self) -> float:
        """How many processors were idle for a moment."""
        idle, total, number = self._ticks()
        if self._free.wait(_SAMPLE_SECONDS):
            return number
        idle_now, total_now, _ = self._ticks()
        return number * (idle_now - idle) / max(total_now - total, 1)

    def _ticks(self) -> tuple[int, int, int]:
        """Idle and all ticks of all processors so far, and how many processors there are."""
        first, *others = self._stat.read_text().splitlines()
        ticks = [int(field) for field in first.split()[1 : 1 + _FIELDS]]
        number = sum(line.startswith("cpu") for line in others)
        return ticks[_IDLE] + ticks[_WAITING_FOR_DISK], sum(ticks), number
