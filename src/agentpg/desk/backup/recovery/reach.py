"""Up to which moment each backup can be recovered, for a list of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from agentpg.desk.backup.model import Backup
from agentpg.desk.backup.pgbackrest.backups import last_without_gap
from agentpg.desk.backup.recovery.targets import Copy, restorable_ranges
from agentpg.desk.backup.recovery.wal import WalArchive, read_archive
from agentpg.desk.backup.storage.repository import Repository
from agentpg.errors import BackupError, RepositoryError


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """From the backup's own moment to the last write before anything is missing.

    `missing` is the first file of WAL of each gap after it.
    """

    from_at: datetime
    to_at: datetime
    missing: tuple[str, ...] = ()


def reaches(repository: Repository, backups: Iterable[Backup]) -> dict[str, Reach]:
    """By name, those of which it is known; a dump has its own moment alone, and is none of them.

    Each cluster's archive is looked at once.
    """
    archives: dict[str, WalArchive] = {}
    found: dict[str, Reach] = {}
    for backup in backups:
        if backup.kind == "base":
            found[backup.name] = _of_base(repository, backup, archives)
        elif backup.kind == "pgbackrest":
            known = _of_pgbackrest(repository, backup)
            if known is not None:
                found[backup.name] = known
    return found


def _of_base(repository: Repository, backup: Backup, archives: dict[str, WalArchive]) -> Reach:
    system = backup.source.system_identifier
    if system not in archives:
        archives[system] = read_archive(repository, system, Copy.of(backup).segment_bytes)
    ranges = restorable_ranges(backup, archives[system])
    return Reach(
        from_at=backup.taken_at,
        to_at=max(backup.taken_at, *(one.to_at for one in ranges)),
        missing=tuple(dict.fromkeys(gap.first for one in ranges for gap in one.gaps)),
    )


def _of_pgbackrest(repository: Repository, backup: Backup) -> Reach | None:
    """None where pgBackRest, or its repository, is not to be reached from here."""
    try:
        to_at, missing = last_without_gap(repository, backup)
    except RepositoryError:
        raise
    except BackupError:
        return None
    return Reach(
        from_at=backup.taken_at,
        to_at=max(backup.taken_at, to_at or backup.taken_at),
        missing=missing,
    )
