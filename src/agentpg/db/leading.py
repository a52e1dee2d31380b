"""Where a service of libpq leads by now, for those who hold a connection for long.

A program that connects by a service (`service=…`) is told there as whom. Where the service names
another role later, as when passwords are rotated, new connections follow by themselves, and one
that was made before goes on as the former role. Whoever holds such a one asks here, before it is
used again, whether to make it anew.
"""

from __future__ import annotations

import time
from pathlib import Path

from agentpg.db.conninfo import read_conninfo
from agentpg.settings import libpq_variables

# A look is a stat(); who is asked for each statement looks this often at most.
_LOOK_SECONDS = 1.0

_Mark = tuple[int, int, int]


class Leading:
    """The role that a connection string leads to, where a service says it."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._file = service_file(dsn)
        self._mark: _Mark | None = None
        self._role = ""
        self._next_look = 0.0

    def elsewhere(self, role: str) -> bool:
        """Whether it leads to another role than this one. Costs next to nothing."""
        if self._file is None:
            return False
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + _LOOK_SECONDS
            self._look(self._file)
        return self._role not in ("", role)

    def _look(self, file: Path) -> None:
        """A file that can't be read, or has no such service, leads nowhere else."""
        try:
            said = file.stat()
        except OSError:
            return
        mark = (said.st_mtime_ns, said.st_ino, said.st_size)
        if mark != self._mark:
            self._mark = mark
            conninfo = read_conninfo(self._dsn)
            found = conninfo is not None and conninfo.service_found
            self._role = conninfo.values.get("user", "") if conninfo and found else ""


def service_file(dsn: str) -> Path | None:
    """The file in which libpq looks for the service of a connection string; None where it names
    no service."""
    conninfo = read_conninfo(dsn)
    if conninfo is None or not conninfo.service:
        return None
    named = conninfo.service_file or libpq_variables().get("PGSERVICEFILE")
    return Path(named) if named else Path.home() / ".pg_service.conf"
