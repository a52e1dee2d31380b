"""What the dearest statements have taken so far, as samples keep it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agentpg.db import Statements
from agentpg.desk.check import Unlooked, looked
from agentpg.desk.monitor.reading import Reader

# More would be large in a year of samples; what is not among them takes little.
MOST = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """What there is of pg_stat_statements; `libraries` None where the role may not see them."""

    available: bool
    loaded: bool
    libraries: str | None
    schema: str | None
    version: str | None

    @property
    def read_time(self) -> str:
        """The column with the time of reading, which 1.11 (PostgreSQL 17) has named anew."""
        parts = tuple(int(part) for part in (self.version or "0").split("."))
        return "shared_blk_read_time" if parts >= (1, 11) else "blk_read_time"


@dataclass(frozen=True, slots=True)
class _Tallies:
    since: datetime
    evictions: int
    statements: list[Any] | None


def read_extension(reader: Reader) -> Extension:
    """Whether the server counts statements, and where the extension is."""
    return reader.row(Statements("slow", ""), "read_extension", Extension)


def read_tallies(reader: Reader) -> dict[str, Any] | None:
    """The dearest statements by their id, with calls, milliseconds and rows; None where nothing
    counts them, or the role may not look."""
    found = looked(lambda: _tallies(reader))
    return None if isinstance(found, Unlooked) else found


def _tallies(reader: Reader) -> dict[str, Any] | None:
    extension = read_extension(reader)
    if not extension.loaded or extension.schema is None:
        return None
    statement = Statements("slow", "").compose("read_tallies", extension=extension.schema)
    [found] = reader.rows_of(statement, _Tallies, most=MOST)
    return {
        "since": found.since.isoformat(),
        "evictions": found.evictions,
        "statements": found.statements or [],
    }
