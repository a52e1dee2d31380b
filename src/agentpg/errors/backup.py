"""What can go wrong with backups and with the place where they lie."""

from __future__ import annotations

from agentpg.errors.base import AgentpgError
from agentpg.errors.refused import PermissionDenied, Refused
from agentpg.errors.unavailable import DatabaseUnavailable
from agentpg.errors.usage import UsageError
from agentpg.language import N_


class BackupError(AgentpgError):
    """A backup that could not be made, read, proved or restored."""


class RepositoryError(BackupError):
    """The place where backups lie does not do what it should."""


class RepositoryUnavailable(RepositoryError):
    """It can't be reached, or says no."""

    sentence = N_("the backup repository {place} is not available: {reason}")
    hint = N_("Look at AGENTPG_BACKUP_REPOSITORY and at the rights to it. No backup was changed.")
    exit_code = DatabaseUnavailable.exit_code


class RepositoryFull(RepositoryError):
    """It has no room left."""

    sentence = N_("the backup repository {place} is full: {reason}")
    hint = N_("Make room, or let `agentpg backup prune` show what old backups take.")


class RepositoryTooSmall(RepositoryFull):
    """It has not as much room as a backup takes, by what the last one took."""

    sentence = N_(
        "the backup repository {place} has {free} left, and this backup takes about {needed}"
    )


class ObjectMissing(RepositoryError):
    """Something is not there that should be."""

    sentence = N_("the backup repository {place} has no {key}")
    hint = N_("`agentpg backup verify` says what a backup lacks.")


class BackupNotFound(BackupError):
    """There is no backup of this name."""

    sentence = N_("there is no backup {name} in {place}")
    hint = N_("`agentpg backup list` shows the backups.")


class NoBackups(BackupNotFound):
    """There is no backup at all."""

    sentence = N_("there is no backup in {place}")
    hint = N_("`agentpg backup create` makes one.")


class NoBaseBackups(NoBackups):
    """There is none that could be recovered to a moment."""

    sentence = N_("{place} has no backup of the whole cluster, of kind base or pgbackrest")
    hint = N_("`agentpg backup create --kind base` makes one; `backup restore` restores a dump.")


class SourceUnclear(BackupError):
    """There are backups of other databases, and none of the one that is concerned."""

    sentence = N_("{place} has backups of other databases: {sources}")
    hint = N_("`agentpg backup list` shows the backups; name the one that you mean.")
    exit_code = 4


class RecordDamaged(BackupError):
    """What the repository says of a backup can't be read."""

    sentence = N_("the record of the backup {name} cannot be read: {reason}")
    hint = N_("Take another backup; its files may be whole, but nothing says so.")


class RecordTooNew(RecordDamaged):
    """A newer release wrote it."""

    sentence = N_("the record of the backup {name} has the format {format} of a newer release")
    hint = N_("Use a newer agentpg.")


class ProgramsMissing(BackupError):
    """There are no programs of PostgreSQL that fit the server."""

    sentence = N_(
        "no programs of PostgreSQL {major} or newer were found ({programs}); there is: {found}"
    )
    hint = N_(
        "Install them, for example with `apt-get install postgresql-client-{major}`, or set "
        "AGENTPG_PG_BIN to their folder."
    )


class ToolFailed(BackupError):
    """One of PostgreSQL's programs failed; `code` is its exit code, `said` its last lines."""

    sentence = N_("{program} failed: {reason}")
    hint = N_("Mend what it says and try again. Of a backup that was being made nothing was kept.")


class TablesInUse(BackupError):
    """Others held tables for themselves, or changed them, in both tries of a backup."""

    sentence = N_("tables were in use by others who need them for themselves: {reason}")
    hint = N_(
        "Nothing of this backup was kept. Wait for the end of that work, or give --lock-wait a "
        "longer time."
    )


class TablesNotReadable(PermissionDenied):
    """A backup would lack tables or sequences that the role may not read."""

    sentence = N_("the database role may not read {names}")
    hint = N_("Set AGENTPG_DSN_BACKUP to a role that may, such as one in pg_read_all_data.")


class PoolerInBetween(Refused):
    """A backup needs a session of its own, and a pooler in between gives none."""

    sentence = N_("there is a pooler before the database at {target}, and it keeps no session")
    hint = N_("Set AGENTPG_DSN_BACKUP to the address of the server itself.")


class CompressionUnknown(UsageError):
    """A compression that the programs can't make."""

    sentence = N_("backups cannot be compressed by {method}: {reason}")
    hint = N_("Use gzip with a level from 1 to 9, as in gzip:6, or none.")


class CompressionNotBuilt(CompressionUnknown):
    """A compression that this pg_dump was not built with."""

    sentence = N_("pg_dump {version} cannot compress by {method}: it was not built with that")


class BackupDamaged(BackupError):
    """Files of a backup are not what was written."""

    sentence = N_("the backup {name} is damaged: {reason}")
    hint = N_("Nothing was changed. `agentpg backup list` shows the others.")


class FilesGone(BackupError):
    """Files of a backup went, or changed, while it was made."""

    sentence = N_("{number} files of the backup {name} went or changed meanwhile, as {first}")
    hint = N_(
        "Nothing of it was kept. Look who else writes there: two machines with copies of one "
        "database need a repository each."
    )


class BackupNotWhole(BackupError):
    """A plain backup without pg_dump's closing line."""

    sentence = N_("the file {file} of the backup {name} lacks pg_dump's closing line")
    hint = N_("Nothing of it was kept. Try again, and look at the server's log and the disk.")
