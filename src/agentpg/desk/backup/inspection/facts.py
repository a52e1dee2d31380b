"""What is known of an installation's backups: looked at here, judged in `findings.py`.

What could not be looked at is Unlooked, with the reason: nobody takes it for good news.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from agentpg.desk.backup.model import OF_CLUSTERS, Backup, Drill
from agentpg.desk.check import Unlooked


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A backup with its last drill that found something out, and the last one that it passed.

    `amiss` are its files that are missing or of another size than when they were written.
    """

    backup: Backup
    last: Drill | None
    passed: Drill | None
    amiss: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether nothing speaks against it."""
        failed = self.last is not None and self.last.outcome == "failed"
        return not failed and not self.amiss


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """The backups of one database, the newest last; `damaged` are names of unreadable records."""

    known: tuple[Known, ...]
    damaged: tuple[str, ...] = ()

    @property
    def last_passed(self) -> tuple[Known, Drill] | None:
        """The newest drill that was passed, and its backup."""
        passed = [(one, one.passed) for one in self.known if one.passed is not None]
        return max(passed, key=lambda pair: pair[1].ended_at, default=None)

    @property
    def has_physical(self) -> bool:
        """Whether one of them can be recovered to a later moment by WAL."""
        return any(one.backup.kind in OF_CLUSTERS for one in self.known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The database and its server's pages; `role` as SQL takes it."""

    database: str
    role: str
    server_version: int
    checksums: bool
    page_failures: int
    size_bytes: int
    in_recovery: bool
    asked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Archiver:
    """How the server archives its WAL; moments are by its clock.

    `written_bytes` is the position to which it has written.
    """

    mode: str
    command: str
    library: str
    timeout_seconds: float
    segment_bytes: int
    last_archived: str | None
    last_archived_at: datetime | None
    last_failed: str | None
    last_failed_at: datetime | None
    failed: int
    counted_since: datetime | None
    written_bytes: int
    started_at: datetime
    asked_at: datetime

    @property
    def is_on(self) -> bool:
        """Whether it archives at all."""
        return self.mode in ("on", "always")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wal:
    """The archived WAL: how many files there are, and the first of each gap between them.

    `last_open` is the last file, where that is not sealed by us; empty otherwise.
    """

    segments: int
    missing: tuple[str, ...]
    last_open: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the backups lie. `free_bytes` None: without a limit that one could know.

    `same_disk` says whether the server's data is on the same file system; None: elsewhere.
    """

    free_bytes: int | None
    same_disk: bool | Unlooked | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealing:
    """How new backups are sealed: `is_on` if they are. `exposed` is a secret where others get."""

    is_on: bool
    exposed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftDatabase:
    """A database that a restore was filling which has ended; `size_bytes` None: not to be seen."""

    name: str
    size_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that was looked at, at one moment by this machine's clock."""

    now: datetime
    place_name: str
    catalogue: Catalogue | Unlooked
    server: Server | Unlooked
    archiver: Archiver | Unlooked
    waiting: int | Unlooked
    wal: Wal | Unlooked
    place: Place | Unlooked
    sealing: Sealing | Unlooked
    left: tuple[LeftDatabase, ...] | Unlooked

    @property
    def role(self) -> str:
        """The role that asked, as SQL takes it."""
        return "ROLE" if isinstance(self.server, Unlooked) else self.server.role

    @property
    def wants_wal(self) -> bool:
        """Whether somebody relies on recovery to any moment: who has backups for it."""
        return isinstance(self.catalogue, Catalogue) and self.catalogue.has_physical
