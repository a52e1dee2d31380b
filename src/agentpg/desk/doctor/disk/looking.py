"""Looking at the disks: at the file systems, the folders, the server, the backups.

It works without the server where its data folder is on this machine, and without the folder
where the server answers. What can't be looked at is said so.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from agentpg.db import Database, connect, secured
from agentpg.desk.backup.creating import source_of
from agentpg.desk.backup.model import Source
from agentpg.desk.backup.pruning import PROVED, plan_pruning, retention_of
from agentpg.desk.backup.storage.opening import open_repository
from agentpg.desk.check import Unlooked, looked
from agentpg.desk.doctor.disk import folders
from agentpg.desk.doctor.disk.asking import Asking
from agentpg.desk.doctor.disk.ballast import read_ballasts
from agentpg.desk.doctor.disk.data_folder import (
    Cluster,
    folder_of_process,
    system_of,
    why_not,
    why_not_of,
)
from agentpg.desk.doctor.disk.facts import (
    Ballast,
    Facts,
    Kept,
    Logs,
    Orphans,
    OtherFiles,
    Place,
    Server,
    Slot,
    Spill,
    Volume,
    Wal,
)
from agentpg.desk.doctor.disk.held import deleted_files
from agentpg.desk.doctor.disk.others import large_files
from agentpg.desk.doctor.disk.policy import Policy
from agentpg.desk.doctor.disk.samples import keep_samples, read_samples
from agentpg.desk.doctor.disk.volumes import volumes_of
from agentpg.embedded import EmbeddedServer, ServerStatus
from agentpg.embedded.folder import Folder
from agentpg.language import N_
from agentpg.settings import Settings

T = TypeVar("T")

NO_DATABASE = Unlooked(N_("no database is configured"))
_ELSEWHERE = Unlooked(N_("the server's files are on another machine, or hidden from this account"))


@dataclass(frozen=True, slots=True)
class _Folders:
    """The server's folders on this machine; `logs` None where they are not known."""

    data: Path
    logs: Path | None


def as_monitor(database: Database, settings: Settings) -> Database:
    """The same database as the role that may see most: by the setting `dsn_monitor`, or else as
    the one that may act."""
    if settings.dsn_monitor:
        return database.by_way_of(secured(settings.dsn_monitor, settings))
    return as_administrator(database, settings)


def as_administrator(database: Database, settings: Settings) -> Database:
    """The same as the superuser, where the server is the private one, which is this account's
    own; else as it is."""
    server = EmbeddedServer(settings.home.expanduser().absolute(), settings.pg_bin)
    if not is_private(database, server) or not server.status().running:
        return database
    return database.by_way_of(server.dsn("postgres", database.name()))


def is_private(database: Database, server: EmbeddedServer) -> bool:
    """Whether the database is that of this private server; nobody is asked."""
    if not database.is_local():
        return False
    status = looked(lambda: server.status() if server.exists() else None)
    return isinstance(status, ServerStatus) and status.port == database.address()[1]


def as_backed_up(database: Database, settings: Settings) -> Database:
    """The same database as the role that makes backups, by the setting `dsn_backup`."""
    return database.by_way_of(secured(settings.dsn_backup, settings))


def look_at_disks(
    database: Database | None,
    settings: Settings,
    policy: Policy,
    backed_up: Database | None = None,
) -> Facts:
    """Look at everything; `backed_up` is the database as the role that makes backups, by default
    as the settings say. Raises nothing for what can't be looked at."""
    if database is None:
        return _Look(settings, policy, None, None, NO_DATABASE).facts()
    backed_up = backed_up or as_backed_up(database, settings)
    connection = looked(lambda: connect(database, "agentpg doctor"))
    if isinstance(connection, Unlooked):
        return _Look(settings, policy, database, backed_up, connection).facts()
    with connection:
        asking = Asking(database, connection)
        return _Look(settings, policy, database, backed_up, asking).facts()


