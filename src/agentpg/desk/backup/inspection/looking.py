"""Looking at an installation's backups: at the repository, the server, the disks, the settings."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agentpg.db import (
    Connection,
    Database,
    Statements,
    class_row,
    connect,
    driver_errors,
    scalar_row,
)
from agentpg.desk.backup.inspection.facts import (
    Archiver,
    Catalogue,
    Facts,
    Known,
    LeftDatabase,
    Place,
    Sealing,
    Server,
    Wal,
)
from agentpg.desk.backup.model import UNKNOWN_SYSTEM, Backup, Source, last_telling
from agentpg.desk.backup.pgbackrest.backups import missing_wal
from agentpg.desk.backup.pgbackrest.stanza import find_stanza
from agentpg.desk.backup.recovery.wal import read_archive
from agentpg.desk.backup.restore.naming import is_staged
from agentpg.desk.backup.storage.keys import seals
from agentpg.desk.backup.storage.opening import open_repository
from agentpg.desk.backup.storage.records import find_backups, key_of, read_drills
from agentpg.desk.backup.storage.repository import SEALED, Repository
from agentpg.desk.check import Unlooked, looked
from agentpg.embedded import EmbeddedServer
from agentpg.settings import ENV_FILE, Settings, describe

_SQL = Statements("watching", "")

_HERE = ("localhost", "127.0.0.1", "::1")
_SECRETS = ("backup_passphrase", "backup_s3_secret_key")


def look_at_backups(database: Database, settings: Settings) -> Facts:
    """Look at everything; what can't be looked at is said so. Raises nothing for that."""
    repository = looked(lambda: open_repository(settings))
    connection = looked(lambda: connect(database, "agentpg doctor"))
    try:
        return _look(database, settings, repository, connection)
    finally:
        if not isinstance(connection, Unlooked):
            connection.close()


def _look(
    database: Database,
    settings: Settings,
    repository: Repository | Unlooked,
    connection: Connection[Any] | Unlooked,
) -> Facts:
    asking = _Asking(database, connection)
    server = asking.row("read_source", Server)
    system = asking.system()
    source = _source(database, server, system)
    archiver = asking.row("read_archiver", Archiver)
    catalogue = _with(repository, lambda place: _catalogue(place, source))
    return Facts(
        now=datetime.now(UTC),
        place_name=settings.backup_repository
        if isinstance(repository, Unlooked)
        else repository.place,
        catalogue=catalogue,
        server=server,
        archiver=archiver,
        waiting=asking.value("count_waiting"),
        wal=_wal(repository, system, archiver, catalogue),
        place=_with(repository, lambda place: _place(place, asking, settings)),
        sealing=looked(lambda: _sealing(settings, repository)),
        left=asking.left(),
    )


def look_at_catalogue(database: Database, settings: Settings) -> Catalogue:
    """The backups alone, with their drills. Raises RepositoryError and its kinds.

    Without the server, all that is in the repository is looked at.
    """
    repository = open_repository(settings)
    connection = looked(lambda: connect(database, "agentpg monitor"))
    try:
        asking = _Asking(database, connection)
        source = _source(database, asking.row("read_source", Server), asking.system())
    finally:
        if not isinstance(connection, Unlooked):
            connection.close()
    return _catalogue(repository, source)


def _source(database: Database, server: Server | Unlooked, system: str | Unlooked) -> Source:
    return Source(
        system_identifier=system if isinstance(system, str) else UNKNOWN_SYSTEM,
        database="" if isinstance(server, Unlooked) else server.database,
        schema=database.schema,
        server_version=0,
        target=database.target(),
    )


@dataclass(frozen=True, slots=True)
class DataFolder:
    """Where a server's files are, and one of its processes."""

    folder: str
    process: int


class _Asking:
    """Asks the server, one statement after another; what it refuses is Unlooked."""

    def __init__(self, database: Database, connection: Connection[Any] | Unlooked) -> None:
        self.database = database
        self.connection = connection

    def row(self, statement: str, kind: type[Any]) -> Any:
        return self._ask(statement, class_row(kind))

    def value(self, statement: str) -> Any:
        return self._ask(statement, scalar_row)

    def left(self) -> tuple[LeftDatabase, ...] | Unlooked:
        found = self._rows("list_unfilled", class_row(LeftDatabase))
        if isinstance(found, Unlooked):
            return found
        return tuple(one for one in found if is_staged(one.name, "restoring"))

    def system(self) -> str | Unlooked:
        found: str | Unlooked = self.value("read_system")
        return found

    def _ask(self, statement: str, form: Any) -> Any:
        found = self._rows(statement, form)
        return found if isinstance(found, Unlooked) else found[0]

    def _rows(self, statement: str, form: Any) -> list[Any] | Unlooked:
        connection = self.connection
        if isinstance(connection, Unlooked):
            return Unlooked(connection.reason)

        def ask() -> list[Any]:
            with driver_errors(self.database.target(), connection):
                cursor = connection.cursor(row_factory=form)
                return cursor.execute(_SQL[statement], {}).fetchall()

        return looked(ask)


def _with(repository: Repository | Unlooked, look: Any) -> Any:
    """Look at the repository, where there is one."""
    if isinstance(repository, Unlooked):
        return repository
    return looked(lambda: look(repository))


def _catalogue(repository: Repository, source: Source) -> Catalogue:
    found = find_backups(repository)
    ours = [
        backup
        for backup in found.backups
        # Without the server, all that is there is looked at.
        if not source.database or backup.source.same_database(source)
    ]
    return Catalogue(
        known=tuple(_known(repository, backup) for backup in ours), damaged=tuple(found.damaged)
    )


