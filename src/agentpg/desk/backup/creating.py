"""Making a backup, whatever its kind: what is the same for all.

The lock of the source is held from the first look to the last; it keeps a second backup and
our own rewriting maintenance away, and says that what was begun before and not ended is
nobody's, so that it can be removed. Then a name is taken, the kind makes its files in a
stage, they are stored, and the record is written last. Whatever goes wrong before that
removes all that was made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol, cast

from agentpg.db import Connection, Database, Statements, connect, driver_errors, lasting
from agentpg.desk.backup.model import UNKNOWN_SYSTEM, Backup, Kind, Source
from agentpg.desk.backup.programs import Programs, find_programs
from agentpg.desk.backup.sessions import be_undisturbed
from agentpg.desk.backup.storage.records import (
    Begun,
    begin,
    complete,
    key_of,
    list_backups,
    remove_backup,
    remove_remains,
)
from agentpg.desk.backup.storage.repository import Repository
from agentpg.desk.backup.storage.stage import Sealing, Stage, open_stage, remove_left_stages
from agentpg.desk.turn import UNDISTURBED, turn
from agentpg.errors import AgentpgError, FilesGone, PoolerInBetween, RepositoryTooSmall
from agentpg.language import N_

# The module of each kind that can be made; it has a function `make`, a `Maker`.
MAKERS: dict[Kind, str] = {
    "dump": "agentpg.desk.backup.making.dump",
    "sql": "agentpg.desk.backup.making.plain",
    "base": "agentpg.desk.backup.making.base",
    "pgbackrest": "agentpg.desk.backup.pgbackrest.backups",
}

# A backup like the last one may be somewhat larger. Of a first one it is only known that the
# best compression leaves a good part of a table.
_RESERVE = 1.1
_LEAST_SHARE = 0.05


MAKING, STORING = N_("Making the backup"), N_("Storing the backup")


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateOptions:
    """How a backup is made.

    `compression` is a method and a level as in "gzip:6"; empty: the kind's own choice.
    `lock_wait` is how long a table that somebody else has for himself is waited for; 0: not at
    all.
    `stages` is a local folder for what can't be made in its place in the repository.
    `holder` is who locks the tables for an exact moment where the role of the backup may not.
    `more` is what only one kind understands.
    """

    kind: Kind = "dump"
    jobs: int = 2
    compression: str = ""
    lock_wait: timedelta = timedelta(minutes=1)
    role_passwords: bool = False
    pg_bin: str = ""
    stages: Path
    seal: Sealing | None = None
    holder: Database | None = None
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def lock_milliseconds(self) -> int:
        """`lock_wait` for PostgreSQL, where 0 is without end."""
        return max(round(self.lock_wait / timedelta(milliseconds=1)), 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How far a backup is: what is done, and bytes of the whole, as the source or the files have
    them.

    `note` is something to tell once, a sentence that `values` fill.
    """

    work: str = MAKING
    done_bytes: int = 0
    total_bytes: int = 0
    note: str = ""
    values: tuple[tuple[str, object], ...] = ()


