"""Where the WAL of a backup lies: in our archive, or in pgBackRest's own."""

from __future__ import annotations

from agentpg.desk.backup.model import Backup
from agentpg.desk.backup.pgbackrest.stanza import read_kept_archive
from agentpg.desk.backup.recovery.targets import Copy
from agentpg.desk.backup.recovery.wal import WalArchive, read_archive
from agentpg.desk.backup.storage.repository import Repository
from agentpg.errors import PgbackrestMissing, PgbackrestOutOfReach


def archive_of(repository: Repository, backup: Backup) -> WalArchive:
    """The archive from which a backup is recovered further."""
    read = read_kept_archive if backup.kind == "pgbackrest" else read_archive
    return read(repository, backup.source.system_identifier, Copy.of(backup).segment_bytes)


def known_archive_of(repository: Repository, backup: Backup) -> WalArchive | None:
    """The same; None where pgBackRest, or its repository, is not to be reached from here."""
    try:
        return archive_of(repository, backup)
    except (PgbackrestMissing, PgbackrestOutOfReach):
        return None
