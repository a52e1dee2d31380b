"""A copy of some tables on a private server, where indexes are built to be tried.

The schema is restored as a whole, and of the tables that matter all rows, or a sample where they
are too many. Nothing is written at the source; it is read in one moment.

What whoever owns a table wrote runs there: functions of constraints and indexes, and of the
statements that are tried. So it all belongs to a role that is no superuser; only extensions are
made by one, from the files of this machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentpg.db import (
    Connection,
    Database,
    Fragment,
    ServerError,
    Statements,
    completed,
    connect,
    driver_errors,
    environment_of,
    scalar_row,
    server_message,
)
from agentpg.desk.backup.leash import run_tool
from agentpg.desk.backup.programs import Programs, find_programs
from agentpg.desk.backup.scratch import SERVER, ScratchOptions, ScratchServer

_SQL = Statements("indexing", "")
_RESTORE = Statements("restore", "")

_NAME = "copy"
_ROLE = "agentpg_copy"

# The rows take about as much again in indexes, and what is built to be tried.
_ROOM = 4

# Timings are compared with each other, on a server that nothing else uses.
_SETTINGS = {"jit": "off", "shared_buffers": "256MB", "track_io_timing": "off"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyOptions:
    """Where the private server goes, and how many bytes of rows are copied at most."""

    parent: Path
    pg_bin: str = ""
    most_bytes: int = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """The copy; `shares` of the tables' rows are there, 0 to 1.

    `failed` are tables that could not be copied, with the reason.
    """

    connection: Connection[Any]
    shares: Mapping[str, float]
    failed: Mapping[str, str]


@contextmanager
def copy_of(database: Database, tables: Sequence[str], options: CopyOptions) -> Iterator[Copy]:
    """A copy of these tables, quoted and with their schemas, for as long as this lasts.

    Raises ProgramsMissing, ToolFailed, the errors of scratch servers and of the database.
    """
    with (
        driver_errors(database.target()),
        connect(database, "agentpg tune indexes") as source,
    ):
        sizes: dict[str, int] = dict(
            source.execute(_SQL["sizes_of"], {"names": list(tables)}).fetchall()
        )
        shares = _shares(sizes, options.most_bytes)
        content = sum(sizes[name] * share for name, share in shares.items())
        programs = find_programs(options.pg_bin, source.info.server_version // 10_000, *SERVER)
        room = ScratchOptions(content_bytes=int(content * _ROOM), settings=_SETTINGS)
        with ScratchServer(programs, options.parent, room) as scratch:
            scratch.start()
            _make_database(source, scratch)
            target = Database(scratch.dsn(_NAME, _ROLE), database.schema)
            with scratch.restoring(), connect(target, "agentpg tune indexes") as connection:
                schema = _Schema(database, target, programs, scratch.folder)
                schema.restore("pre-data")
                failed = _copy_rows(source, connection, shares)
                schema.restore("post-data")
                _make_ready(source, connection, [n for n in shares if n not in failed])
                yield Copy(connection=connection, shares=shares, failed=failed)


def _shares(sizes: Mapping[str, int], most_bytes: int) -> dict[str, float]:
    """Which share of each table is copied: small ones as a whole, since they are looked up, and
    of the large ones as much of each as there is room for."""
    shares, left = {}, most_bytes
    by_size = sorted(sizes.items(), key=lambda one: one[1])
    for number, (name, size) in enumerate(by_size):
        taken = min(size, left // (len(by_size) - number))
        shares[name] = taken / size if size else 1.0
        left -= taken
    return shares


def _make_database(source: Connection[Any], scratch: ScratchServer) -> None:
    """The database and its role, and of the source's extensions those that are installed here."""
    with connect(Database(scratch.dsn()), "agentpg tune indexes") as connection:
        connection.execute(_SQL.compose("make_copier", role=_ROLE))
        connection.execute(_SQL.compose("let_copy", role=_ROLE))
        connection.execute(_RESTORE.compose("create_database", database=_NAME))
        connection.execute(_SQL.compose("give_copy", database=_NAME, role=_ROLE))
    found = source.execute(_SQL["extensions"]).fetchall()
    with connect(Database(scratch.dsn(_NAME)), "agentpg tune indexes") as connection:
        for extension, space in found:
            with suppress(ServerError):
                connection.execute(_SQL.compose("make_space", space=space, role=_ROLE))
                connection.execute(_SQL.compose("make_extension", extension=extension, space=space))


def _copy_rows(
    source: Connection[Any], connection: Connection[Any], shares: Mapping[str, float]
) -> dict[str, str]:
    """The rows of one moment; which tables could not be copied, and why."""
    failed: dict[str, str] = {}
    for one in (source, connection):
        one.execute(_SQL["speak_utf8"])
    connection.execute(_SQL["no_triggers"])
    with source.transaction():
        source.execute(_SQL["read_only_now"])
        for table, share in shares.items():
            try:
                with source.transaction():
                    _copy(source, connection, table, share)
            except ServerError as error:
                if source.broken or connection.broken:
                    raise
                failed[table] = server_message(error)
    return failed


def _make_ready(
    source: Connection[Any], connection: Connection[Any], tables: Sequence[str]
) -> None:
    """Names are found as at the source, and the planner knows the rows."""
    path = source.execute(_SQL["searched"]).fetchone()
    connection.execute(_SQL["search_in"], {"path": path[0] if path else ""})
    for table in tables:
        connection.execute(_SQL.compose("make_rows_visible", table=Fragment(table)), {})


@dataclass(frozen=True, slots=True)
class _Schema:
    """The schema of the source, restored in sections."""

    source: Database
    target: Database
    programs: Programs
    folder: Path

    def restore(self, section: str) -> None:
        """What can't be made there, such as an extension that is not installed for it, is left
        out: a table that is missing then is seen by itself."""
        script = self.folder / f"{section}.sql"
        dump: list[str | Path] = [
            self.programs.tool("pg_dump"),
            "--schema-only",
            f"--section={section}",
            "--no-owner",
            "--no-privileges",
            "--no-publications",
            "--no-subscriptions",
            "--no-security-labels",
            "--no-tablespaces",
            "--no-password",
            "--lock-wait-timeout=5000",
            f"--file={script}",
        ]
        run_tool(dump, environment_of(completed(self.source.dsn)))
        psql: list[str | Path] = [self.programs.tool("psql"), "--no-psqlrc", "--quiet"]
        psql += ["--no-password", "--output=/dev/null", f"--file={script}"]
        run_tool(psql, environment_of(self.target.dsn))


def _copy(source: Connection[Any], connection: Connection[Any], table: str, share: float) -> None:
    cursor = source.cursor(row_factory=scalar_row)
    columns = cursor.execute(_SQL["writable_columns"], {"table": table}).fetchone()
    if not columns:
        return
    sample = "" if share >= 1 else f"TABLESAMPLE SYSTEM ({share * 100:.6f}) REPEATABLE (1)"
    parts = {"table": Fragment(table), "columns": Fragment(columns), "sample": Fragment(sample)}
    with (
        source.cursor().copy(_SQL.compose("copy_out", **parts), {}) as out,
        connection.cursor().copy(_SQL.compose("copy_in", **parts), {}) as into,
    ):
        for piece in out:
            into.write(piece)
