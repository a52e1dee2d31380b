"""What is known of an installation's disks: looked at here, judged in `findings.py`.

What could not be looked at is Unlooked, with the reason: nobody takes it for good news.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from agentpg.desk.check import Unlooked


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """One file system, and which of the places that matter lie on it.

    `free_bytes` is what the server's account may take: blocks that are kept for root are not
    in it. `inodes` is 0 where the file system has no such limit.
    """

    device: int
    mount: str
    places: tuple[str, ...]
    size_bytes: int
    free_bytes: int
    inodes: int
    free_inodes: int

    @property
    def used_bytes(self) -> int:
        """What is taken."""
        return self.size_bytes - self.free_bytes

    @property
    def used(self) -> float:
        """The share that is taken, 0 to 1, as `df` has it."""
        return self.used_bytes / self.size_bytes if self.size_bytes else 0.0

    @property
    def inodes_used(self) -> float:
        """The share of the inodes that is taken."""
        return 1 - self.free_inodes / self.inodes if self.inodes else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A folder that grows: `role` is data, wal, logs, temporary, backups, home or tablespace."""

    role: str
    folder: Path
    device: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What the server says of itself; None is hidden from the role.

    `max_slot_wal_bytes` None: slots have no limit. Rotation of logs is 0 where it is off.
    `sees_all` if the role sees what other roles' sessions do.
    """

    role: str
    database: str
    database_oid: int
    server_version: int
    in_recovery: bool
    data_folder: str | None
    log_folder: str | None
    collects_logs: bool
    log_filename: str | None
    log_rotation_minutes: int
    log_rotation_kilobytes: int
    segment_bytes: int
    max_wal_bytes: int
    wal_keep_bytes: int
    max_slot_wal_bytes: int | None
    has_pgstattuple: bool
    sees_all: bool
    started_at: datetime
    asked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Wal:
    """What lies in pg_wal. `waiting` are its files that are to be archived still."""

    files: int
    size_bytes: int
    waiting: int | Unlooked


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A replication slot. `retained_bytes` is the WAL that is kept for it; None is unknown.

    `inactive_since` is known from PostgreSQL 17 on. `horizon_age` counts the transactions whose
    dead rows it keeps; 0 for none.
    """

    name: str
    kind: str
    active: bool | None
    process: int | None
    wal_status: str | None
    retained_bytes: int | None
    inactive_since: datetime | None
    horizon_age: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Archiver:
    """Whether WAL is archived; `failing` if the last try failed."""

    is_on: bool
    command: str | None
    failing: bool
    last_failed: str | None
    failed_at: datetime | None
    last_archived_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spill:
    """The temporary files of one process of the server, and what it runs.

    `agent` and `task` are said where the session belongs to a task.
    """

    process: int
    size_bytes: int
    files: int
    started_at: datetime | None = None
    role: str = ""
    application: str = ""
    query: str = ""
    agent: str = ""
    task: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFile:
    """One of the server's log files; `owner` is the number of its account, where that is seen."""

    name: str
    size_bytes: int
    written_at: datetime
    owner: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """The server's logs. `removable` are the server's own, older than they are kept, and not the
    current one. In a `shared` folder others may log too, and none is."""

    folder: str
    files: tuple[LogFile, ...]
    removable: tuple[LogFile, ...] = ()
    shared: bool = False

    @property
    def size_bytes(self) -> int:
        """What they take."""
        return sum(file.size_bytes for file in self.files)

    @property
    def removable_bytes(self) -> int:
        """What the old ones take."""
        return sum(file.size_bytes for file in self.removable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The backups in a folder of this machine, and what the policy would remove of them.

    `of_all`: which are this database's was not to be found out, and none is going.
    """

    folder: str
    backups: int
    size_bytes: int
    going: tuple[str, ...]
    going_bytes: int
    proved: str = ""
    of_all: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFile:
    """A file that was deleted and takes room for as long as a process holds it."""

    process: int
    program: str
    path: str
    size_bytes: int
    device: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFiles:
    """The deleted files that are held; `hidden` processes could not be looked into."""

    files: tuple[OpenFile, ...]
    hidden: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherFile:
    """A large file that is not the database's; `left` if its name is that of a dump, a log or a
    core file."""

    path: str
    size_bytes: int
    device: int
    left: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherFiles:
    """The large ones, what was left first; `whole` if all of the file system was looked at."""

    files: tuple[OtherFile, ...]
    whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphans:
    """Files of the database that its catalogue does not know, from before the last start."""

    files: tuple[str, ...]
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A large table.

    `size_bytes` is `heap_bytes`, where its rows lie, and what TOAST keeps. `free_share` of the
    heap is free or dead, measured by pgstattuple; None where it was not. `dead_measured` of the
    heap are dead rows, some of which a transaction may still see. `dead_rows` and `live_rows` are
    the statistics' and not more than that. Folders are those of tablespaces, empty for the data
    folder: of the rows, of the indexes with their bytes, and of sort files.
    """

    name: str
    size_bytes: int
    heap_bytes: int
    index_bytes: int
    live_rows: int
    dead_rows: int
    vacuumed_at: datetime | None
    fill_factor: int = 100
    folder: str = ""
    indexes_in: Mapping[str, int] = field(default_factory=dict)
    sort_folder: str = ""
    free_share: float | None = None
    dead_measured: float = 0.0

    @property
    def dead_share(self) -> float:
        """The share of rows that are dead, by the statistics."""
        rows = self.live_rows + self.dead_rows
        return self.dead_rows / rows if rows else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """What keeps dead rows from being removed: a session or a prepared transaction."""

    kind: str
    name: str
    since: datetime | None
    horizon_age: int
    process: int | None = None
    application: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """How much of a file system was taken at a moment."""

    at: datetime
    mount: str
    used_bytes: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballast:
    """A file that takes room on a good day, to give it back on a bad one."""

    path: Path
    size_bytes: int
    made_at: datetime
    device: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that was looked at, at one moment by this machine's clock.

    `data` is the server's data folder, where that is on this machine, and `system` the identifier
    of its cluster, empty where that is not known. `unseen` are places that
    could not be looked at, by role, with the reason. `others` are looked for where a file system
    is nearly full, and `files_in` counts the files of each place where inodes are few.
    `databases` are names and sizes; a size is None where the role may not know it. Facts that
    need the server are Unlooked while it does not run.
    """

    now: datetime
    data: Path | Unlooked
    places: tuple[Place, ...]
    unseen: Mapping[str, str]
    volumes: tuple[Volume, ...]
    server: Server | Unlooked
    databases: tuple[tuple[str, int | None], ...] | Unlooked
    tables: tuple[Table, ...] | Unlooked
    wal: Wal | Unlooked
    slots: tuple[Slot, ...] | Unlooked
    archiver: Archiver | Unlooked
    spills: tuple[Spill, ...] | Unlooked
    logs: Logs | Unlooked
    kept: Kept | Unlooked | None
    open_files: OpenFiles | Unlooked
    orphans: Orphans | Unlooked
    holders: tuple[Holder, ...] | Unlooked
    samples: tuple[Sample, ...]
    ballasts: tuple[Ballast, ...]
    others: OtherFiles | Unlooked = OtherFiles(files=())
    files_in: Mapping[str, int] = field(default_factory=dict)
    system: str = ""

    @property
    def role(self) -> str:
        """The role that asked, as SQL takes it."""
        return "ROLE" if isinstance(self.server, Unlooked) else self.server.role

    def volume(self, role: str) -> Volume | None:
        """The file system on which a place lies; None where that is not known."""
        found = [place for place in self.places if place.role == role]
        return self.on_device(found[0].device) if found else None

    def on_device(self, device: int) -> Volume | None:
        """The file system of this number."""
        return next((one for one in self.volumes if one.device == device), None)


def age_of(moment: datetime | None, now: datetime) -> timedelta:
    """How long ago a moment was; nothing for one that is not known."""
    return timedelta() if moment is None else max(now - moment, timedelta())