class _Look:
    """One look, with the server or, where `asking` says why, without."""

    def __init__(
        self,
        settings: Settings,
        policy: Policy,
        database: Database | None,
        backed_up: Database | None,
        asking: Asking | Unlooked,
    ) -> None:
        self._settings = settings
        self._policy = policy
        self._database = database
        self._backed_up = backed_up
        self._asking = asking
        self._now = datetime.now(UTC)
        self._home = settings.home.expanduser().absolute()
        self._server: Server | Unlooked = self._ask(lambda asking: asking.server())
        self._cluster: Cluster | Unlooked = self._ask(lambda asking: asking.cluster())
        self._folders = self._find_folders()

    def facts(self) -> Facts:
        """All of it."""
        places, unseen = self._places()
        volumes = volumes_of(places)
        samples = keep_samples(self._home, read_samples(self._home), volumes, self._now)
        return Facts(
            now=self._now,
            data=self._folders if isinstance(self._folders, Unlooked) else self._folders.data,
            places=places,
            unseen=unseen,
            volumes=volumes,
            server=self._server,
            databases=self._ask(lambda asking: asking.databases()),
            tables=self._ask(lambda asking: asking.tables(self._server, self._policy)),
            wal=self._wal(),
            slots=self._slots(),
            archiver=self._ask(lambda asking: asking.archiver()),
            spills=self._spills(),
            logs=self._logs(),
            kept=self._kept(),
            open_files=looked(lambda: deleted_files({one.device for one in volumes})),
            orphans=self._orphans(),
            holders=self._ask(lambda asking: asking.holders()),
            samples=samples,
            ballasts=self._ballasts(),
            others=looked(lambda: self._others(places, volumes)),
            files_in=self._files_in(places, volumes),
            system=self._system(),
        )

    def _ask(self, question: Callable[[Asking], T | Unlooked]) -> T | Unlooked:
        asking = self._asking
        return asking if isinstance(asking, Unlooked) else question(asking)

    def _find_folders(self) -> _Folders | Unlooked:
        """Where the server's files are: as is set, as it works, or the private server's.

        One that is set and is not the server's is said so, and no other is taken for it.
        """
        own = Folder(self._home)
        if self._settings.data_folder:
            data = Path(self._settings.data_folder).expanduser().absolute()
            return self._doubt(data) or _Folders(data, self._log_folder(data, own))
        found = self._data_of_backend()
        if found is None and self._is_private():
            found = own.data
        if found is None or self._doubt(found) is not None:
            return _ELSEWHERE
        return _Folders(found, self._log_folder(found, own))

    def _doubt(self, data: Path) -> Unlooked | None:
        """Why this is not to be taken for the server's folder."""
        if isinstance(self._asking, Unlooked):
            return why_not(data)
        if isinstance(self._cluster, Unlooked):
            return self._cluster
        return why_not_of(data, self._cluster)

    def _system(self) -> str:
        """Of which cluster this tells; empty where that is not known."""
        if isinstance(self._cluster, Cluster):
            return self._cluster.system
        if isinstance(self._asking, Asking):
            return ""
        said = self._in_folder(system_of)
        return "" if isinstance(said, Unlooked) else said

    def _ballasts(self) -> tuple[Ballast, ...]:
        folders = self._folders
        data = None if isinstance(folders, Unlooked) else folders.data
        return read_ballasts(self._home, data)

    def _data_of_backend(self) -> Path | None:
        if self._database is None or not self._database.is_local():
            return None
        number = self._ask(lambda asking: asking.backend())
        if isinstance(number, Unlooked):
            return None
        found = folder_of_process(number)
        if found is not None:
            return found
        # Another account's process; the server may say where it works.
        said = None if isinstance(self._server, Unlooked) else self._server.data_folder
        return Path(said) if said and looked(Path(said).is_dir) is True else None

    def _is_private(self) -> bool:
        server = EmbeddedServer(self._home, self._settings.pg_bin)
        if self._database is None:
            return looked(server.exists) is True
        return is_private(self._database, server)

    def _log_folder(self, data: Path, own: Folder) -> Path | None:
        said = None if isinstance(self._server, Unlooked) else self._server.log_folder
        if said:
            return Path(os.path.normpath(data / said))
        if os.path.realpath(data) == os.path.realpath(own.data):
            return own.logs
        usual = data / "log"
        return usual if looked(usual.is_dir) is True else None

    def _places(self) -> tuple[tuple[Place, ...], Mapping[str, str]]:
        wanted: list[tuple[str, Path]] = []
        unseen: dict[str, str] = {}
        if isinstance(self._folders, Unlooked):
            unseen["data"] = self._folders.reason
        else:
            wanted += folders.places_of(self._folders.data, self._folders.logs)
        repository = looked(lambda: open_repository(self._settings).folder("backups"))
        if isinstance(repository, Path):
            wanted.append(("backups", repository.parent))
        wanted.append(("home", self._home))
        places = []
        for role, folder in wanted:
            place = folders.look_at(role, folder)
            if isinstance(place, Unlooked):
                unseen[role] = place.reason
            else:
                places.append(place)
        return tuple(places), unseen

    def _wal(self) -> Wal | Unlooked:
        found = self._in_folder(lambda data: folders.read_wal(data / "pg_wal"))
        return found if isinstance(found, Wal) else self._ask(lambda asking: asking.wal())

    def _slots(self) -> tuple[Slot, ...] | Unlooked:
        if isinstance(self._asking, Asking):
            return self._asking.slots()
        return self._in_folder(folders.read_slots)

    def _spills(self) -> tuple[Spill, ...] | Unlooked:
        spaces = self._tablespaces()
        found = self._in_folder(lambda data: folders.read_spills(data, spaces))
        if isinstance(self._asking, Unlooked):
            return found
        if isinstance(found, Unlooked):
            found = self._asking.spills()
        return found if isinstance(found, Unlooked) else self._asking.told(found)

    def _tablespaces(self) -> list[Path]:
        if isinstance(self._folders, Unlooked):
            return []
        places = folders.places_of(self._folders.data, None)
        return [folder for role, folder in places if role == "tablespace"]

    def _logs(self) -> Logs | Unlooked:
        kept = self._policy.logs_kept
        found: Logs | Unlooked | None = self._in_folder(self._logs_in)
        if isinstance(found, Logs):
            return found
        if not isinstance(self._server, Unlooked) and not self._server.collects_logs:
            # It says them to whoever started it.
            return Logs(folder="", files=())
        return self._ask(lambda asking: asking.logs(kept, self._now))

    def _logs_in(self, data: Path) -> Logs | None:
        if isinstance(self._folders, Unlooked) or self._folders.logs is None:
            return None
        named = None if isinstance(self._server, Unlooked) else self._server.log_filename
        return folders.read_logs(
            self._folders.logs, data, self._home, named, self._policy.logs_kept, self._now
        )

    def _orphans(self) -> Orphans | Unlooked:
        server = self._server
        if isinstance(server, Unlooked):
            return server
        known = self._ask(lambda asking: asking.file_numbers())
        if isinstance(known, Unlooked):
            return known
        return self._in_folder(
            lambda data: folders.read_orphans(data, server.database_oid, known, server.started_at)
        )

    def _kept(self) -> Kept | Unlooked | None:
        """The backups, where they lie in a folder; of all databases where it is not known for
        certain which are this one's."""
        database = self._backed_up if isinstance(self._asking, Asking) else None

        def look() -> Kept | None:
            source = None if database is None else looked(lambda: source_of(database))
            if isinstance(source, Source) and source.system_identifier == self._system():
                return look_at_backups(self._settings, source)
            return look_at_backups(self._settings, None)

        return looked(look)

    def _in_folder(self, look: Callable[[Path], T]) -> T | Unlooked:
        if isinstance(self._folders, Unlooked):
            return self._folders
        data = self._folders.data
        return looked(lambda: look(data))

    def _others(self, places: tuple[Place, ...], volumes: tuple[Volume, ...]) -> OtherFiles:
        """Looked for where the disk is nearly full only: that takes its time."""
        # What has a finding of its own is not named twice.
        ours = {place.folder for place in places if place.role != "home"}
        ours |= {one.path for one in self._ballasts()}
        ours |= {Path(os.path.realpath(folder)) for folder in ours}
        found = [
            large_files(Path(one.mount), one.device, ours)
            for one in volumes
            if one.used > self._policy.full_warning
        ]
        files = [file for some in found for file in some.files]
        return OtherFiles(files=tuple(files), whole=all(some.whole for some in found))

    def _files_in(
        self, places: tuple[Place, ...], volumes: tuple[Volume, ...]
    ) -> Mapping[str, int]:
        """The files of each place, counted only where inodes are few: that takes its time."""
        few = {one.device for one in volumes if one.inodes_used > self._policy.full_warning}
        return folders.count_files([place for place in places if place.device in few])


def look_at_backups(settings: Settings, source: Source | None) -> Kept | None:
    """What the backups in a folder take, and what the policy would remove; None: a bucket.

    Without a source of all databases; then nothing is said to go.

    Raises what the repository raises.
    """
    repository = open_repository(settings)
    folder = repository.folder("backups")
    if folder is None:
        return None
    plan = plan_pruning(repository, retention_of(settings), source)
    proved = [fate.backup.name for fate in plan.fates if PROVED in fate.reasons]
    return Kept(
        folder=str(folder.parent),
        backups=len(plan.fates),
        size_bytes=sum(fate.backup.size_bytes for fate in plan.fates)
        + sum(one.kept_bytes + one.going_bytes for one in plan.wal),
        going=() if source is None else tuple(backup.name for backup in plan.going),
        going_bytes=0
        if source is None
        else sum(backup.size_bytes for backup in plan.going)
        + sum(one.going_bytes for one in plan.wal),
        of_all=source is None,
        proved=proved[-1] if proved else "",
    )