def _known(repository: Repository, backup: Backup) -> Known:
    drills = read_drills(repository, backup.name)
    passed = [drill for drill in drills if drill.outcome == "passed"]
    return Known(
        backup=backup,
        last=last_telling(drills),
        passed=passed[-1] if passed else None,
        amiss=_amiss(repository, backup),
    )


def _amiss(repository: Repository, backup: Backup) -> tuple[str, ...]:
    folder = key_of(backup.name, "")
    sizes: Mapping[str, int] = {
        stored.key.removeprefix(folder): stored.size_bytes for stored in repository.objects(folder)
    }
    return tuple(file.path for file in backup.files if sizes.get(file.path) != file.size_bytes)


def _wal(
    repository: Repository | Unlooked,
    system: str | Unlooked,
    archiver: Archiver | Unlooked,
    catalogue: Catalogue | Unlooked,
) -> Wal | Unlooked:
    if isinstance(repository, Unlooked):
        return repository
    if isinstance(system, Unlooked):
        return system
    if isinstance(archiver, Unlooked):
        return archiver
    backups = () if isinstance(catalogue, Unlooked) else tuple(k.backup for k in catalogue.known)
    return looked(lambda: _archived(repository, system, backups, archiver.segment_bytes))


def _archived(
    repository: Repository, system: str, backups: tuple[Backup, ...], segment_bytes: int
) -> Wal:
    archive = read_archive(repository, system, segment_bytes)
    missing: list[str] = []
    for timeline in archive.timelines():
        numbers = [one.number for one in archive.segments if one.timeline == timeline]
        if numbers:
            missing += [gap.first for gap in archive.gaps(timeline, min(numbers))]
    segments = len(archive.segments)
    kept = [backup for backup in backups if backup.kind == "pgbackrest"]
    if kept:
        more, gone = _pgbackrest_wal(repository, system, kept, segment_bytes)
        segments, missing = segments + more, missing + gone
    last = max(archive.segments.values(), key=lambda stored: stored.written_at, default=None)
    is_open = last is not None and not last.key.endswith(SEALED)
    return Wal(
        segments=segments,
        missing=tuple(missing),
        last_open=last.key.rpartition("/")[2] if last is not None and is_open else "",
    )


def _pgbackrest_wal(
    repository: Repository, system: str, backups: list[Backup], segment_bytes: int
) -> tuple[int, list[str]]:
    """How much WAL pgBackRest has, and what is missing since the oldest backup that it has."""
    stanza = find_stanza(repository, system)
    ours = {str(backup.details["label"]) for backup in backups}
    kept = [one for one in stanza.kept() if one.label in ours]
    missing = missing_wal(stanza, kept[0], segment_bytes) if kept else []
    return len(stanza.segments(segment_bytes)), missing


def _place(repository: Repository, asking: _Asking, settings: Settings) -> Place:
    same = _same_disk(repository, asking, settings)
    return Place(free_bytes=repository.free_bytes(), same_disk=same)


def _same_disk(
    repository: Repository, asking: _Asking, settings: Settings
) -> bool | Unlooked | None:
    folder = repository.folder("backups")
    if folder is None:
        return None
    ours = looked(lambda: _own_data(asking.database, settings))
    if isinstance(ours, Path):
        return looked(lambda: _existing(folder).stat().st_dev == ours.stat().st_dev)
    found = asking.row("read_data_folder", DataFolder)
    if isinstance(found, Unlooked):
        return found
    if asking.database.address()[0] not in _HERE:
        return None
    return looked(lambda: _existing(folder).stat().st_dev == _device_of(found))


def _own_data(database: Database, settings: Settings) -> Path | None:
    """The data folder of the private server, where the database is on that: nobody is asked."""
    host, port = database.address()
    status = EmbeddedServer(settings.home.expanduser(), settings.pg_bin).status()
    return status.data if status.running and host in _HERE and status.port == port else None


def _device_of(data: DataFolder) -> int:
    """The file system of the data; a folder that is closed to the server's account has a name
    that only its own processes understand."""
    if data.folder.startswith("/proc/"):
        return Path(f"/proc/{data.process}/cwd").stat().st_dev
    return Path(data.folder).stat().st_dev


def _existing(folder: Path) -> Path:
    return next(one for one in (folder, *folder.parents) if one.exists())


def _sealing(settings: Settings, repository: Repository | Unlooked) -> Sealing:
    return Sealing(is_on=seals(settings), exposed=_exposed(settings, repository))


def _exposed(settings: Settings, repository: Repository | Unlooked) -> str:
    """The secret that others can get at; empty where none is known."""
    if settings.backup_key_file and not isinstance(repository, Unlooked):
        folder = repository.folder("backups")
        key = Path(settings.backup_key_file).expanduser().absolute()
        if folder is not None and key.is_relative_to(folder.parent):
            return "backup_key_file"
    said = {option.name: option.source for option in describe(settings)}
    for name in _SECRETS:
        if getattr(settings, name) and said[name] == ".env" and _is_shared(ENV_FILE):
            return name
    return ""


def _is_shared(path: Path) -> bool:
    """Whether git keeps the file, or would: it lies in a work tree and is not ignored."""
    folder = path.absolute().parent
    if not any((above / ".git").exists() for above in (folder, *folder.parents)):
        return False
    git = shutil.which("git")
    if git is None:
        return True
    command = [git, "-C", str(folder), "check-ignore", "--quiet", path.name]
    return subprocess.run(command, check=False, capture_output=True).returncode != 0
