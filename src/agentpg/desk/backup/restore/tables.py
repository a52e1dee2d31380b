"""Bringing back a table, or some of its rows, from a backup: what is there and what differs.

The backup is restored into a scratch server. A table that is gone comes back whole, with its
indexes, constraints and grants. Rows of one that is there are compared by their primary key
with the live ones; missing ones come back, changed ones only when told, and what is in the live
table alone always stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentpg.db import (
    Connection,
    Database,
    Fragment,
    Statements,
    connect,
    driver_errors,
    identifier,
)
from agentpg.desk.backup.drilling import prepare_server
from agentpg.desk.backup.model import OF_DATABASES, Backup
from agentpg.desk.backup.programs import Programs, find_programs
from agentpg.desk.backup.restore.loading import Loader, loading_programs
from agentpg.desk.backup.scratch import SERVER, ScratchOptions, ScratchServer
from agentpg.desk.backup.storage.bringing import bring
from agentpg.desk.backup.storage.repository import Repository
from agentpg.desk.backup.storage.sealing import Seal
from agentpg.errors import RestoreKindUnknown, TableNotInBackup, TableWithoutKey

EVERYTHING = "true"

Tell = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Source:
    """A backup, restored into a scratch server."""

    backup: Backup
    database: Database
    programs: Programs


@dataclass(frozen=True, slots=True)
class Table:
    """One table that is to come back: its columns that both sides have, and those of its key.

    `gone`: the live database has no such table.
    """

    schema: str
    name: str
    columns: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    gone: bool = False

    @property
    def others(self) -> tuple[str, ...]:
        """The columns that are not of the key."""
        return tuple(column for column in self.columns if column not in self.key)

    @property
    def path(self) -> str:
        """Its name, quoted."""
        return identifier(self.schema, self.name)

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@contextmanager
def open_source(
    backup: Backup,
    repository: Repository,
    seal: Seal | None,
    parent: Path,
    pg_bin: str,
    tell: Tell,
) -> Iterator[Source]:
    """Restore the backup into a scratch server for as long as this lasts.

    Raises RestoreKindUnknown, and what restoring raises.
    """
    if backup.kind not in OF_DATABASES:
        raise RestoreKindUnknown(name=backup.name, kind=backup.kind)
    major = backup.source.server_version // 10_000
    server = find_programs(pg_bin, major, *SERVER)
    options = ScratchOptions(content_bytes=backup.source_bytes + backup.size_bytes)
    with ScratchServer(server, parent, options) as scratch:
        scratch.start()
        loader = Loader(
            backup=backup,
            brought=bring(backup, repository, seal, scratch.folder),
            programs=loading_programs(pg_bin, backup, server.major),
            server=Database(scratch.dsn(), backup.source.schema),
            low=True,
        )
        name = backup.source.database
        loader.make_roles()
        prepare_server(loader.server, name, loader.needs())
        loader.make_database(name)
        with scratch.restoring():
            loader.fill(name, tell)
        yield Source(backup, loader.database(name), loader.programs)


def find_tables(source: Source, live: Database, names: Sequence[str]) -> tuple[Table, ...]:
    """The tables of these names, those first that others name in their foreign keys.

    Raises TableNotInBackup and TableWithoutKey.
    """
    with ExitStack() as stack:
        stack.enter_context(driver_errors(live.target()))
        restored = stack.enter_context(connect(source.database, "agentpg backup restore"))
        present = stack.enter_context(connect(live, "agentpg backup restore"))
        found = [_find(source, restored, present, name) for name in dict.fromkeys(names)]
        below = _below(source, restored, present, [table for table in found if table.gone])
        return tuple(_in_order(restored, source, list(dict.fromkeys((*found, *below)))))


def _below(
    source: Source, restored: Connection[Any], present: Connection[Any], gone: Sequence[Table]
) -> Iterator[Table]:
    """The partitions and heirs of tables that are gone, where they went with them."""
    sql = Statements("table_recovery", source.database.schema)
    for parent in gone:
        for row in restored.execute(sql["descendants"], {"table": parent.path}).fetchall():
            table = _find(source, restored, present, identifier(*row), keyless=True)
            if table.gone:
                yield table


def _find(
    source: Source,
    restored: Connection[Any],
    present: Connection[Any],
    name: str,
    *,
    keyless: bool = False,
) -> Table:
    sql = Statements("table_recovery", source.database.schema)
    asked = {"schema": source.database.schema, "name": name}
    there = restored.execute(sql["find_table"], asked).fetchall()
    if not there:
        raise TableNotInBackup(table=name, name=source.backup.name)
    [(schema, table)] = there
    path = {"table": identifier(schema, table)}
    asked = {"schema": schema, "name": table}
    restored_columns = [row[0] for row in restored.execute(sql["columns"], path)]
    if not present.execute(sql["table_there"], asked).fetchall():
        return Table(schema, table, tuple(restored_columns), gone=True)
    theirs = set(restored_columns)
    ours = present.execute(sql["columns"], path).fetchall()
    columns = tuple(column for column, _ in ours if column in theirs)
    key = tuple(column for column, is_key in ours if is_key)
    if not keyless and (not key or not set(key) <= theirs):
        raise TableWithoutKey(table=f"{schema}.{table}")
    return Table(schema, table, columns, key)


def _in_order(
    connection: Connection[Any], source: Source, tables: Sequence[Table]
) -> Iterator[Table]:
    """Parents before their children; of a circle, in the order in which they were named."""
    sql = Statements("table_recovery", source.database.schema)
    waiting = list(tables)
    parents = {
        table: set(connection.execute(sql["parents"], {"table": table.path}).fetchall())
        for table in waiting
    }
    while waiting:
        names = {(table.schema, table.name) for table in waiting}
        free = (table for table in waiting if not parents[table] & names)
        chosen = next(free, waiting[0])
        waiting.remove(chosen)
        yield chosen


def parts_of(table: Table, staging: str, condition: str) -> dict[str, str]:
    """What the statements about a table and its staged rows are made of."""

    def listed(columns: Sequence[str], before: str = "") -> str:
        return ", ".join(f"{before}{identifier(column)}" for column in columns)

    parts = {
        "table": table.path,
        "staging": identifier(staging),
        "columns": listed(table.columns),
        "key": listed(table.key),
        "condition": condition,
        "same_key": " AND ".join(f"l.{identifier(c)} = b.{identifier(c)}" for c in table.key),
        "kept_key": " AND ".join(f"l.{identifier(c)} = o.{identifier(c)}" for c in table.key),
        "staged_columns": listed(table.columns, "b."),
        "live_columns": listed(table.columns, "l."),
        "others": listed(table.others),
        "staged_others": listed(table.others, "b."),
    }
    return {name: Fragment(text) for name, text in parts.items()}
