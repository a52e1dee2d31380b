"""Up to which moment each backup can be recovered, for a list of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from agentpg.desk.backup.model import OF_CLUSTERS, Backup
from agentpg.desk.backup.recovery.kept import known_archive_of
from agentpg.desk.backup.recovery.targets import restorable_ranges
from agentpg.desk.backup.recovery.wal import WalArchive
from agentpg.desk.backup.storage.repository import Repository


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
    archives: dict[tuple[str, str], WalArchive | None] = {}
    found: dict[str, Reach] = {}
    for backup in backups:
        if backup.kind not in OF_CLUSTERS:
            continue
        cluster = (backup.kind, backup.source.system_identifier)
        if cluster not in archives:
            archives[cluster] = known_archive_of(repository, backup)
        archive = archives[cluster]
        if archive is not None:
            found[backup.name] = _reach(backup, archive)
    return found


def _reach(backup: Backup, archive: WalArchive) -> Reach:
    ranges = restorable_ranges(backup, archive)
    return Reach(
        from_at=backup.taken_at,
        to_at=max(backup.taken_at, *(one.to_at for one in ranges)),
        missing=tuple(dict.fromkeys(gap.first for one in ranges for gap in one.gaps)),
    )