Tell = Callable[[Step], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is known before a backup is begun, and is the same for every kind.

    `connection` holds the lock, and is for looking at what goes on.
    """

    connection: Connection[Any]
    database: Database
    source: Source
    source_bytes: int
    options: CreateOptions
    programs: Programs
    tell: Tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a kind says of the files that it made."""

    taken_at: datetime
    lsn: str
    compression: str
    tables: int = 0
    rows: int = 0
    details: dict[str, Any] = field(default_factory=dict)


class Maker(Protocol):
    """Makes the files of one kind in a stage."""

    def __call__(self, job: Job, stage: Stage) -> Made:
        """Make them. What it raises leaves no backup."""
        ...


def create_backup(
    database: Database, repository: Repository, options: CreateOptions, tell: Tell
) -> Backup:
    """Make a backup; it is there when this returns, and else nothing of it is.

    Raises WorkUnderWay where another one is being made, RepositoryError, ToolFailed,
    TablesInUse, and the errors of the database.
    """
    with (
        driver_errors(database.target()),
        connect(database, "agentpg backup") as connection,
    ):
        _require_session(connection, database)
        be_undisturbed(connection)
        with turn(connection, database.schema, UNDISTURBED):
            source, source_bytes = read_source(connection, database)
            _remove_remains(repository, source, options, tell)
            _require_room(repository, source, source_bytes, options)
            programs = find_programs(options.pg_bin, source.server_version // 10000)
            job = Job(
                connection=connection,
                database=database,
                source=source,
                source_bytes=source_bytes,
                options=options,
                programs=programs,
                tell=tell,
            )
            return _make(repository, job)


def source_of(database: Database) -> Source:
    """Which database of which cluster this is. Raises DatabaseUnavailable."""
    with (
        driver_errors(database.target()),
        connect(database, "agentpg backup") as connection,
    ):
        return read_source(connection, database)[0]


def read_source(connection: Connection[Any], database: Database) -> tuple[Source, int]:
    """What is backed up, and its size in bytes."""
    sql = Statements("backup", database.schema)
    [(name, server_version, size, may_ask)] = connection.execute(sql["source"]).fetchall()
    system = UNKNOWN_SYSTEM
    if may_ask:
        [(system,)] = connection.execute(sql["system_identifier"]).fetchall()
    source = Source(
        system_identifier=system,
        database=name,
        schema=database.schema,
        server_version=server_version,
        target=database.target(),
    )
    return source, size


def _make(repository: Repository, job: Job) -> Backup:
    options = job.options
    begun = begin(repository, options.kind, job.source, datetime.now(UTC))
    with (
        _removed_on_failure(repository, begun),
        open_stage(repository, begun.name, options.stages, options.seal) as stage,
    ):
        made = maker_of(options.kind)(job, stage)
        backup = Backup(
            name=begun.name,
            kind=options.kind,
            source=job.source,
            begun_at=begun.begun_at,
            taken_at=made.taken_at,
            ended_at=begun.begun_at,
            lsn=made.lsn,
            agentpg_version=version("agentpg"),
            tool_version=job.programs.version,
            compression=made.compression,
            recipients=options.seal.recipients if options.seal else (),
            files=stage.store(_teller(job.tell, STORING)),
            source_bytes=job.source_bytes,
            tables=made.tables,
            rows=made.rows,
            details=made.details,
        )
        # Whoever lost the lock may not be alone, and his files may have been removed.
        job.connection.execute(Statements("backup", job.source.schema)["still_there"])
        _require_files(repository, backup)
        backup = replace(backup, ended_at=datetime.now(UTC))
        complete(repository, backup)
    return backup


def _teller(tell: Tell, work: str) -> Callable[[int, int], None]:
    return lambda done, total: tell(Step(work=work, done_bytes=done, total_bytes=total))


def _require_files(repository: Repository, backup: Backup) -> None:
    """All of it must be there when its record comes. Raises FilesGone."""
    folder = key_of(backup.name, "")
    there = {one.key.removeprefix(folder): one.size_bytes for one in repository.objects(folder)}
    gone = [file.path for file in backup.files if there.get(file.path) != file.size_bytes]
    if gone:
        raise FilesGone(name=backup.name, number=len(gone), first=gone[0])


def maker_of(kind: Kind) -> Maker:
    """What makes backups of this kind; loaded when it is used."""
    return cast(Maker, import_module(MAKERS[kind]).make)


def _require_session(connection: Connection[Any], database: Database) -> None:
    """A pooler that lends a server's process for a transaction keeps neither lock nor snapshot."""
    if lasting(connection) == "transaction":
        raise PoolerInBetween(target=database.target())


def _remove_remains(
    repository: Repository, source: Source, options: CreateOptions, tell: Tell
) -> None:
    remove_left_stages(options.stages)
    for name in remove_remains(repository, source):
        note = N_("{name} was begun and not ended; its remains were removed.")
        tell(Step(note=note, values=(("name", name),)))


def _require_room(
    repository: Repository, source: Source, source_bytes: int, options: CreateOptions
) -> None:
    free = repository.free_bytes()
    needed = _needed_bytes(repository, source, source_bytes, options.kind)
    if free is not None and free < needed:
        raise RepositoryTooSmall(place=repository.place, free=free, needed=needed)


def _needed_bytes(repository: Repository, source: Source, source_bytes: int, kind: Kind) -> int:
    """About what a backup takes, by the last one of its kind."""
    like = [b for b in list_backups(repository) if b.kind == kind]
    last = next((b for b in reversed(like) if b.source.same_database(source)), None)
    if last is None or not last.source_bytes:
        return int(source_bytes * _LEAST_SHARE)
    return int(last.size_bytes * (source_bytes / last.source_bytes) * _RESERVE)


@contextmanager
def _removed_on_failure(repository: Repository, begun: Begun) -> Iterator[None]:
    try:
        yield
    except BaseException:
        # Where the repository does not answer, the next run removes it.
        with suppress(AgentpgError):
            remove_backup(repository, begun.name)
        raise
