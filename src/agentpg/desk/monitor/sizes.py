"""How much room the database and its tables take, and how that has changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from agentpg.db import Statements
from agentpg.desk.monitor.reading import Reader
from agentpg.errors import FileNotRead, SampleNotRead
from agentpg.language import N_

_NOT_OURS = N_("it does not hold what `agentpg monitor sizes --json` prints")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSize:
    """One table: rows, indexes, what is kept beside it (TOAST, maps of free space), in all.

    Bytes are None while somebody has the table for himself. Rows are what the server
    estimates, None until it has looked. `grown_bytes` is how much it is larger than earlier, None
    where that is not known; then it may be new all the same.
    """

    schema: str
    name: str
    heap_bytes: int | None
    index_bytes: int | None
    toast_bytes: int | None
    total_bytes: int | None
    estimated_rows: int | None
    dead_rows: int | None
    vacuumed_at: datetime | None
    analyzed_at: datetime | None
    grown_bytes: int | None = None
    grown_rows: int | None = None
    is_new: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """Its name with that of its schema."""
        return self.schema, self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The database and its tables at one moment, the largest first.

    `since` is the moment of the sample that they were compared with; `gone` are tables that
    were there then.
    """

    database: str
    bytes: int
    taken_at: datetime
    tables: tuple[TableSize, ...] = ()
    since: datetime | None = None
    grown_bytes: int | None = None
    gone: tuple[str, ...] = ()

    @property
    def grown_a_day(self) -> float | None:
        """Bytes a day at the pace since then; None for less than a minute."""
        if self.since is None or self.grown_bytes is None:
            return None
        seconds = (self.taken_at - self.since).total_seconds()
        return self.grown_bytes * 86400 / seconds if seconds >= 60 else None


@dataclass(frozen=True, slots=True)
class Earlier:
    """What an earlier sample held: bytes and rows of tables by schema and name.

    Only where it `is_complete` a table that it does not have is new.
    """

    taken_at: datetime
    bytes: int
    tables: Mapping[tuple[str, str], tuple[int | None, int | None]]
    is_complete: bool = True


def read_sizes(reader: Reader) -> Sizes:
    """The sizes now; needs no schema of ours."""
    statements = Statements("monitor", reader.schema)
    whole = reader.row(statements, "database_size", Sizes)
    return replace(whole, tables=tuple(reader.rows(statements, "tables", TableSize)))


def compared(now: Sizes, earlier: Earlier) -> Sizes:
    """The same with what has changed since the earlier sample."""
    tables = tuple(_compared(table, earlier) for table in now.tables)
    names = {table.key for table in now.tables}
    gone = tuple(sorted(".".join(key) for key in earlier.tables if key not in names))
    return replace(
        now,
        tables=tables,
        since=earlier.taken_at,
        grown_bytes=now.bytes - earlier.bytes,
        gone=gone,
    )


def _compared(table: TableSize, earlier: Earlier) -> TableSize:
    before = earlier.tables.get(table.key)
    if before is None and not earlier.is_complete:
        return table
    if before is None:
        return replace(table, is_new=True, grown_bytes=table.total_bytes)
    return replace(
        table,
        grown_bytes=_more(table.total_bytes, before[0]),
        grown_rows=_more(table.estimated_rows, before[1]),
    )


def _more(now: int | None, before: int | None) -> int | None:
    return None if now is None or before is None else now - before


def read_sample(path: Path) -> Earlier:
    """A sample that was printed as JSON. Raises FileNotRead and SampleNotRead."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FileNotRead(reason, path=path) from None
    try:
        return _earlier(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise SampleNotRead(_NOT_OURS, path=path) from None


def _earlier(document: Mapping[str, Any]) -> Earlier:
    tables = {
        (str(one["schema"]), str(one["name"])): (
            whole(one["total_bytes"]),
            whole(one["estimated_rows"]),
        )
        for one in document["tables"]
    }
    return Earlier(datetime.fromisoformat(document["taken_at"]), int(document["bytes"]), tables)


def whole(value: Any) -> int | None:
    """A number of JSON as an integer; None stays."""
    return None if value is None else int(value)


def guide_queries(reader: Reader, database: str) -> list[str]:
    """The operations guide's queries for the same, as they can be typed."""
    statements = Statements("monitor", reader.schema)
    return [
        reader.shown(statements, "guide_database_size", database=database),
        reader.shown(statements, "guide_table_sizes", schema=reader.schema),
    ]
